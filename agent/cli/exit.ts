/** Exit codes (sysexits.h). */
export const EXIT = {
  ok: 0,
  /** Bad arguments. */
  usage: 64,
  /** The work failed. */
  failed: 70,
  /** Not now: another worker is sweeping, or what was asked for is not done yet. */
  busy: 75,
  /** Bad configuration. */
  config: 78,
} as const;
