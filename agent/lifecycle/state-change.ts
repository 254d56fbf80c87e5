/**
 * "EC2 Instance State-change Notification": how adjoin hears of instances outside Auto Scaling groups. The event names an instance
 * and a state, for every instance of the account. It may come twice, late and out of order, so it only says that it is time to look:
 * admission asks EC2 (standalone.ts).
 *
 *     running ─▶ join      shutting-down, terminated ─▶ unjoin      pending, stopping, stopped ─▶ nothing
 *
 * An instance that is stopped is still a member.
 */
import * as z from 'zod';
import { AdjoinError } from '../errors.ts';
import type { LifecycleAction, Transition } from '../terms.ts';
import { mustMatch, type Expectation } from './envelope.ts';

const fields = z.object({
  id: z.string().regex(/^[0-9a-fA-F-]{36}$/, 'is not the ID of an event'),
  account: z.string(),
  region: z.string(),
  time: z.iso.datetime({ offset: true }),
  detail: z.object({ 'instance-id': z.string(), state: z.string() }),
});

/** IDs of 8 digits ended in 2018. Such an instance has no computer name, so its states ask for nothing. */
const INSTANCE_ID = /^i-[0-9a-f]{17}$/;

const TRANSITIONS: ReadonlyMap<string, Transition> = new Map([
  ['running', 'launching'],
  ['shutting-down', 'terminating'],
  ['terminated', 'terminating'],
]);

/** Whether an event is of this kind, by what it says of itself. */
export const isStateChange = (event: Readonly<Record<string, unknown>>): boolean =>
  event['source'] === 'aws.ec2' && event['detail-type'] === 'EC2 Instance State-change Notification';

/**
 * What a state change asks for, or in words why it asks for nothing.
 * @param receivedAt milliseconds since the Unix epoch
 * @throws AdjoinError `message-malformed` or `message-foreign`
 */
export function parseStateChange(
  event: Readonly<Record<string, unknown>>,
  expected: Expectation,
  receivedAt: number,
): LifecycleAction | string {
  const result = fields.safeParse(event);
  if (!result.success) {
    const problems = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new AdjoinError(
      'message-malformed',
      `The message is no state change of an instance. ${problems.join('; ')}`,
    );
  }
  const { id, account, region, time, detail } = result.data;
  mustMatch('account', account, expected.accountId);
  mustMatch('Region', region, expected.region);
  if (expected.standaloneInstances !== true) return 'state change of an instance; standaloneInstances is off';
  const { 'instance-id': instanceId, state } = detail;
  const transition = TRANSITIONS.get(state);
  if (transition === undefined || !INSTANCE_ID.test(instanceId)) return 'state change that asks for nothing';
  return {
    source: 'event',
    token: id,
    hook: '',
    group: '',
    instanceId,
    transition,
    origin: 'EC2',
    destination: 'EC2',
    // A time in the future would pass for one after whatever happens until then.
    startedAt: Math.min(Date.parse(time), receivedAt),
  };
}
