/** Exit codes (sysexits.h). */
export const EXIT = {
  ok: 0,
  /** Bad arguments. */
  usage: 64,
  /** The work failed. */
  failed: 70,
  /** Another worker is sweeping; try again later. */
  busy: 75,
  /** Bad configuration. */
  config: 78,
} as const;
