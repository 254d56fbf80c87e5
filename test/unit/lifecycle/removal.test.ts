import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import { removeAccount, removeAccountBy } from '../../../agent/lifecycle/removal.ts';
import type { Work } from '../../../agent/lifecycle/work.ts';
import { createLeasedWork, INSTANCE, launch, NAME, type LeasedWork } from './leased-work.ts';

/** Milliseconds for which a staging without an answer may still arrive, with operations of 15 s. */
const STRAGGLE_MS = 45_000;

let scene: LeasedWork;
let work: Work;
beforeEach(async () => {
  scene = createLeasedWork();
  work = await scene.begin(launch);
  await scene.stage(work.lease);
  scene.calls.length = 0;
});

describe('the removal of an account', () => {
  test('begins only when no staging can arrive any more', async () => {
    const began = scene.clock.now();
    await work.lease.update({ stagingBegan: began });
    const removed = removeAccount(work, scene.ports, work.signal);
    await scene.clock.advance(STRAGGLE_MS - 1);
    expect(scene.calls).toEqual(['table.write staged']);
    await expect(scene.clock.until(removed)).resolves.toMatchObject({ accounts: [NAME] });
    expect(scene.clock.now() - began).toBe(STRAGGLE_MS);
  });

  test('is not begun by a worker that may not go on after that wait', async () => {
    scene.check = () => {
      throw new AdjoinError('lease-lost', 'It ran out.');
    };
    await expect(removeAccount(work, scene.ports, work.signal)).rejects.toMatchObject({ code: 'lease-lost' });
    expect(scene.calls).toEqual([]);
  });

  test('is given up at its deadline', async () => {
    scene.fault = async (name, signal) => {
      if (name === 'directory.find') await scene.clock.sleep(Number.MAX_SAFE_INTEGER, signal);
    };
    const deadline = scene.clock.now() + 20_000;
    await expect(scene.clock.until(removeAccountBy(deadline, work, scene.ports))).rejects.toMatchObject({
      code: 'directory-unavailable',
      message: `${INSTANCE}: the hook's time is up.`,
    });
    expect(scene.clock.now()).toBe(deadline);
  });
});
