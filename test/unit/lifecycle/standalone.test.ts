/** Instances outside Auto Scaling groups: what events of them come to, from the message to its removal. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { candidateNames } from '../../../agent/directory/names.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import { ACCOUNT, createWorld, GROUP, INSTANCE, REGION, type World } from '../../support/world.ts';

let world: World;
let events: number;
beforeEach(() => {
  world = createWorld();
  events = 0;
  machine('running');
});

const uuid = (number: number): string => `00000000-0000-0000-0000-${String(number).padStart(12, '0')}`;

function machine(state: string, tags: Readonly<Record<string, string>> = { JoinAD: 'true' }): void {
  world.machines.set(INSTANCE, { state, tags: new Map(Object.entries(tags)) });
}

/** @param at when it happened; milliseconds since the Unix epoch */
function event(state: string, at = world.clock.now(), id = uuid((events += 1))) {
  const body = JSON.stringify({
    version: '0',
    id,
    'detail-type': 'EC2 Instance State-change Notification',
    source: 'aws.ec2',
    account: ACCOUNT,
    time: new Date(at).toISOString().replace(/\.\d+Z$/, 'Z'),
    region: REGION,
    resources: [`arn:aws:ec2:${REGION}:${ACCOUNT}:instance/${INSTANCE}`],
    detail: { 'instance-id': INSTANCE, state },
  });
  return { messageId: `event ${events}`, body, receiveCount: 1 };
}

const handle = (message: ReturnType<typeof event>, handler = world.handler): Promise<void> =>
  world.clock.until(handler.handle(world.deliver(message)));

const record = () => world.table.get(INSTANCE);
const errors = (): unknown[] =>
  world.log.flatMap(({ fields }) => (fields?.['error'] ? [fields['error']] : []));
const happened = (): string[] => world.effects.filter((effect) => effect !== 'delete');

/** It runs, joins, and time passes. */
async function joined(): Promise<void> {
  await handle(event('running'));
  expect(world.endings).toEqual(['joined']);
  await world.clock.advance(60_000);
  world.effects.length = 0;
  world.endings.length = 0;
}

describe('an instance that runs', () => {
  test('is joined and verified, and Auto Scaling is neither asked for time nor answered', async () => {
    const calls: string[] = [];
    world.fault = (name) => void calls.push(name);
    await handle(event('running'));
    expect(world.effects).toEqual(['stage', 'join', 'delete']);
    expect(world.endings).toEqual(['joined']);
    expect(record()).toMatchObject({ state: 'member', autoScalingGroup: '', launch: { hook: '' } });
    expect(record()?.launch?.times.complete).toBeDefined();
    expect(calls.filter((name) => /heartbeat|complete/.test(name))).toEqual([]);
  });

  test('is joined with what its own tags say', async () => {
    machine('running', { JoinAD: 'true', 'adjoin:LogInGroups': 'staff' });
    await handle(event('running'));
    expect(world.node.settings.at(-1)).toMatchObject({ logInGroups: 'staff' });
  });

  test('that can’t join is given up with nothing left behind, and its next start tries again', async () => {
    world.node.joins = 'fails';
    await handle(event('running'));
    expect(world.endings).toEqual(['abandoned']);
    expect(world.accounts.size).toBe(0);
    expect(record()).toMatchObject({ state: 'failed', lastError: { code: 'join-exhausted' } });
    world.node.joins = 'works';
    await world.clock.advance(60_000);
    await handle(event('running'));
    expect(world.endings).toEqual(['abandoned', 'joined']);
  });

  test('whose state EC2 shows late is looked at again', async () => {
    machine('pending');
    const handled = world.handler.handle(world.deliver(event('running')));
    await world.clock.advance(3_000);
    machine('running');
    await world.clock.until(handled);
    expect(world.endings).toEqual(['joined']);
  });

  test('that ends in the middle of its join leaves nothing, although no hook tells of it', async () => {
    world.fault = (name) => {
      if (name === 'nodes.join') machine('terminated');
    };
    world.node.joins = 'hangs';
    await handle(event('running'));
    expect(world.endings).toEqual(['void']);
    expect(world.accounts.size).toBe(0);
    expect(record()?.state).toBe('removed');
  });

  test.each([
    ['has not asked for it', 'running', {}, 'void', 'action-void'],
    ['says no', 'running', { JoinAD: 'false' }, 'void', 'action-void'],
    [
      'is a group’s by its tag',
      'running',
      { JoinAD: 'true', 'aws:autoscaling:groupName': GROUP },
      'void',
      'action-void',
    ],
    ['was stopped since', 'stopped', { JoinAD: 'true' }, 'void', 'action-void'],
    ['ends: the event is late', 'shutting-down', { JoinAD: 'true' }, 'void', 'action-void'],
    ['has ended: the event is very late', 'terminated', { JoinAD: 'true' }, 'void', 'action-void'],
  ] as const)('and %s is left alone', async (_what, state, tags, ending, code) => {
    machine(state, tags);
    await handle(event('running'));
    expect(happened()).toEqual([]);
    expect(world.endings).toEqual([ending]);
    expect(errors()).toMatchObject([{ code }]);
    expect(record()).toBeUndefined();
  });

  test('and that Auto Scaling counts is left to its hooks', async () => {
    world.instances.set(INSTANCE, { group: GROUP, lifecycleState: 'Pending:Wait' });
    await handle(event('running'));
    expect(happened()).toEqual([]);
    expect(world.endings).toEqual(['void']);
  });

  test('and that EC2 does not show, which a forged event may name, is left alone', async () => {
    world.machines.clear();
    await handle(event('running'));
    expect(happened()).toEqual([]);
    expect(world.endings).toEqual(['void']);
    expect(record()).toBeUndefined();
  });

  test('is not joined by an event from before it was taken out of the domain', async () => {
    const before = world.clock.now() - 5_000;
    await joined();
    world.table.set(INSTANCE, {
      ...required(record()),
      state: 'removed',
      terminate: { actionToken: uuid(77), hook: '', times: { received: world.clock.now() } },
    });
    await world.clock.advance(10_000);
    await handle(event('running', before));
    expect(happened()).toEqual([]);
    expect(world.endings).toEqual(['void']);
    expect(record()?.state).toBe('removed');
    // Started again since, it says anew that it wants to be a member.
    await handle(event('running'));
    expect(world.endings).toEqual(['void', 'joined']);
  });
});

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('nothing there');
  return value;
}

describe('a member', () => {
  test('that is stopped stays one, and no event of that asks for anything', async () => {
    await joined();
    const before = record();
    machine('stopped');
    for (const state of ['stopping', 'stopped', 'pending']) await handle(event(state));
    expect(happened()).toEqual([]);
    expect(record()).toEqual(before);
    expect(world.accounts.size).toBe(1);
  });

  test('that runs again is looked at in the directory, and neither joined nor changed', async () => {
    await joined();
    const before = required(record());
    const calls: string[] = [];
    world.fault = (name) => void calls.push(name);
    // The node has not registered yet: it need not.
    world.node.registered = false;
    await handle(event('running'));
    expect(happened()).toEqual([]);
    expect(world.endings).toEqual(['kept']);
    expect(calls).toContain('directory.inspect');
    expect(calls.filter((name) => name.startsWith('nodes.'))).toEqual([]);
    expect(record()).toEqual({ ...before, fencingToken: before.fencingToken + 1 });
  });

  test('whose account others have disabled keeps it so when it runs again', async () => {
    await joined();
    const account = required(world.account());
    account.enabled = false;
    await handle(event('running'));
    expect(world.endings).toEqual(['kept']);
    expect(account.enabled).toBe(false);
    expect(errors()).toMatchObject([{ code: 'join-unverified' }]);
  });

  test('whose account is gone is reported when it runs again, and nothing is made in its place', async () => {
    await joined();
    world.accounts.clear();
    await handle(event('running'));
    expect(world.endings).toEqual(['kept']);
    expect(world.accounts.size).toBe(0);
    expect(record()?.state).toBe('member');
    expect(errors()).toMatchObject([{ code: 'account-vanished' }]);
  });

  test('runs again although no controller answers, and stays one', async () => {
    await joined();
    world.fault = (name) => {
      if (name === 'directory.inspect') throw new AdjoinError('directory-unavailable', 'down');
    };
    await handle(event('running'));
    expect(world.endings).toEqual(['kept']);
    expect(record()?.state).toBe('member');
  });

  test.each(['shutting-down', 'terminated'])(
    'that is %s loses its account, and no command is sent',
    async (state) => {
      await joined();
      machine(state, {});
      await handle(event(state));
      expect(world.effects).toEqual(['remove', 'delete']);
      expect(world.endings).toEqual(['unjoined']);
      expect(world.accounts.size).toBe(0);
      expect(record()).toMatchObject({ state: 'removed' });
    },
  );

  test('is removed once, however many events tell of its end', async () => {
    await joined();
    machine('terminated', {});
    const first = event('shutting-down');
    const second = event('terminated');
    await handle(first);
    await handle(second);
    await handle(first);
    await handle(second);
    expect(happened()).toEqual(['remove']);
    expect(record()?.state).toBe('removed');
  });

  test.each(['running', 'pending', 'stopping', 'stopped'])(
    'that is %s is not removed by an event that says it has ended',
    async (state) => {
      await joined();
      machine(state);
      await handle(event('terminated'));
      expect(happened()).toEqual([]);
      expect(world.endings).toEqual(['void']);
      expect(world.accounts.size).toBe(1);
      expect(record()?.state).toBe('member');
    },
  );

  test('that EC2 does not show any more is left to the sweep', async () => {
    await joined();
    world.machines.clear();
    await handle(event('terminated'));
    expect(happened()).toEqual([]);
    expect(record()?.state).toBe('member');
  });

  test.each([
    ['by its tag', () => machine('shutting-down', { 'aws:autoscaling:groupName': GROUP })],
    [
      'by what Auto Scaling shows',
      () => {
        machine('shutting-down', {});
        world.instances.set(INSTANCE, { group: GROUP, lifecycleState: 'Terminating:Wait' });
      },
    ],
  ])('of a group %s is left to its hooks', async (_how, arrange) => {
    await joined();
    arrange();
    await handle(event('shutting-down'));
    expect(happened()).toEqual([]);
    expect(record()?.state).toBe('member');
  });

  test('whose removal the directory does not take is owed', async () => {
    await joined();
    machine('terminated', {});
    world.fault = (name) => {
      if (name === 'directory.find') throw new AdjoinError('directory-unavailable', 'down');
    };
    await handle(event('terminated'));
    expect(world.endings).toEqual(['owed']);
    expect(record()?.state).toBe('owed');
  });
});

describe('events of one instance side by side', () => {
  test('twice the same: one join', async () => {
    const one = event('running');
    const both = [world.handler, world.anotherWorker()].map((handler) => handler.handle(world.deliver(one)));
    await world.clock.until(Promise.all(both));
    expect(happened()).toEqual(['stage', 'join']);
    expect(record()?.state).toBe('member');
  });

  test('started twice: the second waits, and finds a member', async () => {
    const first = world.handler.handle(world.deliver(event('running')));
    await world.clock.advance(100);
    const second = world.handler.handle(world.deliver(event('running')));
    await world.clock.until(Promise.all([first, second]));
    expect(happened()).toEqual(['stage', 'join']);
    expect(world.endings).toEqual(['joined', 'kept']);
  });

  test('its end, while it waits for its node, ends the join, and nothing is left', async () => {
    world.node.registered = false;
    const first = world.handler.handle(world.deliver(event('running')));
    await world.clock.advance(30_000);
    machine('shutting-down');
    const second = world.handler.handle(world.deliver(event('shutting-down')));
    await world.clock.until(Promise.all([first, second]));
    expect(happened()).toEqual([]);
    expect(world.endings.toSorted()).toEqual(['void', 'void']);
  });

  test('its end, after the account was staged, removes it', async () => {
    world.node.joins = 'hangs';
    const first = world.handler.handle(world.deliver(event('running')));
    await world.clock.advance(5_000);
    expect(world.accounts.size).toBe(1);
    machine('shutting-down');
    const second = world.handler.handle(world.deliver(event('shutting-down')));
    await world.clock.until(Promise.all([first, second]));
    expect(world.accounts.size).toBe(0);
    expect(record()?.state).toBe('removed');
  });

  test('an event does not end what a hook waits for', async () => {
    world.node.registered = false;
    const launch = world.handler.handle(world.deliver(world.launch()));
    await world.clock.advance(1_000);
    // Auto Scaling's view is behind, and so are the tags.
    world.instances.delete(INSTANCE);
    const running = world.handler.handle(world.deliver(event('running')));
    await world.clock.advance(1_000);
    world.launch();
    world.node.registered = true;
    await world.clock.until(Promise.all([launch, running]));
    expect(world.answers).toEqual([expect.objectContaining({ result: 'CONTINUE' })]);
    expect(world.endings).toEqual(['joined', 'kept']);
  });
});

test('an image of a member: the new instance gets an account of its own, and the other’s stays', async () => {
  const OTHER = 'i-0fedcba9876543210';
  await joined();
  const known = required(record());
  // The first instance is another one; its copy carries its name, and runs under an ID of its own.
  const [name = ''] = candidateNames(OTHER, ['A']);
  const original = { ...required(world.account()), name, stamp: OTHER };
  world.accounts.clear();
  world.accounts.set(original.objectGuid, original);
  world.records.clear();
  world.table.set(OTHER, { ...known, instanceId: OTHER, computerName: name });
  world.table.delete(INSTANCE);
  world.node.computerName = name;
  await handle(event('running'));
  expect(world.endings).toEqual(['joined']);
  expect(world.accounts.size).toBe(2);
  expect(record()?.objectGuid).not.toBe(known.objectGuid);
  machine('terminated', {});
  await handle(event('terminated'));
  expect(world.account()).toBeUndefined();
  expect([...world.accounts.values()]).toEqual([original]);
  expect(world.table.get(OTHER)?.state).toBe('member');
});
