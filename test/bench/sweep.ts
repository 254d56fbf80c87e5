/**
 * What a sweep of a large deployment costs, in a process of its own so that its memory is its own. The ledger and EC2 answer over
 * the loopback, to the adapters and the clients that the worker has; the controller's pages are made in that process.
 */
import { expiryFrom } from '../../agent/ledger/membership.ts';
import { startAwsEndpoint, type AwsRequest } from '../support/aws-endpoint.ts';
import { DOMAIN_SID } from '../support/security.ts';
import { answerOf, inBundle } from './bundled.ts';
import type { Figure } from './figures.ts';
import { guidOf, idOf, nameOf, OWNER_ID, type SweepCost } from './sweep-names.ts';

export interface Deployment {
  /** Accounts in the unit, each of a member that lives. */
  readonly accounts: number;
  /** Memberships in the ledger; those that are no member's ended in the last 30 days. */
  readonly records: number;
}

const DAY_MS = 86_400_000;
/** DynamoDB reads 1 MB for a page, and filters then. A member's record has 0.5 KB. */
const PAGE_RECORDS = 2_000;
const PEAK_GOAL = 150;

const times = (at: number): object => ({ M: { received: { N: String(at) }, complete: { N: String(at) } } });

/** One record of the ledger, as the adapter writes it. */
function itemOf(index: number, { accounts, records }: Deployment, now: number): object {
  const isMember = index < accounts;
  const share = (index - accounts) / Math.max(1, records - accounts);
  const received = isMember ? now - 2 * DAY_MS : now - 30 * DAY_MS * share;
  const action = (hook: string, at: number): object => ({
    M: {
      actionToken: { S: '0d729f13-653e-420c-95eb-e033106355fa' },
      hook: { S: hook },
      times: times(Math.round(at)),
    },
  });
  return {
    instanceId: { S: idOf(index) },
    autoScalingGroup: { S: 'fleet' },
    state: { S: isMember ? 'member' : 'removed' },
    fencingToken: { N: '2' },
    computerName: { S: nameOf(index) },
    distinguishedName: { S: `CN=${nameOf(index)},OU=Fleet,DC=corp,DC=example,DC=test` },
    objectGuid: { S: guidOf(index) },
    objectSids: { L: [{ S: `${DOMAIN_SID}-${10_000 + index}` }] },
    domainController: { S: 'dc1.corp.example.test' },
    launch: action('join', received),
    ...(!isMember && {
      terminate: action('unjoin', received),
      expiresAt: { N: String(expiryFrom(received)) },
    }),
  };
}

const numberIn = (value: unknown, ...path: readonly string[]): number => {
  let found = value;
  for (const name of path) found = typeof found === 'object' && found !== null ? Reflect.get(found, name) : 0;
  return Number(found ?? 0);
};

/** The paths that a scan asks for. @throws when they have a name that it doesn't explain */
function pathsOf({ ProjectionExpression, ExpressionAttributeNames }: AwsRequest['input']): string[][] {
  const names = new Map<string, unknown>(Object.entries(ExpressionAttributeNames ?? {}));
  return String(ProjectionExpression)
    .split(', ')
    .map((path) =>
      path.split('.').map((alias) => {
        const name = names.get(alias);
        if (typeof name !== 'string') throw new TypeError(`The scan does not say what ${alias} is.`);
        return name;
      }),
    );
}

/** What an item, or a map in it, has at the paths. */
function project(item: object, paths: readonly (readonly string[])[]): object {
  const parts = Object.entries(item).flatMap(([name, value]) => {
    const below = paths.filter(([first]) => first === name).map(([, ...rest]) => rest);
    if (below.some((rest) => rest.length === 0)) return [[name, value]];
    const part = below.length === 0 ? {} : project(value.M, below);
    return Object.keys(part).length === 0 ? [] : [[name, { M: part }]];
  });
  return Object.fromEntries(parts);
}

function scan(input: AwsRequest['input'], deployment: Deployment, now: number): object {
  const from = numberIn(input, 'ExclusiveStartKey', 'instanceId', 'S');
  const since = numberIn(input, 'ExpressionAttributeValues', ':since', 'N');
  const end = Math.min(from + PAGE_RECORDS, deployment.records);
  const paths = pathsOf(input);
  const Items = Array.from({ length: end - from }, (_, at) => itemOf(from + at, deployment, now))
    .filter((item) => {
      const expiresAt = numberIn(item, 'expiresAt', 'N');
      return expiresAt === 0 || expiresAt >= since;
    })
    .map((item) => project(item, paths));
  return {
    Items,
    Count: Items.length,
    ScannedCount: end - from,
    ...(end < deployment.records && { LastEvaluatedKey: { instanceId: { S: String(end) } } }),
  };
}

/** Every instance that is asked for is a member that runs. */
function describe(input: AwsRequest['input']): string {
  const ids = Object.entries(input)
    .filter(([name]) => name.startsWith('Filter.1.Value.'))
    .map(([, instanceId]) => String(instanceId));
  const instances = ids.map(
    (instanceId) =>
      `<item><reservationId>r-0</reservationId><ownerId>${OWNER_ID}</ownerId><instancesSet><item><instanceId>${instanceId}</instanceId><instanceState><code>16</code><name>running</name></instanceState></item></instancesSet></item>`,
  );
  const own = ids.length > 0 ? instances.join('') : `<item><ownerId>${OWNER_ID}</ownerId></item>`;
  return `<DescribeInstancesResponse><reservationSet>${own}</reservationSet></DescribeInstancesResponse>`;
}

export interface CountedSweep extends SweepCost {
  readonly scans: number;
  readonly describes: number;
}

/** @param program one sweep as a file, see `inBundle`. @throws when its process fails */
async function countSweep(program: string, deployment: Deployment): Promise<CountedSweep> {
  const now = Date.now();
  await using endpoint = await startAwsEndpoint(({ operation, input }) =>
    operation === 'Scan' ? scan(input, deployment, now) : describe(input),
  );
  const given = [endpoint.client.endpoint, String(deployment.accounts)];
  const cost: SweepCost = JSON.parse(await answerOf(program, given));
  const asked = (wanted: string): number =>
    endpoint.requests.filter(({ operation }) => operation === wanted).length;
  return { ...cost, scans: asked('Scan'), describes: asked('DescribeInstances') };
}

export function countSweeps(deployments: readonly Deployment[]): Promise<CountedSweep[]> {
  return inBundle('test/bench/sweep-process.ts', async (program) => {
    const counted: CountedSweep[] = [];
    for (const deployment of deployments) counted.push(await countSweep(program, deployment));
    return counted;
  });
}

export async function sweepFigures(deployments: readonly Deployment[]): Promise<Figure[]> {
  const figures: Figure[] = [];
  const costs = await countSweeps(deployments);
  for (const [index, cost] of costs.entries()) {
    const { accounts, records } = deployments[index] ?? { accounts: NaN, records: NaN };
    const section = `Sweep: ${accounts} accounts, ${records} records`;
    const calls = cost.scans + cost.describes;
    figures.push(
      { section, name: 'time', value: cost.ms / 1000, unit: 's', onMachine: true },
      { section, name: 'records that reach the worker', value: cost.memberships, unit: '' },
      { section, name: 'pages of the ledger', value: cost.scans, unit: '' },
      { section, name: 'pages of the directory', value: cost.directoryPages, unit: '' },
      { section, name: 'calls to AWS', value: calls, unit: '' },
      {
        section,
        name: 'peak memory',
        value: Math.round(cost.peakBytes / 2 ** 20),
        unit: 'MB',
        goal: PEAK_GOAL,
        onMachine: true,
      },
    );
  }
  return figures;
}
