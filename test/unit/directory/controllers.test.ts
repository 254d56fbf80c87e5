import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { openDirectory, type Directory } from '../../../agent/directory/directory.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import { selfSigned } from '../../support/certificate.ts';
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
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';
import { DOMAIN_SID } from '../../support/security.ts';
import type { FoundAccount, ServiceCredential } from '../../../agent/terms.ts';

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
let refusals: string[];
let warnings: string[];
let directory: Directory;

const count = (op: number): number => server.requests.filter((request) => request.op === op).length;
/** Waits until no more connections than these are open at the server. */
const connectionsLeft = async (most: number): Promise<void> => {
  while (server.connections > most) await new Promise(setImmediate);
};
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
  refusals = [];
  warnings = [];
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
      async refused(versionId, error) {
        refusals.push(`${versionId} ${error.code}`);
      },
    },
    clock,
    randomBytes: (size) => Buffer.alloc(size, 1),
    connectTimeoutMs: 500,
    operationTimeoutMs: 500,
    log: { info: () => undefined, warn: (event) => void warnings.push(event) },
  });
});
afterEach(async () => {
  await directory.close();
  await connectionsLeft(0);
});

describe('a bound connection', () => {
  test('is left when a new version of the secret, which names another organizational unit, is accepted', async () => {
    server.model.own();
    expect(await namesFound()).toEqual([FIRST]);
    credential = { ...credential, versionId: 'v2', organizationalUnit: OTHER };
    expect(await namesFound()).toEqual([FIRST]);
    expect(asked).toBe(1);
    await directory.tryCredential('v2', signal);
    expect(await Promise.all([namesFound(), namesFound()])).toEqual([['EIGHT'], ['EIGHT']]);
    expect(count(Op.bind)).toBe(2);
  });

  test('serves on with a new password, and while there is no credential to be had', async () => {
    server.model.own();
    await namesFound();
    credential = { ...credential, versionId: 'v2', password: 'Sesame78' };
    expect(await namesFound()).toEqual([FIRST]);
    trouble = new AdjoinError('secret-unreadable', 'denied');
    expect(await namesFound()).toEqual([FIRST]);
    await expect(directory.domain(signal)).resolves.toBe(DOMAIN);
    expect([count(Op.bind), asked]).toEqual([1, 1]);
  });

  test('leaves what was under way to the fresh one, which works in another place', async () => {
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
    await directory.tryCredential('v2', signal);
    expect(await namesFound()).toEqual(['EIGHT']);
    expect(await underWay).toEqual(['EIGHT']);
    expect([count(Op.bind), warnings]).toEqual([2, []]);
  });

  test.each([
    ['stage', () => directory.stage(INSTANCE, 'one-time', {}, unchecked, signal)],
    ['find', () => directory.find(INSTANCE, signal)],
    ['list', () => directory.list(signal, (account) => account)],
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

test.each([
  ['in a binary form', () => Buffer.from('308201', 'hex')],
  ['empty', () => ''],
])('a CA file that is %s is named, and no host is trusted', async (_what, content) => {
  const file = join(folder, 'other.pem');
  await writeFile(file, content());
  await directory.close();
  directory = openDirectory({
    ...PLACE,
    caFile: file,
    controllers: [server.endpoint],
    namePrefixes: PREFIXES,
    credentials: { current: async () => credential, refused: unchecked },
    clock,
    randomBytes: (size) => Buffer.alloc(size, 1),
    connectTimeoutMs: 500,
    operationTimeoutMs: 500,
    log: { info: () => undefined, warn: () => undefined },
  });
  await expect(directory.find(INSTANCE, signal)).rejects.toMatchObject({
    code: 'directory-untrusted',
    message: `No domain controller is usable: ${file}: the CA file has no certificate in PEM.`,
  });
  expect(server.requests).toEqual([]);
});

const wrongPassword = (answer: Answer): Answer => ({
  ...answer,
  code: 49,
  diagnostic: '80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 52e, v4563',
});
/** The next connection's bind comes after the search of the root entry. */
const refuseNext = (): void =>
  server.script({ at: server.requests.length + 1, goesOn: false, answer: wrongPassword });

describe('a new version of the credential', () => {
  const changes = [
    ['password', { password: 'Sesame78' }],
    ['user', { user: 'svc2' }],
    ['organizational unit', { organizationalUnit: OTHER }],
  ] as const;

  test.each(changes)(
    'with another %s is tried once, and refused while the work goes on as before',
    async (_what, change) => {
      server.model.own();
      await namesFound();
      credential = { ...credential, versionId: 'v2', ...change };
      refuseNext();
      await expect(directory.tryCredential('v2', signal)).rejects.toMatchObject({
        code: 'credential-refused',
      });
      expect(refusals).toEqual(['v2 credential-refused']);
      await expect(directory.tryCredential('v2', signal)).rejects.toMatchObject({
        code: 'credential-refused',
      });
      expect(await namesFound()).toEqual([FIRST]);
      await expect(directory.domain(signal)).resolves.toBe(DOMAIN);
      expect([count(Op.bind), warnings]).toEqual([2, ['the directory refuses the service account']]);
    },
  );

  test('that was refused holds what needs a new connection, until there is a right one', async () => {
    server.model.own();
    await namesFound();
    credential = { ...credential, versionId: 'v2', password: 'wrong' };
    refuseNext();
    await expect(directory.tryCredential('v2', signal)).rejects.toMatchObject({ code: 'credential-refused' });
    trouble = new AdjoinError('credential-refused', 'v2 is not tried again');
    server.script({ at: server.requests.length, goesOn: false, hangsUp: true });
    expect(await namesFound()).toEqual([FIRST]);
    await expect(namesFound()).rejects.toBe(trouble);
    await expect(directory.domain(signal)).rejects.toBe(trouble);
    expect(count(Op.bind)).toBe(2);
    trouble = undefined;
    credential = { ...credential, versionId: 'v3', password: 'Sesame79' };
    await directory.tryCredential('v3', signal);
    expect(await namesFound()).toEqual([FIRST]);
    expect(count(Op.bind)).toBe(3);
  });

  test('whose organizational unit is missing is told so, and the work goes on where it was', async () => {
    server.model.own();
    await namesFound();
    credential = { ...credential, versionId: 'v2', organizationalUnit: `OU=Nowhere,${BASE}` };
    await expect(directory.tryCredential('v2', signal)).rejects.toMatchObject({
      code: 'organizational-unit-missing',
    });
    expect(await namesFound()).toEqual([FIRST]);
    expect(count(Op.bind)).toBe(2);
  });

  test('that is in use is not tried, and one that comes back is', async () => {
    await namesFound();
    await directory.tryCredential('v1', signal);
    expect(count(Op.bind)).toBe(1);
    credential = { ...credential, versionId: 'v2' };
    await directory.tryCredential('v2', signal);
    credential = { ...credential, versionId: 'v1' };
    await directory.tryCredential('v1', signal);
    expect(count(Op.bind)).toBe(3);
  });

  test('is tried though there is no work, and the work takes its connection', async () => {
    await directory.tryCredential('v1', signal);
    await namesFound();
    expect(count(Op.bind)).toBe(1);
  });

  test('waits for the work on the former connection before that is closed', async () => {
    const asks = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    let writes = 0;
    const staging = directory.stage(
      INSTANCE,
      'one-time',
      {},
      async () => {
        writes += 1;
        asks.resolve();
        await goOn.promise;
      },
      signal,
    );
    await asks.promise;
    credential = { ...credential, versionId: 'v2', password: 'Sesame78' };
    await directory.tryCredential('v2', signal);
    expect(await namesFound()).toEqual([]);
    expect(server.connections).toBe(2);
    goOn.resolve();
    await expect(staging).resolves.toMatchObject({ computerName: FIRST });
    await connectionsLeft(1);
    expect([writes, count(Op.bind), warnings]).toEqual([1, 2, []]);
  });

  test('closes the former connection at once when nothing is under way on it', async () => {
    await namesFound();
    credential = { ...credential, versionId: 'v2', password: 'Sesame78' };
    await directory.tryCredential('v2', signal);
    await connectionsLeft(1);
    expect(await namesFound()).toEqual([]);
    expect([count(Op.bind), warnings]).toEqual([2, []]);
  });

  test('leaves the connection to the work that waited for it, though that is opened later than its own', async () => {
    server.model.own();
    await namesFound();
    credential = { ...credential, versionId: 'v2', password: 'Sesame78' };
    // The work has to open a connection while the trial opens one; the trial's is first, and takes the place.
    server.script({ at: server.requests.length, goesOn: false, bytes: () => Buffer.alloc(0), hangsUp: true });
    const found = await Promise.all([
      namesFound(),
      namesFound(),
      directory.tryCredential('v2', signal).then(() => 'tried'),
    ]);
    expect(found).toEqual([[FIRST], [FIRST], 'tried']);
    await connectionsLeft(1);
    expect(await namesFound()).toEqual([FIRST]);
    expect(count(Op.bind)).toBe(3);
  });

  test('is not tried to the end when the directory is closed', async () => {
    await namesFound();
    const arrived = Promise.withResolvers<void>();
    const silence = (): Buffer => {
      arrived.resolve();
      return Buffer.alloc(0);
    };
    server.script({ at: server.requests.length + 1, goesOn: true, bytes: silence });
    credential = { ...credential, versionId: 'v2' };
    const trial = Promise.allSettled([directory.tryCredential('v2', signal)]);
    await arrived.promise;
    await directory.close();
    expect(await trial).toMatchObject([{ status: 'rejected', reason: { code: 'draining' } }]);
    await expect(directory.tryCredential('v2', signal)).rejects.toMatchObject({ code: 'draining' });
    expect(count(Op.bind)).toBe(2);
  });
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
    server.script({ at: 8, goesOn: false, answer: referral });
    await expect(directory.stage(INSTANCE, 'one-time', {}, unchecked, signal)).rejects.toMatchObject({
      code: 'directory-unavailable',
    });
    expect(server.requests[8]?.op).toBe(Op.add);
  });
});

describe('a removal that spares an account', () => {
  const absent = '5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a';

  test('deletes nothing where that account is not shown, and no DNS record: it may be the spared one’s', async () => {
    const objectSid = `${DOMAIN_SID}-3000`;
    server.model.record(objectSid);
    const told: FoundAccount[] = [];
    const tell = async (account: FoundAccount): Promise<void> => void told.push(account);
    await expect(directory.remove(INSTANCE, { names: [], keep: absent }, tell, signal)).rejects.toMatchObject(
      {
        code: 'directory-refused',
      },
    );
    expect([count(Op.remove), told]).toEqual([0, []]);
    // It is there to be deleted.
    const remembered = { names: [], objectSids: [objectSid] };
    const { dnsRecords } = await directory.remove(INSTANCE, remembered, tell, signal);
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
