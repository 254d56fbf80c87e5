import { expect, test } from '@jest/globals';
import { playOn } from '../../../infra/sandbox/chaos/overtime.ts';
import { createRecord } from '../../../infra/sandbox/chaos/record.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';

/** Groups whose instances serve ten seconds after they were asked for, and go as fast. */
const run = async (enough: (instances: number, gone: number) => boolean, limitMs = 600_000) => {
  const clock = createVirtualClock(0);
  const record = createRecord(() => clock.now());
  const sizes: number[] = [];
  let launched = 0;
  const scale = async (group: number, size: number): Promise<void> => {
    sizes.push(size);
    const name = `group ${group}`;
    const note = (instanceId: string, step: 'launched' | 'in-service' | 'leaving' | 'gone'): void =>
      record.note({ kind: 'instance', instanceId, group: name, step });
    const there = [...record.instances.values()].filter((each) => each.group === name && !each.goneAt);
    const left = there.map(({ instanceId }) => instanceId);
    const made = Array.from({ length: Math.max(0, size - there.length) }, () => `i-${(launched += 1)}`);
    if (size === 0) for (const instanceId of left) note(instanceId, 'leaving');
    for (const instanceId of made) note(instanceId, 'launched');
    const end = async (): Promise<void> => {
      await clock.sleep(10_000);
      if (size === 0) for (const instanceId of left) note(instanceId, 'gone');
      for (const instanceId of made) note(instanceId, 'in-service');
    };
    void end();
  };
  const seen = () => [...record.instances.values()];
  const isEnough = (): boolean => enough(seen().length, seen().filter((each) => each.goneAt).length);
  const parts = { groups: { names: ['one', 'two'], scale }, record, clock };
  await clock.until(playOn(parts, isEnough, limitMs, new AbortController().signal), 2 * limitMs);
  return { sizes, gone: seen().filter((each) => each.goneAt).length, at: clock.now() };
};

test('nothing is scaled where there is enough already', async () => {
  expect(await run(() => true)).toEqual({ sizes: [], gone: 0, at: 0 });
});

test('groups are filled and emptied until there is enough', async () => {
  const { sizes, gone } = await run((_, left) => left > 8);
  expect(sizes).toEqual([4, 4, 0, 0, 4, 4, 0, 0]);
  expect(gone).toBe(16);
});

test('it ends at the limit', async () => {
  const { at } = await run(() => false, 60_000);
  expect(at).toBeGreaterThanOrEqual(60_000);
  expect(at).toBeLessThan(62_000);
});
