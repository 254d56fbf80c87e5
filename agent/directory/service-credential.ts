/**
 * The service account's credential: read from the secret, held in memory only, read again when a bind is refused.
 *
 * A version that the directory refused is never tried again, by no worker and after no restart: a loop would lock the
 * account out. So the refusal is remembered in the ledger's table before anybody in this process can ask again, and looked
 * up there each time the credential is handed out: another worker may have been refused with the version that this one
 * holds. Workers whose binds were under way at the same time have each tried once.
 *
 * The secret is read again when the version in hand is older than a poll interval, so that an ordinary rotation, or a
 * corrected organizational unit, is picked up before the next connection.
 */
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { AdjoinError, errorCodes, type ErrorCode } from '../errors.ts';
import type { Redactor } from '../redact.ts';
import type { ServiceCredential } from '../terms.ts';

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
  /** The last look at the secret, and what was wrong with it. */
  let look: { readonly at: number; readonly problem?: AdjoinError } | undefined;
  let reading: Promise<ServiceCredential> | undefined;
  /** One look at the stored refusals for all who ask at the same time. */
  let asking: { readonly versionId: string; readonly answer: Promise<Refusal | undefined> } | undefined;

  const refuse = (known: Refusal): AdjoinError =>
    new AdjoinError(
      known.code,
      `${known.message} The secret's version ${known.versionId} is not tried again.`,
    );

  const usable = (): ServiceCredential | undefined =>
    held && held.versionId !== refusal?.versionId ? held : undefined;

  function hold(credential: ServiceCredential): void {
    if (held?.password !== credential.password) {
      redactor.hide(credential.password);
      if (held) redactor.forget(held.password);
    }
    held = credential;
  }

  async function readSecret(): Promise<ServiceCredential> {
    const { versionId, text } = await secret.read();
    const credential = parse(versionId, text);
    if (held?.versionId !== versionId || refusal?.versionId === versionId) {
      // Not bound by this process yet: another one may have tried it.
      const known = refusal?.versionId === versionId ? refusal : await refusals.read(versionId);
      if (known) {
        refusal = known;
        throw refuse(known);
      }
    }
    hold(credential);
    return credential;
  }

  async function readAgain(): Promise<ServiceCredential> {
    try {
      const credential = await readSecret();
      look = { at: clock.now() };
      return credential;
    } catch (error) {
      const problem =
        error instanceof AdjoinError
          ? error
          : new AdjoinError('secret-unreadable', 'The secret was not read.', { cause: error });
      look = { at: clock.now(), problem };
      // What served until now serves on: an outage of the secret's store is not one of the directory.
      const serving = usable();
      if (serving) return serving;
      throw problem;
    }
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
    if (held?.versionId === versionId) {
      refusal = known;
      look = undefined;
    }
    throw refuse(known);
  }

  return {
    async current(signal) {
      signal.throwIfAborted();
      const fresh = look !== undefined && clock.now() - look.at < pollMs;
      const serving = usable();
      if (fresh && serving) return unlessRefused(serving);
      if (fresh && look?.problem) throw look.problem;
      reading ??= readAgain().finally(() => {
        reading = undefined;
      });
      return unlessRefused(await reading);
    },
    async refused(versionId, error) {
      const known: Refusal = { versionId, code: error.code, message: error.message };
      // A bind with an older version may end after a newer one has been read.
      if (held?.versionId === versionId) {
        refusal = known;
        look = undefined;
      }
      await refusals.write(known);
    },
  };
}
