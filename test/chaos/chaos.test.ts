import { beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { type ChaosResult, runChaos, type Seen } from '../../infra/sandbox/chaos/chaos.ts';
import { missingKinds } from '../../infra/sandbox/chaos/command.ts';
import { callKinds, faultLine, operations } from '../../infra/sandbox/chaos/plan.ts';
import { describeReal } from '../support/sandbox.ts';

/** Any seed must do; a fixed one makes two runs comparable. */
const seed = 'adjoin';
/** The least that a plan with every fault needs; `npm run test:deep` takes more. It goes on until enough has happened. */
const minutes = Number(process.env['CHAOS_MINUTES'] ?? 2);

/** Kinds of trouble that no call of an operation has met, though each operation must. */
function missingPairs({ tallies }: Pick<Seen, 'tallies'>): string[] {
  const met = new Set(
    tallies.flatMap(({ fault, injected }) =>
      'operation' in fault && injected ? [`${fault.operation} ${fault.kind}`] : [],
    ),
  );
  return operations
    .flatMap((operation) => callKinds.map((kind) => `${operation} ${kind}`))
    .filter((pair) => !met.has(pair));
}

const countOf = (instances: Seen['instances']) => ({
  launched: instances.length,
  served: instances.filter((instance) => instance.inServiceAt !== undefined).length,
  gone: instances.filter((instance) => instance.goneAt !== undefined).length,
});

/** A busy machine may take this long to get enough done; one that is not needs little of it. */
const overtimeMinutes = 8;

/** Instances that must have come and gone. Five minutes are enough for thirty on two cores that do nothing else. */
const least = { launched: 11, served: 6, gone: 6 } as const;

function isEnough({ tallies, instances }: Seen): boolean {
  const { launched, served, gone } = countOf(instances);
  const moved = launched >= least.launched && served >= least.served && gone >= least.gone;
  return moved && missingKinds({ tallies }).length === 0 && missingPairs({ tallies }).length === 0;
}

describeReal(`${minutes} minutes of chaos`, (ground) => {
  let result: ChaosResult;

  beforeAll(async () => {
    result = await runChaos({
      ground,
      directory: join(process.cwd(), '.sandbox'),
      seed,
      minutes,
      enough: isEnough,
      overtimeMinutes,
      progress: () => undefined,
      say: () => undefined,
      signal: new AbortController().signal,
    });
  }, 1_800_000);

  test('nothing is lost, doubled or orphaned: every claim of the audit holds', () => {
    expect(result.proofs.filter((proof) => !proof.proven)).toEqual([]);
  });

  test('every kind of fault was injected', () => {
    expect(missingKinds(result)).toEqual([]);
  });

  test('each AWS operation was throttled, failed, delayed, and its answer lost', () => {
    expect(missingPairs(result)).toEqual([]);
  });

  test('instances came and went meanwhile, and all of the plan is on the picture’s time line', () => {
    const { timeline, tallies, plan } = result;
    const { launched, served, gone } = countOf(timeline.instances);
    expect(launched).toBeGreaterThanOrEqual(least.launched);
    expect(served).toBeGreaterThanOrEqual(least.served);
    expect(gone).toBeGreaterThanOrEqual(least.gone);
    const injected = tallies.filter((tally) => tally.injected).length;
    expect(timeline.marks.length).toBeGreaterThanOrEqual(injected);
    expect(plan.faults.map(faultLine)).toHaveLength(tallies.length);
  });
});
