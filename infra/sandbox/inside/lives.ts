/** The lives of the groups' instances, from what the cloud tells of them. */
import type { CloudEvent } from '../cloud/seams.ts';
import type { Life } from '../story/lives.ts';

export interface Lives {
  /** In the order of their launches. */
  readonly all: ReadonlyMap<string, Life>;
  note(event: CloudEvent): void;
}

/** @param now milliseconds since the epoch */
export function createLives(now: () => number): Lives {
  const all = new Map<string, Life>();
  const actions = new Map<string, Extract<CloudEvent, { kind: 'action-begun' }>>();

  const noteInstance = ({ instanceId, group, step }: Extract<CloudEvent, { kind: 'instance' }>): void => {
    const at = now();
    const known = all.get(instanceId);
    if (!known) {
      all.set(instanceId, { instanceId, group, launchedAt: at });
      return;
    }
    if (step === 'in-service') known.inServiceAt = at;
    if (step === 'pooled') delete known.inServiceAt;
    if (step === 'leaving') known.leavingAt = at;
    if (step === 'gone') known.goneAt = at;
  };

  const noteAnswer = (token: string, result: string | undefined): void => {
    const action = actions.get(token);
    const life = action && all.get(action.instanceId);
    if (!life) return;
    if (action.transition === 'autoscaling:EC2_INSTANCE_TERMINATING') life.releasedAt = now();
    else if (result === 'CONTINUE') life.continuedAt = now();
  };

  return {
    all,
    note(event) {
      if (event.kind === 'instance') noteInstance(event);
      if (event.kind === 'action-begun') actions.set(event.token, event);
      if (event.kind === 'action-ended' && event.end === 'answer') noteAnswer(event.token, event.result);
      if (event.kind === 'node-registered') {
        const life = all.get(event.instanceId);
        // A node that registers once more has been a member already.
        if (life) life.onlineAt ??= now();
      }
    },
  };
}
