/**
 * The service account's credential: read from the secret, kept in memory only, read again when it is older than a poll
 * interval or was refused.
 *
 * A version that the directory refused is never tried again, by no worker and after no restart: a loop would lock the
 * account out. So the refusal is stored in the ledger's table before anything in this process can ask again, and looked
 * up there each time the credential is handed out: another worker may have been refused with the same version.
 * Workers whose binds were under way at the same time have each tried once.
 *
 * While the secret's current version is refused, no older one is handed out in its place: connections that are open go on,
 * and new ones wait for a version that is right.
 */
import type { Clock } from '../clock.ts';
import { AdjoinError, errorCodes, type ErrorCode } from '../errors.ts';
import type { Redactor } from '../redact.ts';
import type { ServiceCredential } from '../terms.ts';
import { parseSecret } from './secret-format.ts';

export interface Refusal {
  readonly versionId: string;
  readonly code: ErrorCode;
  readonly message: string;
}

export interface SecretStore {
  /** The present value of the secret. */
  read(): Promise<{ readonly versionId: string; readonly text: string }>;
}

export interface RefusalStore {
  /** The refusal of this version, if the directory has refused it. */
  read(versionId: string): Promise<Refusal | undefined>;
  write(refusal: Refusal): Promise<void>;
}

export interface ServiceCredentialOptions {
  readonly secret: SecretStore;
  readonly refusals: RefusalStore;
  readonly redactor: Redactor;
  readonly clock: Clock;
  /** Milliseconds for which a version counts as the present one, and between looks while it is of no use. */
  readonly pollMs: number;
}

/** What the last look at the secret found. */
export interface SecretLook {
  /** The version that the secret had; nothing while it could not be read. */
  readonly versionId: string | undefined;
  /** Why that version, or the secret, is of no use. */
  readonly problem: AdjoinError | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

export interface ServiceCredentialSource {
  /**
   * The credential to bind with. @throws AdjoinError `credential-…`, `secret-…` while there is none worth trying
   */
  current(signal: AbortSignal): Promise<ServiceCredential>;
  /** What the secret has now, read at most once in a poll interval. Never rejects. */
  look(): Promise<SecretLook>;
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
  let last: SecretLook | undefined;
  /** Whether a refusal asks for another look before the interval is over. */
  let isStale = false;
  /** A refusal that could not be stored when it came. */
  let unstored: Refusal | undefined;
  /** One look at the secret for all who ask at the same time. */
  let looking: Promise<SecretLook> | undefined;
  /** One look at the stored refusals for all who ask at the same time. */
  let asking: { readonly versionId: string; readonly answer: Promise<Refusal | undefined> } | undefined;

  const refuse = (known: Refusal): AdjoinError =>
    new AdjoinError(
      known.code,
      `${known.message} The secret's version ${known.versionId} is not tried again.`,
    );

  const isFresh = (look: SecretLook | undefined): look is SecretLook =>
    look !== undefined && clock.now() - look.at < pollMs;

  function usable(): ServiceCredential | undefined {
    if (!held || !refusal) return held;
    const { versionId } = refusal;
    return held.versionId === versionId || last?.versionId === versionId ? undefined : held;
  }

  function hold(credential: ServiceCredential): void {
    if (held?.password !== credential.password) {
      redactor.hide(credential.password);
      if (held) redactor.forget(held.password);
    }
    held = credential;
  }

  /** @throws AdjoinError when the version is refused already */
  async function take(credential: ServiceCredential): Promise<void> {
    const { versionId } = credential;
    if (held?.versionId !== versionId || refusal?.versionId === versionId) {
      // Not bound by this process yet: another one may have tried it.
      const known = refusal?.versionId === versionId ? refusal : await refusals.read(versionId);
      if (known) {
        refusal = known;
        throw refuse(known);
      }
    }
    hold(credential);
  }

  /** @throws what the store does; then it is tried again at the next look */
  async function store(known: Refusal): Promise<void> {
    unstored = known;
    await refusals.write(known);
    if (unstored === known) unstored = undefined;
  }

  async function readSecret(): Promise<SecretLook> {
    if (unstored) store(unstored).catch(() => undefined);
    let versionId = last?.versionId;
    let problem: AdjoinError | undefined;
    try {
      const read = await secret.read();
      ({ versionId } = read);
      await take(parseSecret(versionId, read.text));
    } catch (error) {
      problem =
        error instanceof AdjoinError
          ? error
          : new AdjoinError('secret-unreadable', 'The secret was not read.', { cause: error });
    }
    isStale = false;
    last = { versionId, problem, at: clock.now() };
    return last;
  }

  function lookAgain(): Promise<SecretLook> {
    looking ??= readSecret().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  /** @throws AdjoinError when some worker was refused with it */
  async function unlessRefused(credential: ServiceCredential): Promise<ServiceCredential> {
    const { versionId } = credential;
    if (asking?.versionId !== versionId) {
      const question = {
        versionId,
        answer: refusals.read(versionId).finally(() => {
          if (asking === question) asking = undefined;
        }),
      };
      asking = question;
    }
    const known = await asking.answer;
    if (!known) return credential;
    noteRefusal(known);
    throw refuse(known);
  }

  function noteRefusal(known: Refusal): void {
    // A bind with an older version may end after a newer one has been read.
    if (held?.versionId !== known.versionId) return;
    refusal = known;
    isStale = true;
  }

  return {
    async current(signal) {
      signal.throwIfAborted();
      const look = !isStale && isFresh(last) ? last : await lookAgain();
      // What served until now serves on while the secret can't be read: an outage of its store is not one of the directory.
      const serving = usable();
      if (serving) return unlessRefused(serving);
      throw (
        look.problem ??
        (refusal ? refuse(refusal) : new AdjoinError('secret-unreadable', 'The secret was not read.'))
      );
    },
    look: async () => (isFresh(last) ? last : lookAgain()),
    async refused(versionId, error) {
      const known: Refusal = { versionId, code: error.code, message: error.message };
      noteRefusal(known);
      await store(known);
    },
  };
}
