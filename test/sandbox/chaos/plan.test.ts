import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { createDice } from '../../../infra/sandbox/chaos/dice.ts';
import {
  callKinds,
  faultLine,
  makePlan,
  operations,
  type PlanOptions,
  worldKinds,
} from '../../../infra/sandbox/chaos/plan.ts';

const options: PlanOptions = {
  seed: 'a seed',
  minutes: 5,
  workers: 2,
  controllers: 2,
  groups: 2,
  leaseSeconds: 30,
};
const seeds = ['', '0', '1', 'another', 'ß'];

describe('a plan', () => {
  test('the same seed and length make the same plan, another seed another one', () => {
    expect(makePlan(options)).toEqual(makePlan({ ...options }));
    expect(makePlan({ ...options, seed: 'another' }).faults).not.toEqual(makePlan(options).faults);
    expect(makePlan({ ...options, minutes: 6 }).faults).not.toEqual(makePlan(options).faults);
  });

  test.each(seeds)(
    'with the seed %j it has every kind, and each kind of trouble for each operation',
    (seed) => {
      const faults = makePlan({ ...options, seed }).faults.map((planned) => planned.fault);
      expect([...new Set(faults.map((fault) => fault.kind))].toSorted()).toEqual(
        [...worldKinds, ...callKinds].toSorted(),
      );
      const pairs = new Set(
        faults.flatMap((fault) => ('operation' in fault ? [`${fault.kind} ${fault.operation}`] : [])),
      );
      expect(pairs.size).toBe(operations.length * callKinds.length);
    },
  );

  test.each(seeds)('with the seed %j all of it lies within its time, in order', (seed) => {
    const { faults, scalings } = makePlan({ ...options, seed, minutes: 1 });
    const times = faults.map(({ at }) => at);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    for (const at of [...times, ...scalings.map((scaling) => scaling.at)]) {
      expect(at).toBeGreaterThanOrEqual(0);
      expect(at).toBeLessThan(60);
    }
  });

  test('a pause past the lease is longer than the lease, any other shorter', () => {
    const faults = seeds.flatMap((seed) => makePlan({ ...options, seed }).faults.map(({ fault }) => fault));
    const secondsOf = (kind: string): number[] =>
      faults.flatMap((fault) => (fault.kind === kind && 'seconds' in fault ? [fault.seconds] : []));
    expect(Math.max(...secondsOf('worker-paused'))).toBeLessThan(options.leaseSeconds);
    expect(Math.min(...secondsOf('worker-paused-past-lease'))).toBeGreaterThan(options.leaseSeconds);
  });

  test('each fault is told in one line', () => {
    for (const planned of makePlan(options).faults) {
      expect(faultLine(planned)).toMatch(/^ *\d+\.\d s {2}[a-z-]+( [^\n]+)?$/);
      expect(faultLine(planned)).toContain(planned.fault.kind);
    }
  });

  test('it knows every operation that the workers may call of the services that the sandbox emulates', () => {
    const policy: { Statement: { Action: string | string[] }[] } = JSON.parse(
      readFileSync('policies/worker.json', 'utf8'),
    );
    const allowed = policy.Statement.flatMap(({ Action }) => Action).filter(
      (action) => !/^(kms|s3|logs):/.test(action),
    );
    expect([...operations].toSorted()).toEqual([...new Set(allowed)].toSorted());
  });
});

test('dice throw the same for the same seed, and evenly', () => {
  const throws = (seed: string) => {
    const dice = createDice(seed);
    return Array.from({ length: 3_000 }, () => dice.between(1, 3));
  };
  expect(throws('one')).toEqual(throws('one'));
  expect(throws('one')).not.toEqual(throws('two'));
  for (const number of [1, 2, 3]) {
    const share = throws('one').filter((each) => each === number).length / 3_000;
    expect(share).toBeGreaterThan(0.3);
    expect(share).toBeLessThan(0.37);
  }
});
