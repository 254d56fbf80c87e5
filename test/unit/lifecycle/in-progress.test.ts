import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import { createKeepAlive, type KeepAlive } from '../../../agent/keep-alive.ts';
import { createInProgress, type InProgress } from '../../../agent/lifecycle/in-progress.ts';
import type { LifecycleAction } from '../../../agent/terms.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';

let inProgress: InProgress;
beforeEach(() => {
  inProgress = createInProgress();
});

const alive = (): KeepAlive => createKeepAlive(createVirtualClock(), () => undefined);

const actionOf = (token: string, startedAt: number, instanceId = 'i-0123456789abcdef0'): LifecycleAction => ({
  token,
  hook: 'hook',
  group: 'fleet',
  instanceId,
  transition: 'launching',
  origin: 'EC2',
  destination: 'AutoScalingGroup',
  startedAt,
});

const reasonOf = ({ signal }: KeepAlive): unknown => signal.reason;

describe('an action', () => {
  test('stops an earlier one of its instance, and waits for its end', async () => {
    const earlier = alive();
    const entry = inProgress.enter(actionOf('one', 1), earlier);
    let waits = true;
    const supersede = async (): Promise<void> => {
      await inProgress.supersede(actionOf('two', 2));
      waits = false;
    };
    const superseded = supersede();
    expect(reasonOf(earlier)).toMatchObject({ code: 'action-void' });
    entry.leave();
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    expect(waits).toBe(true);
    entry.end();
    await superseded;
    expect(waits).toBe(false);
  });

  test('leaves alone another message of its own, and other instances', async () => {
    const own = alive();
    const other = alive();
    inProgress.enter(actionOf('one', 1), own);
    inProgress.enter(actionOf('other', 1, 'i-0123456789abcdef1'), other);
    await inProgress.supersede(actionOf('one', 1));
    expect([own.signal.aborted, other.signal.aborted]).toEqual([false, false]);
  });

  test('gives way to a later one, until that has left', async () => {
    const later = alive();
    const entry = inProgress.enter(actionOf('two', 2), later);
    await expect(inProgress.supersede(actionOf('one', 1))).rejects.toMatchObject({
      code: 'action-owned-elsewhere',
    });
    expect(later.signal.aborted).toBe(false);
    entry.leave();
    await expect(inProgress.supersede(actionOf('one', 1))).resolves.toBeUndefined();
    expect(later.signal.aborted).toBe(false);
  });

  test('stops one that began in the same millisecond', () => {
    const other = alive();
    inProgress.enter(actionOf('one', 1), other);
    void inProgress.supersede(actionOf('two', 1));
    expect(reasonOf(other)).toMatchObject({ code: 'action-void' });
  });

  test('is stood for by its first message, and then by the one that has the lease', async () => {
    const first = alive();
    const second = alive();
    inProgress.enter(actionOf('one', 1), first);
    const entry = inProgress.enter(actionOf('one', 1), second);
    void inProgress.supersede(actionOf('two', 2));
    expect([first.signal.aborted, second.signal.aborted]).toEqual([true, false]);
    entry.leased();
    void inProgress.supersede(actionOf('two', 2));
    expect(second.signal.aborted).toBe(true);
  });

  test('that leaves takes no other message of its own away', async () => {
    const second = alive();
    const first = inProgress.enter(actionOf('one', 1), alive());
    inProgress.enter(actionOf('one', 1), second).leased();
    first.leave();
    void inProgress.supersede(actionOf('two', 2));
    expect(second.signal.aborted).toBe(true);
  });
});

test('all that is in progress is aborted with the reason, and nothing that has ended', () => {
  const [working, ended] = [alive(), alive()];
  inProgress.add(working);
  inProgress.add(ended);
  inProgress.remove(ended);
  const reason = new AdjoinError('draining', 'The worker stops.');
  inProgress.abortAll(reason);
  expect(reasonOf(working)).toBe(reason);
  expect(ended.signal.aborted).toBe(false);
});
