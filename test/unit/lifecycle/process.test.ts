import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import {
  createWorld,
  GROUP,
  INSTANCE,
  LAUNCH_TOKEN,
  TERMINATE_TOKEN,
  type World,
} from '../../support/world.ts';

let world: World;
beforeEach(() => {
  world = createWorld();
});

const handle = (message = world.launch(), process = world.process): Promise<void> =>
  world.clock.until(process.handle(message, world.clock.now()));

/** A fault that happens on the first `times` calls of this name. */
function failing(call: string, error: Error, times = Infinity): void {
  let left = times;
  world.fault = (name) => {
    if (name !== call || left <= 0) return;
    left -= 1;
    throw error;
  };
}

const state = (): string | undefined => world.table.get(INSTANCE)?.state;

describe('a launch', () => {
  test('is staged, joined, verified, answered and only then deleted', async () => {
    await handle();
    expect(world.effects).toEqual(['stage', 'join', 'answer CONTINUE', 'delete']);
    expect(world.endings).toEqual(['joined']);
    expect(state()).toBe('member');
    const times = world.table.get(INSTANCE)?.launch?.times;
    expect(Object.keys(times ?? {})).toEqual([
      'received',
      'node',
      'probe',
      'stage',
      'join',
      'verify',
      'complete',
    ]);
    expect(world.table.get(INSTANCE)?.leaseOwner).toBeUndefined();
  });

  test('waits, with heartbeats, for a node that registers late', async () => {
    world.node.registered = false;
    const beats: number[] = [];
    world.fault = (name) => {
      if (name === 'autoscaling.heartbeat') beats.push(world.clock.now());
    };
    const handled = world.process.handle(world.launch(), world.clock.now());
    await world.clock.advance(600_000);
    world.node.registered = true;
    await world.clock.until(handled);
    expect(world.endings).toEqual(['joined']);
    expect(beats.length).toBeGreaterThan(5);
    const gaps = beats.slice(1).map((beat, index) => beat - (beats[index] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(100_000);
  });

  test('whose node never registers is abandoned when its patience ends, with nothing left behind', async () => {
    world.node.registered = false;
    const began = world.clock.now();
    await handle();
    expect(world.answers).toEqual([{ token: LAUNCH_TOKEN, result: 'ABANDON' }]);
    expect(world.clock.now() - began).toBeGreaterThanOrEqual(1_800_000);
    expect(world.clock.now() - began).toBeLessThan(1_830_000);
    expect(state()).toBe('failed');
    expect(world.table.get(INSTANCE)?.lastError?.code).toBe('node-not-ready');
  });

  test('whose joins keep failing removes the account, then abandons', async () => {
    world.node.joins = 'fails';
    await handle();
    expect(world.effects).toEqual(['stage', 'stage', 'stage', 'remove', 'answer ABANDON', 'delete']);
    expect(world.accounts.size).toBe(0);
    expect(world.table.get(INSTANCE)?.lastError?.code).toBe('join-exhausted');
  });

  test('is never continued when the directory does not show the join', async () => {
    // The node says that it joined, but the account's password has not moved.
    world.fault = (name) => {
      const account = world.accounts.get(INSTANCE);
      if (name === 'directory.inspect' && account) account.passwordLastSet = 0n;
    };
    await handle();
    expect(world.answers).toEqual([{ token: LAUNCH_TOKEN, result: 'ABANDON' }]);
  });

  test('of a node without packages is abandoned at once', async () => {
    world.node.ready = false;
    await handle();
    expect(world.effects).toEqual(['answer ABANDON', 'delete']);
    expect(world.table.get(INSTANCE)?.lastError?.code).toBe('node-packages-missing');
  });

  test('of a member of another domain is abandoned, and the node is left as it is', async () => {
    world.node.domain = 'other.example.test';
    await handle();
    expect(world.effects).toEqual(['answer ABANDON', 'delete']);
  });

  test('is held while the credential is refused, and joins when it is corrected', async () => {
    failing('directory.domain', new AdjoinError('credential-refused', 'wrong password'), 4);
    await handle();
    expect(world.endings).toEqual(['joined']);
    expect(world.log.filter((line) => line.event === 'join not done yet')).toHaveLength(4);
    expect(world.table.get(INSTANCE)?.lastError).toBeUndefined();
  });

  test('of a group with the policy HOLD is not answered', async () => {
    world.group = { ...world.group, tags: new Map([...world.group.tags, ['adjoin:OnJoinFailure', 'hold']]) };
    world.node.ready = false;
    await handle();
    expect(world.endings).toEqual(['held']);
    expect(world.answers).toEqual([]);
    expect(world.removed).toEqual([]);
    expect(world.hidden.at(-1)).toEqual({ messageId: 'launch', seconds: 330 });
  });

  test('adopts a join that an earlier worker brought about', async () => {
    // The first worker loses its hold right before the answer; the second finds a member.
    failing('autoscaling.complete CONTINUE', new AdjoinError('lease-lost', 'paused'), 1);
    await handle();
    expect(world.endings).toEqual(['handed-back']);
    world.effects.length = 0;
    await handle(world.launch(), world.anotherWorker());
    expect(world.effects).toEqual(['answer CONTINUE', 'delete']);
  });

  test('stages again when the one-time password of an earlier stage is lost', async () => {
    failing('nodes.join', new AdjoinError('draining', 'stopped'), 1);
    await handle();
    expect(state()).toBe('staged');
    await handle(world.launch(), world.anotherWorker());
    expect(world.effects).toEqual(['stage', 'stage', 'join', 'answer CONTINUE', 'delete']);
  });

  test('that was terminated meanwhile leaves nothing behind', async () => {
    world.fault = (name) => {
      if (name === 'nodes.join') {
        world.instances.set(INSTANCE, {
          group: GROUP,
          lifecycleState: 'Terminating:Wait',
          token: TERMINATE_TOKEN,
        });
      }
    };
    await handle();
    expect(world.answers).toEqual([]);
    expect(world.accounts.size).toBe(0);
    expect(state()).toBe('removed');
    expect(world.removed).toEqual(['launch']);
  });

  test('that somebody else continued keeps its account', async () => {
    world.fault = (name) => {
      if (name === 'autoscaling.complete CONTINUE')
        world.instances.set(INSTANCE, { group: GROUP, lifecycleState: 'InService' });
    };
    await handle();
    expect(world.accounts.size).toBe(1);
    expect(world.endings).toEqual(['void']);
  });

  test('answered with a lost answer counts as answered', async () => {
    failing(
      'autoscaling.complete CONTINUE answered',
      new AdjoinError('aws-unavailable', 'socket hang up'),
      1,
    );
    await handle();
    expect(world.answers).toEqual([{ token: LAUNCH_TOKEN, result: 'CONTINUE' }]);
    expect(world.removed).toEqual(['launch']);
    expect(world.accounts.size).toBe(1);
  });

  test('is handed back visible at once when the worker drains', async () => {
    world.node.registered = false;
    const handled = world.process.handle(world.launch(), world.clock.now());
    await world.clock.advance(10_000);
    world.process.abortAll(new AdjoinError('draining', 'The worker stops.'));
    await world.clock.until(handled);
    expect(world.hidden.at(-1)).toEqual({ messageId: 'launch', seconds: 0 });
    expect(world.table.get(INSTANCE)?.leaseOwner).toBeUndefined();
    expect(world.removed).toEqual([]);
  });

  test('is dropped at once by a worker that another has followed', async () => {
    world.node.registered = false;
    const handled = world.process.handle(world.launch(), world.clock.now());
    await world.clock.advance(5_000);
    const stored = world.table.get(INSTANCE);
    if (stored)
      world.table.set(INSTANCE, { ...stored, fencingToken: stored.fencingToken + 1, leaseOwner: 'another' });
    await world.clock.until(handled);
    expect(world.endings).toEqual(['handed-back']);
    expect(world.table.get(INSTANCE)?.leaseOwner).toBe('another');
    expect(world.effects).toEqual([]);
  });

  test('never takes a staging whose answer was lost for a join', async () => {
    // The join works, but is not seen to; staging again resets the password, and nobody hears of it.
    let looks = 0;
    let stages = 0;
    world.fault = (name) => {
      if (name === 'directory.inspect') {
        looks += 1;
        if (looks <= 2) throw new AdjoinError('directory-unavailable', 'no answer');
      }
      if (name !== 'directory.stage') return;
      stages += 1;
      const account = world.accounts.get(INSTANCE);
      if (stages !== 2 || !account) return;
      Object.assign(account, { password: 'lost', passwordLastSet: account.passwordLastSet + 1_000n });
      throw new AdjoinError('directory-unavailable', 'answer lost');
    };
    await handle();
    expect(world.effects).toEqual(['stage', 'join', 'stage', 'join', 'answer CONTINUE', 'delete']);
  });

  test('goes on when the ledger is throttled, also while it notes why the launch is not done', async () => {
    let left = 4;
    world.fault = (name) => {
      if (name !== 'table.write joining' || world.table.size === 0 || left === 0) return;
      left -= 1;
      throw new AdjoinError('aws-throttled', 'Rate exceeded');
    };
    await handle();
    expect(left).toBe(0);
    expect(world.endings).toEqual(['joined']);
  });

  test('that becomes void while it stages waits for what may still arrive, and removes that', async () => {
    world.fault = (name) => {
      if (name !== 'directory.stage') return;
      world.terminate();
      const arrive = async (): Promise<void> => {
        await world.clock.sleep(20_000);
        const staged = { objectGuid: 'guid-1', passwordLastSet: 1n, password: 'late' };
        world.accounts.set(INSTANCE, { name: 'A00000000000001', ...staged });
      };
      void arrive();
      throw new AdjoinError('action-void', 'No active Lifecycle Action found');
    };
    await handle();
    await world.clock.advance(20_000);
    expect(world.accounts.size).toBe(0);
    expect(world.endings).toEqual(['void']);
    expect(state()).toBe('removed');
  });

  test('is left to the sweep when its account cannot be removed', async () => {
    world.node.joins = 'fails';
    failing('directory.remove', new AdjoinError('directory-unavailable', 'down'));
    await handle();
    expect(state()).toBe('owed');
    expect(world.answers).toEqual([{ token: LAUNCH_TOKEN, result: 'ABANDON' }]);
  });
});

describe('a termination', () => {
  test('leaves, removes, answers and only then deletes', async () => {
    await handle();
    world.effects.length = 0;
    await handle(world.terminate());
    expect(world.effects).toEqual(['leave', 'remove', 'answer CONTINUE', 'delete']);
    expect(state()).toBe('removed');
    expect(world.table.get(INSTANCE)?.expiresAt).toBe(Math.round(world.clock.now() / 1000) + 30 * 86_400);
  });

  test('works when the node is dead', async () => {
    world.node.registered = false;
    await handle(world.terminate());
    expect(world.effects).toEqual(['remove', 'answer CONTINUE', 'delete']);
  });

  test('does not wait for a node that hangs', async () => {
    world.node.leaves = 'hangs';
    const began = world.clock.now();
    await handle(world.terminate());
    expect(world.clock.now() - began).toBe(15_000);
    expect(world.endings).toEqual(['unjoined']);
  });

  test('waits for the directory, and writes the debt down when its patience ends', async () => {
    failing('directory.remove', new AdjoinError('directory-unavailable', 'down'));
    await handle(world.terminate());
    expect(state()).toBe('owed');
    expect(world.answers).toEqual([{ token: TERMINATE_TOKEN, result: 'CONTINUE' }]);
    expect(world.endings).toEqual(['owed']);
  });

  test('that frees a member needs no tag', async () => {
    await handle();
    world.group = { ...world.group, tags: new Map() };
    await handle(world.terminate());
    expect(world.endings).toEqual(['joined', 'unjoined']);
  });

  test('into the warm pool keeps the membership', async () => {
    await handle();
    world.instances.set(INSTANCE, {
      group: GROUP,
      lifecycleState: 'Warmed:Terminating:Wait',
      token: TERMINATE_TOKEN,
    });
    await handle(
      world.message({
        transition: 'terminating',
        token: TERMINATE_TOKEN,
        origin: 'AutoScalingGroup',
        destination: 'WarmPool',
      }),
    );
    expect(world.endings).toEqual(['joined', 'kept']);
    expect(world.accounts.size).toBe(1);
    expect(state()).toBe('member');
  });

  test.each([
    ['directory.domain', 1, ['handed-back'], []],
    ['directory.remove', 2, ['handed-back'], ['leave']],
    ['autoscaling.complete CONTINUE', 2, ['handed-back'], ['leave', 'remove']],
  ])(
    'begins nothing when it wakes up, its hold long over, with the answer to %s',
    async (call, nth, endings, effects) => {
      let asleep = 0;
      const now = world.clock.now.bind(world.clock);
      world.clock.now = () => now() + asleep;
      let calls = 0;
      world.fault = (name) => {
        if (name !== call) return;
        calls += 1;
        if (calls === nth) asleep = 1_800_000;
        if (call !== 'directory.domain') throw new AdjoinError('directory-unavailable', 'no answer');
      };
      await handle(world.terminate());
      expect(calls).toBe(nth);
      expect(world.endings).toEqual(endings);
      expect(world.effects).toEqual(effects);
    },
  );

  test('into the warm pool keeps an account that was never verified for what it is', async () => {
    failing('nodes.join', new AdjoinError('draining', 'stopped'), 1);
    await handle();
    world.instances.set(INSTANCE, {
      group: GROUP,
      lifecycleState: 'Warmed:Terminating:Wait',
      token: TERMINATE_TOKEN,
    });
    await handle(
      world.message({ transition: 'terminating', token: TERMINATE_TOKEN, destination: 'WarmPool' }),
    );
    expect(world.accounts.size).toBe(1);
    expect(state()).toBe('staged');
  });

  test('is not stopped by an older launch that is told late that it was admitted', async () => {
    const launch = world.launch();
    await world.clock.advance(1_000);
    const { promise: told, resolve: tell } = Promise.withResolvers<void>();
    let beats = 0;
    world.fault = async (name) => {
      if (name !== 'autoscaling.heartbeat') return;
      beats += 1;
      // The first heartbeat was heard before the instance was terminated; its answer comes late.
      if (beats === 1) {
        await told;
        world.instances.set(INSTANCE, { group: GROUP, lifecycleState: 'Pending:Wait', token: LAUNCH_TOKEN });
        setImmediate(() => world.terminate());
      }
    };
    world.node.leaves = 'hangs';
    const launched = world.process.handle(launch, world.clock.now());
    await world.clock.advance(1_000);
    const terminated = world.process.handle(world.terminate(), world.clock.now());
    await world.clock.advance(5_000);
    tell();
    await world.clock.until(launched);
    await world.clock.until(terminated);
    expect(world.endings).toEqual(['handed-back', 'unjoined']);
    expect(world.removed).toEqual(['terminate']);
  });

  test('ends a launch of the same instance that is still under way', async () => {
    world.node.registered = false;
    const launched = world.process.handle(world.launch(), world.clock.now());
    await world.clock.advance(3_000);
    await handle(world.terminate());
    await world.clock.until(launched);
    expect(world.endings).toEqual(['void', 'unjoined']);
  });
});

describe('a message', () => {
  test('for an instance that is not waiting is deleted, and nothing is touched', async () => {
    const message = world.launch();
    world.instances.set(INSTANCE, { group: GROUP, lifecycleState: 'InService' });
    await handle(message);
    expect(world.effects).toEqual(['delete']);
    expect(world.endings).toEqual(['void']);
    expect(world.table.size).toBe(0);
  });

  test('with a token that Auto Scaling does not know is deleted, and nothing is touched', async () => {
    world.launch();
    await handle(world.message({ token: '33333333-3333-3333-3333-333333333333' }, 'forged'));
    expect(world.removed).toEqual(['forged']);
    expect(world.effects).toEqual(['delete']);
  });

  test('for a group that has not opted in is deleted and counted', async () => {
    world.group = { ...world.group, tags: new Map() };
    await handle();
    expect(world.endings).toEqual(['not-opted-in']);
    expect(world.effects).toEqual(['delete']);
  });

  test('that cannot be read stays for the dead-letter queue', async () => {
    await handle({ messageId: 'garbage', body: '{{{', receiveCount: 1 });
    expect(world.removed).toEqual([]);
    expect(world.hidden).toEqual([{ messageId: 'garbage', seconds: 1 }]);
    expect(world.endings).toEqual(['malformed']);
  });

  test('delivered twice at once is worked on once', async () => {
    const message = world.launch();
    await Promise.all([handle(message), handle({ ...message, messageId: 'again' }, world.anotherWorker())]);
    expect(world.effects.filter((effect) => effect === 'stage')).toHaveLength(1);
    expect(world.answers).toHaveLength(1);
    expect(world.endings.toSorted()).toEqual(['handed-back', 'joined']);
  });

  test('survives an outage of Auto Scaling', async () => {
    failing('autoscaling.instance', new AdjoinError('aws-unavailable', 'connect ETIMEDOUT'), 5);
    await handle();
    expect(world.endings).toEqual(['joined']);
  });

  test('is looked at again when it overtook the state that it speaks of', async () => {
    const message = world.launch();
    world.instances.set(INSTANCE, { group: GROUP, lifecycleState: 'Pending', token: LAUNCH_TOKEN });
    const handled = world.process.handle(message, world.clock.now());
    await world.clock.advance(3_000);
    world.launch();
    await world.clock.until(handled);
    expect(world.endings).toEqual(['joined']);
  });
});
