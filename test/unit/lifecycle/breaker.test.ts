import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import { createBreaker, type Breaker } from '../../../agent/lifecycle/breaker.ts';
import type { LifecycleAction } from '../../../agent/terms.ts';
import { createMemoryLog, type MemoryLog } from '../../support/memory-log.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

const open = new AbortController().signal;
const error = new AdjoinError('join-failed', 'i-1: adcli-failed: no route.');

let clock: VirtualClock;
let log: MemoryLog;
let breaker: Breaker;
/** Instances that have passed, in their order. */
let passed: string[];
beforeEach(() => {
  clock = createVirtualClock();
  log = createMemoryLog();
  breaker = createBreaker(clock, log);
  passed = [];
});

const launchOf = (instanceId: string, group = 'web'): LifecycleAction => ({
  token: `token of ${instanceId}`,
  hook: 'join',
  group,
  instanceId,
  transition: 'launching',
  origin: 'EC2',
  destination: 'AutoScalingGroup',
  startedAt: clock.now(),
});
function pass(instanceId: string, group = 'web', signal = open): Promise<void> {
  return breaker.pass(launchOf(instanceId, group), signal).then(() => void passed.push(instanceId));
}
const fail = (instanceId: string): void => breaker.failed(launchOf(instanceId), error);
const failing = (): void => ['i-1', 'i-2', 'i-3', 'i-4', 'i-5'].forEach(fail);

describe('the breaker of a group', () => {
  test('lets all launches pass at first, and after four that failed', async () => {
    for (const instanceId of ['i-1', 'i-2', 'i-3', 'i-4']) fail(instanceId);
    await pass('i-6');
    expect(passed).toEqual(['i-6']);
    expect(log.lines).toEqual([]);
  });

  test('counts instances, not attempts', async () => {
    for (let attempt = 0; attempt < 20; attempt += 1) fail('i-1');
    await pass('i-2');
    expect(passed).toEqual(['i-2']);
  });

  test('then lets one pass at a time, after pauses that double up to five minutes', async () => {
    failing();
    for (let launch = 10; launch < 40; launch += 1) void pass(`i-${launch}`);
    const times: number[] = [];
    let at = clock.now();
    while (times.length < 7) {
      await clock.advance(1_000);
      if (passed.length === times.length) continue;
      expect(passed).toHaveLength(times.length + 1);
      times.push((clock.now() - at) / 1000);
      at = clock.now();
      fail(passed.at(-1) ?? '');
    }
    expect(times).toEqual([10, 20, 40, 80, 160, 300, 300]);
    expect(log.lines.map(({ level, event }) => [level, event])).toEqual(
      Array.from({ length: 8 }, () => ['error', 'group keeps failing']),
    );
    expect(log.lines[0]?.fields).toMatchObject({
      group: 'web',
      pauseMs: 10_000,
      error: { code: 'group-failing' },
    });
  });

  test('is not opened for longer by launches that began before', async () => {
    failing();
    for (let launch = 10; launch < 40; launch += 1) fail(`i-${launch}`);
    expect(log.lines).toHaveLength(1);
    void pass('i-50');
    await clock.advance(10_000);
    expect(passed).toEqual(['i-50']);
  });

  test('lets the next one pass although the one that is tried has no end', async () => {
    failing();
    void pass('i-10');
    void pass('i-11');
    await clock.advance(19_999);
    expect(passed).toEqual(['i-10']);
    await clock.advance(1);
    expect(passed).toEqual(['i-10', 'i-11']);
  });

  test('lets all go on at once when one joins', async () => {
    failing();
    for (let launch = 10; launch < 40; launch += 1) void pass(`i-${launch}`);
    await clock.advance(1_000);
    expect(passed).toEqual([]);
    breaker.joined(launchOf('i-5'));
    await clock.advance(0);
    expect(passed).toHaveLength(30);
    expect(log.lines.at(-1)).toMatchObject({ level: 'info', event: 'group works again' });
    await pass('i-50');
  });

  test('is not that of another group', async () => {
    failing();
    await pass('i-10', 'batch');
    expect(passed).toEqual(['i-10']);
  });

  test('is none where instances belong to no group', async () => {
    for (let launch = 10; launch < 20; launch += 1) breaker.failed(launchOf(`i-${launch}`, ''), error);
    await pass('i-20', '');
    expect(passed).toEqual(['i-20']);
    expect(log.lines).toEqual([]);
  });

  test('does not keep a launch that is aborted', async () => {
    failing();
    const stop = new AbortController();
    const waiting = pass('i-10', 'web', stop.signal);
    await clock.advance(1_000);
    stop.abort(new AdjoinError('draining', 'The worker stops.'));
    await expect(waiting).rejects.toThrow('The worker stops.');
    expect(clock.sleeping).toBe(0);
  });
});
