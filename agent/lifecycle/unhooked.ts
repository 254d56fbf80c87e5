/**
 * Actions that no hook waits for: those of events and of operators' requests. There is no token that Auto Scaling would confirm, no
 * time-out to prolong, and nobody to answer.
 *
 *     Auto Scaling's heartbeat ─▶ a look at EC2: a join ends with its instance
 *     Auto Scaling's answer    ─▶ none: the ledger alone says how it ended
 */
import { AdjoinError } from '../errors.ts';
import type { Clock } from '../clock.ts';
import type { LifecycleAction } from '../terms.ts';
import type { Admission, AdmissionPorts, HeartbeatTime, Hook } from './admission.ts';
import { isHybrid } from './request.ts';
import { isEnded } from './standalone.ts';
import type { CompletionPort } from './work.ts';

/**
 * What stands in for a hook. Its heartbeat is the time for which EC2 may be out of reach before the work is given back; it lasts
 * for as long as a hook can, since the agent's own patience decides.
 */
const NO_HOOK: Hook = { name: '', transition: '', heartbeatMs: 900_000, globalMs: 172_800_000 };

/** How work goes on that an event or a request began, once it is admitted. @param tags of the instance */
export function admissionWithoutHook(tags: ReadonlyMap<string, string>, clock: Clock): Admission {
  return {
    hook: NO_HOOK,
    // There is nobody whom a launch that failed could be left to.
    failurePolicy: 'ABANDON',
    isUnjoinOnly: false,
    tags,
    isHeld: false,
    // Not from the message's own time: it may come hours late.
    globalDeadline: clock.now() + NO_HOOK.globalMs,
  };
}

/** @throws AdjoinError `action-void` when a join's instance has ended */
async function mustLive(action: LifecycleAction, ports: AdmissionPorts, signal: AbortSignal): Promise<void> {
  if (action.transition === 'terminating' || isHybrid(action.instanceId)) return;
  if (isEnded(await ports.ec2(action.instanceId, signal)))
    throw new AdjoinError('action-void', `${action.instanceId} has ended.`);
}

/** The ports of hooks, for actions with and without one. */
export function forEverySource<A extends AdmissionPorts>(
  admission: A,
  completion: CompletionPort,
): { readonly admission: A; readonly completion: CompletionPort } {
  return {
    admission: {
      ...admission,
      heartbeat: (action: LifecycleAction, signal: AbortSignal, time?: HeartbeatTime) =>
        action.source === undefined
          ? admission.heartbeat(action, signal, time)
          : mustLive(action, admission, signal),
    },
    completion: {
      complete: (action, result, signal) =>
        action.source === undefined ? completion.complete(action, result, signal) : Promise.resolve(),
    },
  };
}
