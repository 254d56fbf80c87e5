import { describe, expect, test } from '@jest/globals';
import { createSpoiltCalls } from '../../../infra/sandbox/chaos/calls.ts';
import type { CallFault, Plan, WorldFault } from '../../../infra/sandbox/chaos/plan.ts';
import { createRecord, inService, listed, tokenOf } from '../../../infra/sandbox/chaos/record.ts';
import { createTurmoil } from '../../../infra/sandbox/chaos/turmoil.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';
import type { Injection } from '../../../infra/sandbox/chaos/world.ts';

const lost: CallFault = { kind: 'answer-lost', operation: 'sqs:DeleteMessage', times: 2 };
const call = { service: 'sqs', operation: 'DeleteMessage' };

describe('spoilt calls', () => {
  test('a fault meets the next calls of its operation or of its batch, as many as it says, and no other', () => {
    const met: CallFault[] = [];
    const calls = createSpoiltCalls((fault) => met.push(fault));
    calls.arm(lost);
    expect(calls.meet({ service: 'sqs', operation: 'ReceiveMessage' })).toBeUndefined();
    expect(calls.meet(call)).toEqual({ loseAnswer: true });
    expect(calls.meet({ service: 'sqs', operation: 'DeleteMessageBatch' })).toEqual({ loseAnswer: true });
    expect(calls.meet(call)).toBeUndefined();
    expect(met).toEqual([lost, lost]);
  });

  test.each([
    ['PutItem', 'TransactWriteItems'],
    ['GetItem', 'TransactGetItems'],
  ])('a fault of %s meets a transaction too, which needs no other permission', (single, transaction) => {
    const calls = createSpoiltCalls(() => undefined);
    calls.arm({ kind: 'call-failed', operation: `dynamodb:${single}`, times: 2 });
    for (const operation of [transaction, single])
      expect(calls.meet({ service: 'dynamodb', operation })).toMatchObject({ fail: { status: 500 } });
    expect(calls.meet({ service: 'dynamodb', operation: transaction })).toBeUndefined();
  });

  test('disarmed, they are left alone', () => {
    const calls = createSpoiltCalls(() => undefined);
    calls.arm(lost);
    calls.disarm();
    expect(calls.meet(call)).toBeUndefined();
  });
});

const once = (lane: Injection['lane']): Injection => ({ lane, over: Promise.resolve() });

describe('the turmoil', () => {
  const killed: WorldFault = { kind: 'worker-killed', worker: 1 };
  const paused: WorldFault = { kind: 'worker-paused', worker: 2, seconds: 3 };
  const died: WorldFault = { kind: 'instance-died', choice: 0 };
  const plan: Plan = {
    seed: 's',
    minutes: 1,
    faults: [
      { at: 1, fault: lost },
      { at: 2, fault: killed },
      { at: 5, fault: paused },
      { at: 9, fault: died },
    ],
    scalings: [{ at: 4, group: 1, size: 3 }],
  };
  const run = async (inject: (fault: WorldFault, at: number) => Injection | undefined, overtimeMs = 0) => {
    const clock = createVirtualClock(0);
    const scaled: number[] = [];
    const calls = createSpoiltCalls((fault) => turmoil.spoilt(fault));
    const turmoil = createTurmoil({
      plan,
      clock,
      calls,
      groups: {
        async scale(group, size) {
          scaled.push(clock.now(), group, size);
        },
      },
      world: { inject: async (fault) => inject(fault, clock.now()) },
    });
    const overtime = (over: AbortSignal): Promise<void> => clock.sleep(overtimeMs, over);
    await clock.until(turmoil.run(new AbortController().signal, overtime));
    return { turmoil, calls, scaled, clock };
  };
  test('each fault and each scaling comes at its time, and the time is kept to the end', async () => {
    const at: [string, number][] = [];
    const { turmoil, scaled, calls, clock } = await run((fault, now) => {
      at.push([fault.kind, now]);
      return once('AWS');
    });
    expect(at).toEqual([
      ['worker-killed', 2_000],
      ['worker-paused', 5_000],
      ['instance-died', 9_000],
    ]);
    expect(scaled).toEqual([4_000, 1, 3]);
    expect(clock.now()).toBe(60_000);
    calls.meet(call);
    expect(turmoil.tallies().every((tally) => tally.injected)).toBe(true);
    expect(turmoil.marks.map(({ kind, from }) => [kind, from])).toEqual([...at, ['answer-lost', 60_000]]);
  });

  test('a fault that finds nothing to befall waits until there is something', async () => {
    const { turmoil } = await run((_, now) => (now < 30_000 ? undefined : once('AWS')));
    const first = turmoil.marks.find((mark) => mark.kind === 'worker-killed');
    expect(first?.from).toBeGreaterThanOrEqual(30_000);
  });

  test('it waits on after the time of the plan, as long as that is prolonged', async () => {
    const { turmoil, clock } = await run((_, now) => (now < 90_000 ? undefined : once('AWS')), 40_000);
    expect(turmoil.marks.map(({ from }) => from >= 90_000)).toEqual([true, true, true]);
    expect(clock.now()).toBe(100_000);
  });

  test('what never came about is told', async () => {
    const { turmoil } = await run((fault) => (fault.kind === 'instance-died' ? undefined : once('AWS')));
    expect(turmoil.tallies().filter((tally) => !tally.injected)).toEqual([
      { fault: lost, injected: false },
      { fault: died, injected: false },
    ]);
  });

  test('an injection that fails ends the run with its error', async () => {
    await expect(
      run(() => {
        throw new Error('no such device');
      }),
    ).rejects.toThrow('no such device');
  });
});

describe('the record', () => {
  test('a message that moved to the dead-letter queue is dead, whatever becomes of it there', () => {
    const record = createRecord(() => 7);
    record.note({ kind: 'message-sent', queue: 'actions', messageId: 'm', body: '{}' });
    record.note({ kind: 'message-received', queue: 'actions', messageId: 'm' });
    record.note({ kind: 'message-dead', queue: 'actions', messageId: 'm' });
    record.note({ kind: 'message-received', queue: 'dead', messageId: 'm' });
    record.note({ kind: 'message-deleted', queue: 'dead', messageId: 'm' });
    expect([...record.messages.values()]).toEqual([
      { messageId: 'm', queue: 'actions', body: '{}', sentAt: 7, receives: 1, end: 'dead', endedAt: 7 },
    ]);
  });

  test('every end of an action is kept', () => {
    const record = createRecord(() => 7);
    record.note({
      kind: 'action-begun',
      group: 'fleet',
      transition: 'autoscaling:EC2_INSTANCE_TERMINATING',
      destination: 'EC2',
      instanceId: 'i-1',
      token: 't',
    });
    record.note({ kind: 'action-ended', token: 't', end: 'answer', result: 'CONTINUE' });
    record.note({ kind: 'action-ended', token: 't', end: 'void' });
    expect(record.actions.get('t')).toMatchObject({
      transition: 'terminate',
      ends: [{ end: 'answer', result: 'CONTINUE' }, { end: 'void' }],
    });
  });

  test('an instance that leaves is listed but no longer in service, and one that is gone is neither', () => {
    const record = createRecord(() => 7);
    for (const [instanceId, steps] of [
      ['i-1', ['launched', 'in-service']],
      ['i-2', ['launched', 'in-service', 'leaving']],
      ['i-3', ['launched', 'leaving', 'gone']],
    ] as const) {
      for (const step of steps) record.note({ kind: 'instance', instanceId, group: 'fleet', step });
    }
    expect(inService(record).map((each) => each.instanceId)).toEqual(['i-1']);
    expect(listed(record).map((each) => each.instanceId)).toEqual(['i-1', 'i-2']);
  });

  test('only a lifecycle message names an action', () => {
    expect(tokenOf('{"LifecycleActionToken":"t"}')).toBe('t');
    for (const body of ['not JSON', 'null', '[]', '{"LifecycleActionToken":7}'])
      expect(tokenOf(body)).toBeUndefined();
  });
});
