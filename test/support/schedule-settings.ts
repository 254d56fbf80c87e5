/** How the workers of a schedule are set. */
import { VISIBILITY_MS } from './schedule-cloud.ts';

/** Milliseconds; a lease ends before the message shows again, as in the agent. */
export const LEASE_MS = VISIBILITY_MS * 0.8;
/** Milliseconds after which the directory's operations are given up; the agent's default. */
export const OPERATION_MS = 15_000;
/** Milliseconds, both; an hour each in the agent, which a schedule need not last. */
export const SWEEP_INTERVAL_MS = 180_000;
export const AGE_GUARD_MS = 150_000;
