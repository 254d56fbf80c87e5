/**
 * What controllers said of a version of the credential when they refused it. A controller that lags behind calls a right
 * password wrong, and a working account disabled, expired or unknown. So one opinion condemns nothing where there are other
 * controllers: two must agree.
 *
 * A controller that has refused a version is left alone for a while before it is asked about it again.
 */
import type { BindRefusal } from './failures.ts';

/** Milliseconds. Replication between the controllers of a site takes seconds, and to the next site 15 minutes by default. */
const REST_MS = 120_000;

/**
 * Milliseconds before a controller that has called a password wrong twice is asked again. Each answer counts as a failed logon,
 * and common lockout policies count those of 30 minutes: these are at most two.
 */
const COUNTED_REST_MS = 1_800_000;

/** Milliseconds for which an opinion supports another controller's. */
const VALID_MS = 1_800_000;

interface Opinion {
  readonly refusal: BindRefusal;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly restMs: number;
}

export class Opinions {
  /** By version, then by controller. */
  readonly #versions = new Map<string, Map<string, Opinion>>();

  /**
   * Notes a refusal.
   * @returns whether the version is condemned: another controller has refused it with the same meaning
   */
  note(versionId: string, controller: string, refusal: BindRefusal, now: number): boolean {
    const opinions = this.#versions.get(versionId) ?? new Map<string, Opinion>();
    this.#versions.set(versionId, opinions);
    const again = opinions.get(controller)?.refusal.kind === 'password' && refusal.kind === 'password';
    opinions.set(controller, { refusal, at: now, restMs: again ? COUNTED_REST_MS : REST_MS });
    // When the account may log on is a rule with an end, and no fault of the credential.
    if (refusal.kind === 'restriction') return false;
    return [...opinions].some(
      ([name, { refusal: other, at }]) =>
        name !== controller &&
        other.kind !== 'restriction' &&
        other.error.code === refusal.error.code &&
        now - at < VALID_MS,
    );
  }

  /** What the controller said of this version, and how many milliseconds it is not asked again for that. */
  resting(
    versionId: string,
    controller: string,
    now: number,
  ): { readonly refusal: BindRefusal; readonly leftMs: number } | undefined {
    const opinion = this.#versions.get(versionId)?.get(controller);
    const leftMs = opinion ? opinion.at + opinion.restMs - now : 0;
    return opinion && leftMs > 0 ? { refusal: opinion.refusal, leftMs } : undefined;
  }

  /** The controller has accepted the version. */
  withdraw(versionId: string, controller: string): void {
    this.#versions.get(versionId)?.delete(controller);
  }
}
