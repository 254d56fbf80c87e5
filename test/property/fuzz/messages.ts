/**
 * Lifecycle messages with something done to them. What was done decides what must become of them: the oracle never reads
 * the message.
 */
import * as fc from 'fast-check';
import { ACCOUNT, GROUP, INSTANCE, LAUNCH_TOKEN, REGION, TERMINATE_TOKEN } from '../../support/world.ts';
import { hostile, textLike } from './fuzz.ts';

export type Direction = 'launch' | 'terminate';
type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type Fields = Readonly<Record<string, Json>>;

/** The fields of an honest message of the world. */
export function honest(direction: Direction): Fields {
  const launching = direction === 'launch';
  return {
    Origin: launching ? 'EC2' : 'AutoScalingGroup',
    Destination: launching ? 'AutoScalingGroup' : 'EC2',
    Service: 'AWS Auto Scaling',
    AccountId: ACCOUNT,
    RequestId: '0a1b2c3d-0000-0000-0000-000000000000',
    LifecycleTransition: `autoscaling:EC2_INSTANCE_${launching ? 'LAUNCHING' : 'TERMINATING'}`,
    AutoScalingGroupName: GROUP,
    LifecycleHookName: launching ? 'join' : 'unjoin',
    EC2InstanceId: INSTANCE,
    LifecycleActionToken: launching ? LAUNCH_TOKEN : TERMINATE_TOKEN,
    NotificationMetadata: 'anything',
    Time: '2026-01-01T00:00:00.043Z',
  };
}

/** What must be in a message word for word for anybody to act on it. */
export function essentials(direction: Direction): string[] {
  const fields = honest(direction);
  return [
    'LifecycleActionToken',
    'EC2InstanceId',
    'AutoScalingGroupName',
    'LifecycleHookName',
    'LifecycleTransition',
  ].map((key) => JSON.stringify(fields[key]));
}

export const envelopes = ['direct', 'event', 'sns', 'sns-event'] as const;
export type Envelope = (typeof envelopes)[number];

const isEvent = (envelope: Envelope): boolean => envelope === 'event' || envelope === 'sns-event';

/** A member of an object, as it will be written: JSON allows a key twice, objects do not. */
type Member = readonly [key: string, text: string];

const members = (fields: Fields): Member[] =>
  Object.entries(fields).map(([key, value]) => [key, JSON.stringify(value)]);
const write = (all: readonly Member[]): string =>
  `{${all.map(([key, text]) => `${JSON.stringify(key)}:${text}`).join(',')}}`;

/** The text of a message: its fields in their envelope, where `outer` are more members of an EventBridge event. */
export function wrap(envelope: Envelope, inner: readonly Member[], outer: readonly Member[] = []): string {
  let text = write(inner);
  if (isEvent(envelope)) {
    text = write([
      ...members({
        version: '0',
        id: '9c7f8a2e',
        'detail-type': 'EC2 Instance-launch Lifecycle Action',
        source: 'aws.autoscaling',
        account: ACCOUNT,
        time: '2026-01-01T00:00:00Z',
        region: REGION,
        resources: [],
      }),
      ...outer,
      ['detail', text],
    ]);
  }
  if (envelope === 'sns' || envelope === 'sns-event') {
    text = write([
      ...members({ Type: 'Notification', MessageId: 'm', TopicArn: 'arn' }),
      ['Message', JSON.stringify(text)],
    ]);
  }
  return text;
}

/**
 * - `done`: the action is worked on and answered `CONTINUE`.
 * - `void`: Auto Scaling does not vouch for it: deleted, and nothing was touched.
 * - `dead`: it can't be read, or is not ours: left for the dead-letter queue, and nothing was touched.
 */
export type Fate = 'done' | 'void' | 'dead';

export interface Change {
  readonly name: string;
  readonly direction: Direction;
  readonly text: string;
  readonly fate: Fate;
}

interface Edit {
  readonly name: string;
  readonly fate: Fate;
  readonly apply: (inner: readonly Member[]) => readonly Member[];
  /** Members that an EventBridge event has instead of its own. */
  readonly outer?: readonly Member[];
  /** It concerns the EventBridge envelope only. */
  readonly eventOnly?: boolean;
}

const drop =
  (key: string) =>
  (inner: readonly Member[]): Member[] =>
    inner.filter((member) => member[0] !== key).map((member) => [...member]);
const set =
  (key: string, text: string) =>
  (inner: readonly Member[]): Member[] => [...drop(key)(inner), [key, text]];

/** Deep enough to exhaust a reader that recurses, when it is looked at. */
const nested = (depth: number, open: string, inside: string, close: string): string =>
  open.repeat(depth) + inside + close.repeat(depth);

/** JSON texts of anything but a string. */
const notText = fc.oneof(
  fc.constantFrom(
    'null',
    'true',
    'false',
    '0',
    '-0',
    '1e400',
    '9007199254740993',
    '[]',
    '{}',
    '[["i"]]',
    '{"S":"x"}',
  ),
  fc.constantFrom(nested(2_000, '[', '', ']'), nested(2_000, '{"a":', '1', '}')),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
);
const quoted = (text: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  text.map((value) => JSON.stringify(value));

/** Keys without which nothing can be done, with values that look like theirs and are not. */
const required: Readonly<Record<string, fc.Arbitrary<string>>> = {
  LifecycleActionToken: fc.oneof(
    hostile,
    textLike(LAUNCH_TOKEN).filter((text) => !/^[0-9a-fA-F-]{36}$/.test(text)),
  ),
  EC2InstanceId: fc.oneof(
    hostile,
    textLike(INSTANCE).filter((text) => !/^i-[0-9a-f]{17}$/.test(text)),
    fc.constantFrom(
      'i-12345678',
      INSTANCE.toUpperCase(),
      `${INSTANCE}0`,
      ` ${INSTANCE}`,
      `${INSTANCE}\u0000`,
    ),
  ),
  LifecycleHookName: fc.constantFrom(
    '',
    'a b',
    'a\n',
    'a*',
    'j\u00f6in',
    'x'.repeat(256),
    'join)',
    'join,OU=x',
  ),
  AutoScalingGroupName: fc.constantFrom('', 'x'.repeat(256)),
};
const optional = {
  Time: fc.constantFrom(
    'yesterday',
    '2026-02-30T00:00:00Z',
    '',
    '1767225600',
    '2026-01-01',
    '2026-01-01T00:00:00',
  ),
} as const;

/** Places that AWS may add, or that cannot be read: an action is carried out all the same. */
const places = fc.constantFrom('Mars', '', 'ec2', 'EC2 ', 'warmpool', 'AutoScalingGroup\n');

const requiredKeys = Object.keys(required);

const unreadable: fc.Arbitrary<Edit> = fc.oneof(
  fc.constantFrom(...requiredKeys, 'LifecycleTransition').map((key): Edit => ({
    name: `without ${key}`,
    fate: 'dead',
    apply: drop(key),
  })),
  fc.constantFrom(...requiredKeys, 'LifecycleTransition', ...Object.keys(optional)).chain((key) =>
    notText.map((text): Edit => ({
      name: `${key} is ${text.slice(0, 20)}`,
      fate: 'dead',
      apply: set(key, text),
    })),
  ),
  fc.constantFrom(...Object.entries({ ...required, ...optional })).chain(([key, values]) =>
    quoted(values).map((text): Edit => ({
      name: `${key} is ${text.slice(0, 60)}`,
      fate: 'dead',
      apply: set(key, text),
    })),
  ),
  // The key twice: JSON keeps the last.
  fc.constantFrom(...requiredKeys).map((key): Edit => ({
    name: `${key} twice, the last one bad`,
    fate: 'dead',
    apply: (inner) => [...inner, [key, '7']],
  })),
);

const foreign: fc.Arbitrary<Edit> = fc.oneof(
  quoted(textLike(ACCOUNT).filter((text) => text !== ACCOUNT)).map((text): Edit => ({
    name: `account ${text.slice(0, 40)}`,
    fate: 'dead',
    apply: set('AccountId', text),
  })),
  quoted(
    fc.oneof(
      hostile,
      fc.constantFrom(
        'autoscaling:EC2_INSTANCE_LAUNCH',
        'autoscaling:EC2_INSTANCE_LAUNCH_ERROR',
        'AUTOSCALING:EC2_INSTANCE_LAUNCHING',
        'autoscaling:EC2_INSTANCE_LAUNCHING ',
      ),
    ),
  ).map((text): Edit => ({
    name: `transition ${text.slice(0, 40)}`,
    fate: 'dead',
    apply: set('LifecycleTransition', text),
  })),
  fc
    .tuple(
      fc.constantFrom('account', 'region'),
      fc.oneof(quoted(fc.oneof(hostile, fc.constantFrom('210987654321', 'us-east-1'))), notText),
    )
    .map(([key, text]): Edit => ({
      name: `event of ${key} ${text.slice(0, 40)}`,
      fate: 'dead',
      apply: (inner) => inner,
      outer: [[key, text]],
      eventOnly: true,
    })),
);

const forged: fc.Arbitrary<Edit> = fc.oneof(
  fc.uuid().map((token): Edit => ({
    name: 'a token of nobody',
    fate: 'void',
    apply: set('LifecycleActionToken', JSON.stringify(token)),
  })),
  fc.bigInt({ min: 0n, max: 2n ** 68n - 1n }).map((value): Edit => ({
    name: 'an instance of nobody',
    fate: 'void',
    apply: set('EC2InstanceId', JSON.stringify(`i-${value.toString(16).padStart(17, '0')}`)),
  })),
  quoted(
    fc.oneof(
      fc.constantFrom('Fleet', 'fleet ', 'fleet*', '__proto__', 'constructor'),
      fc.string({ unit: 'binary', minLength: 6, maxLength: 60 }),
    ),
  ).map((text): Edit => ({
    name: `the group ${text}`,
    fate: 'void',
    apply: set('AutoScalingGroupName', text),
  })),
  fc.constantFrom('Join', 'join-', 'join/x', '__proto__', 'constructor').map((hook): Edit => ({
    name: `the hook ${hook}`,
    fate: 'void',
    apply: set('LifecycleHookName', JSON.stringify(hook)),
  })),
);

const harmless: fc.Arbitrary<Edit> = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(
        'more',
        '__proto__',
        'constructor',
        'hasOwnProperty',
        'toString',
        'Type',
        'source',
        'detail',
      ),
      fc.json(),
    )
    .map(([key, text]): Edit => ({
      name: `also ${key}`,
      fate: 'done',
      apply: (inner) => [[key, text], ...inner],
    })),
  fc
    .oneof(
      quoted(fc.string({ unit: 'binary', maxLength: 200 })),
      fc.constantFrom(
        JSON.stringify('x'.repeat(256 * 1024)),
        JSON.stringify('\u{1F980}'.repeat(30_000)),
        '"\\ud800 \\udfff \\u0000"',
        nested(3_000, '[', '1', ']'),
        '1e999',
        '123456789012345678901234567890',
      ),
    )
    .map((text): Edit => ({ name: 'metadata', fate: 'done', apply: set('NotificationMetadata', text) })),
  fc.constantFrom(...requiredKeys).map((key): Edit => ({
    name: `${key} twice, the last one good`,
    fate: 'done',
    apply: (inner) => [[key, '"bad"'], ...inner],
  })),
  fc.constantFrom('Origin', 'Destination', 'Time', 'AccountId', 'Service', 'RequestId').map((key): Edit => ({
    name: `without ${key}`,
    fate: 'done',
    apply: drop(key),
  })),
  fc
    .tuple(fc.constantFrom('Origin', 'Destination'), fc.oneof(notText, quoted(places)))
    .map(([key, text]): Edit => ({
      name: `${key} is ${text.slice(0, 20)}`,
      fate: 'done',
      apply: set(key, text),
    })),
  fc.constantFrom('9999-12-31T23:59:59Z', '2026-01-01T00:00:00+00:00').map((time): Edit => ({
    name: `at ${time}`,
    fate: 'done',
    apply: set('Time', JSON.stringify(time)),
  })),
);

/** The worst of two edits decides: what can't be read is not looked up, and what is forged is not done. */
const rank: readonly Fate[] = ['done', 'void', 'dead'];

/** An honest message after one edit that decides and perhaps one that changes nothing. */
export const changes: fc.Arbitrary<Change> = fc
  .tuple(
    fc.constantFrom<Direction>('launch', 'terminate'),
    fc.constantFrom(...envelopes),
    fc.oneof(unreadable, foreign, forged, harmless),
    fc.option(harmless, { nil: undefined }),
  )
  .map(([direction, given, edit, other]) => {
    const envelope: Envelope = edit.eventOnly ? (given.startsWith('sns') ? 'sns-event' : 'event') : given;
    // The second edit goes first: where both touch one field, the decisive one has the last word.
    const edits = other ? [other, edit] : [edit];
    const inner = edits.reduce<readonly Member[]>((all, { apply }) => apply(all), members(honest(direction)));
    const fate = rank[Math.max(...edits.map((each) => rank.indexOf(each.fate)))] ?? 'dead';
    return {
      name: `${direction} ${envelope}: ${edits.map(({ name }) => name).join(' and ')}`,
      direction,
      text: wrap(
        envelope,
        inner,
        edits.flatMap(({ outer }) => outer ?? []),
      ),
      fate,
    };
  });

/** An honest message whose text was damaged at some places: cut, overwritten, inserted into, turned around. */
export const damaged: fc.Arbitrary<Omit<Change, 'fate'>> = fc
  .tuple(
    fc.constantFrom<Direction>('launch', 'terminate'),
    fc.constantFrom(...envelopes),
    fc.array(
      fc.tuple(
        fc.nat(),
        fc.oneof(
          { weight: 3, arbitrary: fc.nat({ max: 3 }) },
          { weight: 1, arbitrary: fc.nat({ max: 400 }) },
        ),
        fc.oneof(
          fc.constantFrom('', '0', '"', '}', '{', '[', ',', '\\', '\0', '\u2028', '\uD800', '1e9'),
          fc.string({ unit: 'binary', maxLength: 5 }),
        ),
      ),
      { minLength: 1, maxLength: 3 },
    ),
  )
  .map(([direction, envelope, cuts]) => {
    let text = wrap(envelope, members(honest(direction)));
    for (const [at, length, inserted] of cuts) {
      const start = at % (text.length + 1);
      text = text.slice(0, start) + inserted + text.slice(start + length);
    }
    return { name: `${direction} ${envelope}, damaged`, direction, text };
  });

/** Texts that no service ever made. */
export const strange: fc.Arbitrary<string> = fc.oneof(
  fc.json(),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.constantFrom(
    '',
    'null',
    '[]',
    '"text"',
    '\uFEFF{}',
    nested(20_000, '[', '', ']'),
    nested(10_000, '{"Type":"Notification","Message":', '1', '}'),
    `"${'x'.repeat(256 * 1024)}"`,
    '{"Type":"Notification","Message":"{}"}',
    '{"source":"aws.autoscaling","detail":[]}',
    '{"source":"aws.autoscaling","detail":{}}',
    '{"__proto__":{"LifecycleActionToken":"x"}}',
    `{"__proto__":${wrap('direct', members(honest('launch')))}}`,
    `[${wrap('direct', members(honest('launch')))}]`,
    // Once more wrapped than any service does.
    wrap('sns', []).replace(
      '"{}"',
      JSON.stringify(
        wrap('sns', []).replace('"{}"', JSON.stringify(wrap('sns-event', members(honest('launch'))))),
      ),
    ),
  ),
);
