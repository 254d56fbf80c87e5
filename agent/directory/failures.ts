/**
 * What can go wrong with a domain controller. Two classes stay inside this room (they say what to try next);
 * `toAdjoinError` turns them into the codes that the rest of the agent knows.
 */
import { ResultCodeError } from 'ldapts';
import { AdjoinError, reasonOf, type ErrorCode } from '../errors.ts';

/** LDAP result codes (RFC 4511, appendix A) that mean something here. */
export const Result = {
  operationsError: 1,
  referral: 10,
  constraintViolation: 19,
  noSuchObject: 32,
  invalidDnSyntax: 34,
  invalidCredentials: 49,
  insufficientAccess: 50,
  busy: 51,
  unavailable: 52,
  alreadyExists: 68,
} as const;

/** The server understood the request and answered with something else than success. */
export class LdapResult extends Error {
  readonly result: number;
  readonly operation: string;
  /** The server's diagnostic text on one line, at most 300 characters. */
  readonly diagnostic: string;

  constructor(operation: string, result: number, diagnostic: string) {
    super(`${operation}: LDAP result ${result}${diagnostic ? ` (${diagnostic})` : ''}`);
    this.name = 'LdapResult';
    this.operation = operation;
    this.result = result;
    this.diagnostic = diagnostic;
  }
}

/**
 * This controller is no use for the moment; another one may be:
 * - `unreachable`: no connection came about.
 * - `untrusted`: its certificate does not verify, or nothing proves that it is a domain controller.
 * - `lost`: the connection broke or went silent; whether the last request was carried out is unknown.
 * - `declined`: it answered that another controller should do it (referral, busy, read-only, unable to check a password).
 */
type FailureKind = 'unreachable' | 'untrusted' | 'lost' | 'declined';

export class ControllerFailure extends Error {
  readonly kind: FailureKind;
  /** The LDAP result with which it declined, if that was how. */
  readonly result: number | undefined;
  /** What it calls the credential, if it declined for that, and no controller has said otherwise. */
  readonly refusal: ErrorCode | undefined;

  constructor(
    kind: FailureKind,
    controller: string,
    reason: string,
    { result, refusal }: { readonly result?: number; readonly refusal?: ErrorCode | undefined } = {},
  ) {
    super(`${controller}: ${reason}`);
    this.name = 'ControllerFailure';
    this.kind = kind;
    this.result = result;
    this.refusal = refusal;
  }
}

/** AD ends its texts with NUL, Samba with a line feed; ldapts appends the code once more. */
function oneLine(text: string): string {
  const printable = text.replace(/ Code: 0x[0-9a-f]+$/, '').replaceAll(/[\p{Cc}\s]+/gu, ' ');
  return printable.trim().slice(0, 300);
}

export function isResult(error: unknown, ...results: readonly number[]): error is LdapResult {
  return error instanceof LdapResult && results.includes(error.result);
}

export function isReferral(error: unknown): boolean {
  return error instanceof ControllerFailure && error.result === Result.referral;
}

const ELSEWHERE: readonly number[] = [Result.referral, Result.busy, Result.unavailable];

/** Translates what ldapts throws. Its errors hold the server's text only, never the request. */
export function fromLdapts(error: unknown, operation: string, controller: string): Error {
  if (error instanceof ControllerFailure) return error;
  if (error instanceof ResultCodeError) {
    const diagnostic = oneLine(error.message);
    const isTrouble =
      error.code === Result.invalidCredentials && CONTROLLER_TROUBLE.has(windowsError(diagnostic) ?? '');
    if (ELSEWHERE.includes(error.code) || isTrouble) {
      return new ControllerFailure(
        'declined',
        controller,
        `${operation}: LDAP result ${error.code} (${diagnostic})`,
        { result: error.code },
      );
    }
    // AD's answer on a connection that it does not take for bound (any more).
    if (error.code === Result.operationsError && /successful bind/i.test(diagnostic)) {
      return new ControllerFailure('lost', controller, `${operation}: ${diagnostic}`);
    }
    return new LdapResult(operation, error.code, diagnostic);
  }
  // A mistake of this program is no failure of the connection.
  if (error instanceof TypeError || error instanceof ReferenceError) return error;
  // Everything else is a bare Error: a broken socket, or an answer that can't be parsed.
  return new ControllerFailure('lost', controller, `${operation}: ${oneLine(reasonOf(error))}`);
}

/**
 * What a bind that was refused with result 49 says:
 * - `password`: the user name or the password is wrong. The controller counts it as a failed logon.
 * - `state`: the password is right, or not asked for, and the account can't be used as this controller knows it. Not counted.
 * - `restriction`: the account may not log on now, or not from here. Not counted, and ends without a new credential.
 * - `lock`: the account is locked out. Not counted, and ends by itself.
 */
type RefusalKind = 'password' | 'state' | 'restriction' | 'lock';

export interface BindRefusal {
  readonly kind: RefusalKind;
  /** What happened, to follow the controller's name. */
  readonly reason: string;
  readonly error: AdjoinError;
}

/**
 * Windows error numbers in the diagnostic text of result 49, as in `… AcceptSecurityContext error, data 52e, v4563`.
 * Samba writes the same. 525 no such user, 52e wrong password, 530 not at this time, 531 not from this computer,
 * 532 password expired, 533 disabled, 701 account expired, 773 must change its password, 775 locked out.
 */
const BIND_REFUSALS: Readonly<Record<string, readonly [RefusalKind, ErrorCode]>> = {
  '525': ['state', 'credential-refused'],
  '52e': ['password', 'credential-refused'],
  '530': ['restriction', 'credential-restricted'],
  '531': ['restriction', 'credential-restricted'],
  '532': ['state', 'credential-expired'],
  '533': ['state', 'credential-disabled'],
  '701': ['state', 'credential-disabled'],
  '773': ['state', 'credential-expired'],
  '775': ['lock', 'credential-locked'],
};

/**
 * Those that say that the controller could not check a password, and so nothing about the password. A read-only
 * controller asks a writable one, and gives the reason why it got no answer. 51f no logon servers, 547 no domain
 * information, 54b no such domain, 54f internal error, 6ba, 6bb, 6be and 6bf a remote call failed, 6fa to 6fe the
 * controllers do not trust each other (yet), 700 its logon service has not started, 774 no controller found (MS-ERREF 2.2).
 */
const CONTROLLER_TROUBLE: ReadonlySet<string> = new Set(
  '51f 547 54b 54f 6ba 6bb 6be 6bf 6fa 6fb 6fc 6fd 6fe 700 774'.split(' '),
);

function windowsError(diagnostic: string): string | undefined {
  return /\bdata ([0-9a-f]{3,4})\b/i.exec(diagnostic)?.[1]?.toLowerCase();
}

/** What a refused bind (result 49) means for the service account. */
export function bindRefusal(result: LdapResult, user: string, controller: string): BindRefusal {
  const data = windowsError(result.diagnostic);
  // Of an unknown one it is safe to think that it counts as a failed logon.
  const [kind, code] = BIND_REFUSALS[data ?? ''] ?? ['password', 'credential-refused'];
  const detail = data ? `LDAP 49, data ${data}` : `LDAP 49: ${result.diagnostic || 'no diagnostic text'}`;
  const reason = `refuses the service account ${user} (${detail})`;
  return { kind, reason, error: new AdjoinError(code, `${controller} ${reason}.`) };
}

/** No controller could do it: one error that names each controller's reason. */
export function noController(failures: readonly ControllerFailure[]): AdjoinError {
  // An untrusted certificate is a thing to mend, even when other controllers are only down.
  const untrusted = failures.some((failure) => failure.kind === 'untrusted');
  // Likewise a credential that the only ones to answer refuse.
  const refused = failures.find((failure) => failure.refusal !== undefined)?.refusal;
  const reasons = [...new Set(failures.map((failure) => failure.message))];
  return new AdjoinError(
    untrusted ? 'directory-untrusted' : (refused ?? 'directory-unavailable'),
    `No domain controller is usable: ${reasons.join('; ') || 'none was found'}.`,
  );
}

/** The boundary's last step: whatever comes out of an operation, as the agent knows it. */
export function toAdjoinError(error: unknown): unknown {
  if (error instanceof ControllerFailure) return noController([error]);
  if (!(error instanceof LdapResult)) return error;
  const code = error.result === Result.insufficientAccess ? 'directory-denied' : 'directory-refused';
  return new AdjoinError(code, `The directory refuses to ${error.message}.`);
}
