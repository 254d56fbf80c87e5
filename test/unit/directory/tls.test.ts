import { once } from 'node:events';
import { createServer, type Server } from 'node:tls';
import { afterEach, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../../agent/clock.ts';
import { ControllerFailure, noController } from '../../../agent/directory/failures.ts';
import { connectTls } from '../../../agent/directory/tls.ts';
import { issue, type Issued } from '../../support/certificate.ts';

const HOST = 'localhost';
const signal = new AbortController().signal;

const authority = (commonName: string, more: Partial<Parameters<typeof issue>[0]> = {}): Issued =>
  issue({ commonName, isAuthority: true, ...more });
const controller = (more: Partial<Parameters<typeof issue>[0]> = {}): Issued =>
  issue({ commonName: 'dc1.corp.test', names: [HOST], usedFor: ['serverAuth'], issuer: root, ...more });

const root = authority('Root');
const weakRoot = authority('Weak root', { rsaBits: 1024 });
const sha1Root = authority('SHA-1 root', { digest: 'sha1' });
const oldRoot = authority('Old root', { years: [2020, 2021] });
const strangeRoot = authority('Strange root');
const middle = authority('Middle', { issuer: root });
const strangeMiddle = authority('Strange middle', { issuer: strangeRoot });
const weakMiddle = authority('Weak middle', { issuer: root, rsaBits: 1024 });
const sha1Middle = authority('SHA-1 middle', { issuer: root, digest: 'sha1' });
const oldMiddle = authority('Old middle', { issuer: root, years: [2020, 2021] });
const newMiddle = authority('New middle', { issuer: root, years: [2040, 2041] });
const member = issue({ commonName: 'member', issuer: root });

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP address');
  return address.port;
}

/** What the host shows, and the authorities that are trusted. */
type Case = readonly [what: string, shown: readonly Issued[], trusted: readonly Issued[]];

describe('a TLS connection', () => {
  const servers: Server[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.close();
      await once(server, 'close');
    }
  });

  const connect = async ([, shown, trusted]: Case) => {
    const [own] = shown;
    const server = createServer({
      cert: shown.map(({ cert }) => cert).join(''),
      key: own?.key,
      // A host that sees nothing amiss in its certificate.
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    server.on('tlsClientError', () => undefined);
    servers.push(server);
    const port = await listen(server);
    const ca = trusted.map(({ cert }) => cert).join('');
    const wire = await connectTls(
      { host: HOST, port },
      { ca, connectTimeoutMs: 5_000, clock: systemClock },
      signal,
    );
    wire.tls.destroy();
    wire.tcp.destroy();
    return wire;
  };

  test.each<Case>([
    ['a root that is trusted', [controller()], [root]],
    ['an authority below it', [controller({ issuer: middle }), middle], [root]],
    ['a root that is signed with SHA-1, which says nothing', [controller({ issuer: sha1Root })], [sha1Root]],
    ['one of two roots in the file', [controller()], [strangeRoot, root]],
    ['itself, where it is trusted', [controller({ issuer: undefined })], []],
  ])('comes about with a certificate from %s', async (...given) => {
    const [what, shown, trusted] = given;
    const wire = await connect([what, shown, trusted.length > 0 ? trusted : shown]);
    expect(wire.certificate.subject).toBe('CN=dc1.corp.test');
  });

  test.each<readonly [...Case, string]>([
    [
      'a key of 1024 bits',
      [controller({ rsaBits: 1024 })],
      [root],
      'CN=dc1.corp.test has a key of 1024 bits, which is too weak',
    ],
    [
      'a root of 1024 bits',
      [controller({ issuer: weakRoot })],
      [weakRoot],
      'CN=Weak root has a key of 1024 bits, which is too weak',
    ],
    [
      'an authority of 1024 bits',
      [controller({ issuer: weakMiddle }), weakMiddle],
      [root],
      'CN=Weak middle has a key of 1024 bits, which is too weak',
    ],
    [
      'a signature with SHA-1',
      [controller({ digest: 'sha1' })],
      [root],
      'CN=dc1.corp.test is signed with ecdsa-with-SHA1, which is too weak',
    ],
    [
      'an authority signed with SHA-1',
      [controller({ issuer: sha1Middle }), sha1Middle],
      [root],
      'CN=SHA-1 middle is signed with ecdsa-with-SHA1, which is too weak',
    ],
    [
      'an end in the past',
      [controller({ years: [2020, 2021] })],
      [root],
      'CN=dc1.corp.test has expired on 2021-12-31',
    ],
    [
      'an authority that has expired',
      [controller({ issuer: oldMiddle }), oldMiddle],
      [root],
      'CN=Old middle has expired on 2021-12-31',
    ],
    [
      'a root that has expired',
      [controller({ issuer: oldRoot })],
      [oldRoot],
      'CN=Old root has expired on 2021-12-31',
    ],
    [
      'a beginning in the future',
      [controller({ years: [2040, 2041] })],
      [root],
      'CN=dc1.corp.test is not valid before 2040-01-01',
    ],
    [
      'an authority of the future',
      [controller({ issuer: newMiddle }), newMiddle],
      [root],
      'CN=New middle is not valid before 2040-01-01',
    ],
    [
      'another name',
      [controller({ names: ['dc2.corp.test'] })],
      [root],
      'CN=dc1.corp.test is not for localhost, but for IP Address:127.0.0.1, DNS:dc2.corp.test',
    ],
    [
      'itself',
      [controller({ issuer: undefined })],
      [root],
      'CN=dc1.corp.test is signed by itself and not trusted',
    ],
    [
      'an unknown authority',
      [controller({ issuer: strangeMiddle })],
      [root],
      'CN=dc1.corp.test is issued by CN=Strange middle, which is not trusted',
    ],
    [
      'an unknown authority above it',
      [controller({ issuer: strangeMiddle }), strangeMiddle],
      [root],
      'CN=Strange middle is issued by CN=Strange root, which is not trusted',
    ],
    [
      'an unknown root that it shows',
      [controller({ issuer: strangeRoot }), strangeRoot],
      [root],
      'CN=Strange root is a root that is not trusted',
    ],
    [
      'an authority that it does not show',
      [controller({ issuer: middle })],
      [root],
      'CN=dc1.corp.test is issued by CN=Middle, which is not trusted',
    ],
    [
      'an authority alone in the file',
      [controller({ issuer: middle })],
      [middle],
      'CN=Middle is issued by CN=Root, which is not trusted',
    ],
    [
      'a use that is not a server’s',
      [controller({ usedFor: ['clientAuth'] })],
      [root],
      'CN=dc1.corp.test is not for use by a server',
    ],
    [
      'another member’s certificate above it',
      [controller({ issuer: member }), member],
      [root],
      "CN=member is no authority's, and another one is signed with it",
    ],
  ])('with %s is untrusted, and says which certificate is at fault', async (what, shown, trusted, fault) => {
    const error = await connect([what, shown, trusted]).catch((reason: unknown) => reason);
    if (!(error instanceof ControllerFailure)) throw new Error(String(error));
    expect(error.kind).toBe('untrusted');
    expect(error.message.replace(/^localhost:\d+: /, '')).toBe(`the certificate of ${fault}`);
    const told = noController([error]);
    expect(told.code).toBe('directory-untrusted');
    expect(told.message.length).toBeLessThan(250);
  });

  test('to a closed port is none, and no certificate is to blame', async () => {
    const server = createServer();
    const port = await listen(server);
    server.close();
    await once(server, 'close');
    const options = { ca: root.cert, connectTimeoutMs: 5_000, clock: systemClock };
    await expect(connectTls({ host: '127.0.0.1', port }, options, signal)).rejects.toMatchObject({
      kind: 'unreachable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test('says what fits into a line of a certificate that names much', async () => {
    const names = Array.from({ length: 30 }, (_, index) => `host${index}.corp.test`);
    const shown = [controller({ commonName: 'x'.repeat(500), names })];
    const error = await connect(['', shown, [root]]).catch((reason: unknown) => reason);
    if (!(error instanceof ControllerFailure)) throw new Error(String(error));
    expect(error.kind).toBe('untrusted');
    expect(error.message.length).toBeLessThan(250);
  });
});
