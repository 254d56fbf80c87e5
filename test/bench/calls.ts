/** How many calls to AWS a join and an unjoin cost, by operation and in US dollars. */
import type { Fleet } from '../support/fleet.ts';
import type { Figure } from './figures.ts';
import { idsOf, newFleet, reach, SLOTS } from './scene.ts';

/**
 * US dollars a call, us-east-1, as the price lists have them in 2026 (aws.amazon.com/sqs/pricing, …/dynamodb/pricing/on-demand):
 * SQS 0.40 a million requests; DynamoDB on demand 0.625 a million writes of 1 KB, 0.125 a million reads of 4 KB. Run Command,
 * Auto Scaling and the Describe calls of EC2 and Systems Manager are free of charge.
 */
const PRICES: readonly (readonly [operation: RegExp, dollars: number])[] = [
  [/^sqs\./, 0.4e-6],
  // A record takes up to 2 KB.
  [/^units\.dynamodb-write$/, 0.625e-6 * 2],
  [/^units\.dynamodb-read$/, 0.125e-6],
];

const priceOf = (operation: string): number => PRICES.find(([of]) => of.test(operation))?.[1] ?? 0;

export type Counts = ReadonlyMap<string, number>;

/** The calls to AWS since an earlier count; those to the directory left out. */
function since(fleet: Fleet, before: Counts): Counts {
  return new Map(
    [...fleet.calls]
      .filter(([operation]) => !operation.startsWith('directory.'))
      .map(([operation, count]) => [operation, count - (before.get(operation) ?? 0)] as const)
      .filter(([, count]) => count > 0),
  );
}

/** Capacity is paid for by the item, in however many calls. */
const isCall = ([operation]: readonly [string, number]): boolean => !operation.startsWith('units.');

export const total = (counts: Counts): number =>
  [...counts].filter(isCall).reduce((sum, [, count]) => sum + count, 0);

/** So many nodes launch at once, and later go at once. */
export async function countCalls(nodes: number): Promise<{ readonly join: Counts; readonly unjoin: Counts }> {
  const fleet = newFleet();
  const instanceIds = idsOf(1, nodes);
  fleet.start(SLOTS);
  for (const instanceId of instanceIds) fleet.launch(instanceId);
  await reach(fleet, 'InService', instanceIds);
  await fleet.until(() => fleet.cloud.quiet, 60_000);
  const join = since(fleet, new Map());
  const before = new Map(fleet.calls);
  for (const instanceId of instanceIds) fleet.cloud.scaleIn(instanceId);
  await reach(fleet, 'gone', instanceIds);
  await fleet.until(() => fleet.cloud.quiet, 60_000);
  return { join, unjoin: since(fleet, before) };
}

/** A node launches by itself, some minutes after two others of its group. */
export async function countAnother(): Promise<Counts> {
  const fleet = newFleet();
  fleet.start(SLOTS);
  let before = new Map(fleet.calls);
  for (const instanceId of idsOf(1, 3)) {
    before = new Map(fleet.calls);
    fleet.launch(instanceId);
    await reach(fleet, 'InService', [instanceId]);
    await fleet.until(() => fleet.cloud.quiet, 60_000);
  }
  return since(fleet, before);
}

/** The most calls for each, by the number of nodes. */
export const CALL_GOALS: ReadonlyMap<number, { readonly join: number; readonly unjoin: number }> = new Map([
  [1, { join: 12, unjoin: 8 }],
  [1_000, { join: 4, unjoin: 3 }],
]);

export async function callFigures(sizes: readonly number[]): Promise<Figure[]> {
  const figures: Figure[] = [
    {
      section: 'Calls to AWS, 1 node of a group that the worker knows',
      name: 'calls for its join',
      value: total(await countAnother()),
      unit: '',
    },
  ];
  for (const nodes of sizes) {
    const counted = await countCalls(nodes);
    for (const kind of ['join', 'unjoin'] as const) {
      const counts = counted[kind];
      const section = `Calls to AWS, ${nodes} ${nodes === 1 ? 'node' : 'nodes'}: ${kind}`;
      const goal = CALL_GOALS.get(nodes)?.[kind];
      figures.push({
        section,
        name: `calls for each ${kind}`,
        value: total(counts) / nodes,
        unit: '',
        ...(goal !== undefined && { goal }),
      });
      const dollars = [...counts].reduce((sum, [operation, count]) => sum + count * priceOf(operation), 0);
      figures.push({ section, name: `US dollars for 1,000`, value: (dollars / nodes) * 1_000, unit: '$' });
      for (const [operation, count] of [...counts]
        .filter(isCall)
        .toSorted(([, one], [, other]) => other - one))
        figures.push({ section, name: `  ${operation}`, value: count / nodes, unit: '' });
    }
  }
  return figures;
}
