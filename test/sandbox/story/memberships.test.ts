import { describe, expect, test } from '@jest/globals';
import {
  currentStep,
  durations,
  launchSteps,
  median,
  readMembership,
} from '../../../infra/sandbox/story/memberships.ts';
import { idOf, item } from './fixtures.ts';

describe('reading the ledger', () => {
  test('an item of an instance is read with its steps and its last error', () => {
    const membership = readMembership({
      ...item(idOf(1), { received: 1_000, node: 3_000 }),
      lastError: { M: { code: { S: 'join-failed' }, message: { S: 'no route' }, at: { N: '2500' } } },
    });
    expect(membership).toEqual({
      instanceId: idOf(1),
      state: 'joining',
      computerName: 'A00000000000001',
      launch: { received: 1_000, node: 3_000 },
      lastError: { code: 'join-failed', message: 'no route' },
    });
  });

  test('an item that is no instance is not a membership', () => {
    expect(
      readMembership({ instanceId: { S: 'service-credential' }, state: { S: 'refused' } }),
    ).toBeUndefined();
  });
});

describe('how long steps took', () => {
  test('a step lasts from the end of the step before it', () => {
    const seconds = durations({ received: 1_000, node: 3_000, probe: 3_500 }, launchSteps);
    expect([...seconds]).toEqual([
      ['node', 2],
      ['probe', 0.5],
    ]);
  });

  test('a step that did not happen leaves its time to the next one', () => {
    expect(durations({ received: 0, stage: 900 }, launchSteps).get('stage')).toBe(0.9);
  });

  test('a repeated earlier step makes no negative duration', () => {
    const seconds = durations({ received: 0, node: 5_000, probe: 4_000, stage: 6_000 }, launchSteps);
    expect([seconds.get('probe'), seconds.get('stage')]).toEqual([0, 1]);
  });

  test('an action that was never received took no time', () => {
    expect(durations({ node: 5 }, launchSteps).size).toBe(0);
    expect(durations(undefined, launchSteps).size).toBe(0);
  });

  test('the step under way is the one after the last that ended', () => {
    expect(currentStep({ received: 1 }, launchSteps)).toBe('node');
    expect(currentStep({ received: 1, node: 2, probe: 3 }, launchSteps)).toBe('stage');
    expect(currentStep({ received: 1, complete: 9 }, launchSteps)).toBeUndefined();
    expect(currentStep(undefined, launchSteps)).toBeUndefined();
  });
});

test('the median is the middle value, or the mean of the two middle ones', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(median([])).toBeUndefined();
});
