import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { AdjoinError } from '../../../agent/errors.ts';
import { type AdmissionContext, FAILURE_POLICY_TAG, OPT_IN_TAG } from '../../../agent/lifecycle/admission.ts';
import { admit } from '../../../agent/lifecycle/admit.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';
import { GROUP, INSTANCE, LAUNCH_TOKEN } from '../../support/world.ts';
import { broken, fuzz, hostile, LIMIT_MS } from './fuzz.ts';
import type { LifecycleAction, Transition } from '../../../agent/terms.ts';

const signal = new AbortController().signal;

/** Values that opt in, and those that look as if. */
const yes = fc.constantFrom('true', 'True', 'TRUE', 'tRuE');
const no = fc.oneof(
  hostile,
  fc.string({ unit: 'binary', maxLength: 300 }).filter((text) => !/^true$/i.test(text)),
  fc.constantFrom(
    'false',
    'yes',
    '1',
    'on',
    ' true',
    'true ',
    'true\n',
    'truе',
    'ｔｒｕｅ',
    '\u0000true',
    'true\u0000',
    '"true"',
    'true,true',
    'TRÜE',
  ),
);
const hold = fc.constantFrom('HOLD', 'hold', 'Hold');
const noHold = fc.oneof(
  hostile,
  fc.constantFrom(
    'ABANDON',
    'CONTINUE',
    'continue',
    'HOLD ',
    ' HOLD',
    'HOLD\n',
    'HOLDING',
    'ＨＯＬＤ',
    'TRUE',
    'HÖLD',
    'ho\u0131d',
  ),
  fc.string({ unit: 'binary', maxLength: 300 }).filter((text) => !/^hold$/i.test(text)),
);
/** Keys that are not ours, however much they look like it. */
const otherKeys = fc.oneof(
  fc.constantFrom(
    'joinad',
    'JOINAD',
    ' JoinAD',
    'JoinAD ',
    'JoinAD\n',
    'JoinАD',
    'aws:JoinAD',
    'adjoin:JoinAD',
    'adjoin:onjoinfailure',
    'adjoin:OnJoinFailure ',
    'OnJoinFailure',
    '__proto__',
    'constructor',
    'adjoin:sessions',
  ),
  fc
    .string({ unit: 'binary', maxLength: 200 })
    .filter((key) => key !== OPT_IN_TAG && key !== FAILURE_POLICY_TAG),
);

interface Tag {
  readonly value: string;
  /** What it must come to. */
  readonly means: boolean;
}
const tagOf = (meant: fc.Arbitrary<string>, other: fc.Arbitrary<string>): fc.Arbitrary<Tag | undefined> =>
  fc.oneof(
    meant.map((value) => ({ value, means: true })),
    other.map((value) => ({ value, means: false })),
    fc.constant(undefined),
  );

const membership = {
  instanceId: INSTANCE,
  autoScalingGroup: GROUP,
  state: 'member',
  fencingToken: 1,
} as const;

const cases = fc.record({
  transition: fc.constantFrom<Transition>('launching', 'terminating'),
  group: tagOf(yes, no),
  instance: tagOf(yes, no),
  policy: tagOf(hold, noHold),
  noise: fc.array(fc.tuple(otherKeys, fc.oneof(yes, hold, no)), { maxLength: 5 }),
  isMember: fc.boolean(),
});

test(
  'an instance is opted in by the documented values of the documented tags, and by nothing that looks like them',
  async () => {
    const played = await fuzz(
      'tags',
      cases,
      async ({ transition, group, instance, policy, noise, isMember }) => {
        const tags = new Map(noise);
        if (group) tags.set(OPT_IN_TAG, group.value);
        if (policy) tags.set(FAILURE_POLICY_TAG, policy.value);
        let heartbeats = 0;
        const context: AdmissionContext = {
          instance: async () => ({
            group: GROUP,
            lifecycleState: transition === 'launching' ? 'Pending:Wait' : 'Terminating:Wait',
          }),
          group: async () => ({
            tags,
            hooks: [{ name: 'hook', transition: '', heartbeatMs: 60_000, globalMs: 600_000 }],
          }),
          ec2: async () => undefined,
          instanceTag: async (_instanceId, key) => (key === OPT_IN_TAG ? instance?.value : 'true'),
          heartbeat: async () => {
            heartbeats += 1;
          },
          known: async () => (isMember ? membership : undefined),
          clock: createVirtualClock(0).passing,
          signal,
        };
        const action: LifecycleAction = {
          token: LAUNCH_TOKEN,
          hook: 'hook',
          group: GROUP,
          instanceId: INSTANCE,
          transition,
          origin: 'EC2',
          destination: 'EC2',
          startedAt: 0,
        };
        const wanted =
          group?.means === true || instance?.means === true || (transition === 'terminating' && isMember);
        const meanings = new Set([
          ...(group ? [group.means] : []),
          ...[...tags]
            .filter(([key]) => key !== OPT_IN_TAG && key.toLowerCase() === 'joinad')
            .map(([, value]) => value.toLowerCase() === 'true'),
        ]);
        const ambiguous = meanings.size > 1 && !(transition === 'terminating' && isMember);
        let verdict: string;
        try {
          verdict = (await admit(action, context)).failurePolicy;
        } catch (error) {
          if (!(error instanceof AdjoinError)) throw error;
          verdict = error.code;
        }
        const policyWanted = policy?.means === true ? 'HOLD' : 'ABANDON';
        const admitted = wanted && !ambiguous;
        const refusal = ambiguous ? 'opt-in-ambiguous' : 'action-not-opted-in';
        if (verdict !== (admitted ? policyWanted : refusal) || heartbeats !== (admitted ? 1 : 0)) {
          throw broken('It was admitted otherwise', { verdict, wanted, ambiguous, policyWanted, heartbeats });
        }
      },
    );
    expect(played).toBe(true);
  },
  LIMIT_MS,
);
