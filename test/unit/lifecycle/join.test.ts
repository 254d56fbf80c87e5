/** What a launch makes of what its node reports, and what must be done before it is over. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import { DOMAIN } from '../../support/memory-directory.ts';
import { createWorld, INSTANCE, type World } from '../../support/world.ts';

let world: World;
beforeEach(() => {
  world = createWorld();
});

const handle = (message = world.launch()): Promise<void> =>
  world.clock.until(world.handler.handle(world.deliver(message)));
const lastError = () => world.table.get(INSTANCE)?.lastError;

describe('a node', () => {
  test.each([
    ['of a family without a document', { family: 'darwin' }, 'node-unsupported', 'runs debian 12.'],
    [
      'not ready, though it lacks nothing',
      { ready: false, missing: [] },
      'node-unsupported',
      'runs debian 12.',
    ],
    [
      'without packages',
      { ready: false, missing: ['adcli', 'sssd'] },
      'node-packages-missing',
      'lacks adcli, sssd.',
    ],
    [
      'of another domain',
      { domain: 'other.test' },
      'node-foreign-domain',
      'is a member of other.test already',
    ],
  ])('%s is refused at once', async (_what, facts, code, message) => {
    world.node.facts = facts;
    await handle();
    expect(world.effects).toEqual(['answer ABANDON', 'delete']);
    expect(lastError()).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  test.each([
    ['of Windows', { family: 'windows' }],
    ['of our domain, in capitals', { domain: DOMAIN.toUpperCase() }],
  ])('%s is joined', async (_what, facts) => {
    world.node.facts = facts;
    await handle();
    expect(world.effects).toEqual(['stage', 'join', 'answer CONTINUE', 'delete']);
  });
});

describe('a join that the node reports as done', () => {
  test('does not count when the directory shows the very password that was staged', async () => {
    // Equal is not later: the machine has not set a password of its own.
    world.fault = (name) => {
      const staged = world.table.get(INSTANCE)?.stagedPasswordLastSet;
      const account = world.account();
      if (name === 'directory.inspect' && account) account.passwordLastSet = BigInt(staged ?? 0);
    };
    await handle();
    expect(world.answers.map(({ result }) => result)).toEqual(['ABANDON']);
    expect(lastError()).toMatchObject({
      code: 'join-exhausted',
      message: expect.stringContaining(`dc1.${DOMAIN} does not show it`),
    });
  });
});

describe('a join that the node reports as failed', () => {
  test.each([
    ['packages-missing', 'adcli', 'node-packages-missing', `${INSTANCE}: packages-missing: adcli.`],
    ['foreign-domain', '', 'node-foreign-domain', `${INSTANCE}: foreign-domain.`],
  ])('for %s is not tried again', async (code, detail, expected, message) => {
    Object.assign(world.node, { joins: 'fails', failure: { code, detail } });
    await handle();
    expect(world.effects).toEqual(['stage', 'remove', 'answer ABANDON', 'delete']);
    expect(lastError()).toMatchObject({ code: expected, message });
  });

  test.each([
    ['no', `3 attempts failed. The last: ${INSTANCE}: realm-failed: no.`],
    ['', `3 attempts failed. The last: ${INSTANCE}: realm-failed.`],
  ])('for another reason (%j) is tried three times', async (detail, message) => {
    Object.assign(world.node, { joins: 'fails', failure: { code: 'realm-failed', detail } });
    await handle();
    expect(world.effects.filter((effect) => effect === 'stage')).toHaveLength(3);
    expect(lastError()).toMatchObject({ code: 'join-exhausted', message });
  });
});

const testNotification = () => ({
  messageId: 'test',
  receiveCount: 1,
  body: JSON.stringify({ Event: 'autoscaling:TEST_NOTIFICATION', AutoScalingGroupName: 'fleet' }),
});

describe('a message is over', () => {
  const hold = (): void => {
    world.group = { ...world.group, tags: new Map([...world.group.tags, ['adjoin:OnJoinFailure', 'hold']]) };
    world.node.ready = false;
  };
  test.each([
    ['a launch', () => world.launch(), 'queue.remove', 'joined'],
    ['a test notification', testNotification, 'queue.remove', 'test-notification'],
    [
      'a held launch',
      () => {
        hold();
        return world.launch();
      },
      'queue.hide',
      'held',
    ],
  ] as const)('for %s only when the queue has answered', async (_what, message, call, ending) => {
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    let asked = 0;
    world.fault = async (name) => {
      if (name !== call) return;
      asked += 1;
      await answered;
    };
    let isOver = false;
    const handled = world.handler.handle(world.deliver(message())).finally(() => {
      isOver = true;
    });
    await world.clock.advance(10_000);
    expect([asked, isOver, world.endings]).toEqual([1, false, []]);
    answer();
    await world.clock.until(handled);
    expect(world.endings).toEqual([ending]);
  });

  test('and is deleted only when its lease is given back', async () => {
    const { promise: written, resolve: write } = Promise.withResolvers<void>();
    let writes = 0;
    world.fault = async (name) => {
      if (!name.startsWith('table.write') || world.answers.length === 0) return;
      writes += 1;
      // After the answer the ledger notes it; the write after that gives the lease back.
      if (writes === 2) await written;
    };
    let isOver = false;
    const handled = world.handler.handle(world.deliver(world.launch())).finally(() => {
      isOver = true;
    });
    await world.clock.advance(10_000);
    expect([writes, isOver]).toEqual([2, false]);
    expect(world.table.get(INSTANCE)?.leaseOwner).toBe('worker/1');
    expect(world.effects).toEqual(['stage', 'join', 'answer CONTINUE']);
    write();
    await world.clock.until(handled);
    expect(world.table.get(INSTANCE)?.leaseOwner).toBeUndefined();
    expect(world.effects).toEqual(['stage', 'join', 'answer CONTINUE', 'delete']);
  });

  test('and is not deleted when the lease was lost before the ledger had noted the answer', async () => {
    world.fault = (name) => {
      if (name.startsWith('table.write') && world.answers.length > 0) {
        throw new AdjoinError('lease-lost', 'Another worker has taken over.');
      }
    };
    await handle();
    expect(world.endings).toEqual(['handed-back']);
    expect(world.removed).toEqual([]);
  });
});
