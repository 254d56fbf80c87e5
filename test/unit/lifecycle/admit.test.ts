import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import type { Membership } from '../../../agent/ledger/membership.ts';
import type {
  Admission,
  AdmissionContext,
  Group,
  HeartbeatTime,
} from '../../../agent/lifecycle/admission.ts';
import { admit } from '../../../agent/lifecycle/admit.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';
import type { InstanceState, LifecycleAction, Transition } from '../../../agent/terms.ts';

const hook = {
  name: 'hook',
  transition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
  heartbeatMs: 300_000,
  globalMs: 30_000_000,
};

let clock: VirtualClock;
let calls: string[];
/** What Auto Scaling answers, look by look; the last one stays. */
let states: (InstanceState | undefined)[];
let group: Group | undefined;
let instanceTag: string | undefined;
let membership: Membership | undefined;
let heartbeatError: AdjoinError | undefined;
let heartbeatTime: HeartbeatTime | undefined;

beforeEach(() => {
  clock = createVirtualClock();
  calls = [];
  states = [{ group: 'fleet', lifecycleState: 'Pending:Wait' }];
  group = { tags: new Map([['JoinAD', 'true']]), hooks: [hook] };
  instanceTag = undefined;
  membership = undefined;
  heartbeatError = undefined;
  heartbeatTime = undefined;
});

const context = (signal = new AbortController().signal): AdmissionContext => ({
  async instance() {
    calls.push('instance');
    return states.length > 1 ? states.shift() : states[0];
  },
  async group() {
    calls.push('group');
    return group;
  },
  async instanceTag() {
    calls.push('tag');
    return instanceTag;
  },
  async ec2() {
    calls.push('ec2');
    return undefined;
  },
  async heartbeat(_action, _signal, time) {
    calls.push('heartbeat');
    heartbeatTime = time;
    if (heartbeatError) throw heartbeatError;
  },
  known: async () => membership,
  clock,
  signal,
});

const actionOf = (transition: Transition = 'launching'): LifecycleAction => ({
  token: 'token',
  hook: 'hook',
  group: 'fleet',
  instanceId: 'i-0123456789abcdef0',
  transition,
  origin: 'EC2',
  destination: 'AutoScalingGroup',
  startedAt: clock.now() - 1_000,
});

const tried = (transition?: Transition, signal = new AbortController().signal): Promise<Admission> =>
  clock.until(admit(actionOf(transition), context(signal)));

const record = (state: Membership['state'], over: Partial<Membership> = {}): Membership => ({
  instanceId: 'i-0123456789abcdef0',
  autoScalingGroup: 'fleet',
  state,
  fencingToken: 1,
  ...over,
});

const codeOf = async (admission: Promise<unknown>): Promise<string> => {
  const error: unknown = await admission.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof AdjoinError ? error.code : String(error);
};

describe('an action', () => {
  test('of a waiting instance in a group that opted in is admitted, and proven by a heartbeat', async () => {
    await expect(tried()).resolves.toEqual({
      hook,
      failurePolicy: 'ABANDON',
      isUnjoinOnly: false,
      tags: group?.tags,
      isHeld: false,
      globalDeadline: clock.now() - 1_000 + 30_000_000,
    });
    expect(calls).toEqual(['instance', 'group', 'heartbeat']);
    // Until then, the hook's time-out runs from the beginning of its action.
    expect(heartbeatTime).toEqual({ until: clock.now() - 1_000 + 300_000, lastsMs: 300_000 });
  });

  test.each([
    ['launching', 'Pending:Wait'],
    ['launching', 'Warmed:Pending:Wait'],
    ['terminating', 'Terminating:Wait'],
    ['terminating', 'Warmed:Terminating:Wait'],
    ['terminating', 'ReplacingRootVolume:Wait'],
  ] as const)('that is %s is admitted at %s', async (transition, lifecycleState) => {
    states = [{ group: 'fleet', lifecycleState }];
    await expect(tried(transition)).resolves.toMatchObject({ hook });
  });

  test.each(['Warmed:Pending:Wait', 'Warmed:Terminating:Wait', 'Terminating:Wait'])(
    'that takes an instance back into the warm pool is admitted at %s',
    async (lifecycleState) => {
      states = [{ group: 'fleet', lifecycleState }];
      const returning = { ...actionOf('terminating'), destination: 'WarmPool' };
      await expect(clock.until(admit(returning, context()))).resolves.toMatchObject({ hook });
      expect(calls).toEqual(['instance', 'group', 'heartbeat']);
    },
  );

  test('that takes an instance back into the warm pool may come before its state is shown', async () => {
    states = [
      { group: 'fleet', lifecycleState: 'Warmed:Pending' },
      { group: 'fleet', lifecycleState: 'Warmed:Pending:Wait' },
    ];
    const returning = { ...actionOf('terminating'), destination: 'WarmPool' };
    await expect(clock.until(admit(returning, context()))).resolves.toMatchObject({ hook });
  });

  describe.each([
    ['terminating', 'fleet', 'Warmed:Pending:Wait'],
    ['launching', 'fleet', 'Terminating:Wait'],
    ['launching', 'fleet', 'InService'],
    ['launching', 'fleet', 'Pending:Proceed'],
    ['launching', 'another', 'Pending:Wait'],
    ['launching', undefined, ''],
    ['terminating', 'fleet', 'Pending:Wait'],
    ['terminating', 'fleet', 'Terminating:Proceed'],
    ['terminating', 'fleet', 'InService'],
  ] as const)('that claims to be %s, of an instance in %s at %s,', (transition, inGroup, lifecycleState) => {
    beforeEach(() => {
      states = [inGroup && { group: inGroup, lifecycleState }];
    });

    test.each(['action-void', 'aws-denied', 'aws-refused'] as const)(
      'is void when the heartbeat answers %s',
      async (code) => {
        heartbeatError = new AdjoinError(code, 'no');
        await expect(codeOf(tried(transition))).resolves.toBe('action-void');
        expect(calls).toEqual(['instance', 'heartbeat']);
      },
    );

    test('is kept when it is the worker that Auto Scaling does not believe', async () => {
      heartbeatError = new AdjoinError('aws-unauthenticated', 'ExpiredToken');
      await expect(codeOf(tried(transition))).resolves.toBe('aws-unauthenticated');
    });

    test('is looked at again later when its token is active: the view lags behind', async () => {
      await expect(codeOf(tried(transition))).resolves.toBe('aws-unavailable');
    });
  });

  describe.each([
    ['group', undefined],
    ['hook', { tags: new Map([['JoinAD', 'true']]), hooks: [{ ...hook, name: 'another' }] }],
  ] as const)('whose %s is not there', (_, shown) => {
    beforeEach(() => {
      group = shown;
    });

    test.each(['action-void', 'aws-denied', 'aws-refused'] as const)(
      'is void when the heartbeat answers %s',
      async (code) => {
        heartbeatError = new AdjoinError(code, 'no');
        await expect(codeOf(tried())).resolves.toBe('action-void');
        expect(calls).toEqual(['instance', 'group', 'heartbeat']);
      },
    );

    test('is looked at again later when its token is active: the look was older than the hook', async () => {
      await expect(codeOf(tried())).resolves.toBe('aws-unavailable');
    });
  });

  test('that overtook the state it speaks of is looked at again', async () => {
    const early = { group: 'fleet', lifecycleState: 'Pending' };
    states = [early, early, { group: 'fleet', lifecycleState: 'Pending:Wait' }];
    const began = clock.now();
    await tried();
    expect(clock.now() - began).toBe(4_000);
  });

  test('that never reaches its wait state is void after five looks', async () => {
    states = [{ group: 'fleet', lifecycleState: 'Pending' }];
    heartbeatError = new AdjoinError('action-void', 'No active Lifecycle Action found');
    await expect(codeOf(tried())).resolves.toBe('action-void');
    expect(calls).toEqual(['instance', 'instance', 'instance', 'instance', 'instance', 'heartbeat']);
  });

  test('is let go of when the worker stops between two looks', async () => {
    states = [{ group: 'fleet', lifecycleState: 'Pending' }];
    const controller = new AbortController();
    const admission = codeOf(tried('launching', controller.signal));
    controller.abort(new AdjoinError('draining', 'stop'));
    await expect(admission).resolves.toBe('draining');
  });

  test('whose token Auto Scaling does not know is void', async () => {
    heartbeatError = new AdjoinError('action-void', 'No active Lifecycle Action found');
    await expect(codeOf(tried())).resolves.toBe('action-void');
  });
});

describe('the opt-in', () => {
  test.each(['true', 'True', 'TRUE'])('of a group is the tag JoinAD=%s', async (value) => {
    group = { tags: new Map([['JoinAD', value]]), hooks: [hook] };
    await expect(tried()).resolves.toMatchObject({ hook });
    expect(calls).not.toContain('tag');
  });

  test.each([undefined, '', 'false', 'yes', ' true'])('is missing with a tag of %j', async (value) => {
    group = { tags: value === undefined ? new Map() : new Map([['JoinAD', value]]), hooks: [hook] };
    await expect(codeOf(tried())).resolves.toBe('action-not-opted-in');
    expect(calls).not.toContain('heartbeat');
  });

  test('of an instance counts like that of its group', async () => {
    group = { tags: new Map(), hooks: [hook] };
    instanceTag = 'true';
    await expect(tried()).resolves.toMatchObject({ hook });
  });

  test('is not asked of a member that terminates, but of one that launches', async () => {
    group = { tags: new Map(), hooks: [hook] };
    membership = record('member');
    states = [{ group: 'fleet', lifecycleState: 'Terminating:Wait' }];
    await expect(tried('terminating')).resolves.toMatchObject({ hook });
    states = [{ group: 'fleet', lifecycleState: 'Pending:Wait' }];
    await expect(codeOf(tried('launching'))).resolves.toBe('action-not-opted-in');
  });
});

describe('a group with the opt-in tag in another spelling', () => {
  const tagged = (...tags: [string, string][]) => {
    group = { tags: new Map(tags), hooks: [hook] };
  };

  test.each([
    ['true', 'false'],
    ['false', 'true'],
    ['TRUE', ''],
  ])('that contradicts (JoinAD=%s, joinad=%s) is reported, and nothing is decided', async (one, other) => {
    tagged(['JoinAD', one], ['joinad', other]);
    instanceTag = 'true';
    const error: unknown = await tried().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'opt-in-ambiguous', disposition: 'retry' });
    expect(String(error)).toContain(`JoinAD=${one} and joinad=${other}`);
    expect(calls).not.toContain('heartbeat');
  });

  test('that contradicts lets a known member go', async () => {
    tagged(['joinad', 'false'], ['JoinAD', 'true']);
    states = [{ group: 'fleet', lifecycleState: 'Terminating:Wait' }];
    membership = record('member');
    await expect(tried('terminating')).resolves.toMatchObject({ hook });
  });

  test('that says the same is admitted', async () => {
    tagged(['JOINAD', 'True'], ['JoinAD', 'true']);
    await expect(tried()).resolves.toMatchObject({ hook });
  });

  test('alone has not opted in, and the error says which tag it has', async () => {
    tagged(['joinad', 'true']);
    const error: unknown = await tried().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'action-not-opted-in' });
    expect(String(error)).toContain('The group has joinad=true, which is another tag.');
  });
});

describe('a tag that is not shown yet', () => {
  test('of the instance is looked for again', async () => {
    group = { tags: new Map(), hooks: [hook] };
    let looks = 0;
    const late = { ...context(), instanceTag: async () => ((looks += 1) < 5 ? undefined : 'true') };
    const began = clock.now();
    const admission = admit(actionOf(), late);
    await expect(clock.until(admission)).resolves.toMatchObject({ hook });
    expect(clock.now() - began).toBe(8_000);
  });

  test('of the group is looked for again, past what is remembered of the group', async () => {
    const untagged = { tags: new Map(), hooks: [hook] };
    const tagged = { tags: new Map([['JoinAD', 'true']]), hooks: [hook] };
    const began = clock.now();
    const late = { ...context(), group: async () => (clock.now() - began < 5_000 ? untagged : tagged) };
    const admission = admit(actionOf(), late);
    await expect(clock.until(admission)).resolves.toMatchObject({ hook });
  });

  test('after five looks is missing', async () => {
    group = { tags: new Map(), hooks: [hook] };
    const began = clock.now();
    await expect(codeOf(tried())).resolves.toBe('action-not-opted-in');
    expect(clock.now() - began).toBe(8_000);
    expect(calls.filter((call) => call === 'tag')).toHaveLength(5);
  });
});

describe('a launch that is held', () => {
  const lastError = { code: 'join-exhausted', message: 'no', at: 0 };
  const launch = { actionToken: 'token', hook: 'hook', times: {} };
  beforeEach(() => {
    group = {
      tags: new Map([
        ['JoinAD', 'true'],
        ['adjoin:OnJoinFailure', 'HOLD'],
      ]),
      hooks: [hook],
    };
  });

  test.each(['failed', 'owed'] as const)('and is %s is left to its time-out', async (state) => {
    membership = record(state, { lastError, launch });
    await expect(tried()).resolves.toMatchObject({ failurePolicy: 'HOLD', isHeld: true });
    expect(calls).not.toContain('heartbeat');
  });

  test('and whose debt the sweep has paid is left to its time-out', async () => {
    membership = record('removed', { launch: { ...launch, times: { 'give-up': 1 } } });
    await expect(tried()).resolves.toMatchObject({ failurePolicy: 'HOLD', isHeld: true });
    expect(calls).not.toContain('heartbeat');
  });

  test.each([
    ['is still worked on', record('joining', { lastError, launch })],
    ['is another one', record('failed', { lastError, launch: { ...launch, actionToken: 'earlier' } })],
    ['is unknown', undefined],
  ])('and %s is proven by a heartbeat', async (_, stored) => {
    membership = stored;
    await tried();
    expect(calls).toContain('heartbeat');
  });

  test('is answered, and kept alive until then, once the group abandons', async () => {
    group = { tags: new Map([['JoinAD', 'true']]), hooks: [hook] };
    membership = record('failed', { lastError, launch });
    await expect(tried()).resolves.toMatchObject({ failurePolicy: 'ABANDON', isHeld: false });
    expect(calls).toContain('heartbeat');
  });
});

test.each([
  [undefined, false],
  ['true', true],
  ['True', true],
  ['false', false],
  ['yes', false],
])(
  'a group tagged adjoin:UnjoinOnly=%j lets accounts of others be removed: %j',
  async (value, isUnjoinOnly) => {
    const tags = new Map([['JoinAD', 'true']]);
    if (value !== undefined) tags.set('adjoin:UnjoinOnly', value);
    group = { tags, hooks: [hook] };
    await expect(tried()).resolves.toMatchObject({ isUnjoinOnly });
  },
);

describe('the failure policy', () => {
  test.each([
    [undefined, 'ABANDON'],
    ['ABANDON', 'ABANDON'],
    ['HOLD', 'HOLD'],
    ['hold', 'HOLD'],
    ['whatever', 'ABANDON'],
  ])('of a group tagged %j is %s', async (value, policy) => {
    const tags = new Map([['JoinAD', 'true']]);
    if (value !== undefined) tags.set('adjoin:OnJoinFailure', value);
    group = { tags, hooks: [hook] };
    await expect(tried()).resolves.toMatchObject({ failurePolicy: policy });
  });
});
