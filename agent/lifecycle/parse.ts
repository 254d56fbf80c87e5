/**
 * A lifecycle message becomes a `LifecycleAction`. Three envelopes carry the same fields: Auto Scaling's own message,
 * an EventBridge event (`detail`), and an SNS notification around either (`Message`, a JSON string). An event may be a state
 * change of an instance, too (state-change.ts).
 */
import * as z from 'zod';
import { AdjoinError } from '../errors.ts';
import type { LifecycleAction, Transition } from '../terms.ts';
import { clip, mustMatch, parseJson, unwrap, type Expectation } from './envelope.ts';
import { type Inquiry, isInquiry, parseInquiry } from './inquiry.ts';
import { isRequest, parseRequest } from './request.ts';
import { isStateChange, parseStateChange } from './state-change.ts';

export type Message =
  | { readonly kind: 'action'; readonly action: LifecycleAction }
  /** Auto Scaling sends one when a hook is made, to see whether it may send. */
  | { readonly kind: 'test-notification'; readonly group: string }
  /** An operator asks how things are at the worker's place. */
  | { readonly kind: 'inquiry'; readonly inquiry: Inquiry }
  /** It asks for nothing. `what` says what it is. */
  | { readonly kind: 'nothing'; readonly what: string };

const TRANSITIONS: Readonly<Record<string, Transition>> = {
  'autoscaling:EC2_INSTANCE_LAUNCHING': 'launching',
  'autoscaling:EC2_INSTANCE_TERMINATING': 'terminating',
};

/** A place that an instance comes from or goes to. One that can't be read is as one that is not named. */
const place = z.string().min(1).max(100).optional().catch(undefined);

/** Limits from the Auto Scaling API reference: names of 1 to 255 characters, tokens of 36. */
const fields = z.object({
  LifecycleActionToken: z.string().regex(/^[0-9a-fA-F-]{36}$/, 'is not a lifecycle action token'),
  LifecycleHookName: z.string().regex(/^[A-Za-z0-9\-_/]{1,255}$/, 'is not the name of a lifecycle hook'),
  AutoScalingGroupName: z.string().min(1).max(255),
  EC2InstanceId: z.string().regex(/^i-[0-9a-f]{17}$/, 'is not an instance ID of 17 digits'),
  LifecycleTransition: z.string().max(100),
  // Any text: what decides is only whether an instance goes back to the warm pool, and AWS may add places.
  Origin: place,
  Destination: place,
  AccountId: z.string().max(32).optional(),
  Time: z.iso.datetime({ offset: true }).optional(),
});

/**
 * Parses the body of an SQS message.
 * @param sender as SQS names it; only that of a request or an inquiry counts
 * @param receivedAt stands in for the time of a message that carries none; milliseconds since the Unix epoch.
 * @throws AdjoinError `message-malformed` or `message-foreign`
 */
export function parseMessage(text: string, expected: Expectation, receivedAt: number, sender = ''): Message {
  const { body, time } = unwrap(parseJson(text), expected, 1);
  if (body['Event'] === 'autoscaling:TEST_NOTIFICATION') {
    mustMatch('account', body['AccountId'], expected.accountId);
    const group = body['AutoScalingGroupName'];
    return { kind: 'test-notification', group: typeof group === 'string' ? group.slice(0, 255) : '' };
  }
  if (isRequest(body)) return { kind: 'action', action: parseRequest(body, expected, sender, receivedAt) };
  if (isInquiry(body)) return { kind: 'inquiry', inquiry: parseInquiry(body, expected, sender, receivedAt) };
  if (isStateChange(body)) {
    const found = parseStateChange(body, expected, receivedAt);
    return typeof found === 'string' ? { kind: 'nothing', what: found } : { kind: 'action', action: found };
  }
  const result = fields.safeParse({ ...body, ...(body['Time'] === undefined && time ? { Time: time } : {}) });
  if (!result.success) {
    const problems = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new AdjoinError(
      'message-malformed',
      `The message is not a lifecycle action. ${problems.join('; ')}`,
    );
  }
  const found = result.data;
  mustMatch('account', found.AccountId, expected.accountId);
  const transition = Object.hasOwn(TRANSITIONS, found.LifecycleTransition)
    ? TRANSITIONS[found.LifecycleTransition]
    : undefined;
  if (!transition) {
    throw new AdjoinError(
      'message-foreign',
      `The lifecycle transition ${clip(found.LifecycleTransition)} is unknown.`,
    );
  }
  const claimed = found.Time === undefined ? receivedAt : Date.parse(found.Time);
  return {
    kind: 'action',
    action: {
      token: found.LifecycleActionToken,
      hook: found.LifecycleHookName,
      group: found.AutoScalingGroupName,
      instanceId: found.EC2InstanceId,
      transition,
      origin: found.Origin ?? (transition === 'launching' ? 'EC2' : 'AutoScalingGroup'),
      destination: found.Destination ?? (transition === 'launching' ? 'AutoScalingGroup' : 'EC2'),
      // A time in the future would move deadlines out; our own clock is the limit.
      startedAt: Math.min(claimed, receivedAt),
    },
  };
}
