/** Scripts that a group brings: which documents run, and what their failures do to the launch. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { createWorld, INSTANCE, type World } from '../../support/world.ts';
import { AdjoinError } from '../../../agent/errors.ts';

const document = (name: string) => ({ name: `adjoin-own-${name}`, version: '1', hash: '0'.repeat(64) });

let world: World;
beforeEach(() => {
  world = createWorld();
  world.nodeDefaults = { ...world.nodeDefaults, ownDocuments: ['join', 'leave', 'harden'].map(document) };
});

const tag = (...tags: [string, string][]): void => {
  world.group = { ...world.group, tags: new Map([...world.group.tags, ...tags]) };
};
const handle = (message = world.launch(), { handler }: Pick<World, 'handler'> = world): Promise<void> =>
  world.clock.until(handler.handle(world.deliver(message)));
const membership = () => world.table.get(INSTANCE);
const joined = ['stage', 'join', 'answer CONTINUE', 'delete'];

describe('the documents of a group', () => {
  test('take the place of those for joins and leaves', async () => {
    tag(['adjoin:JoinDocument', 'adjoin-own-join'], ['adjoin:LeaveDocument', 'adjoin-own-leave']);
    await handle();
    expect(world.effects).toEqual(joined);
    await handle(world.terminate());
    expect(world.node.own).toEqual(['join adjoin-own-join', 'leave adjoin-own-leave']);
  });

  test('are none without tags, whatever the configuration pins', async () => {
    await handle();
    await handle(world.terminate());
    expect(world.node.own).toEqual([]);
  });

  test.each([
    ['adjoin:JoinDocument', 'AWS-RunShellScript'],
    ['adjoin:JoinDocument', 'adjoin-own-other'],
    ['adjoin:JoinDocument', ''],
    ['adjoin:PostJoinDocument', 'adjoin-own-join:1'],
    ['adjoin:PostJoinDocument', 'ADJOIN-OWN-HARDEN'],
    ['adjoin:OnPostJoinFailure', 'RETRY'],
  ])('are only those that are pinned: %s=%j stops the launch before anything is staged', async (...bad) => {
    tag(bad);
    await handle();
    expect(world.effects).toEqual(['answer ABANDON', 'delete']);
    expect(membership()?.lastError).toMatchObject({
      code: 'group-tag-invalid',
      message: expect.stringContaining(bad[0]),
    });
  });

  test('that are not pinned keep no account: the node does not leave by itself, and is removed', async () => {
    await handle();
    tag(['adjoin:LeaveDocument', 'AWS-RunShellScript']);
    await handle(world.terminate());
    expect(world.node.own).toEqual([]);
    expect(world.account()).toBeUndefined();
    expect(membership()?.state).toBe('removed');
  });

  test('know what they need: a join of its own is not stopped by packages that ours would need', async () => {
    world.node.facts = { ready: false, missing: ['adcli'] };
    tag(['adjoin:JoinDocument', 'adjoin-own-join']);
    await handle();
    expect(world.effects).toEqual(joined);
  });

  test('join no member of another domain, and no node without a key', async () => {
    tag(['adjoin:JoinDocument', 'adjoin-own-join']);
    world.node.facts = { domain: 'other.test' };
    await handle();
    expect(membership()?.lastError?.code).toBe('node-foreign-domain');
    world = createWorld();
    world.nodeDefaults = { ...world.nodeDefaults, ownDocuments: [document('join')] };
    tag(['adjoin:JoinDocument', 'adjoin-own-join']);
    world.node.facts = { ready: false, missing: ['openssl'], key: '' };
    await handle();
    expect(membership()?.lastError?.code).toBe('node-packages-missing');
  });
});

describe('a post-join document', () => {
  beforeEach(() => tag(['adjoin:PostJoinDocument', 'adjoin-own-harden']));

  test('runs once the membership is verified, and before the instance enters service', async () => {
    await handle();
    expect(world.effects).toEqual(['stage', 'join', 'post-join', 'answer CONTINUE', 'delete']);
    expect(world.node.own).toEqual(['post-join adjoin-own-harden']);
    const { verify = 0, 'post-join': ended = -1 } = membership()?.launch?.times ?? {};
    expect(ended).toBeGreaterThanOrEqual(verify);
    expect(membership()?.lastError).toBeUndefined();
  });

  test('that fails breaks no membership: the node enters service, and log and ledger say so', async () => {
    world.node.postJoins = 'fails';
    await handle();
    expect(world.effects).toEqual(joined);
    expect(membership()).toMatchObject({ state: 'member', lastError: { code: 'post-join-failed' } });
    expect(world.node.own).toHaveLength(1);
    expect(world.log.filter(({ event }) => event === 'post-join document failed')).toHaveLength(1);
    expect(world.endings).toEqual(['joined']);
  });

  test('that does not end is waited for as long as the configuration says, with the hook kept alive', async () => {
    world.node.postJoins = 'hangs';
    const began = world.clock.now();
    await handle();
    expect(world.effects).toEqual(joined);
    expect(world.clock.now() - began).toBeGreaterThanOrEqual(600_000);
    expect(world.clock.now() - began).toBeLessThan(660_000);
    expect(membership()?.lastError?.message).toContain('has not ended');
  });

  test('that does not end never takes the time that the answer needs', async () => {
    world.node.postJoins = 'hangs';
    world.group = {
      ...world.group,
      hooks: world.group.hooks.map((hook) => ({ ...hook, globalMs: 400_000 })),
    };
    const began = world.clock.now();
    await handle();
    expect(world.effects).toEqual(joined);
    expect(world.clock.now() - began).toBeLessThan(300_000);
  });

  test('does not keep a slot from other launches while it runs', async () => {
    world = createWorld(1);
    world.nodeDefaults = { ...world.nodeDefaults, ownDocuments: [document('harden')] };
    tag(['adjoin:PostJoinDocument', 'adjoin-own-harden']);
    world.node.postJoins = 'hangs';
    let free = false;
    world.fault = async (call) => {
      if (call !== 'nodes.postJoin') return;
      const place = world.slots.enter({ transition: 'launching', group: 'fleet' });
      await place?.take(new AbortController().signal);
      free = true;
      place?.leave();
    };
    await handle();
    expect(free).toBe(true);
  });

  test('is tried again when it could not be delivered, and not when its script failed', async () => {
    let failures = 2;
    world.fault = (call) => {
      if (call === 'nodes.postJoin' && failures-- > 0) throw new AdjoinError('command-undeliverable', 'no');
    };
    await handle();
    expect(world.effects).toEqual(['stage', 'join', 'post-join', 'answer CONTINUE', 'delete']);
    expect(failures).toBe(-1);
  });

  test.each(['fails', 'hangs'] as const)(
    'that %s ends the launch, and its account, where the group says so',
    async (how) => {
      world.node.postJoins = how;
      tag(['adjoin:OnPostJoinFailure', 'ABANDON']);
      await handle();
      expect(world.effects).toEqual(['stage', 'join', 'remove', 'answer ABANDON', 'delete']);
      expect(membership()).toMatchObject({ state: 'failed', lastError: { code: 'post-join-failed' } });
      expect(world.account()).toBeUndefined();
    },
  );

  test('is run again by the next worker when the first died in it, and the node is not joined again', async () => {
    const died = new Error('The worker died.');
    world.fault = (call) => {
      if (call === 'nodes.postJoin') throw new AdjoinError('lease-lost', died.message);
    };
    const message = world.launch();
    await handle(message);
    expect(world.effects).toEqual(['stage', 'join']);
    world.fault = () => undefined;
    await handle(message, { handler: world.anotherWorker() });
    expect(world.effects).toEqual(['stage', 'join', 'post-join', 'answer CONTINUE', 'delete']);
  });

  test('that has failed is neither run again nor forgotten by the next worker', async () => {
    world.node.postJoins = 'fails';
    let died = false;
    world.fault = (call) => {
      if (!call.startsWith('autoscaling.complete') || died) return;
      died = true;
      throw new AdjoinError('lease-lost', 'The worker died.');
    };
    const message = world.launch();
    await handle(message);
    expect(died).toBe(true);
    await handle(message, { handler: world.anotherWorker() });
    expect(world.effects).toEqual(joined);
    expect(world.node.own).toEqual(['post-join adjoin-own-harden']);
    expect(membership()?.lastError?.code).toBe('post-join-failed');
  });
});
