/**
 * Binds connections, one at a time, so that a wrong password costs this process one failed logon and not one per
 * connection: twenty failed logons lock the service account out for everybody. Workers that try a version at the same time,
 * before any of them was refused, cost one each.
 *
 *   untried ──bind answered 0──▶ proven ──condemned──▶ refused
 *      └─────condemned─────────▶ refused (for ever; a new version of the secret starts untried)
 *      └─────no answer─────────▶ untried, and not tried again for a while: the failed logon may have been counted
 *   untried, proven ──"locked out"──▶ the same, and not tried again for a while
 *   untried, proven ──doubted───────▶ the same, and not tried again on that controller for a while
 *
 * "Locked out" says nothing about the password: anyone who knows the account's name can lock it, and the lock ends by itself.
 *
 * Every other refusal may come from a controller that has not received a change yet. It condemns the version when a second
 * controller says the same. While no second one answers, the version is doubted: it is tried again, at a pace that locks
 * nobody out (`Opinions`). Where there is no second one, a wrong password is condemned at once, because each try is a failed
 * logon; the state of the account is asked for again after a while, because that is none. Logon hours and workstations
 * (530, 531) never condemn: the credential is right.
 *
 * The version *in use* is the last one with which a connection was bound and its organizational unit found. A newer version
 * that is untried or refused changes nothing for the connections that are open.
 */
import type { Clock } from '../clock.ts';
import { AdjoinError, reasonOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { CredentialSource } from './credential.ts';
import { domainName, isSameName, parseDistinguishedName } from './distinguished-name.ts';
import {
  bindRefusal,
  ControllerFailure,
  isResult,
  LdapResult,
  Result,
  type BindRefusal,
} from './failures.ts';
import { Opinions } from './opinions.ts';
import type { ServiceCredential } from '../terms.ts';

/**
 * After a bind without an answer, an untried version waits this long, and any version after "locked out" or after the only
 * controller said that the account can't be used. Windows' default lockout counts 10 failed logons in 10 minutes; this makes
 * at most 5.
 */
const PAUSE_MS = 120_000;

/** What is bound: a connection. */
interface Bindable {
  readonly name: string;
  readonly controller: string;
  /** Distinguished name of its domain. */
  readonly baseDn: string;
  bind(user: string, password: string, signal: AbortSignal): Promise<void>;
}

/** What is asked before and about a bind. */
export interface BindChecks {
  /**
   * Called, and waited for, before the password leaves: rejects unless the host has proven to be a domain controller of this
   * domain.
   */
  readonly prove: (domain: string) => Promise<void>;
  /** Whether the domain has other controllers than this one. Asked once that matters. */
  readonly others: () => Promise<boolean>;
}

/** What a bound connection needs to know of the credential; the password is not kept. */
export interface Binding {
  readonly versionId: string;
  /** Grows with each bind of this process: a later bind was made with a version at least as new. */
  readonly order: number;
  /** In lower case. */
  readonly domain: string;
  readonly user: string;
  readonly organizationalUnit: string;
}

/** Whether two versions differ in the password alone. */
export function isSamePlace(one: Binding, other: Binding): boolean {
  return (
    one.domain === other.domain &&
    one.user === other.user &&
    one.organizationalUnit === other.organizationalUnit
  );
}

/** The last refusal that ends by itself, or may. */
interface Pause {
  readonly versionId: string;
  readonly at: number;
  readonly error: AdjoinError;
}

function logonName({ user, domain }: ServiceCredential): string {
  return /[@\\]/.test(user) ? user : `${user}@${domain}`;
}

function checked(credential: ServiceCredential): ServiceCredential {
  const { domain, password, user } = credential;
  if (!/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(domain)) {
    throw new AdjoinError('secret-invalid', 'The domain in the secret is not a DNS name.');
  }
  // LDAP takes a bind without name or password for an anonymous one, and says that it succeeded.
  if (!user || !password)
    throw new AdjoinError('secret-invalid', 'The secret has no user name or no password.');
  return credential;
}

function isDomain(baseDn: string, domain: string): boolean {
  try {
    return isSameName(parseDistinguishedName(baseDn), domainName(domain));
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function isAnswer(error: unknown): boolean {
  return error instanceof LdapResult || (error instanceof ControllerFailure && error.kind === 'declined');
}

export class BindGate {
  readonly #credentials: CredentialSource;
  readonly #clock: Clock;
  readonly #log: Pick<Log, 'info' | 'warn'>;
  readonly #proven = new Set<string>();
  /** Also kept here, in case the refusal could not be stored. */
  readonly #refused = new Map<string, AdjoinError>();
  readonly #opinions = new Opinions();
  #pause: Pause | undefined;
  #inUse: Binding | undefined;
  #binds = 0;
  #unanswered: { readonly versionId: string; readonly at: number } | undefined;
  /** The last bind that was asked for. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(credentials: CredentialSource, clock: Clock, log: Pick<Log, 'info' | 'warn'>) {
    this.#credentials = credentials;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * The domain whose controllers to look for: the one that the secret names, or while that credential is of no use, the one
   * that open connections were bound in.
   * @throws AdjoinError `credential-*`, `secret-*`
   */
  async domain(signal: AbortSignal): Promise<string> {
    try {
      return (await this.#current(signal)).domain;
    } catch (error) {
      if (signal.aborted || !this.#inUse || !(error instanceof AdjoinError)) throw error;
      return this.#inUse.domain;
    }
  }

  /** What the version in use was bound with, once a connection has been bound. */
  get inUse(): Binding | undefined {
    return this.#inUse;
  }

  /** Says that a connection bound so can be worked with: its version is in use from now on, unless a later bind's is. */
  use(binding: Binding): void {
    if (!this.#inUse || this.#inUse.order < binding.order) this.#inUse = binding;
  }

  /**
   * Binds a connection with the secret's current version, after every bind that was asked for before. A host that is not
   * proven to be a controller gets no bind, and costs no logon.
   * @throws AdjoinError `credential-*`, `secret-*`; LdapResult; ControllerFailure
   */
  bind(connection: Bindable, checks: BindChecks, signal: AbortSignal): Promise<Binding> {
    const mine = this.#last.then(() => this.#bind(connection, checks, signal));
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  async #current(signal: AbortSignal): Promise<ServiceCredential> {
    const credential = checked(await this.#credentials.current(signal));
    const refusal = this.#refused.get(credential.versionId);
    if (refusal) throw refusal;
    if (this.#pause?.versionId === credential.versionId && this.#isRecent(this.#pause))
      throw this.#pause.error;
    return credential;
  }

  async #bind(connection: Bindable, checks: BindChecks, signal: AbortSignal): Promise<Binding> {
    const credential = await this.#current(signal);
    const { versionId, domain } = credential;
    // A controller of another domain would call the user name wrong.
    if (!isDomain(connection.baseDn, domain)) {
      throw new ControllerFailure('declined', connection.name, `is no domain controller of ${domain}`);
    }
    this.#checkUnanswered(versionId, connection.name);
    this.#checkResting(versionId, connection);
    await checks.prove(domain);
    const user = logonName(credential);
    try {
      await connection.bind(user, credential.password, signal);
    } catch (error) {
      if (isResult(error, Result.invalidCredentials)) {
        const refusal = bindRefusal(error, user, connection.name);
        throw await this.#weigh(versionId, connection, refusal, checks.others);
      }
      if (!isAnswer(error)) this.#unanswered = { versionId, at: this.#clock.now() };
      throw error;
    }
    this.#proven.add(versionId);
    this.#opinions.withdraw(versionId, connection.controller);
    this.#log.info('bound to a domain controller', { controller: connection.controller, versionId });
    this.#binds += 1;
    const { organizationalUnit } = credential;
    return {
      versionId,
      order: this.#binds,
      domain: domain.toLowerCase(),
      user: credential.user,
      organizationalUnit,
    };
  }

  #isRecent({ at }: { readonly at: number }): boolean {
    return this.#clock.now() < at + PAUSE_MS;
  }

  #checkUnanswered(versionId: string, controller: string): void {
    if (this.#proven.has(versionId) || this.#unanswered?.versionId !== versionId) return;
    const left = this.#unanswered.at + PAUSE_MS - this.#clock.now();
    if (left <= 0) return;
    const seconds = Math.ceil(left / 1000);
    const reason = `the last bind with this untried credential had no answer; the next one waits ${seconds} s`;
    throw new ControllerFailure('declined', controller, reason);
  }

  #checkResting(versionId: string, { name, controller }: Bindable): void {
    const resting = this.#opinions.resting(versionId, controller, this.#clock.now());
    if (resting) throw this.#doubtful(versionId, name, resting.refusal, resting.leftMs);
  }

  /** What becomes of a version that this controller has refused. */
  async #weigh(
    versionId: string,
    { name, controller }: Bindable,
    refusal: BindRefusal,
    others: () => Promise<boolean>,
  ): Promise<Error> {
    if (refusal.kind === 'lock') return this.#rest(versionId, refusal.error);
    // Before anything else can fail: the logon may have been counted.
    const agreed = this.#opinions.note(versionId, controller, refusal, this.#clock.now());
    if (agreed) return this.#refuse(versionId, refusal.error);
    if (await others()) {
      const resting = this.#opinions.resting(versionId, controller, this.#clock.now());
      return this.#doubtful(versionId, name, refusal, resting?.leftMs ?? 0);
    }
    return refusal.kind === 'password'
      ? this.#refuse(versionId, refusal.error)
      : this.#rest(versionId, refusal.error);
  }

  #doubtful(versionId: string, name: string, refusal: BindRefusal, leftMs: number): ControllerFailure {
    const seconds = Math.ceil(leftMs / 1000);
    const reason = `${refusal.reason}; another one is asked, and this one again in ${seconds} s`;
    const isProven = this.#proven.has(versionId);
    return new ControllerFailure('declined', name, reason, {
      refusal: isProven ? undefined : refusal.error.code,
    });
  }

  #rest(versionId: string, error: AdjoinError): AdjoinError {
    this.#pause = { versionId, at: this.#clock.now(), error };
    this.#warn(versionId, error);
    return error;
  }

  #warn(versionId: string, { code, message }: AdjoinError): void {
    this.#log.warn('the directory refuses the service account', { code, reason: message, versionId });
  }

  async #refuse(versionId: string, error: AdjoinError): Promise<AdjoinError> {
    this.#proven.delete(versionId);
    this.#refused.set(versionId, error);
    this.#warn(versionId, error);
    try {
      await this.#credentials.refused(versionId, error);
    } catch (failure) {
      this.#log.warn('could not remember the refusal beyond this process', {
        reason: reasonOf(failure),
        versionId,
      });
    }
    return error;
  }
}
