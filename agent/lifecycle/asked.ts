/**
 * Admission of what an operator asked for. The request is proven by its sender (request.ts); what it asks for must still make sense.
 *
 * - A join needs an instance that runs and has the tag JoinAD=true: commands reach no other. Of a hybrid node EC2 knows nothing; whether
 *   it answers shows when it is asked.
 * - An unjoin needs an instance that EC2 shows, or a membership. The instance may live: that is what the operator wants.
 */
import { AdjoinError } from '../errors.ts';
import type { LifecycleAction } from '../terms.ts';
import { asksFor, OPT_IN_TAG, type AdmissionContext } from './admission.ts';
import { isHybrid } from './request.ts';

/**
 * Milliseconds after which a request is not begun any more: nobody waits for it, and the instance may be another one's business by
 * then. One that is begun goes on for as long as the configuration says.
 */
const BEGIN_MS = 3_600_000;

function voided({ instanceId }: LifecycleAction, why: string): AdjoinError {
  return new AdjoinError('action-void', `${instanceId}: ${why}`);
}

/** @returns the tags that count @throws AdjoinError `action-void`, or what AWS answered */
export async function asked(
  action: LifecycleAction,
  context: AdmissionContext,
): Promise<ReadonlyMap<string, string>> {
  const { instanceId, token, transition, startedAt } = action;
  const membership = await context.known();
  const isBegun = [membership?.launch, membership?.terminate].some((each) => each?.actionToken === token);
  if (!isBegun && context.clock.now() - startedAt > BEGIN_MS)
    throw voided(action, 'the request is too old; ask again.');
  if (isHybrid(instanceId)) {
    if (transition === 'terminating' && membership === undefined)
      throw voided(action, 'the ledger knows nothing of it.');
    return new Map();
  }
  const instance = await context.ec2(instanceId, context.signal);
  if (transition === 'terminating') {
    if (instance === undefined && membership === undefined)
      throw voided(action, 'neither EC2 nor the ledger knows it.');
    return instance?.tags ?? new Map();
  }
  if (instance === undefined) throw voided(action, 'EC2 does not show it.');
  if (instance.state !== 'running') throw voided(action, `it is ${instance.state}, and can't join.`);
  if (!asksFor(instance.tags.get(OPT_IN_TAG))) {
    throw voided(
      action,
      `it does not have the tag ${OPT_IN_TAG}=true, without which no command may reach it.`,
    );
  }
  return instance.tags;
}
