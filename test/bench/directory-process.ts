/** Accounts on one real controller: staged as the worker does, and added with nothing before and after. Inside the sandbox's namespace. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Client } from 'ldapts';
import { candidateNames } from '../../agent/directory/names.ts';
import { oneTimePassword } from '../../agent/directory/one-time-password.ts';
import { startDomain } from '../../infra/sandbox/domain/domain.ts';
import { currentGround } from '../../infra/sandbox/host/ground.ts';
import { openDirectoryOf } from '../support/real-directory.ts';
import { addBare } from './bare-account.ts';
import type { DirectoryCost } from './directory.ts';

/** One after the other, and as many as the worker has under way on a connection. */
const RAW_IN_FLIGHT = [1, 8];
/** More than the connection takes, so that it never waits for work. */
const STAGES_IN_FLIGHT = 32;
const ACCOUNTS = 20;
/**
 * Whatever else this machine does meets all of them. Each is as often the first of a round as the last, for each account makes the
 * next one dearer: the controller writes an index of all that the unit holds.
 */
const ROUNDS = 21;

const ground = currentGround();
if (!ground) throw new Error('This program runs inside the sandbox. Use `npm run bench`.');

/** Accounts a second. @param work makes the account with this number */
async function rate(
  inFlight: number,
  first: number,
  work: (index: number) => Promise<void>,
): Promise<number> {
  let next = first;
  const end = first + ACCOUNTS;
  const lane = async (): Promise<void> => {
    while (next < end) await work(next++);
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: inFlight }, lane));
  return (ACCOUNTS / (performance.now() - began)) * 1000;
}

const median = (rates: readonly number[]): number =>
  rates.toSorted((one, other) => one - other)[rates.length >> 1] ?? NaN;

process.stderr.write('… domain controller\n');
const domain = await startDomain({ image: ground.image, runtime: ground.runtime });
const place = { deployment: 'bench', accountId: '123456789012', region: 'eu-central-1' };
const directory = openDirectoryOf(domain, place);
const raw = new Client({
  url: `ldaps://${domain.address}:636`,
  tlsOptions: { ca: readFileSync(domain.caFile), servername: domain.hostName },
});
await raw.bind(domain.serviceAccount.principal, domain.serviceAccount.password);

const { signal } = new AbortController();
let made = 0;
const idOf = (index: number): string => `i-${index.toString(16).padStart(17, '0')}`;
const stage = async (index: number): Promise<void> => {
  await directory.stage(idOf(index), oneTimePassword(randomBytes), {}, () => Promise.resolve(), signal);
};
const add = (index: number): Promise<void> => {
  const [name = ''] = candidateNames(idOf(index), ['R']);
  return addBare(raw, domain, name, oneTimePassword(randomBytes));
};
/** What is compared: what makes the accounts, how many at once, and how many a second in each round. */
interface Way {
  readonly inFlight: number;
  readonly work: (index: number) => Promise<void>;
  readonly rates: number[];
}
const stages: Way = { inFlight: STAGES_IN_FLIGHT, work: stage, rates: [] };
const adds = RAW_IN_FLIGHT.map((inFlight): Way => ({ inFlight, work: add, rates: [] }));
const ways = [stages, ...adds];
const measure = ({ inFlight, work }: Way): Promise<number> => rate(inFlight, (made += ACCOUNTS), work);
// None of them pays for its connection, or for the compiler.
for (const way of ways) await measure(way);
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [at] of ways.entries()) {
    const way = ways[(round + at) % ways.length];
    way?.rates.push(await measure(way));
  }
}
await directory.close();
await raw.unbind();
await domain.destroy();
const floor = adds.reduce((best, other) => (median(other.rates) > median(best.rates) ? other : best));
const cost: DirectoryCost = {
  stagesPerSecond: median(stages.rates),
  addsPerSecond: median(floor.rates),
  share: median(stages.rates.map((each, round) => each / (floor.rates[round] ?? NaN))),
};
process.stdout.write(JSON.stringify(cost));
