/**
 * The service account's credential: read from the secret, held in memory only, read again when a bind is refused.
 *
 * A version that the directory refused is never tried again, by no worker and after no restart: a loop would lock the
 * account out. So the refusal is remembered in the ledger's table before anybody can ask again.
 */
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { AdjoinError, errorCodes, type ErrorCode } from '../errors.ts';
import type { Redactor } from '../redact.ts';

export interface ServiceCredential {
  readonly versionId: string;
  readonly domain: string;
  readonly user: string;
  readonly password: string;
  readonly organizationalUnit: string;
}

export interface Refusal {
  readonly versionId: string;
  readonly code: ErrorCode;
  readonly message: string;
}

export interface SecretStore {
  /** The present value of the secret. */
  read(signal: AbortSignal): Promise<{ readonly versionId: string; readonly text: string }>;
}

export interface RefusalStore {
  read(): Promise<Refusal | undefined>;
  write(refusal: Refusal): Promise<void>;
}

export interface ServiceCredentialOptions {
  readonly secret: SecretStore;
  readonly refusals: RefusalStore;
  readonly redactor: Redactor;
  readonly clock: Clock;
  /** Milliseconds between looks at the secret while its present version is of no use. */
  readonly pollMs: number;
}

/** The key names are those of the AWS Security Blog's solution, so that its users can switch. */
const format = z.object({
  domain_name: z.string().regex(/^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/, 'is not the DNS name of a domain'),
  domain_user: z.string().min(1),
  domain_password: z.string().min(1),
  directory_ou: z
    .string()
    .regex(/^(OU|CN)=.+,DC=.+/i, 'is not the distinguished name of an organizational unit'),
});

function parse(versionId: string, text: string): ServiceCredential {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new AdjoinError('secret-invalid', 'The secret is not JSON.');
  }
  const result = format.safeParse(value);
  if (!result.success) {
    const problems = result.error.issues.map(
      (issue) => `${issue.path.join('.') || 'the value'}: ${issue.message}`,
    );
    throw new AdjoinError('secret-invalid', `The secret is not as it should be. ${problems.join('; ')}`);
  }
  return {
    versionId,
    domain: result.data.domain_name.toLowerCase(),
    user: result.data.domain_user,
    password: result.data.domain_password,
    organizationalUnit: result.data.directory_ou,
  };
}

export interface ServiceCredentialSource {
  /**
   * The credential to bind with. @throws AdjoinError `credential-…`, `secret-…` while there is none worth trying
   */
  current(signal: AbortSignal): Promise<ServiceCredential>;
  /** Remembers that the directory refused this version. */
  refused(versionId: string, error: AdjoinError): Promise<void>;
}

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code);
}

/** A refusal as stored may come from another release: an unknown code is a plain refusal. */
export function refusalOf(stored: { versionId: string; code: string; message: string }): Refusal {
  return { ...stored, code: isCode(stored.code) ? stored.code : 'credential-refused' };
}

export function createServiceCredential(options: ServiceCredentialOptions): ServiceCredentialSource {
  const { secret, refusals, redactor, clock, pollMs } = options;
  let held: ServiceCredential | undefined;
  let refusal: Refusal | undefined;
  let problem: { readonly error: AdjoinError; readonly at: number } | undefined;
  let reading: Promise<ServiceCredential> | undefined;

  function refuse(known: Refusal): AdjoinError {
    return new AdjoinError(
      known.code,
      `${known.message} The secret's version ${known.versionId} is not tried again.`,
    );
  }

  async function readAgain(): Promise<ServiceCredential> {
    try {
      const { versionId, text } = await secret.read(AbortSignal.timeout(60_000));
      const credential = parse(versionId, text);
      const stored = refusal?.versionId === versionId ? refusal : await refusals.read();
      if (stored?.versionId === versionId) {
        refusal = stored;
        throw refuse(stored);
      }
      if (held && held.password !== credential.password) redactor.forget(held.password);
      if (held?.password !== credential.password) redactor.hide(credential.password);
      held = credential;
      problem = undefined;
      return credential;
    } catch (error) {
      const known =
        error instanceof AdjoinError
          ? error
          : new AdjoinError('secret-unreadable', 'The secret was not read.');
      problem = { error: known, at: clock.now() };
      throw known;
    }
  }

  return {
    async current(signal) {
      signal.throwIfAborted();
      if (held && held.versionId !== refusal?.versionId) return held;
      if (problem && clock.now() - problem.at < pollMs) throw problem.error;
      reading ??= readAgain().finally(() => {
        reading = undefined;
      });
      return reading;
    },
    async refused(versionId, error) {
      refusal = { versionId, code: error.code, message: error.message };
      problem = undefined;
      await refusals.write(refusal);
    },
  };
}
