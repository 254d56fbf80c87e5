import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { AdjoinError } from '../../../agent/errors.ts';
import { type Message, parseMessage } from '../../../agent/lifecycle/parse.ts';
import type { LifecycleAction } from '../../../agent/terms.ts';

const expected = { accountId: '123456789012', region: 'eu-central-1' };
const NOW = Date.UTC(2026, 0, 1, 12);

const launch = {
  Origin: 'EC2',
  Destination: 'AutoScalingGroup',
  Service: 'AWS Auto Scaling',
  AccountId: '123456789012',
  RequestId: '0a1b2c3d-0000-0000-0000-000000000000',
  LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
  AutoScalingGroupName: 'fleet',
  LifecycleHookName: 'adjoin-launch',
  EC2InstanceId: 'i-0123456789abcdef0',
  LifecycleActionToken: '11111111-2222-3333-4444-555555555555',
  NotificationMetadata: 'anything',
  Time: '2026-01-01T11:59:00.043Z',
};
const event = {
  version: '0',
  id: '9c7f8a2e',
  'detail-type': 'EC2 Instance-launch Lifecycle Action',
  source: 'aws.autoscaling',
  account: '123456789012',
  time: '2026-01-01T11:58:00Z',
  region: 'eu-central-1',
  resources: ['arn:aws:autoscaling:eu-central-1:123456789012:autoScalingGroup:…'],
  // EventBridge carries neither the account nor the time inside.
  detail: { ...launch, AccountId: undefined, Time: undefined },
};
const sns = (message: unknown): object => ({
  Type: 'Notification',
  MessageId: 'm',
  TopicArn: 'arn:aws:sns:eu-central-1:123456789012:hooks',
  Message: JSON.stringify(message),
  Timestamp: '2026-01-01T11:59:30.000Z',
});
const testNotification = {
  AccountId: '123456789012',
  RequestId: 'r',
  AutoScalingGroupARN: 'arn:aws:autoscaling:eu-central-1:123456789012:autoScalingGroup:…',
  AutoScalingGroupName: 'fleet',
  Service: 'AWS Auto Scaling',
  Event: 'autoscaling:TEST_NOTIFICATION',
  Time: '2026-01-01T11:59:00.043Z',
};

const parse = (message: unknown): Message => parseMessage(JSON.stringify(message), expected, NOW);

function actionOf(message: unknown): LifecycleAction {
  const parsed = parse(message);
  if (parsed.kind !== 'action') throw new Error(`It is a ${parsed.kind}.`);
  return parsed.action;
}

function refusal(text: string): AdjoinError {
  try {
    parseMessage(text, expected, NOW);
  } catch (error) {
    if (error instanceof AdjoinError) return error;
    throw error;
  }
  throw new Error('It was accepted.');
}
const refusalOf = (message: unknown): AdjoinError => refusal(JSON.stringify(message));

describe('a lifecycle message', () => {
  const action: LifecycleAction = {
    token: '11111111-2222-3333-4444-555555555555',
    hook: 'adjoin-launch',
    group: 'fleet',
    instanceId: 'i-0123456789abcdef0',
    transition: 'launching',
    origin: 'EC2',
    destination: 'AutoScalingGroup',
    startedAt: Date.parse('2026-01-01T11:59:00.043Z'),
  };
  const atEvent = { ...action, startedAt: Date.parse('2026-01-01T11:58:00Z') };

  test.each([
    ["in Auto Scaling's own envelope", launch, action],
    ['in an EventBridge event', event, atEvent],
    ["in an SNS notification around Auto Scaling's envelope", sns(launch), action],
    ['in an SNS notification around an EventBridge event', sns(event), atEvent],
  ])('%s is read', (_where, message, wanted) => {
    expect(parse(message)).toEqual({ kind: 'action', action: wanted });
  });

  test('wrapped more often than any service does is refused', () => {
    expect(refusalOf(sns(sns(sns(launch)))).code).toBe('message-malformed');
    expect(actionOf(sns(sns(launch)))).toEqual(action);
  });

  test('of a termination without Origin and Destination gets those of its transition', () => {
    const { Origin: _o, Destination: _d, ...bare } = launch;
    expect(actionOf(bare)).toMatchObject({ origin: 'EC2', destination: 'AutoScalingGroup' });
    expect(actionOf({ ...bare, LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING' })).toMatchObject({
      transition: 'terminating',
      origin: 'AutoScalingGroup',
      destination: 'EC2',
    });
  });

  test.each([
    ['places that AWS may add', { Origin: 'Mars', Destination: 'Moon' }, 'Mars', 'Moon'],
    ['places that cannot be read', { Origin: 7, Destination: { a: 1 } }, 'EC2', 'AutoScalingGroup'],
    ['empty places', { Origin: '', Destination: null }, 'EC2', 'AutoScalingGroup'],
    ['a place without end', { Origin: 'x'.repeat(101) }, 'EC2', 'AutoScalingGroup'],
    ['further fields', { Action: 'ReplaceRootVolume', Later: [{}] }, 'EC2', 'AutoScalingGroup'],
  ])('with %s is read', (_what, fields, origin, destination) => {
    expect(actionOf({ ...launch, ...fields })).toEqual({ ...action, origin, destination });
  });

  test('into the warm pool says so', () => {
    expect(actionOf({ ...launch, Destination: 'WarmPool' }).destination).toBe('WarmPool');
  });

  test('that speaks from the future begins now, so that no deadline moves out', () => {
    expect(actionOf({ ...launch, Time: '2027-01-01T00:00:00Z' }).startedAt).toBe(NOW);
  });

  test('with an offset in its time is read as that moment', () => {
    expect(actionOf({ ...launch, Time: '2026-01-01T12:30:00+01:00' }).startedAt).toBe(
      Date.parse('2026-01-01T11:30:00Z'),
    );
  });

  test('without a time began when it was received', () => {
    expect(actionOf({ ...launch, Time: undefined }).startedAt).toBe(NOW);
  });

  test("keeps its own time before its envelope's", () => {
    expect(actionOf({ ...event, detail: launch }).startedAt).toBe(action.startedAt);
  });

  test('that is a test notification is told apart, also through SNS', () => {
    expect(parse(testNotification)).toEqual({ kind: 'test-notification', group: 'fleet' });
    expect(parse(sns(testNotification)).kind).toBe('test-notification');
  });

  test.each([
    ['of another account', { ...launch, AccountId: '210987654321' }],
    ['of another account, by EventBridge', { ...event, account: '210987654321' }],
    ['of another Region, by EventBridge', { ...event, region: 'us-east-1' }],
    ['of another account inside an honest envelope', { ...event, detail: { ...launch, AccountId: '1' } }],
    ['of an unknown transition', { ...launch, LifecycleTransition: 'autoscaling:EC2_INSTANCE_DREAMING' }],
    ['of a transition named like a property', { ...launch, LifecycleTransition: 'constructor' }],
    ['that tests for another account', { ...testNotification, AccountId: '210987654321' }],
    ['with an account that is not text', { ...event, account: 123456789012 }],
  ])('%s is foreign', (_which, message) => {
    const error = refusalOf(message);
    expect(error.code).toBe('message-foreign');
    expect(error.disposition).toBe('dead-letter');
  });

  test.each([
    ['no instance ID', { ...launch, EC2InstanceId: undefined }],
    ['an instance ID with more behind it', { ...launch, EC2InstanceId: 'i-0123456789abcdef0;reboot' }],
    ['an instance ID with a line feed behind it', { ...launch, EC2InstanceId: 'i-0123456789abcdef0\n' }],
    ['a token of the wrong length', { ...launch, LifecycleActionToken: '1' }],
    ['a hook with a blank', { ...launch, LifecycleHookName: 'a b' }],
    ['an empty group', { ...launch, AutoScalingGroupName: '' }],
    ['a time that is none', { ...launch, Time: 'yesterday' }],
    ['a day that is none', { ...launch, Time: '2026-02-30T00:00:00Z' }],
    ['a number for a name', { ...launch, AutoScalingGroupName: 7 }],
  ])('with %s is malformed', (_what, message) => {
    expect(refusalOf(message).code).toBe('message-malformed');
  });

  test.each(['', 'null', '[]', '"text"', '7', '{{{', '{"Type":"Notification","Message":"{"}'])(
    '%j is malformed',
    (text) => {
      expect(refusal(text).code).toBe('message-malformed');
    },
  );

  test('names every problem at once', () => {
    const { message } = refusalOf({ ...launch, EC2InstanceId: 'x', LifecycleActionToken: 'y' });
    expect(message).toContain('EC2InstanceId');
    expect(message).toContain('LifecycleActionToken');
  });

  test('quotes of a stranger no more than a line', () => {
    const { message } = refusalOf({ ...launch, AccountId: `6\n${'6'.repeat(30)}` });
    expect(message).not.toContain('\n');
    expect(refusalOf({ ...event, account: 'a'.repeat(5_000) }).message.length).toBeLessThan(200);
  });

  test('that nests deeper than the stack is malformed or foreign, not an accident', () => {
    const deep = `${'['.repeat(400_000)}${']'.repeat(400_000)}`;
    const bodies = [
      deep,
      `{"source":"aws.autoscaling","account":${deep},"detail":{}}`,
      `{"Event":"autoscaling:TEST_NOTIFICATION","AccountId":${deep}}`,
      `{"LifecycleTransition":${deep}}`,
    ];
    for (const body of bodies) expect(refusal(body).disposition).toBe('dead-letter');
  });
});

type Mutation =
  | { readonly set: string; readonly value: unknown; readonly inside: boolean }
  | { readonly drop: string; readonly inside: boolean };

function mutate(envelope: object, mutations: readonly Mutation[]): object {
  let outer: Record<string, unknown> = { ...envelope };
  for (const change of mutations) {
    const detail = outer['detail'];
    const target: Record<string, unknown> =
      change.inside && typeof detail === 'object' && detail !== null ? { ...detail } : { ...outer };
    if ('drop' in change) delete target[change.drop];
    else {
      Object.defineProperty(target, change.set, {
        value: change.value,
        enumerable: true,
        writable: true,
        configurable: true,
      });
    }
    outer = change.inside && typeof detail === 'object' ? { ...outer, detail: target } : target;
  }
  return outer;
}

describe('a mutated message', () => {
  const envelopes = [launch, event, sns(launch), sns(event), testNotification];
  const keys = [
    ...new Set(envelopes.flatMap((envelope) => [...Object.keys(envelope), ...Object.keys(launch)])),
    '__proto__',
    'constructor',
    'toString',
  ];
  const odd = fc.oneof(
    fc.jsonValue(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      'autoscaling:EC2_INSTANCE_TERMINATING',
      'autoscaling:TEST_NOTIFICATION',
      'aws.autoscaling',
      'Notification',
      '{}',
      '2026-01-01T24:00:00Z',
      '2026-01-01T00:00Z',
      '0000-01-01T00:00:00+23:59',
      '9999-12-31T23:59:59.999999999-23:59',
      'WarmPool',
      JSON.stringify(launch),
    ),
    fc.constantFrom(...envelopes),
  );
  const mutation: fc.Arbitrary<Mutation> = fc.oneof(
    fc.record({ set: fc.constantFrom(...keys), value: odd, inside: fc.boolean() }),
    fc.record({ drop: fc.constantFrom(...keys), inside: fc.boolean() }),
  );

  /** It is either read as something sound, or refused for the dead-letter queue. */
  function isSafe(text: string): boolean {
    let parsed: Message;
    try {
      parsed = parseMessage(text, expected, NOW);
    } catch (error) {
      return error instanceof AdjoinError && error.disposition === 'dead-letter';
    }
    if (parsed.kind !== 'action') return true;
    const { action } = parsed;
    return (
      /^i-[0-9a-f]{17}$/.test(action.instanceId) &&
      action.token.length === 36 &&
      (action.transition === 'launching' || action.transition === 'terminating') &&
      Number.isFinite(action.startedAt) &&
      action.startedAt <= NOW
    );
  }

  // A quick look: test/property/fuzz/messages.test.ts plays 34,000 of them.
  const seed = 20260101;

  test('is read soundly or refused for the dead-letter queue (2,000 changed fields)', () => {
    expect(() =>
      fc.assert(
        fc.property(
          fc.constantFrom(...envelopes),
          fc.array(mutation, { minLength: 1, maxLength: 4 }),
          fc.integer({ min: 0, max: 3 }),
          (envelope, mutations, wraps) => {
            let message: object = mutate(envelope, mutations);
            for (let wrap = 0; wrap < wraps; wrap += 1) message = sns(message);
            return isSafe(JSON.stringify(message));
          },
        ),
        { numRuns: 2_000, seed },
      ),
    ).not.toThrow();
  });

  test('is read soundly or refused for the dead-letter queue (1,000 damaged texts)', () => {
    expect(() =>
      fc.assert(
        fc.property(
          fc.constantFrom(...envelopes.map((envelope) => JSON.stringify(envelope))),
          fc.nat(),
          fc.nat({ max: 40 }),
          fc.string({ unit: 'binary', maxLength: 20 }),
          (text, at, length, inserted) => {
            const start = at % text.length;
            return isSafe(text.slice(0, start) + inserted + text.slice(start + length));
          },
        ),
        { numRuns: 1_000, seed },
      ),
    ).not.toThrow();
  });

  test('is read soundly or refused for the dead-letter queue (500 values that were never a message)', () => {
    expect(() =>
      fc.assert(
        fc.property(fc.oneof(fc.json(), fc.string()), (text) => isSafe(text)),
        { numRuns: 500, seed },
      ),
    ).not.toThrow();
  });
});

describe('an envelope', () => {
  test.each([
    ['{{{', 'The message is not JSON.'],
    ['[]', 'The message is not a JSON object.'],
    ['null', 'The message is not a JSON object.'],
    ['"text"', 'The message is not a JSON object.'],
  ])('that is %s is refused for what it is', (text, message) => {
    expect(refusal(text)).toMatchObject({ code: 'message-malformed', message });
  });

  test.each([
    ['the type of a notification, and no text in it', { ...launch, Type: 'Notification' }],
    ['a text, and not the type of a notification', { ...launch, Type: 'Other', Message: '{}' }],
    ['a text, and no type', { ...launch, Message: '{}' }],
    ['the source of an event, and no detail', { ...launch, source: 'aws.autoscaling', detail: 'text' }],
    ['a list for a detail', { ...launch, source: 'aws.autoscaling', detail: [] }],
    ['a detail of another source', { ...launch, source: 'aws.ec2', detail: {} }],
    ['a detail, and no source', { ...launch, detail: {} }],
  ])('that has %s is read as the message itself', (_what, message) => {
    expect(actionOf(message)).toMatchObject({
      instanceId: launch.EC2InstanceId,
      token: launch.LifecycleActionToken,
    });
  });

  test('of another account is refused with the text that names it, cut', () => {
    const { message } = refusalOf({ ...event, account: '9'.repeat(100) });
    expect(message).toBe(
      `The message names account "${'9'.repeat(80)}"; this queue serves ${expected.accountId}.`,
    );
    expect(refusalOf({ ...event, region: { deep: [] } }).message).toBe(
      'The message names Region a value of type object; this queue serves eu-central-1.',
    );
  });
});
