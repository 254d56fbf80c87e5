/**
 * Admission: a message alone proves nothing. Auto Scaling must show the instance in this group and in the matching wait
 * state, must know the token, and the group or the instance must have opted in.
 */
import { AdjoinError } from '../errors.ts';
import { isGivenUp } from '../ledger/membership.ts';
import type { LifecycleAction, Transition } from '../terms.ts';
import {
  asksFor,
  EARLY_LOOKS,
  EARLY_PAUSE_MS,
  FAILURE_POLICY_TAG,
  OPT_IN_TAG,
  UNJOIN_ONLY_TAG,
  type Admission,
  type AdmissionContext,
  type Group,
  type Hook,
} from './admission.ts';
import { asked } from './asked.ts';
import { standsAlone } from './standalone.ts';
import { admissionWithoutHook } from './unhooked.ts';

/** `returning`: a termination whose destination is the warm pool. The instance lives on, and waits at the pool's door. */
type Way = Transition | 'returning';
const wayOf = ({ transition, destination }: LifecycleAction): Way =>
  transition === 'terminating' && destination === 'WarmPool' ? 'returning' : transition;

const WAIT_STATES: Readonly<Record<Way, ReadonlySet<string>>> = {
  launching: new Set(['Pending:Wait', 'Warmed:Pending:Wait']),
  terminating: new Set(['Terminating:Wait', 'Warmed:Terminating:Wait', 'ReplacingRootVolume:Wait']),
  // The user guide draws the first one; the others are the states that a termination waits in otherwise.
  returning: new Set(['Warmed:Pending:Wait', 'Warmed:Terminating:Wait', 'Terminating:Wait']),
};
/** The message can overtake the state it speaks of: what DescribeAutoScalingInstances answers is eventually consistent. */
const EARLY_STATES: Readonly<Record<Way, ReadonlySet<string>>> = {
  launching: new Set(['Pending', 'Warmed:Pending', 'ReplacingRootVolume:Proceed']),
  terminating: new Set(['Terminating', 'Warmed:Terminating', 'ReplacingRootVolume']),
  returning: new Set(['Warmed:Pending', 'Warmed:Terminating', 'Terminating']),
};
function voided(action: LifecycleAction, why: string): AdjoinError {
  return new AdjoinError('action-void', `${action.instanceId} in ${action.group}: ${why}`);
}

/** What in Auto Scaling's view of the instance contradicts the action, if anything does. */
async function doubt(action: LifecycleAction, context: AdmissionContext): Promise<string | undefined> {
  const { clock, signal } = context;
  const way = wayOf(action);
  for (let look = 1; ; look += 1) {
    const state = await context.instance(action.instanceId, signal);
    if (!state) return 'Auto Scaling does not know the instance.';
    if (state.group !== action.group) return 'the instance is in another group.';
    if (WAIT_STATES[way].has(state.lifecycleState)) return undefined;
    if (!EARLY_STATES[way].has(state.lifecycleState) || look === EARLY_LOOKS) {
      return `the instance is ${state.lifecycleState}, not waiting for the hook.`;
    }
    await clock.sleep(EARLY_PAUSE_MS, signal);
  }
}

/**
 * The view is eventually consistent, the token is not. Because the message is deleted then, an action that the view
 * contradicts is given up only when Auto Scaling does not accept its token either.
 */
async function settleDoubt(action: LifecycleAction, why: string, context: AdmissionContext): Promise<never> {
  try {
    await context.heartbeat(action, context.signal);
  } catch (error) {
    // Auto Scaling accepts no token at all for this group or hook: then the action is not ours.
    if (error instanceof AdjoinError && /^aws-(denied|refused)$/.test(error.code)) throw voided(action, why);
    throw error;
  }
  throw new AdjoinError('aws-unavailable', `${action.instanceId}: ${why} Its action is active all the same.`);
}

/**
 * The group's opt-in tag in every spelling. To AWS, keys that differ by case are different tags; a condition of a policy, such as
 * that on the nodes which get commands, finds them all.
 */
const ANY_CASE = OPT_IN_TAG.toLowerCase();
function spellings({ tags }: Group): [key: string, value: string][] {
  const found: [key: string, value: string][] = [];
  for (const tag of tags) if (tag[0].toLowerCase() === ANY_CASE) found.push(tag);
  return found;
}

const listed = (tags: readonly [string, string][]): string =>
  tags.map(([key, value]) => `${key}=${value}`).join(' and ');

/** The spellings, if they don't all mean the same. */
function contradiction(group: Group): string | undefined {
  const found = spellings(group);
  // As a rule. Each message comes by here.
  if (found.length === 1) return undefined;
  return new Set(found.map(([, value]) => asksFor(value))).size > 1 ? listed(found) : undefined;
}

/**
 * Whether the group, the ledger or the instance says that the instance has opted in. A known member is let go of however the
 * group is tagged.
 * @throws AdjoinError `opt-in-ambiguous`: only a person knows which spelling is meant, and a wrong guess would either join an
 *   instance of a group that opted out, or let one into service that is no member
 */
async function isOptedIn(action: LifecycleAction, group: Group, context: AdmissionContext): Promise<boolean> {
  const contradicts = contradiction(group);
  if (contradicts === undefined && asksFor(group.tags.get(OPT_IN_TAG))) return true;
  if (action.transition === 'terminating' && (await context.known()) !== undefined) return true;
  if (contradicts !== undefined) {
    throw new AdjoinError(
      'opt-in-ambiguous',
      `${action.instanceId}: its group ${action.group} has the tags ${contradicts}.`,
    );
  }
  return asksFor(await context.instanceTag(action.instanceId, OPT_IN_TAG, context.signal));
}

/** The action's group and hook, once one of the looks shows that it has opted in. @throws AdjoinError */
async function optedIn(
  action: LifecycleAction,
  context: AdmissionContext,
): Promise<{ readonly group: Group; readonly hook: Hook }> {
  for (let look = 1; ; look += 1) {
    const group = await context.group(action.group);
    const hook = group?.hooks.find((candidate) => candidate.name === action.hook);
    if (!group || !hook) {
      // A look from before the hook was attached says the same.
      const missing = group ? `the group has no hook ${action.hook}.` : 'the group does not exist.';
      return settleDoubt(action, missing, context);
    }
    if (await isOptedIn(action, group, context)) return { group, hook };
    if (look === EARLY_LOOKS) {
      const misspelt = spellings(group).filter(([key]) => key !== OPT_IN_TAG);
      const but = misspelt.length > 0 ? ` The group has ${listed(misspelt)}, which is another tag.` : '';
      throw new AdjoinError(
        'action-not-opted-in',
        `${action.instanceId}: neither it nor its group ${action.group} has the tag ${OPT_IN_TAG}=true.${but}`,
      );
    }
    await context.clock.sleep(EARLY_PAUSE_MS, context.signal);
  }
}

/**
 * Admits an action, or says why not.
 * @throws AdjoinError `action-void`, `action-not-opted-in`, `opt-in-ambiguous`, or what AWS answered
 */
export async function admit(action: LifecycleAction, context: AdmissionContext): Promise<Admission> {
  if (action.source !== undefined) {
    const tags =
      action.source === 'event' ? (await standsAlone(action, context)).tags : await asked(action, context);
    return admissionWithoutHook(tags, context.clock);
  }
  const against = await doubt(action, context);
  if (against !== undefined) return settleDoubt(action, against, context);
  const { group, hook } = await optedIn(action, context);
  const failurePolicy = group.tags.get(FAILURE_POLICY_TAG)?.toUpperCase() === 'HOLD' ? 'HOLD' : 'ABANDON';
  const isHeld = failurePolicy === 'HOLD' && isGivenUp(action, await context.known());
  const isUnjoinOnly = asksFor(group.tags.get(UNJOIN_ONLY_TAG));
  const globalDeadline = action.startedAt + hook.globalMs;
  const admission: Admission = {
    hook,
    failurePolicy,
    isUnjoinOnly,
    tags: group.tags,
    isHeld,
    globalDeadline,
  };
  // Only the true token moves the time-out: this proves that the message is Auto Scaling's own. For a launch that is held,
  // the ledger's record of the same token proves it. Not awaited: thousands wait for their turn with it, and need no more than this.
  if (isHeld) return admission;
  // Another worker may have prolonged it since: then this one is less urgent than it seems.
  const time = { until: action.startedAt + hook.heartbeatMs, lastsMs: hook.heartbeatMs };
  return context.heartbeat(action, context.signal, time).then(() => admission);
}
