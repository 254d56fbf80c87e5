/** What the Auto Scaling adapter asks, and what it makes of the answers. */
import { AutoScalingClient, DescribeAutoScalingInstancesCommand } from '@aws-sdk/client-auto-scaling';
import { describe, expect, test } from '@jest/globals';
import { createAutoScaling } from '../../../agent/aws/auto-scaling.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import type { LifecycleAction } from '../../../agent/terms.ts';
import {
  asked,
  inTurn,
  startAwsEndpoint,
  xmlError,
  type AwsAnswer,
  type AwsRequest,
} from '../../support/aws-endpoint.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';

const open = new AbortController().signal;

const action: LifecycleAction = {
  token: '11111111-1111-1111-1111-111111111111',
  hook: 'join',
  group: 'fleet',
  instanceId: 'i-1',
  transition: 'launching',
  origin: 'EC2',
  destination: 'AutoScalingGroup',
  startedAt: 0,
};

async function start(answer: (request: AwsRequest) => AwsAnswer) {
  const endpoint = await startAwsEndpoint(answer);
  const clock = createVirtualClock();
  return { endpoint, clock, autoScaling: createAutoScaling(new AutoScalingClient(endpoint.client), clock) };
}

const result = (operation: string, inner: string): string =>
  `<${operation}Response><${operation}Result>${inner}</${operation}Result></${operation}Response>`;

const instancesPage = (members: readonly string[], next = ''): string =>
  result(
    'DescribeAutoScalingInstances',
    `<AutoScalingInstances>${members.map((each) => `<member>${each}</member>`).join('')}</AutoScalingInstances>${next && `<NextToken>${next}</NextToken>`}`,
  );

const member = (id: string, state = 'Pending:Wait'): string =>
  `<InstanceId>${id}</InstanceId><AutoScalingGroupName>fleet</AutoScalingGroupName><LifecycleState>${state}</LifecycleState>`;

const idsOf = ({ input }: AwsRequest): string[] =>
  Object.entries(input)
    .filter(([key]) => key.startsWith('InstanceIds.member.'))
    .map(([, value]) => String(value));

describe('the state of an instance', () => {
  test('is asked in calls of at most fifty, which is all that Auto Scaling takes', async () => {
    const { endpoint, clock, autoScaling } = await start((request) =>
      instancesPage(idsOf(request).map((id) => member(id))),
    );
    await using _ = endpoint;
    const ids = Array.from({ length: 51 }, (_each, number) => `i-${number}`);
    const looks = Promise.all(ids.map((id) => autoScaling.instance(id, open)));
    await clock.until(endpoint.asked(1));
    const states = await looks;
    expect(states).toEqual(ids.map(() => ({ group: 'fleet', lifecycleState: 'Pending:Wait' })));
    expect(endpoint.requests.map((request) => idsOf(request).length)).toEqual([50, 1]);
    expect(endpoint.requests.flatMap(idsOf)).toEqual(ids);
    expect(endpoint.requests[1]).toMatchObject({
      operation: 'DescribeAutoScalingInstances',
      input: { 'InstanceIds.member.1': 'i-50' },
    });
  });

  test('is asked together with what is asked within the next 50 ms, and once for the same instance', async () => {
    const { endpoint, clock, autoScaling } = await start((request) =>
      instancesPage(idsOf(request).map((id) => member(id))),
    );
    await using _ = endpoint;
    const looks = [autoScaling.instance('i-0', open)];
    await clock.advance(5);
    looks.push(autoScaling.instance('i-1', open));
    await clock.advance(49);
    expect(endpoint.requests.map(idsOf)).toEqual([['i-0']]);
    looks.push(autoScaling.instance('i-1', open), autoScaling.instance('i-2', open));
    await clock.advance(1);
    await Promise.all(looks);
    expect(endpoint.requests.map(idsOf)).toEqual([['i-0'], ['i-1', 'i-2']]);
  });

  test('is found on every page; what no page shows whole is unknown', async () => {
    const { endpoint, clock, autoScaling } = await start(
      inTurn(
        instancesPage([member('i-1')], 'page 2'),
        instancesPage([
          '<InstanceId>i-3</InstanceId><LifecycleState>InService</LifecycleState>',
          '<InstanceId>i-4</InstanceId><AutoScalingGroupName>fleet</AutoScalingGroupName>',
          member('i-2', 'InService'),
        ]),
      ),
    );
    await using _ = endpoint;
    const looks = ['i-1', 'i-2', 'i-3', 'i-4', 'i-5'].map((id) => autoScaling.instance(id, open));
    await clock.advance(50);
    await expect(Promise.all(looks)).resolves.toEqual([
      { group: 'fleet', lifecycleState: 'Pending:Wait' },
      { group: 'fleet', lifecycleState: 'InService' },
      undefined,
      undefined,
      undefined,
    ]);
    expect(endpoint.requests.map(({ input }) => input['NextToken'])).toEqual([undefined, 'page 2']);
  });

  test('is no longer waited for when the action is given up', async () => {
    const { endpoint, clock, autoScaling } = await start(() => 'silence');
    await using _ = endpoint;
    const given = new AbortController();
    const look = autoScaling.instance('i-1', given.signal);
    look.catch(() => undefined);
    await clock.advance(50);
    const reason = new AdjoinError('lease-lost', 'gone');
    given.abort(reason);
    await expect(look).rejects.toBe(reason);
  });

  test('is unknown where the answer holds no list', async () => {
    const { endpoint, clock, autoScaling } = await start(() => result('DescribeAutoScalingInstances', ''));
    await using _ = endpoint;
    const look = autoScaling.instance('i-1', open);
    await clock.advance(50);
    await expect(look).resolves.toBeUndefined();
  });

  test('is not known when a call fails', async () => {
    const { endpoint, clock, autoScaling } = await start(() => xmlError('Throttling', 'Rate exceeded'));
    await using _ = endpoint;
    const look = autoScaling.instance('i-1', open);
    look.catch(() => undefined);
    await clock.advance(50);
    await expect(look).rejects.toMatchObject({ code: 'aws-throttled' });
    await expect(look).rejects.toThrow('autoscaling:DescribeAutoScalingInstances of 1');
  });
});

describe('an action', () => {
  const words = 'No active Lifecycle Action found with instance ID i-1';

  test('is completed by its token, and by nothing that a later action would share', async () => {
    const { endpoint, autoScaling } = await start(({ operation }) => result(operation, ''));
    await using _ = endpoint;
    await autoScaling.complete(action, 'CONTINUE', open);
    await autoScaling.complete(action, 'ABANDON');
    await autoScaling.heartbeat(action, open);
    const named = {
      AutoScalingGroupName: 'fleet',
      LifecycleHookName: 'join',
      LifecycleActionToken: action.token,
    };
    expect(asked(endpoint)).toEqual([
      { operation: 'CompleteLifecycleAction', input: { ...named, LifecycleActionResult: 'CONTINUE' } },
      { operation: 'CompleteLifecycleAction', input: { ...named, LifecycleActionResult: 'ABANDON' } },
      { operation: 'RecordLifecycleActionHeartbeat', input: named },
    ]);
  });

  test.each(['complete', 'heartbeat'] as const)(
    'that is given up during %s is cut off, with the reason of the signal',
    async (call) => {
      const { endpoint, autoScaling } = await start(() => 'silence');
      await using _ = endpoint;
      const given = new AbortController();
      const sent =
        call === 'complete'
          ? autoScaling.complete(action, 'CONTINUE', given.signal)
          : autoScaling.heartbeat(action, given.signal);
      const { cut } = await endpoint.asked(0);
      const reason = new AdjoinError('lease-lost', 'gone');
      given.abort(reason);
      await expect(sent).rejects.toBe(reason);
      await cut;
    },
  );

  test.each(['complete', 'heartbeat'] as const)('is void when %s hears that none is active', async (call) => {
    const { endpoint, autoScaling } = await start(() => xmlError('ValidationError', words));
    await using _ = endpoint;
    const sent =
      call === 'complete'
        ? autoScaling.complete(action, 'CONTINUE', open)
        : autoScaling.heartbeat(action, open);
    await expect(sent).rejects.toMatchObject({
      code: 'action-void',
      message: `i-1 in fleet: ${words}`,
      cause: expect.objectContaining({ name: 'ValidationError' }),
    });
  });

  test.each([
    ['another error', 'ValidationError', 'AutoScalingGroup name not found - fleet', 'aws-refused'],
    ['the words with another error', 'ResourceContention', words, 'aws-refused'],
    ['throttling', 'Throttling', 'Rate exceeded', 'aws-throttled'],
  ])('is not void by %s', async (_what, code, message, expected) => {
    const { endpoint, autoScaling } = await start(() => xmlError(code, message));
    await using _ = endpoint;
    const sent = autoScaling.complete(action, 'CONTINUE', open);
    await expect(sent).rejects.toMatchObject({ code: expected });
    await expect(sent).rejects.toThrow('autoscaling:CompleteLifecycleAction CONTINUE for i-1');
    await expect(autoScaling.heartbeat(action, open)).rejects.toThrow(
      'autoscaling:RecordLifecycleActionHeartbeat for i-1',
    );
  });
});

test('once Auto Scaling refuses calls, an answer goes first, then a proof that is nearly too late; one that is unwanted goes nowhere', async () => {
  const sent: string[] = [];
  let attempts = 2;
  let held = Promise.withResolvers<void>();
  held.resolve();
  const client = Object.assign(new AutoScalingClient({ region: 'eu-central-1' }), {
    async send({ input }: { readonly input: { readonly LifecycleActionToken: string } }): Promise<object> {
      sent.push(input.LifecycleActionToken);
      await held.promise;
      return { $metadata: { attempts } };
    },
  });
  const clock = createVirtualClock();
  const autoScaling = createAutoScaling(client, clock);
  for (let count = 0; count < 12; count += 1) {
    clock.skip(1_000);
    // The SDK says that it has sent the request twice.
    await autoScaling.heartbeat(action, open);
  }
  attempts = 1;
  sent.length = 0;
  held = Promise.withResolvers();
  const stop = new AbortController();
  const renewal = { until: clock.now() + 200_000, lastsMs: 300_000 };
  const named = (token: string) => ({ ...action, token });
  const first = autoScaling.heartbeat(named('first'), open);
  const unwanted = autoScaling.heartbeat(named('unwanted'), open, { ...renewal, unwanted: stop.signal });
  const urgent = { ...renewal, until: clock.now() + 90_000 };
  const others = [
    autoScaling.heartbeat(named('renewal'), open, { ...renewal, unwanted: open }),
    autoScaling.heartbeat(named('proof'), open),
    autoScaling.heartbeat(named('urgent renewal'), open, { ...urgent, unwanted: open }),
    autoScaling.heartbeat(named('urgent proof'), open, { ...urgent, until: clock.now() + 80_000 }),
    autoScaling.complete(named('answer'), 'CONTINUE', open),
  ];
  stop.abort('no longer');
  await expect(unwanted).rejects.toBe('no longer');
  held.resolve();
  await Promise.all([first, ...others]);
  expect(sent).toEqual(['first', 'answer', 'urgent proof', 'urgent renewal', 'proof', 'renewal']);
});

test('a proof without a time does not wait for longer than one with a time that comes much later', async () => {
  const sent: string[] = [];
  const held = Promise.withResolvers<void>();
  let answer: Promise<object> = Promise.resolve({ $metadata: { attempts: 2 } });
  const client = Object.assign(new AutoScalingClient({ region: 'eu-central-1' }), {
    async send({ input }: { readonly input: { readonly LifecycleActionToken: string } }): Promise<object> {
      sent.push(input.LifecycleActionToken);
      return answer;
    },
  });
  const clock = createVirtualClock();
  const autoScaling = createAutoScaling(client, clock);
  const proof = (token: string, time?: { readonly until: number; readonly lastsMs: number }) =>
    autoScaling.heartbeat({ ...action, token }, open, time);
  for (let count = 0; count < 12; count += 1) {
    clock.skip(1_000);
    await proof('before');
  }
  answer = held.promise.then(() => ({ $metadata: { attempts: 1 } }));
  sent.length = 0;
  const proofs = [proof('first'), proof('without a time')];
  clock.skip(150_000);
  proofs.push(proof('with a time', { until: clock.now() + 300_000, lastsMs: 300_000 }));
  held.resolve();
  await Promise.all(proofs);
  expect(sent).toEqual(['first', 'without a time', 'with a time']);
});

test('once lookups are refused, fewer are on their way at a time, and heartbeats are not', async () => {
  let attempts = 2;
  let [lookups, mostLookups, heartbeats] = [0, 0, 0];
  const held = Promise.withResolvers<void>();
  held.resolve();
  let { promise } = held;
  const client = Object.assign(new AutoScalingClient({ region: 'eu-central-1' }), {
    async send(command: object): Promise<object> {
      const isLookup = command instanceof DescribeAutoScalingInstancesCommand;
      if (isLookup) mostLookups = Math.max(mostLookups, (lookups += 1));
      else heartbeats += 1;
      await promise;
      if (isLookup) lookups -= 1;
      return { $metadata: { attempts } };
    },
  });
  const clock = createVirtualClock();
  const autoScaling = createAutoScaling(client, clock);
  for (let count = 0; count < 12; count += 1) {
    clock.skip(1_000);
    await clock.until(autoScaling.instance(`i-${count}`, open));
  }
  attempts = 1;
  mostLookups = 0;
  const next = Promise.withResolvers<void>();
  ({ promise } = next);
  const looks = Array.from({ length: 200 }, (_, index) => autoScaling.instance(`i-many-${index}`, open));
  const beats = [1, 2, 3].map(() => autoScaling.heartbeat(action, open));
  expect({ mostLookups, heartbeats }).toEqual({ mostLookups: 1, heartbeats: 3 });
  next.resolve();
  await clock.until(Promise.all([...looks, ...beats]));
  expect(mostLookups).toBe(1);
});

describe('a group', () => {
  const groupXml = result(
    'DescribeAutoScalingGroups',
    '<AutoScalingGroups><member><AutoScalingGroupName>fleet</AutoScalingGroupName><Tags><member><Key>JoinAD</Key><Value>true</Value></member><member><Key>bare</Key></member></Tags></member></AutoScalingGroups>',
  );
  const hooksXml = (inner: string): string =>
    result('DescribeLifecycleHooks', `<LifecycleHooks>${inner}</LifecycleHooks>`);
  const either = (groups: AwsAnswer, hooks: AwsAnswer) => (request: AwsRequest) =>
    request.operation === 'DescribeAutoScalingGroups' ? groups : hooks;

  test('is shown with its tags, and with hooks whose times are whole even where AWS names none', async () => {
    const { endpoint, autoScaling } = await start(
      either(
        groupXml,
        hooksXml(
          '<member><LifecycleHookName>join</LifecycleHookName><LifecycleTransition>autoscaling:EC2_INSTANCE_LAUNCHING</LifecycleTransition><HeartbeatTimeout>300</HeartbeatTimeout><GlobalTimeout>900</GlobalTimeout></member>' +
            '<member><LifecycleHookName>short</LifecycleHookName><HeartbeatTimeout>30</HeartbeatTimeout></member>' +
            '<member></member>',
        ),
      ),
    );
    await using _ = endpoint;
    await expect(autoScaling.group('fleet')).resolves.toEqual({
      tags: new Map([
        ['JoinAD', 'true'],
        ['bare', ''],
      ]),
      hooks: [
        {
          name: 'join',
          transition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
          heartbeatMs: 300_000,
          globalMs: 900_000,
        },
        { name: 'short', transition: '', heartbeatMs: 30_000, globalMs: 3_000_000 },
        { name: '', transition: '', heartbeatMs: 3_600_000, globalMs: 172_800_000 },
      ],
    });
    expect(asked(endpoint)).toEqual(
      expect.arrayContaining([
        {
          operation: 'DescribeAutoScalingGroups',
          // Of a group with hundreds of instances, neither their names nor the bytes are wanted.
          input: { 'AutoScalingGroupNames.member.1': 'fleet', IncludeInstances: 'false' },
        },
        { operation: 'DescribeLifecycleHooks', input: { AutoScalingGroupName: 'fleet' } },
      ]),
    );
  });

  test('that is not there is none, and is asked for again at once', async () => {
    const { endpoint, autoScaling } = await start(
      either(result('DescribeAutoScalingGroups', ''), xmlError('ValidationError', 'not found')),
    );
    await using _ = endpoint;
    await expect(autoScaling.group('fleet')).resolves.toBeUndefined();
    await expect(autoScaling.group('fleet')).resolves.toBeUndefined();
    expect(endpoint.requests).toHaveLength(4);
  });

  test('without tags and hooks has none', async () => {
    const bare = '<AutoScalingGroups><member></member></AutoScalingGroups>';
    const { endpoint, autoScaling } = await start(
      either(result('DescribeAutoScalingGroups', bare), result('DescribeLifecycleHooks', '')),
    );
    await using _ = endpoint;
    await expect(autoScaling.group('fleet')).resolves.toEqual({ tags: new Map(), hooks: [] });
  });

  test('that has gone between the two questions has no hooks', async () => {
    const { endpoint, autoScaling } = await start(
      either(groupXml, xmlError('ValidationError', 'AutoScalingGroup name not found')),
    );
    await using _ = endpoint;
    await expect(autoScaling.group('fleet')).resolves.toMatchObject({ hooks: [] });
  });

  test('whose hooks are not told for another reason is not known, and is asked for again at once', async () => {
    let isThrottled = true;
    const { endpoint, autoScaling } = await start(({ operation }) =>
      operation === 'DescribeAutoScalingGroups'
        ? groupXml
        : isThrottled
          ? xmlError('Throttling', 'Rate exceeded')
          : hooksXml(''),
    );
    await using _ = endpoint;
    await expect(autoScaling.group('fleet')).rejects.toMatchObject({ code: 'aws-throttled' });
    isThrottled = false;
    await expect(autoScaling.group('fleet')).resolves.toMatchObject({ hooks: [] });
    expect(endpoint.requests).toHaveLength(4);
  });

  test('is believed for less than five seconds, each group by itself', async () => {
    const { endpoint, clock, autoScaling } = await start(either(groupXml, hooksXml('')));
    await using _ = endpoint;
    const first = await autoScaling.group('fleet');
    await clock.advance(4_999);
    expect(first).toMatchObject({ hooks: [] });
    await expect(autoScaling.group('fleet')).resolves.toEqual(first);
    expect(endpoint.requests).toHaveLength(2);
    await autoScaling.group('another');
    expect(endpoint.requests).toHaveLength(4);
    await clock.advance(1);
    await autoScaling.group('fleet');
    expect(endpoint.requests).toHaveLength(6);
  });
});
