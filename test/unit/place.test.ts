/** The account on which a worker tries the service account's rights is gone afterwards, however the trial ended. */
import { beforeEach, expect, test } from '@jest/globals';
import { createTrial } from '../../agent/place.ts';
import { createRedactor } from '../../agent/redact.ts';
import { createMemoryDirectory, type Ask, type MemoryDirectory } from '../support/memory-directory.ts';

const { signal } = new AbortController();
let directory: MemoryDirectory;
const plain: Ask = async (_call, _subject, carryOut) => carryOut();
beforeEach(() => {
  directory = createMemoryDirectory(() => 0);
});

const trialOver = (ask: Ask) => createTrial(directory.ports(ask), createRedactor());

test('tries each right on one account, and leaves nothing', async () => {
  const trial = trialOver(plain);
  await trial.create(signal);
  expect(directory.accounts.size).toBe(1);
  await trial.reset(signal);
  await trial.disable(signal);
  expect([...directory.accounts.values()].map(({ enabled }) => enabled)).toEqual([false]);
  await trial.remove(signal);
  await trial.undo();
  expect(directory.accounts.size).toBe(0);
});

test('an account that was made although no answer said so is undone', async () => {
  const trial = trialOver(async (call, _subject, carryOut) => {
    const done = carryOut();
    if (call === 'directory.stage') throw new Error('The answer was lost.');
    return done;
  });
  await expect(trial.create(signal)).rejects.toThrow('The answer was lost.');
  expect(directory.accounts.size).toBe(1);
  await trial.undo();
  expect(directory.accounts.size).toBe(0);
});

test('what can not be deleted is left to the sweep, and is no error of the one who asked', async () => {
  const trial = trialOver(plain);
  await trial.create(signal);
  for (const account of directory.accounts.values()) account.guard = 'denied';
  await expect(trial.remove(signal)).rejects.toMatchObject({ code: 'directory-denied' });
  await trial.undo();
  expect(directory.accounts.size).toBe(1);
});
