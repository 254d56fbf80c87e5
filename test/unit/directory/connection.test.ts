import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AddRequest, Attribute, Change, ModifyRequest } from 'ldapts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Connection } from '../../../agent/directory/connection.ts';
import { Row, SecretAttribute } from '../../../agent/directory/entries.ts';
import { endpointName } from '../../../agent/directory/tls.ts';
import { selfSigned } from '../../support/certificate.ts';
import { UNIT, type Answer } from '../../property/fuzz/ldap/model.ts';
import { ScriptedServer } from '../../property/fuzz/ldap/server.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';
import { passwordValue } from '../../../agent/directory/values.ts';

describe('a secret attribute', () => {
  const secret = new SecretAttribute({ type: 'unicodePwd', values: [passwordValue('Sesame77')] });

  test.each([
    ['an add', new AddRequest({ messageId: 1, dn: 'CN=A', attributes: [secret] })],
    [
      'a modify',
      new ModifyRequest({
        messageId: 1,
        dn: 'CN=A',
        changes: [new Change({ operation: 'replace', modification: secret })],
      }),
    ],
  ])('goes out with %s, and is not in what ldapts prints of it', (_what, request) => {
    const bytes = passwordValue('Sesame77');
    expect(request.write().includes(bytes)).toBe(true);
    const printed = JSON.stringify(request);
    expect(printed).toContain('[redacted]');
    expect(printed).not.toContain([...bytes.subarray(0, 8)].join(','));
  });

  test('is the exception: any other attribute is printed', () => {
    const plain = new Attribute({ type: 'unicodePwd', values: [passwordValue('Sesame77')] });
    expect(JSON.stringify(plain)).toContain([...passwordValue('Sesame77').subarray(0, 8)].join(','));
  });
});

describe('a row', () => {
  const row = new Row({
    dn: 'CN=A',
    dNSHostName: 'a.test',
    member: ['x', 'y'],
    empty: [],
    objectGUID: Buffer.from([1]),
  });

  test('knows its attributes in any letters', () => {
    expect(row.text('DNSHOSTNAME')).toBe('a.test');
    expect(row.texts('Member')).toEqual(['x', 'y']);
    expect(row.bytes('objectguid')).toEqual(Buffer.from([1]));
  });

  test('has nothing where the directory gave nothing', () => {
    expect(row.text('empty')).toBeUndefined();
    expect(row.texts('absent')).toEqual([]);
    expect(row.bytes('dNSHostName')).toBeUndefined();
  });
});

test('an endpoint with an IPv6 address is named in brackets', () => {
  expect(endpointName({ host: 'fd00::1', port: 636 })).toBe('[fd00::1]:636');
  expect(endpointName({ host: 'dc1', port: 636 })).toBe('dc1:636');
});

const renamed = ({ entries, ...answer }: Answer, page: number): Answer => ({
  ...answer,
  entries: entries.map(({ dn, attributes }) => ({ dn: `CN=${page},${dn}`, attributes })),
});

describe('a connection', () => {
  const signal = new AbortController().signal;
  const certificate = selfSigned();
  const query = { base: UNIT, scope: 'sub', attributes: ['sAMAccountName'] } as const;
  let server: ScriptedServer;
  let clock: VirtualClock;
  let connection: Connection;

  const endpoint = (): { host: string; port: number } => {
    const [host = '', port] = server.endpoint.split(':');
    return { host, port: Number(port) };
  };
  /** What comes of the next requests. */
  const from = (script: Parameters<ScriptedServer['script']>[0]): void =>
    server.script(script && { ...script, at: server.requests.length });
  const silence = { at: 0, goesOn: true, bytes: () => Buffer.alloc(0) };

  beforeAll(async () => {
    server = await ScriptedServer.listen(certificate);
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    server.begin(undefined);
    clock = createVirtualClock();
    connection = await Connection.open(
      endpoint(),
      { ca: certificate.cert, connectTimeoutMs: 500, operationTimeoutMs: 500, clock },
      signal,
    );
    await connection.bind('svc', 'Sesame77', signal);
  });
  afterEach(() => connection.close());

  test('is reset when a request is given up, so that what has not arrived never will', async () => {
    const arrived = Promise.withResolvers<void>();
    const reset = Promise.withResolvers<void>();
    server.onReset = reset.resolve;
    from({
      ...silence,
      bytes: () => {
        arrived.resolve();
        return Buffer.alloc(0);
      },
    });
    const found = connection.search(query, signal);
    await Promise.all([
      expect(found).rejects.toMatchObject({ kind: 'lost' }),
      arrived.promise.then(() => clock.advance(500)),
    ]);
    await reset.promise;
    expect(connection.usable).toBe(false);
  });

  test('lets a caller look at its lease when it is its turn, not when it begins to wait for it', async () => {
    from(silence);
    const searches = Array.from({ length: 8 }, () => connection.search(query, signal));
    const ended = Promise.allSettled(searches);
    const seen: string[] = [];
    const before = async (): Promise<void> => void seen.push('before');
    const removed = connection.remove('CN=A', { signal, before });
    removed.catch(() => undefined);
    await clock.advance(499);
    expect(seen).toEqual([]);
    await clock.advance(1);
    await ended;
    await expect(removed).rejects.toMatchObject({ kind: 'lost' });
    expect(seen).toEqual(['before']);
  });

  test('sends nothing when the caller finds its lease gone, and goes on', async () => {
    const sent = server.requests.length;
    const gone = new TypeError('the lease is gone');
    const before = (): Promise<void> => Promise.reject(gone);
    await expect(connection.remove('CN=A', { signal, before })).rejects.toBe(gone);
    expect(server.requests).toHaveLength(sent);
    expect(connection.usable).toBe(true);
  });

  /** Answers with so many pages, each after 400 ms. */
  const pages = (count: number, ofPage: (answer: Answer, page: number) => Answer): void => {
    let page = 0;
    from({
      at: 0,
      goesOn: true,
      answer(answer) {
        page += 1;
        void clock.advance(400);
        return { ...ofPage(answer, page), cookie: page < count ? 'more' : '' };
      },
    });
  };
  test('waits for each page of a search as long as for any other answer', async () => {
    const unpaged = await connection.search(query, signal);
    pages(10, renamed);
    await expect(connection.search(query, signal)).resolves.toHaveLength(10 * unpaged.length);
  });

  test('takes an empty page for the last one', async () => {
    const unpaged = await connection.search(query, signal);
    pages(2, (answer, page) => (page === 2 ? { ...answer, entries: [] } : answer));
    await expect(connection.search(query, signal)).resolves.toHaveLength(unpaged.length);
  });

  test('gives up on who sends the same page again and again', async () => {
    pages(Infinity, (answer) => answer);
    await expect(connection.search(query, signal)).rejects.toMatchObject({ kind: 'lost' });
    expect(connection.usable).toBe(false);
  });

  test('ends between pages when nobody waits for them any more', async () => {
    const impatient = new AbortController();
    pages(Infinity, (answer, page) => {
      if (page === 3) impatient.abort(new Error('enough'));
      return renamed(answer, page);
    });
    await expect(connection.search(query, impatient.signal)).rejects.toThrow('enough');
    expect(connection.usable).toBe(true);
  });

  test.each(['0', '1'])(
    'verifies the certificate, also with NODE_TLS_REJECT_UNAUTHORIZED=%s in the environment',
    async (value) => {
      const module = join(import.meta.dirname, '../../../agent/directory/connection.ts');
      const program = `
        const { Connection } = await import(${JSON.stringify(module)});
        const options = { ca: undefined, connectTimeoutMs: 9_000, operationTimeoutMs: 9_000 };
        const clock = { now: () => 0, sleep: () => new Promise(() => undefined) };
        const { signal } = new AbortController();
        const outcome = await Connection.open(${JSON.stringify(endpoint())}, { ...options, clock }, signal).then(
          () => 'open',
          (error) => error.kind,
        );
        console.log(outcome);
        process.exit();`;
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['--input-type=module', '--eval', program],
        { env: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: value } },
      );
      expect(stdout.trim()).toBe('untrusted');
    },
  );
});
