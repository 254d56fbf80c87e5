import { ServiceFailure } from '../failure.ts';
import type { LifecycleTransition } from './message.ts';

export type HookResult = 'CONTINUE' | 'ABANDON';

export interface LifecycleHook {
  readonly name: string;
  readonly transition: LifecycleTransition;
  readonly heartbeatTimeoutMs: number;
  readonly defaultResult: HookResult;
  readonly targetArn: string | undefined;
  readonly roleArn: string | undefined;
  readonly metadata: string | undefined;
}

/** One instance that waits for one hook. */
export interface LifecycleAction {
  readonly hook: LifecycleHook;
  readonly token: string;
  /** When no heartbeat helps any more. */
  readonly endsAt: number;
  /** Calls off the present heartbeat deadline. */
  cancelDeadline: () => void;
}

/** AWS's default. */
export const defaultHeartbeatSeconds = 3600;

/** An action lives at most 100 heartbeats or 48 hours, whichever is less. */
export function globalTimeoutMs(heartbeatTimeoutMs: number): number {
  return Math.min(48 * 3_600_000, 100 * heartbeatTimeoutMs);
}

export function hookResult(text: string | undefined, otherwise: HookResult): HookResult {
  if (text === undefined) return otherwise;
  if (text === 'CONTINUE' || text === 'ABANDON') return text;
  throw new ServiceFailure(
    'ValidationError',
    `Invalid Lifecycle Action Result '${text}': it must be CONTINUE or ABANDON`,
  );
}

export function lifecycleTransition(text: string | undefined): LifecycleTransition {
  if (text === 'autoscaling:EC2_INSTANCE_LAUNCHING' || text === 'autoscaling:EC2_INSTANCE_TERMINATING')
    return text;
  throw new ServiceFailure('ValidationError', `Invalid Lifecycle Transition '${text ?? ''}'`);
}
