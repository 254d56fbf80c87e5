import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { asPlainTests, plainTestsEnded } from '../../runner/beside.ts';

let results: string;
beforeEach(async () => {
  results = await mkdtemp(join(tmpdir(), 'adjoin-beside-'));
});
afterEach(() => rm(results, { recursive: true }));

test('the second lane waits for the end of the plain tests', async () => {
  const work = Promise.withResolvers<string>();
  const began = Promise.withResolvers<void>();
  const told: string[] = [];
  const plain = asPlainTests(results, () => {
    began.resolve();
    return work.promise;
  });
  await began.promise;
  const ended = plainTestsEnded(results).then(() => told.push('ended'));
  await new Promise(setImmediate);
  expect(told).toEqual([]);
  work.resolve('their parts');
  await expect(plain).resolves.toBe('their parts');
  await ended;
  expect(told).toEqual(['ended']);
});

test('it begins at once where there are none, and where they failed', async () => {
  await plainTestsEnded(results);
  const failed = new Error('Jest was not to be started');
  await expect(asPlainTests(results, () => Promise.reject(failed))).rejects.toBe(failed);
  await plainTestsEnded(results);
});
