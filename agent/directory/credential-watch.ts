/**
 * Watches the secret: a version that becomes current is tried by a bind of its own within a poll interval, also while there
 * is no work and while older connections serve. A wrong one is thus said when it is written, and not at the next scale-out.
 *
 * One look at the secret in an interval, whether there is work or not. Whether a version may be tried, and how often, is the
 * bind gate's to say; a refused one stays refused.
 */
import type { Clock } from '../clock.ts';
import { asAdjoinError, type AdjoinError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { SecretLook } from './service-credential.ts';
import { unlessAborted } from './waiting.ts';

export interface CredentialWatchOptions {
  /** What the secret has now, read at most once in a poll interval. Never rejects. */
  readonly look: () => Promise<SecretLook>;
  /** Tries this version unless it is in use already. @throws AdjoinError */
  readonly tryVersion: (versionId: string, signal: AbortSignal) => Promise<void>;
  /** Milliseconds from one look at the secret to the next. */
  readonly pollMs: number;
  readonly clock: Clock;
  /** A number from 0 to 1, exclusive. */
  readonly random: () => number;
  readonly log: Pick<Log, 'warn' | 'error'>;
}

/** Watches until the signal aborts. Never rejects. */
export async function watchCredential(options: CredentialWatchOptions, signal: AbortSignal): Promise<void> {
  const { look, tryVersion, pollMs, clock, random, log } = options;
  /** What has been logged since a version was last found good, by version and code. */
  const said = new Set<string>();

  function say(error: AdjoinError, versionId: string | undefined): void {
    const key = `${versionId} ${error.code}`;
    if (said.has(key)) return;
    said.add(key);
    // AWS that does not answer is no fault of the credential, and mostly passes.
    const level = error.code.startsWith('aws-') ? 'warn' : 'error';
    log[level]('the service credential can not be used', { error, versionId });
  }

  /** @returns milliseconds since the Unix epoch, when the next look is due */
  async function check(): Promise<number> {
    let due = clock.now() + pollMs;
    let versionId: string | undefined;
    try {
      const seen = await unlessAborted(look(), signal);
      ({ versionId } = seen);
      due = seen.at + pollMs;
      if (seen.problem) throw seen.problem;
      if (versionId !== undefined) await unlessAborted(tryVersion(versionId, signal), signal);
      said.clear();
    } catch (error) {
      if (!signal.aborted) say(asAdjoinError(error), versionId);
    }
    return due;
  }

  // Workers that start together do not look together: of those that try a version at the same time, each costs a logon.
  let due = clock.now() + pollMs * (1 - random() / 2);
  while (!signal.aborted) {
    try {
      await clock.sleep(Math.max(0, due - clock.now()), signal);
    } catch {
      return;
    }
    due = await check();
  }
}
