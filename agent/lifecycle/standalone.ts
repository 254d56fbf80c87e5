/**
 * Admission of what an event asks for an instance outside Auto Scaling groups. EC2 must show the instance in the state that the
 * event speaks of, and no group may count it: the hooks of its group do that work.
 *
 * - A join needs the tag JoinAD=true on the instance.
 * - An unjoin needs an account that the ledger knows. EC2 must show that the instance ends; of one that it does not show any more,
 *   the sweep decides, which knows how old an account is.
 */
import { AdjoinError } from '../errors.ts';
import { mayHaveAccount } from '../ledger/membership.ts';
import type { Ec2Instance, LifecycleAction } from '../terms.ts';
import { asksFor, EARLY_LOOKS, EARLY_PAUSE_MS, OPT_IN_TAG, type AdmissionContext } from './admission.ts';

/** AWS's own tag on the instances of a group. Nobody else can set it. */
const GROUP_TAG = 'aws:autoscaling:groupName';

/** From these an instance never comes back. */
export const isEnded = (instance: Ec2Instance | undefined): boolean =>
  instance?.state === 'shutting-down' || instance?.state === 'terminated';

function voided({ instanceId }: LifecycleAction, why: string): AdjoinError {
  return new AdjoinError('action-void', `${instanceId}: ${why}`);
}

/** The event can overtake what EC2 shows, which is eventually consistent. */
async function look(action: LifecycleAction, context: AdmissionContext): Promise<Ec2Instance | undefined> {
  for (let looks = 1; ; looks += 1) {
    const instance = await context.ec2(action.instanceId, context.signal);
    const isEarly =
      instance === undefined || (action.transition === 'launching' && instance.state === 'pending');
    if (!isEarly || looks === EARLY_LOOKS) return instance;
    await context.clock.sleep(EARLY_PAUSE_MS, context.signal);
  }
}

/** @throws AdjoinError `action-void` when a group counts the instance */
async function checkStandsAlone(
  action: LifecycleAction,
  instance: Ec2Instance,
  context: AdmissionContext,
): Promise<void> {
  const tag = instance.tags.get(GROUP_TAG);
  const group = tag ?? (await context.instance(action.instanceId, context.signal))?.group;
  if (group !== undefined) throw voided(action, `it is of the group ${group}, whose hooks count.`);
}

/**
 * The instance, once EC2 bears the event out.
 * @throws AdjoinError `action-void`, or what AWS answered
 */
export async function standsAlone(action: LifecycleAction, context: AdmissionContext): Promise<Ec2Instance> {
  if (action.transition === 'terminating') {
    const membership = await context.known();
    if (!membership || !mayHaveAccount(membership))
      throw voided(action, 'the ledger knows of no account that it has.');
  }
  const instance = await look(action, context);
  if (instance === undefined) throw voided(action, 'EC2 does not show it.');
  const isBorneOut = action.transition === 'launching' ? instance.state === 'running' : isEnded(instance);
  if (!isBorneOut) throw voided(action, `it is ${instance.state} by now.`);
  if (action.transition === 'launching' && !asksFor(instance.tags.get(OPT_IN_TAG))) {
    // Nothing is wrong with that: events come of every instance of the account.
    throw voided(action, `it does not have the tag ${OPT_IN_TAG}=true.`);
  }
  await checkStandsAlone(action, instance, context);
  return instance;
}
