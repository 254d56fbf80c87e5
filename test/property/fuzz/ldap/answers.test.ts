import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { ComputerAccount } from '../../../../agent/directory/accounts.ts';
import { openDirectory, type Directory } from '../../../../agent/directory/directory.ts';
import { sameStamp } from '../../../../agent/directory/stamp.ts';
import { AdjoinError } from '../../../../agent/errors.ts';
import { broken, fuzz, LIMIT_MS } from '../fuzz.ts';
import { selfSigned } from '../../../support/certificate.ts';
import { IdleClock } from './idle-clock.ts';
import { DOMAIN, INSTANCE, NAMES, PLACE, PREFIXES, UNIT } from './model.ts';
import { brokenAnswers, oddAnswers, type Misdeed } from './scripts.ts';
import { ScriptedServer } from './server.ts';
import { SERVICE_ACCOUNT } from '../../../support/security.ts';
import { silentLog } from '../../../support/memory-log.ts';

/** Milliseconds; a request that waits longer is given up. */
const OPERATION_MS = 500;
/** Milliseconds; some twenty requests, each tried on two connections and given up at the last moment. */
const LONGEST_MS = 40 * OPERATION_MS;

const signal = new AbortController().signal;
let folder = '';
let server: ScriptedServer;

beforeAll(async () => {
  const certificate = selfSigned();
  folder = await mkdtemp(join(tmpdir(), 'adjoin-fuzz-'));
  await writeFile(join(folder, 'ca.pem'), certificate.cert);
  server = await ScriptedServer.listen(certificate);
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

/** Waits for the work, with time-outs where the server is silent. @returns milliseconds of the clock's */
const see = (clock: IdleClock, work: Promise<unknown>): Promise<number> =>
  clock.see(
    work,
    () => server.activity,
    () => server.hasErred,
  );

let version = 0;
function open(clock: IdleClock): Directory {
  version += 1;
  return openDirectory({
    ...PLACE,
    caFile: join(folder, 'ca.pem'),
    controllers: [server.endpoint],
    namePrefixes: PREFIXES,
    credentials: {
      current: async () => ({
        versionId: `v${version}`,
        domain: DOMAIN,
        user: 'svc',
        password: 'Sesame77',
        organizationalUnit: UNIT,
      }),
      refused: async () => undefined,
    },
    clock,
    randomBytes: (size) => Buffer.alloc(size, 1),
    connectTimeoutMs: OPERATION_MS,
    operationTimeoutMs: OPERATION_MS,
    log: silentLog,
  });
}

/** Ours is what our service account made: with our stamp, or, should the stamp be gone, with a name of ours. */
const isOurs = ({
  computerName,
  owner,
  stamp,
}: Pick<ComputerAccount, 'computerName' | 'owner' | 'stamp'>): boolean =>
  owner === SERVICE_ACCOUNT &&
  (stamp === undefined
    ? NAMES.includes(computerName)
    : sameStamp(stamp, { ...PLACE, instanceId: stamp.instanceId }));

const operations = {
  async stage(directory: Directory) {
    const staged = await directory.stage(INSTANCE, 'one-time', {}, async () => undefined, signal);
    if (!server.model.ours) throw broken('It says that it staged', staged);
    // Nobody has joined: whatever is shown, it must not pass for a join, unless a sound number says so.
    const shown = await directory.inspect(staged, signal);
    if (shown && shown.objectGuid !== staged.objectGuid) throw broken('Another account was shown', shown);
    const isStamped = sameStamp(shown?.stamp, { ...PLACE, instanceId: INSTANCE });
    return (
      shown !== undefined && isStamped && shown.enabled && shown.passwordLastSet > staged.passwordLastSet
    );
  },
  async find(directory: Directory) {
    const found = await directory.find(INSTANCE, signal);
    if (!found.every(isOurs)) throw broken('A stranger was found', found);
    return false;
  },
  async list(directory: Directory) {
    const found = await directory.list(signal, (account) => account);
    if (!found.every(isOurs)) throw broken('A stranger was listed', found);
    return false;
  },
  async strays(directory: Directory) {
    const found = await directory.strays(
      NAMES.map((computerName) => ({ computerName, objectSids: [] })),
      signal,
    );
    if (!found.every((name) => NAMES.includes(name)))
      throw broken('A name was found that nobody asked for', found);
    return false;
  },
  async remove(directory: Directory) {
    await directory.remove(INSTANCE, { names: NAMES }, async () => undefined, signal);
    return false;
  },
} as const;

interface Case {
  readonly operation: keyof typeof operations;
  readonly before: 'nothing' | 'own' | 'taken';
  readonly misdeed: Misdeed;
}
const casesOf = (misdeeds: fc.Arbitrary<Misdeed>): fc.Arbitrary<Case> =>
  fc.record({
    operation: fc.constantFrom(...(['stage', 'find', 'list', 'strays', 'remove'] as const)),
    before: fc.constantFrom(...(['nothing', 'own', 'taken'] as const)),
    misdeed: misdeeds,
  });

/** A rejection that nobody handles fails the test by itself: Jest listens for those. @returns whether the misdeed passed for a join */
async function play(
  directory: Directory,
  clock: IdleClock,
  { operation, before, misdeed }: Case,
): Promise<boolean> {
  server.begin(misdeed);
  if (before === 'own') server.model.own();
  if (before === 'taken') server.model.taken();
  const work = operations[operation](directory).catch((error: unknown) => error);
  const took = await see(clock, work);
  const outcome: unknown = await work;
  const story = { operation, before, misdeed: misdeed.name, at: misdeed.at, goesOn: misdeed.goesOn };
  if (server.model.trespasses.length > 0)
    throw broken('It touched what is not its own', { ...story, did: server.model.trespasses });
  if (outcome instanceof Error && !(outcome instanceof AdjoinError)) {
    throw broken('It ended in an error without a name', { ...story, error: String(outcome) });
  }
  if (took > LONGEST_MS) throw broken('It took too long', { ...story, took });
  return outcome === true;
}

describe('whatever a directory server answers, each operation ends in time with a value or a named error, and touches its own alone', () => {
  test(
    'when answers say odd things',
    async () => {
      const clock = new IdleClock();
      const directory = open(clock);
      const played = await fuzz('values of the directory', casesOf(oddAnswers), async (one) => {
        if (await play(directory, clock, one))
          throw broken('It passed for a join', { ...one, misdeed: one.misdeed.name });
      });
      await see(clock, directory.close());
      expect(played).toBe(true);
    },
    LIMIT_MS,
  );

  test(
    'when answers are broken, misplaced, cut or missing',
    async () => {
      const played = await fuzz('answers of the directory', casesOf(brokenAnswers), async (one) => {
        const clock = new IdleClock();
        const directory = open(clock);
        try {
          await play(directory, clock, one);
        } finally {
          await see(clock, directory.close());
        }
      });
      expect(played).toBe(true);
    },
    LIMIT_MS,
  );

  test('and when they say what is so, the work is done', async () => {
    const clock = new IdleClock();
    const directory = open(clock);
    server.begin(undefined);
    let done: unknown;
    const work = (async () => {
      const staged = await directory.stage(INSTANCE, 'one-time', {}, async () => undefined, signal);
      const found = await directory.find(INSTANCE, signal);
      const listed = await directory.list(signal, (account) => account);
      const removed = await directory.remove(INSTANCE, { names: [] }, async () => undefined, signal);
      done = [staged.computerName, found.length, listed.length, removed.accounts];
    })();
    await see(clock, work);
    await work;
    await directory.close();
    // The one that is listed beside ours belongs to another instance.
    expect(done).toEqual([NAMES[0], 1, 2, [NAMES[0]]]);
    expect(server.model.trespasses).toEqual([]);
  });
});
