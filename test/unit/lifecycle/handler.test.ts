import { beforeEach, describe, expect, test } from '@jest/globals';
import { candidateNames } from '../../../agent/directory/names.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import type { Existence } from '../../../agent/terms.ts';
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

const handle = (message = world.launch(), handler = world.handler): Promise<void> =>
  world.clock.until(handler.handle(world.deliver(message)));

/** A fault that happens on the first `times` calls of this name. */
function failing(call: string, error: Error, times = Infinity): void {
  let left = times;
  world.fault = (name) => {
    if (name !== call || left <= 0) return;
    left -= 1;
    throw error;
  };
}

/** What SQS hides a message for at most, in milliseconds. */
const HALF_A_DAY = 43_200_000;

/** The hooks' global cap. */
function capHooks(globalMs: number): void {
  world.group = { ...world.group, hooks: world.group.hooks.map((hook) => ({ ...hook, globalMs })) };
}

/** When each answer reached Auto Scaling, in milliseconds from now. */
function answersFrom(fault: (call: string) => void | Promise<void>): number[] {
  const began = world.clock.now();
  const times: number[] = [];
  world.fault = (name) => {
    if (name.endsWith(' answered')) times.push(world.clock.now() - began);
    return fault(name);
  };
  return times;
}

const state = (): string | undefined => world.table.get(INSTANCE)?.state;

describe('a launch', () => {
  test('is staged, joined, verified, answered and only then deleted', async () => {
    const calls: string[] = [];
    world.fault = (name) => void calls.push(name);
    await handle();
    // Its token is proven once; a quick launch needs no other heartbeat.
    expect(calls.filter((name) => name === 'autoscaling.heartbeat')).toHaveLength(1);
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
    const handled = world.handler.handle(world.deliver(world.launch()));
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
      const account = world.account();
      if (name === 'directory.inspect' && account) account.passwordLastSet = 0n;
    };
    await handle();
    expect(world.answers).toEqual([{ token: LAUNCH_TOKEN, result: 'ABANDON' }]);
  });

  test('is never continued when the account’s password is the one that was staged', async () => {
    world.fault = (name) => {
      const account = world.account();
      const staged = world.table.get(INSTANCE)?.stagedPasswordLastSet;
      if (name === 'directory.inspect' && account && staged) account.passwordLastSet = BigInt(staged);
    };
    await handle();
    expect(world.answers).toEqual([{ token: LAUNCH_TOKEN, result: 'ABANDON' }]);
  });

  test.each([{ enabled: false }, { stamp: undefined }, { stamp: 'i-0fedcba9876543210' }])(
    'is never continued when the account is not enabled, or not ours: %j',
    async (changed) => {
      world.fault = (name) => {
        const account = world.account();
        if (name === 'directory.inspect' && account) Object.assign(account, changed);
      };
      await handle();
      expect(world.answers).toEqual([{ token: LAUNCH_TOKEN, result: 'ABANDON' }]);
    },
  );

  test.each(['works', 'fails'] as const)('forgets its one-time passwords when the join %s', async (joins) => {
    world.node.joins = joins;
    const known: number[] = [];
    world.fault = (name) => {
      if (name === 'nodes.join') known.push(world.secrets.size);
    };
    await handle();
    expect(new Set(known)).toEqual(new Set([1]));
    expect(world.secrets.size).toBe(0);
  });

  test('that an earlier worker gave up is answered, and not tried again', async () => {
    world.node.joins = 'fails';
    failing('autoscaling.complete ABANDON', new AdjoinError('lease-lost', 'paused'), 1);
    await handle();
    expect([world.endings, state()]).toEqual([['handed-back'], 'failed']);
    world.effects.length = 0;
    await handle(world.launch(), world.anotherWorker());
    expect(world.effects).toEqual(['answer ABANDON', 'delete']);
  });

  test('that an earlier worker gave up is answered although its node is gone', async () => {
    world.node.joins = 'fails';
    failing('autoscaling.complete ABANDON', new AdjoinError('lease-lost', 'paused'), 1);
    await handle();
    world.node.registered = false;
    const began = world.clock.now();
    await handle({ ...world.launch(), receiveCount: 2 }, world.anotherWorker());
    expect(world.endings).toEqual(['handed-back', 'abandoned']);
    expect(world.clock.now() - began).toBeLessThan(10_000);
  });

  test('waits as long as it may, counted from its first receive', async () => {
    world.node.registered = false;
    const began = world.clock.now();
    const message = world.launch();
    const handled = world.handler.handle(world.deliver(message));
    await world.clock.advance(1_000_000);
    world.handler.abortAll(new AdjoinError('draining', 'The worker stops.'));
    await world.clock.until(handled);
    await handle(message, world.anotherWorker());
    expect(world.endings).toEqual(['handed-back', 'abandoned']);
    expect(world.clock.now() - began).toBeGreaterThanOrEqual(1_800_000);
    expect(world.clock.now() - began).toBeLessThan(1_830_000);
  });

  test('gives its lease back before its message is deleted', async () => {
    const owners: (string | undefined)[] = [];
    world.fault = async (name) => {
      // The table is slow once the action is answered.
      if (name.startsWith('table.write') && world.answers.length > 0) await world.clock.sleep(5_000);
      if (name === 'queue.remove') owners.push(world.table.get(INSTANCE)?.leaseOwner);
    };
    await handle();
    expect(world.endings).toEqual(['joined']);
    expect(owners).toEqual([undefined]);
  });

  test('does not renew a lease that it gives back', async () => {
    let writes = 0;
    world.fault = async (name) => {
      if (!name.startsWith('table.write') || world.answers.length === 0) return;
      writes += 1;
      // It gives the lease back, and the next renewal is due meanwhile.
      await world.clock.sleep(40_000);
    };
    await handle();
    expect(world.endings).toEqual(['joined']);
    expect(writes).toBe(1);
    expect(world.table.get(INSTANCE)?.leaseExpiresAt).toBeUndefined();
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

  test('that is held is not kept alive by its messages, however long looking at them takes', async () => {
    world.node.joins = 'fails';
    world.group = { ...world.group, tags: new Map([...world.group.tags, ['adjoin:OnJoinFailure', 'HOLD']]) };
    await handle();
    const beats: number[] = [];
    world.fault = async (name) => {
      if (name === 'autoscaling.heartbeat') beats.push(world.clock.now());
      if (name === 'table.read') await world.clock.sleep(200_000);
    };
    await handle(world.launch());
    expect(world.endings).toEqual(['held', 'held']);
    expect(beats).toEqual([]);
    expect(world.hidden.at(-1)?.seconds).toBe(330);
  });

  test('that is held is not tried again when the sweep has paid its debt', async () => {
    world.group = { ...world.group, tags: new Map([...world.group.tags, ['adjoin:OnJoinFailure', 'HOLD']]) };
    world.node.joins = 'fails';
    failing('directory.remove', new AdjoinError('directory-unavailable', 'down'));
    await handle();
    const owed = world.table.get(INSTANCE);
    if (owed?.state !== 'owed') throw new Error(`It is ${owed?.state}.`);
    world.fault = () => undefined;
    // As the sweep leaves it.
    world.table.set(INSTANCE, { ...owed, state: 'removed', lastError: undefined, fencingToken: 9 });
    world.accounts.clear();
    world.effects.length = 0;
    await handle(world.launch(), world.anotherWorker());
    expect(world.endings).toEqual(['held', 'held']);
    expect(world.effects).toEqual([]);
    expect(state()).toBe('removed');
    // Once the group no longer holds, it is answered as what it is.
    world.group = { ...world.group, tags: new Map([['JoinAD', 'true']]) };
    await handle(world.launch(), world.anotherWorker());
    expect(world.effects).toEqual(['answer ABANDON', 'delete']);
  });

  test('that is held is hidden for no longer than SQS hides a message', async () => {
    const tags = new Map([...world.group.tags, ['adjoin:OnJoinFailure', 'hold']]);
    const hooks = world.group.hooks.map((hook) => ({ ...hook, heartbeatMs: 2 * HALF_A_DAY }));
    world.group = { tags, hooks };
    world.node.ready = false;
    const message = world.launch();
    await handle(message);
    expect(world.hidden.at(-1)).toEqual({ messageId: 'launch', seconds: HALF_A_DAY / 1000 - 60 });
  });

  test('that is held is not shown sooner by a renewal that is on its way', async () => {
    const tags = new Map([...world.group.tags, ['adjoin:OnJoinFailure', 'hold']]);
    world.group = { ...world.group, tags };
    world.node.ready = false;
    let hides = 0;
    world.fault = async (name) => {
      // The second renewal is sent 40 s after the first, and on its way for five more; the failure is known in between.
      if (name === 'nodes.probe') await world.clock.sleep(49_000);
      if (name === 'queue.hide' && (hides += 1) === 2) await world.clock.sleep(5_000);
    };
    await handle();
    expect(world.endings).toEqual(['held']);
    expect(world.hidden.map(({ seconds }) => seconds)).toEqual([120, 120, 330]);
  });

  test('that is held is only looked at again: no lease is taken, and no renewal shows its message sooner', async () => {
    world.group = { ...world.group, tags: new Map([...world.group.tags, ['adjoin:OnJoinFailure', 'hold']]) };
    world.node.ready = false;
    await handle();
    const before = structuredClone(world.table.get(INSTANCE));
    world.hidden.length = 0;
    let hides = 0;
    world.fault = async (name) => {
      // The second renewal is sent after 14 s, and on its way for five more; the look ends in between.
      if (name === 'table.read') await world.clock.sleep(16_000);
      if (name === 'queue.hide' && (hides += 1) === 2) await world.clock.sleep(5_000);
    };
    await handle(world.launch());
    expect(world.endings).toEqual(['held', 'held']);
    expect(world.hidden.map(({ seconds }) => seconds)).toEqual([20, 20, 330]);
    expect(world.table.get(INSTANCE)).toEqual(before);
  });

  test('counts its visibility from the receive, however long it waited since', async () => {
    world.node.registered = false;
    const delivery = world.deliver(world.launch());
    await world.clock.advance(15_000);
    let handed = 0;
    world.fault = (name) => {
      if (name !== 'queue.hide') return;
      handed = world.clock.now() - delivery.receivedAt;
      throw new AdjoinError('aws-unavailable', 'down');
    };
    await world.clock.until(world.handler.handle(delivery));
    // Lost with its visibility; the last hide is the one that would hand it back.
    expect(handed).toBe(20_000);
  });

  test.each([
    { ahead: 0, began: 0 },
    { ahead: 60_000, began: 0 },
    { ahead: -900, began: -900 },
  ])('began when it says, $ahead ms from now, and not in the future', async ({ ahead, began }) => {
    const now = world.clock.now();
    const message = world.launch();
    const body = { ...JSON.parse(message.body), Time: new Date(now + ahead).toISOString() };
    // The receive has taken a second: for all that is known, SQS has picked the message at its beginning.
    const delivery = world.deliver({ ...message, body: JSON.stringify(body) }, now - 1_000);
    await world.clock.until(world.handler.handle(delivery));
    expect(world.endings).toEqual(['joined']);
    expect(world.node.boot?.since).toBe(now + began);
  });

  test('counts its heartbeat from the question that admitted it, not from the answer', async () => {
    world.node.registered = false;
    const began = world.clock.now();
    let beats = 0;
    world.fault = async (name) => {
      if (name !== 'autoscaling.heartbeat') return;
      beats += 1;
      if (beats > 1) throw new AdjoinError('aws-unavailable', 'down');
      await world.clock.sleep(90_000);
    };
    await handle();
    expect(world.endings).toEqual(['handed-back']);
    expect(world.clock.now() - began).toBe(300_000);
  });

  test('counts its lease from the question, not from the answer', async () => {
    const began = world.clock.now();
    let writes = 0;
    world.fault = async (name) => {
      if (!name.startsWith('table.write')) return;
      writes += 1;
      if (writes > 1) throw new AdjoinError('aws-unavailable', 'down');
      await world.clock.sleep(60_000);
    };
    await handle();
    expect(world.endings).toEqual(['handed-back']);
    expect(world.clock.now() - began).toBe(96_000);
  });

  test('goes back on purpose before SQS would show its message by itself, and is received anew', async () => {
    capHooks(4 * HALF_A_DAY);
    const receivedAt = world.clock.now();
    let refused = 0;
    const age = (): number => world.clock.now() - receivedAt;
    world.fault = (name) => {
      // Auto Scaling takes no answers for longer than SQS hides a message.
      if (name === 'autoscaling.complete CONTINUE' && age() < HALF_A_DAY) {
        throw new AdjoinError('aws-unavailable', 'down');
      }
      if (name === 'queue.hide' && age() + 120_000 > HALF_A_DAY && age() < HALF_A_DAY - 185_000) {
        refused += 1;
        throw new AdjoinError('lease-lost', 'Total VisibilityTimeout for the message is beyond the limit');
      }
    };
    await handle();
    expect(world.endings).toEqual(['handed-back']);
    expect(refused).toBe(0);
    // Shown at once, with more than a visibility left: nobody else can have had it meanwhile.
    expect(world.hidden.at(-1)).toEqual({ messageId: 'launch', seconds: 0 });
    expect(HALF_A_DAY - age()).toBeGreaterThan(120_000);
    expect(HALF_A_DAY - age()).toBeLessThan(240_000);
    expect(state()).toBe('member');
    expect(world.table.get(INSTANCE)?.leaseOwner).toBeUndefined();
    await world.clock.advance(300_000);
    world.effects.length = 0;
    await handle(world.message({ transition: 'launching' }, 'launch'), world.anotherWorker());
    expect(world.effects).toEqual(['answer CONTINUE', 'delete']);
    // A thousand renewals; a machine that is busy with other things takes its time.
  }, 120_000);

  test('is cut off before the hook’s global deadline, early enough to remove its account and to answer', async () => {
    capHooks(600_000);
    world.node.joins = 'hangs';
    const times = answersFrom(() => undefined);
    await handle();
    expect(world.answers).toEqual([{ token: LAUNCH_TOKEN, result: 'ABANDON' }]);
    expect(times).toEqual([480_000]);
    expect(world.accounts.size).toBe(0);
    expect(state()).toBe('failed');
    expect(world.table.get(INSTANCE)?.lastError?.code).toBe('join-exhausted');
  });

  test('adopts a join that an earlier worker brought about', async () => {
    // The first worker loses its lease right before the answer; the second finds a member.
    failing('autoscaling.complete CONTINUE', new AdjoinError('lease-lost', 'paused'), 1);
    await handle();
    expect(world.endings).toEqual(['handed-back']);
    world.effects.length = 0;
    await handle(world.launch(), world.anotherWorker());
    expect(world.effects).toEqual(['answer CONTINUE', 'delete']);
  });

  test.each([
    ['adopts it when the node writes its domain in capitals', { domain: 'CORP.EXAMPLE.TEST' }, []],
    ['stages again when the node has another name', { computerName: 'OTHER' }, ['stage', 'join']],
    ['stages again when the node is a member no longer', { domain: '' }, ['stage', 'join']],
  ] as const)('after a join that an earlier worker brought about %s', async (_case, node, again) => {
    failing('autoscaling.complete CONTINUE', new AdjoinError('lease-lost', 'paused'), 1);
    await handle();
    world.effects.length = 0;
    Object.assign(world.node, node);
    await handle(world.launch(), world.anotherWorker());
    expect(world.effects).toEqual([...again, 'answer CONTINUE', 'delete']);
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

  test('whose answer is void, of an instance that a stale view does not show, keeps its account', async () => {
    // The first answer arrived, and the client that missed its answer gave it again; the view is older than the instance.
    failing(
      'autoscaling.complete CONTINUE answered',
      new AdjoinError('action-void', 'No active Lifecycle Action'),
      1,
    );
    const shown = world.instances;
    const { fault } = world;
    world.fault = async (name) => {
      await fault(name);
      if (name === 'autoscaling.instance' && world.answers.length > 0) shown.delete(INSTANCE);
    };
    await handle();
    expect(world.answers).toEqual([{ token: LAUNCH_TOKEN, result: 'CONTINUE' }]);
    expect(world.accounts.size).toBe(1);
    expect(state()).toBe('member');
    expect(world.removed).toEqual(['launch']);
  });

  test('that ended without us before anything was staged asks nothing of the directory', async () => {
    world.node.registered = false;
    const handled = world.handler.handle(world.deliver(world.launch()));
    await world.clock.advance(1_000);
    world.terminate();
    const calls: string[] = [];
    world.fault = (name) => void calls.push(name);
    await world.clock.until(handled);
    expect(world.endings).toEqual(['void']);
    expect(calls.filter((name) => /^directory|instance$/.test(name))).toEqual([]);
  });

  test('that ended without us is owed when its account cannot be removed', async () => {
    world.node.joins = 'hangs';
    world.fault = (name) => {
      if (name === 'nodes.join') world.terminate();
      if (name === 'directory.find') throw new AdjoinError('directory-unavailable', 'no answer');
    };
    await handle();
    expect(world.effects).toEqual(['stage', 'delete']);
    expect(state()).toBe('owed');
  });

  test('that ended without us is settled no longer than until the worker drains', async () => {
    world.node.joins = 'hangs';
    world.directory = 'hangs';
    world.fault = (name) => {
      if (name === 'nodes.join') world.terminate();
    };
    const handled = world.handler.handle(world.deliver(world.launch()));
    await world.clock.advance(110_000);
    const stopped = world.clock.now();
    world.handler.abortAll(new AdjoinError('draining', 'The worker stops.'));
    await world.clock.until(handled);
    expect(world.clock.now()).toBe(stopped);
    expect(state()).toBe('owed');
  });

  test('that ended without us is removed under a lease that is renewed meanwhile', async () => {
    const { clock } = world;
    world.node.joins = 'hangs';
    let lapsed = 0;
    world.fault = async (name) => {
      if (name === 'nodes.join') world.terminate();
      // Together longer than a lease lasts without renewal.
      const isSettling = world.instances.get(INSTANCE)?.token === TERMINATE_TOKEN;
      if (name === 'autoscaling.instance' && isSettling) await clock.sleep(55_000);
      if (name !== 'directory.find') return;
      await clock.sleep(55_000);
      if ((world.table.get(INSTANCE)?.leaseExpiresAt ?? 0) <= clock.now()) lapsed += 1;
    };
    await handle();
    expect(world.effects).toEqual(['stage', 'remove', 'delete']);
    expect(state()).toBe('removed');
    expect(lapsed).toBe(0);
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

  test.each([
    ['is lost', new AdjoinError('aws-unavailable', 'socket hang up')],
    ['is lost, and whose repetition is throttled,', new AdjoinError('aws-throttled', 'Rate exceeded')],
    [
      'is lost, and whose repetition comes with credentials that have expired,',
      new AdjoinError('aws-unauthenticated', 'ExpiredToken'),
    ],
    [
      'is lost to a client that sends the answer again',
      new AdjoinError('action-void', 'No active Lifecycle Action found', { isRepeated: true }),
    ],
  ])('whose response %s counts as joined, and is logged as completed', async (_case, error) => {
    failing('autoscaling.complete CONTINUE answered', error, 1);
    await handle();
    expect(world.answers).toEqual([{ token: LAUNCH_TOKEN, result: 'CONTINUE' }]);
    expect(world.removed).toEqual(['launch']);
    expect(world.accounts.size).toBe(1);
    expect(world.endings).toEqual(['joined']);
    const completed = world.log.filter(({ event }) => event === 'lifecycle action completed');
    expect(completed.map(({ fields }) => fields)).toEqual([
      expect.objectContaining({ result: 'CONTINUE', responseLost: true }),
    ]);
    expect(world.log.map(({ event }) => event)).not.toContain('message deleted without work');
    expect(world.table.get(INSTANCE)?.launch?.times.complete).toBeDefined();
  });

  test('whose ABANDON got no response counts as abandoned', async () => {
    world.node.ready = false;
    failing('autoscaling.complete ABANDON answered', new AdjoinError('aws-unavailable', 'no answer'), 1);
    await handle();
    expect(world.answers).toEqual([{ token: LAUNCH_TOKEN, result: 'ABANDON' }]);
    expect(world.endings).toEqual(['abandoned']);
  });

  test('that timed out while its answer got no response is no join', async () => {
    world.fault = (name) => {
      if (name !== 'autoscaling.complete CONTINUE') return;
      world.instances.set(INSTANCE, { group: GROUP, lifecycleState: 'Terminating' });
      world.fault = () => undefined;
      throw new AdjoinError('aws-unavailable', 'no answer');
    };
    await handle();
    expect(world.endings).toEqual(['void']);
    expect(world.accounts.size).toBe(0);
    expect(state()).toBe('removed');
  });

  test('whose message cannot be deleted counts as joined, and the message goes when it comes back', async () => {
    failing('queue.remove', new AdjoinError('aws-unavailable', 'no answer'), 1);
    await handle();
    expect(world.endings).toEqual(['joined']);
    expect(world.log.filter(({ level }) => level === 'error')).toEqual([]);
    world.instances.set(INSTANCE, { group: GROUP, lifecycleState: 'InService' });
    await handle(world.message({ transition: 'launching' }, 'launch'), world.anotherWorker());
    expect(world.endings).toEqual(['joined', 'void']);
    expect(world.removed).toEqual(['launch']);
    expect(world.log.at(-1)?.event).toBe('message deleted after its action was answered');
    expect(world.log.map(({ event }) => event)).not.toContain('message deleted without work');
  });

  test('whose lease was taken by a write without an answer goes on with it', async () => {
    let lost = 3;
    world.fault = (name) => {
      if (name !== 'table.written' || lost === 0) return;
      lost -= 1;
      throw new AdjoinError('aws-unavailable', 'no answer');
    };
    await handle();
    expect(lost).toBe(0);
    expect(world.endings).toEqual(['joined']);
    expect(world.table.get(INSTANCE)?.fencingToken).toBe(1);
  });

  test('is handed back visible at once when the worker drains', async () => {
    world.node.registered = false;
    const handled = world.handler.handle(world.deliver(world.launch()));
    await world.clock.advance(10_000);
    world.handler.abortAll(new AdjoinError('draining', 'The worker stops.'));
    await world.clock.until(handled);
    expect(world.hidden.at(-1)).toEqual({ messageId: 'launch', seconds: 0 });
    expect(world.table.get(INSTANCE)?.leaseOwner).toBeUndefined();
    expect(world.removed).toEqual([]);
  });

  test('is handed back at once when the worker drains while Auto Scaling does not respond to the answer', async () => {
    world.fault = async (name, signal) => {
      if (name === 'autoscaling.complete CONTINUE') await world.clock.sleep(Number.MAX_SAFE_INTEGER, signal);
    };
    const handled = world.handler.handle(world.deliver(world.launch()));
    await world.clock.advance(10_000);
    const stopped = world.clock.now();
    world.handler.abortAll(new AdjoinError('draining', 'The worker stops.'));
    await world.clock.until(handled);
    expect(world.endings).toEqual(['handed-back']);
    expect(world.clock.now()).toBe(stopped);
  });

  test('is dropped at once by a worker that another has followed', async () => {
    world.fault = async (name) => {
      if (name === 'nodes.probe') await world.clock.sleep(60_000);
    };
    const handled = world.handler.handle(world.deliver(world.launch()));
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
      const account = world.account();
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

  test('waits for a ledger that is away, and keeps its action alive meanwhile', async () => {
    const beats: number[] = [];
    const back = world.clock.now() + 1_200_000;
    world.fault = (name) => {
      if (name === 'autoscaling.heartbeat') beats.push(world.clock.now());
      if (name.startsWith('table.') && world.clock.now() < back) {
        throw new AdjoinError('aws-unavailable', 'no answer');
      }
    };
    await handle();
    expect(world.endings).toEqual(['joined']);
    const gaps = beats.slice(1).map((beat, index) => beat - (beats[index] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(100_000);
    expect(world.hidden.every(({ seconds }) => seconds === 120)).toBe(true);
  });

  test.each([1_000, 60_000])(
    'that was answered while the ledger was away for %d ms is void, and nothing is begun',
    async (awayMs) => {
      const back = world.clock.now() + awayMs;
      world.fault = (name) => {
        if (!name.startsWith('table.') || world.clock.now() >= back) return;
        world.instances.set(INSTANCE, { group: GROUP, lifecycleState: 'Terminating' });
        throw new AdjoinError('aws-unavailable', 'no answer');
      };
      await handle();
      expect(world.endings).toEqual(['void']);
      expect(world.effects).toEqual(['delete']);
      expect(state()).toBeUndefined();
    },
  );

  test('that was answered while its lease could not be taken is void, and nothing is begun', async () => {
    const back = world.clock.now() + 60_000;
    world.fault = (name) => {
      if (name !== 'table.write joining' || world.clock.now() >= back) return;
      world.instances.set(INSTANCE, { group: GROUP, lifecycleState: 'Terminating' });
      throw new AdjoinError('aws-unavailable', 'no answer');
    };
    await handle();
    expect(world.endings).toEqual(['void']);
    expect(world.effects).toEqual(['delete']);
    expect(state()).toBeUndefined();
  });

  test('that is stopped by anything but a void action leaves its account for the next worker', async () => {
    // The node joins for as long as the worker lives; the instance dies at the same moment.
    world.node.joins = 'hangs';
    const handled = world.handler.handle(world.deliver(world.launch()));
    await world.clock.advance(10_000);
    world.terminate();
    world.handler.abortAll(new AdjoinError('draining', 'The worker stops.'));
    await world.clock.until(handled);
    expect(world.endings).toEqual(['handed-back']);
    expect(world.effects).toEqual(['stage']);
    expect(world.accounts.size).toBe(1);
    expect(state()).toBe('staged');
  });

  test('that comes back after its account was removed says so before it stages again', async () => {
    await handle();
    const record = world.table.get(INSTANCE);
    if (!record) throw new Error('no record');
    world.table.set(INSTANCE, { ...record, state: 'removed', expiresAt: 1, lastError: undefined });
    world.accounts.clear();
    world.node.domain = '';
    world.node.computerName = '';
    const states: (string | undefined)[] = [];
    world.fault = (name) => {
      if (name === 'directory.stage') states.push(state());
    };
    await handle(world.launch());
    expect(states).toEqual(['joining']);
    expect(state()).toBe('member');
    expect(world.table.get(INSTANCE)?.expiresAt).toBeUndefined();
  });

  test('that becomes void while it stages waits for what may still arrive, and removes that', async () => {
    world.fault = (name) => {
      if (name !== 'directory.stage') return;
      world.terminate();
      const arrive = async (): Promise<void> => {
        await world.clock.sleep(20_000);
        world.add(candidateNames(INSTANCE, ['A']).join(''));
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

  test('that dies right after its answer leaves a ledger that forgets it all the same', async () => {
    failing('autoscaling.complete CONTINUE answered', new AdjoinError('draining', 'The worker stops.'), 1);
    await handle(world.terminate());
    expect(world.endings).toEqual(['handed-back']);
    expect(state()).toBe('removed');
    expect(world.table.get(INSTANCE)?.expiresAt).toBeGreaterThan(world.clock.now() / 1000);
  });

  test('is not given back by a ledger that is away for a moment, at whichever write', async () => {
    for (const write of ['leaving', 'removed', 'owed']) {
      world = createWorld();
      await handle();
      world.endings.length = 0;
      if (write === 'owed') world.directory = 'hangs';
      capHooks(600_000);
      let failures = 2;
      world.fault = (name) => {
        if (name !== `table.write ${write}` || failures <= 0) return;
        failures -= 1;
        throw new AdjoinError('aws-throttled', 'Rate exceeded');
      };
      await handle(world.terminate());
      expect([write, failures, ...world.endings]).toEqual([write, 0, write === 'owed' ? 'owed' : 'unjoined']);
    }
  });

  test('works when the node is dead', async () => {
    world.node.registered = false;
    await handle(world.terminate());
    expect(world.effects).toEqual(['remove', 'answer CONTINUE', 'delete']);
  });

  test('asks the node to leave no later than it waits for it', async () => {
    const began = world.clock.now();
    await handle(world.terminate());
    expect(world.node.notAfter).toBe(began + 15_000);
  });

  test('does not wait for a node that hangs', async () => {
    world.node.leaves = 'hangs';
    const began = world.clock.now();
    await handle(world.terminate());
    expect(world.clock.now() - began).toBe(15_000);
    expect(world.endings).toEqual(['unjoined']);
  });

  test('waits for the directory, and writes the debt down when its patience ends', async () => {
    failing('directory.find', new AdjoinError('directory-unavailable', 'down'));
    await handle(world.terminate());
    expect(state()).toBe('owed');
    expect(world.answers).toEqual([{ token: TERMINATE_TOKEN, result: 'CONTINUE' }]);
    expect(world.endings).toEqual(['owed']);
  });

  test('whose directory hangs is owed, and answered, before the hook’s global deadline', async () => {
    await handle();
    capHooks(300_000);
    world.directory = 'hangs';
    const times = answersFrom(() => undefined);
    const owedAt: number[] = [];
    const began = world.clock.now();
    const set = world.table.set.bind(world.table);
    world.table.set = (instanceId, membership) => {
      if (membership.state === 'owed') owedAt.push(world.clock.now() - began);
      return set(instanceId, membership);
    };
    await handle(world.terminate());
    expect(world.endings).toEqual(['joined', 'owed']);
    expect(owedAt[0]).toBe(240_000);
    expect(times).toEqual([240_000]);
  });

  test('that dies between an account of a foreign name and its DNS records still removes those', async () => {
    world.add('WEB01');
    world.records.add('WEB01');
    failing('directory.unname', new AdjoinError('draining', 'The worker stops.'));
    await handle(world.terminate());
    expect(world.accounts.size).toBe(0);
    expect(world.table.get(INSTANCE)?.foundNames).toEqual(['WEB01']);
    world.fault = () => undefined;
    await handle(world.terminate(), world.anotherWorker());
    expect(world.records.size).toBe(0);
    expect(state()).toBe('removed');
    expect(world.table.get(INSTANCE)?.foundNames).toBeUndefined();
  });

  test('whose lease runs out while the account is looked for does not delete it', async () => {
    await handle();
    world.fault = async (name) => {
      // The process is suspended: its clock goes on, and the answer comes before any alarm.
      if (name === 'directory.find') world.clock.skip(200_000);
    };
    await handle(world.terminate());
    expect(world.accounts.size).toBe(1);
    expect(world.endings).toEqual(['joined', 'handed-back']);
  });

  test('that becomes void while it waits for the directory touches nothing more', async () => {
    await handle();
    world.effects.length = 0;
    world.directory = 'hangs';
    const handled = world.handler.handle(world.deliver(world.terminate()));
    await world.clock.advance(20_000);
    // Auto Scaling's time-out has ended the action; the next heartbeat hears of it.
    world.instances.set(INSTANCE, { group: GROUP, lifecycleState: 'Terminated' });
    await world.clock.until(handled);
    expect(world.endings).toEqual(['joined', 'void']);
    expect(world.effects).toEqual(['leave', 'delete']);
    expect(state()).toBe('owed');
    expect(world.table.get(INSTANCE)?.leaseOwner).toBeUndefined();
  });

  describe('that is void when its message comes', () => {
    const late = async (shown: string | undefined, existence?: Existence): Promise<void> => {
      const message = world.terminate();
      if (shown === undefined) world.instances.delete(INSTANCE);
      else world.instances.set(INSTANCE, { group: GROUP, lifecycleState: shown });
      if (existence !== undefined) world.existence = existence;
      world.endings.length = 0;
      await handle(message, world.anotherWorker());
      expect(world.endings).toEqual(['void']);
      expect(world.removed.at(-1)).toBe('terminate');
      expect(world.table.get(INSTANCE)?.leaseOwner).toBeUndefined();
    };

    test.each([
      ['Terminating:Proceed', undefined],
      ['Terminating:Retained', undefined],
      ['Terminated', undefined],
      ['Warmed:Terminating:Proceed', undefined],
      [undefined, 'terminated'],
    ] as const)(
      'leaves a debt when the instance is shown as %s, and EC2 says %s',
      async (shown, existence) => {
        await handle();
        await late(shown, existence);
        expect(state()).toBe('owed');
        expect(world.accounts.size).toBe(1);
        expect(world.log.map(({ event }) => event)).toContain(
          'account of a void action is owed to the sweep',
        );
      },
    );

    test.each([
      ['InService', undefined],
      ['Warmed:Pending:Proceed', undefined],
      ['Warmed:Stopped', undefined],
      ['Standby', 'terminated'],
      [undefined, 'living'],
      // Neither view may have a new instance yet.
      [undefined, 'unknown'],
    ] as const)('leaves no debt when it is shown as %s, and EC2 says %s', async (shown, existence) => {
      await handle();
      await late(shown, existence);
      expect(state()).toBe('member');
    });

    test('leaves no debt when nothing proves whose account EC2 was asked in', async () => {
      await handle();
      failing('ec2.existence', new AdjoinError('account-unproven', 'nothing shows it'));
      await late(undefined);
      expect(state()).toBe('member');
    });

    test('leaves no debt of an instance without an account', async () => {
      await late('Terminated');
      expect(state()).toBeUndefined();
    });

    test('is not deleted before its debt is written down', async () => {
      await handle();
      let left = 3;
      world.fault = (name) => {
        if (name !== 'table.write owed' || left === 0) return;
        left -= 1;
        throw new AdjoinError('aws-throttled', 'Rate exceeded');
      };
      await late('Terminated');
      expect([left, state()]).toEqual([0, 'owed']);
    });

    test('waits for the lease of a worker that is dead', async () => {
      failing('nodes.join', new AdjoinError('draining', 'stopped'), 1);
      await handle();
      const stored = world.table.get(INSTANCE);
      if (!stored) throw new Error('no record');
      const leaseExpiresAt = world.clock.now() + 96_000;
      world.table.set(INSTANCE, { ...stored, leaseOwner: 'dead', leaseExpiresAt });
      await late('Terminated');
      expect(state()).toBe('owed');
      expect(world.clock.now()).toBeGreaterThanOrEqual(leaseExpiresAt);
    });

    test('and so is a launch that leaves an account', async () => {
      failing('nodes.join', new AdjoinError('draining', 'stopped'), 1);
      await handle();
      const message = world.launch();
      world.instances.set(INSTANCE, { group: GROUP, lifecycleState: 'Terminating:Proceed' });
      await handle(message, world.anotherWorker());
      expect(world.endings).toEqual(['handed-back', 'void']);
      expect(state()).toBe('owed');
    });
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
    ['directory.find', 2, ['handed-back'], ['leave']],
    ['autoscaling.complete CONTINUE', 2, ['handed-back'], ['leave', 'remove']],
  ])(
    'begins nothing when it wakes up, its lease long over, with the answer to %s',
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

  test('that an earlier worker has carried out is answered, and not worked on again', async () => {
    await handle();
    failing('autoscaling.complete CONTINUE', new AdjoinError('lease-lost', 'paused'), 1);
    await handle(world.terminate());
    expect([world.endings.at(-1), state()]).toEqual(['handed-back', 'removed']);
    world.effects.length = 0;
    await handle(world.terminate(), world.anotherWorker());
    expect(world.effects).toEqual(['answer CONTINUE', 'delete']);
  });

  test('waits for the directory as long as it may, counted from its first receive', async () => {
    await handle();
    failing('directory.find', new AdjoinError('directory-unavailable', 'down'));
    const began = world.clock.now();
    const message = world.terminate();
    const handled = world.handler.handle(world.deliver(message));
    await world.clock.advance(2_000_000);
    world.handler.abortAll(new AdjoinError('draining', 'The worker stops.'));
    await world.clock.until(handled);
    await handle(message, world.anotherWorker());
    expect(world.endings).toEqual(['joined', 'handed-back', 'owed']);
    expect(world.clock.now() - began).toBeGreaterThanOrEqual(3_600_000);
    expect(world.clock.now() - began).toBeLessThan(3_660_000);
  });

  test('into the warm pool, of an instance without an account, leaves nothing to do', async () => {
    const message = world.terminate();
    const body = JSON.stringify({ ...JSON.parse(message.body), Destination: 'WarmPool' });
    await handle({ ...message, body });
    expect(world.endings).toEqual(['kept']);
    expect(state()).toBe('removed');
    expect(world.table.get(INSTANCE)?.expiresAt).toBeDefined();
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
    const launched = world.handler.handle(world.deliver(launch));
    await world.clock.advance(1_000);
    const terminated = world.handler.handle(world.deliver(world.terminate()));
    await world.clock.advance(5_000);
    tell();
    await world.clock.until(launched);
    await world.clock.until(terminated);
    expect(world.endings).toEqual(['handed-back', 'unjoined']);
    expect(world.removed).toEqual(['terminate']);
  });

  test('ends a launch of the same instance that is still under way', async () => {
    world.node.registered = false;
    const launched = world.handler.handle(world.deliver(world.launch()));
    await world.clock.advance(3_000);
    await handle(world.terminate());
    await world.clock.until(launched);
    expect(world.endings).toEqual(['void', 'unjoined']);
  });

  test('ends a launch that has come to its lease only with the second of its messages', async () => {
    const { clock, handler } = world;
    world.node.joins = 'hangs';
    const began = clock.now();
    world.fault = (name) => {
      const isAway = clock.now() - began < 2_500;
      if (name.startsWith('table.write') && isAway) throw new AdjoinError('aws-unavailable', 'down');
    };
    const message = world.launch();
    const first = handler.handle(world.deliver(message));
    await clock.advance(1_000);
    const second = handler.handle(world.deliver(message));
    // The second one asks again after 3 s and the first one only after 6 s, when that has the lease.
    await clock.advance(9_000);
    expect(world.endings).toEqual([]);
    await handle(world.terminate());
    await clock.until(Promise.all([first, second]));
    expect(world.endings.toSorted()).toEqual(['unjoined', 'void', 'void']);
    expect(world.accounts.size).toBe(0);
  });

  test('that has ended stands in the way of no other action, however old that is', async () => {
    const launched = world.launch();
    await world.clock.advance(1_000);
    await handle(world.terminate());
    world.launch();
    await handle(launched);
    expect(world.endings).toEqual(['unjoined', 'joined']);
  });

  test('begins nothing when the worker stops while it waits for the end of a launch', async () => {
    const { clock, handler } = world;
    world.node.joins = 'hangs';
    const launched = handler.handle(world.deliver(world.launch()));
    await clock.advance(3_000);
    world.fault = async (name) => {
      if (name === 'directory.find') await clock.sleep(30_000);
    };
    const terminated = handler.handle(world.deliver(world.terminate()));
    await clock.advance(10_000);
    handler.abortAll(new AdjoinError('draining', 'The worker stops.'));
    await clock.until(Promise.all([launched, terminated]));
    expect(world.endings).toContain('handed-back');
    expect(world.table.get(INSTANCE)?.terminate).toBeUndefined();
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
    // The second one waits for the lease of the first, and then finds the action answered.
    expect(world.endings.toSorted()).toEqual(['joined', 'void']);
  });

  test('survives an outage of Auto Scaling', async () => {
    failing('autoscaling.instance', new AdjoinError('aws-unavailable', 'connect ETIMEDOUT'), 5);
    await handle();
    expect(world.endings).toEqual(['joined']);
  });

  test('is looked at again when it overtook the state that it speaks of', async () => {
    const message = world.launch();
    world.instances.set(INSTANCE, { group: GROUP, lifecycleState: 'Pending', token: LAUNCH_TOKEN });
    const handled = world.handler.handle(world.deliver(message));
    await world.clock.advance(3_000);
    world.launch();
    await world.clock.until(handled);
    expect(world.endings).toEqual(['joined']);
  });
});
