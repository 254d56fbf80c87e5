import { beforeEach, describe, expect, test } from '@jest/globals';
import { watchCredential } from '../../../agent/directory/credential-watch.ts';
import {
  createServiceCredential,
  type RefusalStore,
  type ServiceCredentialSource,
} from '../../../agent/directory/service-credential.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import { createRedactor } from '../../../agent/redact.ts';
import { createMemoryRefusals } from '../../support/memory-table.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

const POLL_MS = 15_000;
const never = new AbortController().signal;
const wrongPassword = new AdjoinError('credential-refused', 'dc1 refuses the service account (data 52e).');
const secretOf = (password: string): string =>
  JSON.stringify({
    domain_name: 'corp.example.test',
    domain_user: 'svc-adjoin',
    domain_password: password,
    directory_ou: 'OU=Fleet,DC=corp,DC=example,DC=test',
  });

let clock: VirtualClock;
let secret: { versionId: string; text: string };
/** When the secret was read, in milliseconds since the start. */
let reads: number[];
let readFault: Error | undefined;
let refusals: RefusalStore;
let storeFault: Error | undefined;
let started: number;

/** One worker: its credential, and a directory that knows one password. */
interface Worker {
  readonly source: ServiceCredentialSource;
  readonly tried: string[];
  readonly lines: string[];
  readonly stopping: AbortController;
  readonly watching: Promise<void>;
}

let trial: (worker: Worker, versionId: string, signal: AbortSignal) => Promise<void>;

function worker(random = 0): Worker {
  const source = createServiceCredential({
    secret: {
      async read() {
        reads.push(clock.now() - started);
        await clock.sleep(50);
        if (readFault) throw readFault;
        return secret;
      },
    },
    refusals: {
      read: (versionId) => refusals.read(versionId),
      async write(refusal) {
        if (storeFault) throw storeFault;
        await refusals.write(refusal);
      },
    },
    redactor: createRedactor(),
    clock,
    pollMs: POLL_MS,
  });
  const stopping = new AbortController();
  const lines: string[] = [];
  const line = (level: string) => (event: string, fields?: Readonly<Record<string, unknown>>) => {
    const error = fields?.['error'];
    const code = error instanceof AdjoinError ? error.code : '';
    lines.push(`${level} ${event}: ${code} ${String(fields?.['versionId'])}`);
  };
  const made: Omit<Worker, 'watching'> = { source, tried: [], lines, stopping };
  const watching = watchCredential(
    {
      look: () => source.look(),
      tryVersion: (versionId, signal) => trial({ ...made, watching }, versionId, signal),
      pollMs: POLL_MS,
      clock,
      random: () => random,
      log: { warn: line('warn'), error: line('error') },
    },
    stopping.signal,
  );
  return { ...made, watching };
}

const unusable = 'the service credential can not be used:';

beforeEach(() => {
  clock = createVirtualClock();
  started = clock.now();
  secret = { versionId: 'v1', text: secretOf('right') };
  reads = [];
  readFault = undefined;
  refusals = createMemoryRefusals();
  storeFault = undefined;
  const inUse = new Map<string[], string>();
  // As the directory does: what is in use is not tried again, and what is handed out is bound with.
  trial = async ({ source, tried }, versionId, signal) => {
    if (inUse.get(tried) === versionId) return;
    const credential = await source.current(signal);
    tried.push(`${credential.versionId} after ${clock.now() - started}`);
    if (credential.password === 'right') {
      inUse.set(tried, versionId);
      return;
    }
    await source.refused(credential.versionId, wrongPassword).catch(() => undefined);
    throw wrongPassword;
  };
});

describe('the watch over the secret', () => {
  test('tries what is there within an interval of the start, without any work', async () => {
    const idle = worker();
    await clock.advance(POLL_MS + 50);
    expect(idle.tried).toEqual([`v1 after ${POLL_MS + 50}`]);
    expect(idle.lines).toEqual([]);
  });

  test('looks once in an interval, and tries a version once', async () => {
    const idle = worker();
    await clock.advance(10 * (POLL_MS + 50));
    expect(reads).toHaveLength(10);
    expect(idle.tried).toHaveLength(1);
  });

  test('looks no more often when there is work, and shares what that has read', async () => {
    const busy = worker();
    for (let second = 0; second < 150; second += 1) {
      await clock.advance(1_000);
      await clock.until(busy.source.current(never));
    }
    const pauses = reads.slice(1).map((at, index) => at - (reads[index] ?? 0));
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(POLL_MS);
    expect(reads.length).toBeGreaterThanOrEqual(9);
  });

  test.each([0, 1_000, 7_500, 14_900, 14_990])(
    'tries a new version within an interval, also when work has read the one before after %d ms',
    async (ms) => {
      const busy = worker();
      await clock.advance(ms);
      await clock.until(busy.source.current(never));
      secret = { ...secret, versionId: 'v2' };
      const written = clock.now() - started;
      await clock.advance(POLL_MS + 50);
      const [, at] = /^v2 after (\d+)$/.exec(busy.tried.at(-1) ?? '') ?? [];
      expect(Number(at) - written).toBeLessThanOrEqual(POLL_MS + 50);
    },
  );

  test('tries a new version within an interval when work has read that one', async () => {
    const busy = worker();
    await clock.advance(POLL_MS + 50);
    for (let turn = 2; turn < 12; turn += 1) {
      await clock.advance(turn * 1_300);
      secret = { ...secret, versionId: `v${turn}` };
      const written = clock.now() - started;
      await clock.advance(POLL_MS / 2);
      await clock.until(busy.source.current(never));
      await clock.advance(POLL_MS / 2 + 50);
      const [, at] = new RegExp(`^v${turn} after (\\d+)$`).exec(busy.tried.at(-1) ?? '') ?? [];
      expect(Number(at) - written).toBeLessThanOrEqual(POLL_MS + 50);
    }
  });

  test('says once that a version is refused, as an error with its code, and tries it once', async () => {
    const idle = worker();
    await clock.advance(POLL_MS + 50);
    secret = { versionId: 'v2', text: secretOf('wrong') };
    await clock.advance(20 * POLL_MS);
    expect(idle.tried.map((line) => line.split(' ')[0])).toEqual(['v1', 'v2']);
    expect(idle.lines).toEqual([`error ${unusable} credential-refused v2`]);
    await expect(refusals.read('v2')).resolves.toMatchObject({ code: 'credential-refused' });
  });

  test('says each wrong version, and the same trouble again once a version was right', async () => {
    const idle = worker();
    for (const [versionId, password] of [
      ['v2', 'wrong'],
      ['v3', 'wrong'],
      ['v4', 'right'],
      ['v3', 'wrong'],
    ] as const) {
      secret = { versionId, text: secretOf(password) };
      await clock.advance(3 * POLL_MS);
    }
    expect(idle.tried.map((line) => line.split(' ')[0])).toEqual(['v2', 'v3', 'v4']);
    expect(idle.lines).toEqual([
      `error ${unusable} credential-refused v2`,
      `error ${unusable} credential-refused v3`,
      `error ${unusable} credential-refused v3`,
    ]);
  });

  test('of a second worker says the refusal that the first one met, and tries nothing', async () => {
    worker(0.9);
    const second = worker(0);
    secret = { versionId: 'v2', text: secretOf('wrong') };
    await clock.advance(3 * POLL_MS);
    expect(second.tried).toEqual([]);
    expect(second.lines).toEqual([`error ${unusable} credential-refused v2`]);
  });

  test('begins at another moment in each worker', async () => {
    worker(0);
    worker(0.999);
    await clock.advance(2 * POLL_MS);
    const [early = 0, late = 0] = reads;
    expect(late - early).toBeGreaterThan(POLL_MS / 3);
  });

  test('tries nothing again after a restart', async () => {
    secret = { versionId: 'v2', text: secretOf('wrong') };
    const first = worker();
    await clock.advance(2 * POLL_MS);
    first.stopping.abort();
    const second = worker();
    await clock.advance(2 * POLL_MS);
    expect(second.tried).toEqual([]);
    expect(second.lines).toHaveLength(1);
  });

  test('tries nothing twice while the refusal can not be stored, and stores it later', async () => {
    storeFault = new Error('no table');
    secret = { versionId: 'v2', text: secretOf('wrong') };
    const idle = worker();
    await clock.advance(5 * POLL_MS);
    expect(idle.tried).toHaveLength(1);
    await expect(refusals.read('v2')).resolves.toBeUndefined();
    storeFault = undefined;
    await clock.advance(2 * POLL_MS);
    await expect(refusals.read('v2')).resolves.toEqual({
      versionId: 'v2',
      code: 'credential-refused',
      message: wrongPassword.message,
    });
  });

  test('tries again what could not be tried, and says so once', async () => {
    let isDown = true;
    const accept = trial;
    trial = async (...asked) => {
      if (isDown) throw new AdjoinError('directory-unavailable', 'No domain controller is usable.');
      await accept(...asked);
    };
    const idle = worker();
    await clock.advance(4 * POLL_MS);
    isDown = false;
    await clock.advance(2 * POLL_MS);
    expect(idle.tried).toHaveLength(1);
    expect(idle.lines).toEqual([`error ${unusable} directory-unavailable v1`]);
  });

  test.each([
    ['secret-unreadable', 'error'],
    ['aws-unavailable', 'warn'],
  ] as const)('says once that the secret can not be read (%s), and goes on', async (code, level) => {
    const idle = worker();
    await clock.advance(POLL_MS + 50);
    readFault = new AdjoinError(code, 'no');
    await clock.advance(3 * POLL_MS);
    readFault = undefined;
    secret = { versionId: 'v2', text: secretOf('right') };
    await clock.advance(2 * POLL_MS);
    expect(idle.lines).toEqual([`${level} ${unusable} ${code} v1`]);
    expect(idle.tried.map((line) => line.split(' ')[0])).toEqual(['v1', 'v2']);
  });

  test('says that a new version is no credential', async () => {
    const idle = worker();
    await clock.advance(POLL_MS + 50);
    secret = { versionId: 'v2', text: '{}' };
    await clock.advance(3 * POLL_MS);
    expect(idle.lines).toEqual([`error ${unusable} secret-invalid v2`]);
  });

  test.each([
    ['it sleeps', 1_000, () => undefined],
    ['it reads the secret', POLL_MS + 10, () => undefined],
    ['a trial hangs', POLL_MS + 60, () => (trial = () => new Promise(() => undefined))],
  ])('ends at once when it is stopped while %s', async (_when, ms, prepare) => {
    prepare();
    const idle = worker();
    await clock.advance(ms);
    idle.stopping.abort(new AdjoinError('draining', 'The worker stops.'));
    await idle.watching;
    const seen = reads.length;
    await clock.advance(5 * POLL_MS);
    expect(reads).toHaveLength(seen);
    expect(idle.lines).toEqual([]);
  });
});
