import { beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { type ChaosResult, runChaos } from '../../infra/sandbox/chaos/chaos.ts';
import { missingKinds } from '../../infra/sandbox/chaos/command.ts';
import { callKinds, faultLine, operations } from '../../infra/sandbox/chaos/plan.ts';
import { describeReal } from '../support/sandbox.ts';

/** Any seed must do; a fixed one makes two runs comparable. */
const seed = 'adjoin';
const minutes = 5;

describeReal(`${minutes} minutes of chaos`, (ground) => {
  let result: ChaosResult;

  beforeAll(async () => {
    result = await runChaos({
      ground,
      directory: join(process.cwd(), '.sandbox'),
      seed,
      minutes,
      progress: () => undefined,
      say: () => undefined,
      signal: new AbortController().signal,
    });
  }, 1_200_000);

  test('nothing is lost, doubled or orphaned: every claim of the audit holds', () => {
    expect(result.proofs.filter((proof) => !proof.proven)).toEqual([]);
  });

  test('every kind of fault was injected', () => {
    expect(missingKinds(result)).toEqual([]);
  });

  test('each AWS operation was throttled, failed, delayed, and its answer lost', () => {
    const met = new Set(
      result.tallies.flatMap(({ fault, injected }) =>
        'operation' in fault && injected ? [`${fault.operation} ${fault.kind}`] : [],
      ),
    );
    const wanted = operations.flatMap((operation) => callKinds.map((kind) => `${operation} ${kind}`));
    expect(wanted.filter((pair) => !met.has(pair))).toEqual([]);
  });

  test('instances came and went meanwhile, and all of the plan is on the picture’s time line', () => {
    const { timeline, tallies, plan } = result;
    expect(timeline.instances.length).toBeGreaterThan(10);
    expect(
      timeline.instances.filter((instance) => instance.inServiceAt !== undefined).length,
    ).toBeGreaterThan(5);
    expect(timeline.instances.filter((instance) => instance.goneAt !== undefined).length).toBeGreaterThan(5);
    const injected = tallies.filter((tally) => tally.injected).length;
    expect(timeline.marks.length).toBeGreaterThanOrEqual(injected);
    expect(plan.faults.map(faultLine)).toHaveLength(tallies.length);
  });
});
