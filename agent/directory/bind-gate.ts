/**
 * Binds connections, one at a time, so that a wrong password costs this process one failed logon and not one per
 * connection: twenty of those lock the service account out for everybody. Workers that try a version at the same time,
 * before any of them was refused, cost one each.
 *
 *   untried ──bind answered 0──▶ proven ──bind answered 49──▶ refused
 *      └─────bind answered 49──▶ refused (for ever; a new version of the secret starts untried)
 *      └─────no answer─────────▶ untried, and left alone for a while: the failed logon may have been counted
 *   untried, proven ──"locked out"──▶ the same, and left alone for a while
 *
 * "Locked out" says nothing of the password: whoever knows the account's name can bring it about, and it ends by itself.
 *
 * "Wrong password" may mean that the controller has not heard of a new one yet. So where there are others, the first to
 * say so is only doubted, and left alone for a while; when another one says so too, or it itself again though nobody
 * has accepted the version, it is believed.
 */
import type { Clock } from '../clock.ts';
import { AdjoinError, reasonOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { CredentialSource } from './credential.ts';
import {
  ControllerFailure,
  credentialError,
  isResult,
  isWrongPassword,
  LdapResult,
  Result,
} from './failures.ts';
import type { ServiceCredential } from '../terms.ts';

/**
 * After a bind without an answer, an untried version waits this long, and any version after "locked out". Windows' default
 * lockout counts 10 failed logons in 10 minutes; this makes at most 5.
 */
const PAUSE_MS = 120_000;

/**
 * How long the connections that are bound serve on before somebody looks whether the secret names another account or
 * place. Each look reads the stored refusals, too, and all connections share it; an operator who has corrected the secret
 * waits no longer than this.
 */
const LOOK_MS = 60_000;

/** What is bound. */
interface Bindable {
  readonly name: string;
  readonly controller: string;
  /** Distinguished name of its domain. */
  readonly baseDn: string;
  bind(user: string, password: string, signal: AbortSignal): Promise<void>;
}

/** What a bound connection needs to know of the credential; the password is not kept. */
export interface Binding {
  readonly versionId: string;
  /** In lower case. */
  readonly domain: string;
  readonly user: string;
  readonly organizationalUnit: string;
}

function bindingOf({ versionId, domain, user, organizationalUnit }: ServiceCredential): Binding {
  return { versionId, domain: domain.toLowerCase(), user, organizationalUnit };
}

/** The last bind that was answered "locked out". */
interface Lock {
  readonly versionId: string;
  readonly at: number;
  readonly error: AdjoinError;
}

/** A controller that calls the password of a version wrong, and when it last did. */
interface Doubt {
  readonly controller: string;
  readonly at: number;
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
  const name = domain
    .split('.')
    .map((label) => `dc=${label}`)
    .join(',');
  return baseDn.toLowerCase().replaceAll(/, +/g, ',') === name.toLowerCase();
}

function isAnswer(error: unknown): boolean {
  return error instanceof LdapResult || (error instanceof ControllerFailure && error.kind === 'declined');
}

export class BindGate {
  readonly #credentials: CredentialSource;
  readonly #clock: Clock;
  readonly #log: Pick<Log, 'info' | 'warn'>;
  readonly #proven = new Set<string>();
  /** Kept here, too, in case the durable memory fails. */
  readonly #refused = new Map<string, AdjoinError>();
  /** By version. */
  readonly #doubts = new Map<string, Doubt>();
  #lock: Lock | undefined;
  /** The credential as it was seen last, and when somebody last looked. */
  #present: Binding | undefined;
  #lookedAt = 0;
  #looking: Promise<unknown> | undefined;
  #unanswered: { readonly versionId: string; readonly at: number } | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(credentials: CredentialSource, clock: Clock, log: Pick<Log, 'info' | 'warn'>) {
    this.#credentials = credentials;
    this.#clock = clock;
    this.#log = log;
  }

  /** The domain whose controllers to look for. @throws AdjoinError `credential-*`, `secret-*` */
  async domain(signal: AbortSignal): Promise<string> {
    return (await this.#current(signal)).domain;
  }

  /** Whether a connection that is bound so still works with the account and in the place that the secret names. */
  isPresent({ domain, user, organizationalUnit }: Binding): boolean {
    const present = this.#present;
    return (
      present?.domain === domain && present.user === user && present.organizationalUnit === organizationalUnit
    );
  }

  /**
   * Looks, once in a while and once for all who ask, whether the secret has changed. Should it not be there to look at,
   * whatever is bound serves on.
   */
  async look(signal: AbortSignal): Promise<void> {
    const isFresh = this.#present === undefined || this.#clock.now() - this.#lookedAt < LOOK_MS;
    if (!isFresh) {
      this.#looking ??= this.#lookAgain(signal).finally(() => {
        this.#looking = undefined;
      });
    }
    if (this.#looking) await this.#looking;
  }

  async #lookAgain(signal: AbortSignal): Promise<void> {
    try {
      await this.#current(signal);
    } catch (error) {
      if (!(error instanceof AdjoinError)) throw error;
    }
  }

  /**
   * Binds a connection with the present credential, after every bind that was asked for before.
   * @param others asks whether the domain has other controllers than this one, once that matters
   * @throws AdjoinError `credential-*`, `secret-*`; LdapResult; ControllerFailure
   */
  bind(connection: Bindable, others: () => Promise<boolean>, signal: AbortSignal): Promise<Binding> {
    const mine = this.#turn.then(() => this.#bind(connection, others, signal));
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #current(signal: AbortSignal): Promise<ServiceCredential> {
    this.#lookedAt = this.#clock.now();
    const credential = checked(await this.#credentials.current(signal));
    this.#present = bindingOf(credential);
    const refusal = this.#refused.get(credential.versionId);
    if (refusal) throw refusal;
    if (this.#lock?.versionId === credential.versionId && this.#isRecent(this.#lock)) throw this.#lock.error;
    return credential;
  }

  async #bind(connection: Bindable, others: () => Promise<boolean>, signal: AbortSignal): Promise<Binding> {
    const credential = await this.#current(signal);
    const { versionId, domain } = credential;
    // A controller of the domain that the secret named before would call any user of another one wrong.
    if (!isDomain(connection.baseDn, domain)) {
      throw new ControllerFailure('declined', connection.name, `is no domain controller of ${domain}`);
    }
    this.#mindUnanswered(versionId, connection.name);
    this.#mindDoubt(versionId, connection);
    const user = logonName(credential);
    try {
      await connection.bind(user, credential.password, signal);
    } catch (error) {
      if (isResult(error, Result.invalidCredentials)) {
        const refusal = credentialError(error, user, connection.name);
        if (refusal.code === 'credential-locked') throw this.#pause(versionId, refusal);
        if (isWrongPassword(error)) await this.#doubt(versionId, connection, others, refusal);
        throw await this.#refuse(versionId, refusal);
      }
      if (!isAnswer(error)) this.#unanswered = { versionId, at: this.#clock.now() };
      throw error;
    }
    this.#proven.add(versionId);
    this.#log.info('bound to a domain controller', { controller: connection.controller, versionId });
    return bindingOf(credential);
  }

  #isRecent({ at }: { readonly at: number }): boolean {
    return this.#clock.now() < at + PAUSE_MS;
  }

  #mindUnanswered(versionId: string, controller: string): void {
    if (this.#proven.has(versionId) || this.#unanswered?.versionId !== versionId) return;
    const left = this.#unanswered.at + PAUSE_MS - this.#clock.now();
    if (left <= 0) return;
    const seconds = Math.ceil(left / 1000);
    const reason = `the last bind with this untried credential had no answer; the next one waits ${seconds} s`;
    throw new ControllerFailure('declined', controller, reason);
  }

  #mindDoubt(versionId: string, { name, controller }: Bindable): void {
    const doubt = this.#doubts.get(versionId);
    if (doubt?.controller !== controller || !this.#isRecent(doubt)) return;
    throw new ControllerFailure('declined', name, 'called this password wrong a moment ago');
  }

  /** @throws ControllerFailure when this controller alone is not believed */
  async #doubt(
    versionId: string,
    connection: Bindable,
    others: () => Promise<boolean>,
    refusal: AdjoinError,
  ): Promise<void> {
    const { name, controller } = connection;
    const doubt = this.#doubts.get(versionId);
    // Before anything else can fail: the logon has been counted.
    this.#doubts.set(versionId, { controller, at: this.#clock.now() });
    const believed = doubt
      ? doubt.controller !== controller || !this.#proven.has(versionId)
      : !(await others());
    if (believed) return;
    throw new ControllerFailure('declined', name, `${refusal.message} Another one is asked.`);
  }

  #pause(versionId: string, error: AdjoinError): AdjoinError {
    this.#lock = { versionId, at: this.#clock.now(), error };
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
