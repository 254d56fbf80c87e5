import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { openDirectory, type Directory } from '../../../agent/directory/directory.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import { selfSigned } from '../../property/fuzz/ldap/certificate.ts';
import {
  BASE,
  DOMAIN,
  INSTANCE,
  NAMES,
  Op,
  PLACE,
  PREFIXES,
  UNIT,
  type Answer,
} from '../../property/fuzz/ldap/model.ts';
import { ScriptedServer } from '../../property/fuzz/ldap/server.ts';
import { silentLog } from '../../support/memory-log.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';
import type { ServiceCredential } from '../../../agent/terms.ts';

/** Where the model has an account with our instance's stamp that is not under our organizational unit. */
const OTHER = `OU=Other,${BASE}`;
const [FIRST = '', SECOND = ''] = NAMES;
const signal = new AbortController().signal;
const unchecked = async (): Promise<void> => undefined;

let folder = '';
let server: ScriptedServer;
let clock: VirtualClock;
let credential: ServiceCredential;
let trouble: AdjoinError | undefined;
let asked: number;
let directory: Directory;

const count = (op: number): number => server.requests.filter((request) => request.op === op).length;
const namesFound = async (): Promise<string[]> =>
  (await directory.find(INSTANCE, signal)).map(({ computerName }) => computerName);

beforeAll(async () => {
  const certificate = selfSigned();
  folder = await mkdtemp(join(tmpdir(), 'adjoin-controllers-'));
  await writeFile(join(folder, 'ca.pem'), certificate.cert);
  server = await ScriptedServer.listen(certificate);
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  server.begin(undefined);
  clock = createVirtualClock();
  credential = {
    versionId: 'v1',
    domain: DOMAIN,
    user: 'svc',
    password: 'Sesame77',
    organizationalUnit: UNIT,
  };
  trouble = undefined;
  asked = 0;
  directory = openDirectory({
    ...PLACE,
    caFile: join(folder, 'ca.pem'),
    controllers: [server.endpoint],
    namePrefixes: PREFIXES,
    credentials: {
      async current() {
        asked += 1;
        if (trouble) throw trouble;
        return credential;
      },
      refused: unchecked,
    },
    clock,
    randomBytes: (size) => Buffer.alloc(size, 1),
    connectTimeoutMs: 500,
    operationTimeoutMs: 500,
    log: silentLog,
  });
});
afterEach(() => directory.close());

describe('a bound connection', () => {
  test('is left a minute after the secret names another organizational unit', async () => {
    server.model.own();
    expect(await namesFound()).toEqual([FIRST]);
    credential = { ...credential, versionId: 'v2', organizationalUnit: OTHER };
    await clock.advance(59_999);
    expect(await namesFound()).toEqual([FIRST]);
    expect(asked).toBe(1);
    await clock.advance(1);
    expect(await Promise.all([namesFound(), namesFound()])).toEqual([['EIGHT'], ['EIGHT']]);
    expect(count(Op.bind)).toBe(2);
  });

  test('serves on with a new password, and while there is no credential to be had', async () => {
    server.model.own();
    await namesFound();
    credential = { ...credential, versionId: 'v2', password: 'Sesame78' };
    await clock.advance(60_000);
    expect(await namesFound()).toEqual([FIRST]);
    trouble = new AdjoinError('secret-unreadable', 'denied');
    await clock.advance(60_000);
    expect(await namesFound()).toEqual([FIRST]);
    expect([count(Op.bind), asked]).toEqual([1, 3]);
  });

  test('leaves what was under way to the fresh one', async () => {
    server.model.own();
    await namesFound();
    const arrived = Promise.withResolvers<void>();
    const silence = (): Buffer => {
      arrived.resolve();
      return Buffer.alloc(0);
    };
    server.script({ at: server.requests.length, goesOn: false, bytes: silence });
    const underWay = namesFound();
    await arrived.promise;
    credential = { ...credential, versionId: 'v2', organizationalUnit: OTHER };
    clock.skip(60_000);
    expect(await namesFound()).toEqual(['EIGHT']);
    expect(await underWay).toEqual(['EIGHT']);
    expect(count(Op.bind)).toBe(2);
  });

  test.each([
    ['stage', () => directory.stage(INSTANCE, 'one-time', {}, unchecked, signal)],
    ['find', () => directory.find(INSTANCE, signal)],
    ['list', () => directory.list(signal)],
    ['remove', () => directory.remove(INSTANCE, { names: [] }, unchecked, signal)],
  ] as const)(
    'is closed when its organizational unit is gone, and told so: %s',
    async (_what, work: () => Promise<unknown>) => {
      await namesFound();
      server.script({
        at: server.requests.length,
        goesOn: false,
        answer: (answer) => ({ ...answer, code: 32 }),
      });
      await expect(work()).rejects.toMatchObject({ code: 'organizational-unit-missing' });
      await work();
      expect(count(Op.bind)).toBe(2);
    },
  );
});

const referral = (answer: Answer): Answer => ({
  ...answer,
  code: 10,
  referrals: ['ldap://other.test/DC=other,DC=test'],
  entries: [],
});

describe('a referral', () => {
  test('for the organizational unit means that the domain has none of that name', async () => {
    server.script({ at: 2, goesOn: false, answer: referral });
    await expect(namesFound()).rejects.toMatchObject({ code: 'organizational-unit-missing' });
    await namesFound();
  });

  test('for a write means that another controller should do it', async () => {
    server.script({ at: 4, goesOn: false, answer: referral });
    await expect(directory.stage(INSTANCE, 'one-time', {}, unchecked, signal)).rejects.toMatchObject({
      code: 'directory-unavailable',
    });
    expect(server.requests[4]?.op).toBe(Op.add);
  });
});

describe('a removal that spares an account', () => {
  const absent = '5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a';

  test('deletes nothing where that account is not shown, and no DNS record: it may be the spared one’s', async () => {
    server.model.record();
    const told: string[] = [];
    const tell = async (name: string): Promise<void> => void told.push(name);
    await expect(directory.remove(INSTANCE, { names: [], keep: absent }, tell, signal)).rejects.toMatchObject(
      {
        code: 'directory-refused',
      },
    );
    expect([count(Op.remove), told]).toEqual([0, []]);
    // It is there to be deleted.
    const { dnsRecords } = await directory.remove(INSTANCE, { names: [] }, tell, signal);
    expect(dnsRecords).toEqual([`${FIRST.toLowerCase()}.${DOMAIN}`]);
  });
});

describe('staging, where accounts carry the stamp already', () => {
  const stage = async (): Promise<string> =>
    (await directory.stage(INSTANCE, 'one-time', {}, unchecked, signal)).computerName;
  const conflict = `${FIRST}\\0ACNF:5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a`;

  test.each(['web-01', 'WEB01', '$DUPLICATE-1f4'])(
    'makes one of its own beside one that others call %s, which only removal takes',
    async (name) => {
      server.model.stamped(name);
      expect(await stage()).toBe(FIRST);
      expect((await namesFound()).toSorted()).toEqual([name, FIRST].toSorted());
      const removed = await directory.remove(INSTANCE, { names: [] }, unchecked, signal);
      expect(removed.accounts.toSorted()).toEqual([name.toUpperCase(), FIRST].toSorted());
      expect(await namesFound()).toEqual([]);
    },
  );

  test('takes the next name when its first one is taken, and not the foreign one', async () => {
    server.model.stamped('web-01');
    server.model.taken();
    expect(await stage()).toBe(SECOND);
    expect((await namesFound()).toSorted()).toEqual([SECOND, 'web-01'].toSorted());
  });

  test.each([
    ['of its name', FIRST, conflict],
    ['that a conflict has renamed', '$DUPLICATE-1f4', conflict],
    ['of another of its names', SECOND, SECOND],
  ])('keeps one account and deletes a twin %s', async (_what, accountName, name) => {
    server.model.own();
    server.model.stamped(accountName, name);
    server.model.stamped('web-01', 'web-01\\0ACNF:5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5b');
    expect(await stage()).toBe(FIRST);
    expect((await namesFound()).toSorted()).toEqual([FIRST, 'web-01'].toSorted());
  });
});
