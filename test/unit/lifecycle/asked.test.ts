/** What operators ask for by hand, from the message to its removal. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import { formatInquiry } from '../../../agent/lifecycle/inquiry.ts';
import { formatRequest, type Verb } from '../../../agent/lifecycle/request.ts';
import { ACCOUNT, createWorld, GROUP, INSTANCE, REGION, type World } from '../../support/world.ts';

const OPERATOR = 'AROAOPERATOR:alice';
const HYBRID = 'mi-0123456789abcdef0';

let world: World;
let asked: number;
beforeEach(() => {
  world = createWorld();
  asked = 0;
  machine('running');
});

const uuid = (number: number): string => `00000000-0000-0000-0000-${String(number).padStart(12, '0')}`;

function machine(state: string, tags: Readonly<Record<string, string>> = { JoinAD: 'true' }): void {
  world.machines.set(INSTANCE, { state, tags: new Map(Object.entries(tags)) });
}

function ask(verb: Verb, instanceId = INSTANCE, senderId = OPERATOR) {
  asked += 1;
  const request = { id: uuid(asked), verb, instanceId, askedAt: world.clock.now() };
  const body = formatRequest(request, { accountId: ACCOUNT, region: REGION });
  return { messageId: `request ${asked}`, body, receiveCount: 1, senderId };
}

const handle = (message: ReturnType<typeof ask>, handler = world.handler): Promise<void> =>
  world.clock.until(handler.handle(world.deliver(message)));

const record = (instanceId = INSTANCE) => world.table.get(instanceId);
const outcome = (number = asked) => world.outcomes.get(uuid(number));
const happened = (): string[] => world.effects.filter((effect) => effect !== 'delete');

async function joined(): Promise<void> {
  await handle(ask('join'));
  expect(outcome()).toMatchObject({ ending: 'joined' });
  await world.clock.advance(60_000);
  world.effects.length = 0;
}

describe('a join by hand', () => {
  test('joins an instance, says so, and answers no hook', async () => {
    const calls: string[] = [];
    world.fault = (name) => void calls.push(name);
    await handle(ask('join'));
    expect(world.effects).toEqual(['stage', 'join', 'delete']);
    expect(record()?.state).toBe('member');
    expect(outcome()).toEqual({ ending: 'joined', at: expect.any(Number) });
    expect(calls.filter((name) => /heartbeat|complete/.test(name))).toEqual([]);
    // The operator is told before the message goes: after a crash in between it comes again.
    expect(calls.indexOf('outcome.note')).toBeLessThan(calls.indexOf('queue.remove'));
  });

  test('of a member changes nothing', async () => {
    await joined();
    await handle(ask('join'));
    expect(happened()).toEqual([]);
    expect(outcome()).toEqual({ ending: 'kept', at: expect.any(Number) });
  });

  test('of a member whose account is gone says so, and makes none', async () => {
    await joined();
    world.accounts.clear();
    await handle(ask('join'));
    expect(happened()).toEqual([]);
    expect(outcome()).toMatchObject({ ending: 'kept', error: { code: 'account-vanished' } });
  });

  test('that fails leaves no account, and says why', async () => {
    world.node.joins = 'fails';
    await handle(ask('join'));
    expect(world.accounts.size).toBe(0);
    expect(outcome()).toMatchObject({ ending: 'abandoned', error: { code: 'join-exhausted' } });
  });

  test.each([
    ['has no tag', 'running', {}, 'void', 'action-void'],
    ['is stopped', 'stopped', { JoinAD: 'true' }, 'void', 'action-void'],
    ['has ended', 'terminated', { JoinAD: 'true' }, 'void', 'action-void'],
  ] as const)(
    'of an instance that %s does nothing, and says so',
    async (_what, state, tags, ending, code) => {
      machine(state, tags);
      await handle(ask('join'));
      expect(happened()).toEqual([]);
      expect(record()).toBeUndefined();
      expect(outcome()).toMatchObject({ ending, error: { code } });
      expect(world.removed).toHaveLength(1);
    },
  );

  test('of an instance that EC2 does not show does nothing', async () => {
    world.machines.clear();
    await handle(ask('join'));
    expect(record()).toBeUndefined();
    expect(outcome()).toMatchObject({ ending: 'void', error: { code: 'action-void' } });
  });

  test('of an instance that a hook waits for waits as well, and finds a member', async () => {
    world.node.registered = false;
    const launch = world.handler.handle(world.deliver(world.launch()));
    await world.clock.advance(1_000);
    const request = world.handler.handle(world.deliver(ask('join')));
    await world.clock.advance(1_000);
    world.node.registered = true;
    await world.clock.until(Promise.all([launch, request]));
    expect(world.answers).toEqual([expect.objectContaining({ result: 'CONTINUE' })]);
    expect(happened().filter((effect) => effect === 'join')).toHaveLength(1);
    expect(outcome()).toMatchObject({ ending: 'kept' });
    expect(record()).toMatchObject({ autoScalingGroup: GROUP });
  });
});

describe('an unjoin by hand', () => {
  test('takes a living member out: the node leaves, then its account is removed', async () => {
    await joined();
    await handle(ask('unjoin'));
    expect(happened()).toEqual(['leave', 'remove']);
    expect(world.accounts.size).toBe(0);
    expect(record()?.state).toBe('removed');
    expect(outcome()).toEqual({ ending: 'unjoined', at: expect.any(Number) });
  });

  test('removes the account of a node that can’t be reached', async () => {
    await joined();
    world.node.registered = false;
    await handle(ask('unjoin'));
    expect(happened()).toEqual(['remove']);
    expect(outcome()).toMatchObject({ ending: 'unjoined' });
  });

  test('ends a join by hand that waits for its node', async () => {
    world.node.registered = false;
    const join = world.handler.handle(world.deliver(ask('join')));
    await world.clock.advance(10_000);
    await world.clock.until(Promise.all([join, world.handler.handle(world.deliver(ask('unjoin')))]));
    expect(outcome(1)).toMatchObject({ ending: 'void' });
    expect(outcome(2)).toMatchObject({ ending: 'unjoined' });
  });

  test('whose removal the directory does not take is owed, and says so', async () => {
    await joined();
    world.fault = (name) => {
      if (name === 'directory.find') throw new AdjoinError('directory-unavailable', 'down');
    };
    await handle(ask('unjoin'));
    expect(record()?.state).toBe('owed');
    expect(outcome()).toMatchObject({ ending: 'owed', error: { code: 'directory-unavailable' } });
  });

  test('of what neither EC2 nor the ledger knows does nothing', async () => {
    world.machines.clear();
    await handle(ask('unjoin'));
    expect(happened()).toEqual([]);
    expect(record()).toBeUndefined();
    expect(outcome()).toMatchObject({ ending: 'void' });
  });

  test('that is delivered again after the instance has joined anew does not take it out', async () => {
    await joined();
    const unjoin = ask('unjoin');
    await handle(unjoin);
    await world.clock.advance(60_000);
    await handle(ask('join'));
    expect(record()?.state).toBe('member');
    world.effects.length = 0;
    await handle(unjoin);
    expect(happened()).toEqual([]);
    expect(record()?.state).toBe('member');
    expect(world.removed.at(-1)).toBe(unjoin.messageId);
  });

  test('that is an hour old is not begun', async () => {
    await joined();
    const old = ask('unjoin');
    await world.clock.advance(3_700_000);
    await handle(old);
    expect(happened()).toEqual([]);
    expect(record()?.state).toBe('member');
    expect(outcome()).toMatchObject({
      ending: 'void',
      error: { message: expect.stringContaining('too old') },
    });
  });

  test('whose worker dies after the removal is told as done by the next one', async () => {
    await joined();
    const unjoin = ask('unjoin');
    let dead = false;
    world.fault = (name) => {
      if (name === 'outcome.note') dead = true;
      if (dead) throw new AdjoinError('aws-unavailable', 'dead');
    };
    await handle(unjoin);
    expect(outcome()).toBeUndefined();
    world.fault = () => undefined;
    // Its lease ends.
    await world.clock.advance(100_000);
    await handle(unjoin, world.anotherWorker());
    expect(outcome()).toMatchObject({ ending: 'unjoined' });
    expect(world.accounts.size).toBe(0);
  });

  test('whose worker dies after the removal does not take out what has joined anew since', async () => {
    await joined();
    const unjoin = ask('unjoin');
    let dead = false;
    world.fault = (name) => {
      if (name === 'outcome.note') dead = true;
      if (dead) throw new AdjoinError('aws-unavailable', 'dead');
    };
    await handle(unjoin);
    world.fault = () => undefined;
    await world.clock.advance(100_000);
    await handle(ask('join'), world.anotherWorker());
    expect(record()?.state).toBe('member');
    world.effects.length = 0;
    await handle(unjoin, world.anotherWorker());
    expect(happened()).toEqual([]);
    expect(record()).toMatchObject({ state: 'member' });
    expect(record()?.terminate).toBeUndefined();
    expect(outcome(2)).toMatchObject({
      ending: 'void',
      error: { message: expect.stringContaining('has joined since') },
    });
  });
});

describe('a request of another sender', () => {
  test.each([
    ['of the role that hooks send as', 'AROAPUBLISHER:AutoScaling'],
    ['of EventBridge, by whatever rule', 'AIDAEVENTS'],
    ['of the role that sends dead letters back', 'AROADEADLETTERS:alice'],
    ['that is named like the operators’ role', 'AROAOPERATORS:alice'],
    ['that is a user with the role’s ID', 'AROAOPERATOR'],
    ['that SQS does not name', ''],
  ])('%s takes no living member out', async (_who, senderId) => {
    await joined();
    const before = record();
    await handle(ask('unjoin', INSTANCE, senderId));
    expect(world.endings.at(-1)).toBe('malformed');
    expect(happened()).toEqual([]);
    expect(world.accounts.size).toBe(1);
    expect(record()).toEqual(before);
    expect(outcome()).toBeUndefined();
    // It is evidence: it ends in the dead-letter queue.
    expect(world.removed).not.toContain(`request ${asked}`);
  });
});

describe('a hybrid node', () => {
  test('joins and unjoins by hand, although EC2 knows nothing of it', async () => {
    await handle(ask('join', HYBRID));
    expect(outcome()).toMatchObject({ ending: 'joined' });
    expect(record(HYBRID)).toMatchObject({ state: 'member', instanceId: HYBRID });
    await world.clock.advance(60_000);
    await handle(ask('unjoin', HYBRID));
    expect(outcome()).toMatchObject({ ending: 'unjoined' });
    expect(record(HYBRID)?.state).toBe('removed');
    expect(world.accounts.size).toBe(0);
  });

  test('that the ledger does not know is not unjoined', async () => {
    await handle(ask('unjoin', HYBRID));
    expect(outcome()).toMatchObject({ ending: 'void' });
    expect(record(HYBRID)).toBeUndefined();
  });
});

describe('an inquiry', () => {
  const inquire = (senderId = OPERATOR, askedAt = world.clock.now()) => {
    asked += 1;
    const body = formatInquiry({ id: uuid(asked), askedAt }, { accountId: ACCOUNT, region: REGION });
    return { messageId: `inquiry ${asked}`, body, receiveCount: 1, senderId };
  };

  test('is answered before its message is deleted', async () => {
    const calls: string[] = [];
    world.fault = (name) => void calls.push(name);
    await handle(inquire());
    expect(world.answered).toEqual([uuid(1)]);
    expect(world.endings).toEqual(['answered']);
    expect(calls.indexOf('dynamodb.answer')).toBeLessThan(calls.indexOf('queue.remove'));
    expect(world.removed).toEqual(['inquiry 1']);
  });

  test('that could not be answered comes back', async () => {
    world.fault = (name) => {
      if (name === 'dynamodb.answer') throw new AdjoinError('aws-unavailable', 'down');
    };
    await handle(inquire());
    expect(world.removed).toEqual([]);
  });

  test('that nobody waits for any more makes no account', async () => {
    await handle(inquire(OPERATOR, world.clock.now() - 601_000));
    expect(world.answered).toEqual([]);
    expect(world.removed).toEqual(['inquiry 1']);
  });

  test.each(['AROAPUBLISHER:AutoScaling', 'AROAOPERATORS:alice', ''])(
    'of another sender (%s) is left',
    async (sender) => {
      await handle(inquire(sender));
      expect(world.answered).toEqual([]);
      expect(world.endings).toEqual(['malformed']);
      expect(world.removed).toEqual([]);
    },
  );
});
