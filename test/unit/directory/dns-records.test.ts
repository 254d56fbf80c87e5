import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Connection } from '../../../agent/directory/connection.ts';
import type { Session } from '../../../agent/directory/sessions.ts';
import { namesWithRecords, removeRecords } from '../../../agent/directory/dns-records.ts';
import { Result } from '../../../agent/directory/failures.ts';
import { selfSigned } from '../../support/certificate.ts';
import { DOMAIN, Op, UNIT, ZONE, type Answer } from '../../property/fuzz/ldap/model.ts';
import { ScriptedServer } from '../../property/fuzz/ldap/server.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';

const signal = new AbortController().signal;
const certificate = selfSigned();
/** Names that an account may have, and that are the zone's own: its root, its wildcard, its services. */
const ofTheZone = ['@', '*', '_LDAP', '_msdcs', '..TrustAnchors', 'A B', '-A', 'A-', 'X'.repeat(64)];

let server: ScriptedServer;
let session: Session;

beforeAll(async () => {
  server = await ScriptedServer.listen(certificate);
});
afterAll(() => server.close());
beforeEach(async () => {
  server.begin(undefined);
  const [host = '', port] = server.endpoint.split(':');
  const connection = await Connection.open(
    { host, port: Number(port) },
    { ca: certificate.cert, connectTimeoutMs: 5_000, operationTimeoutMs: 5_000, clock: createVirtualClock() },
    signal,
  );
  await connection.bind('svc', 'Sesame77', signal);
  const shared = { domain: DOMAIN, organizationalUnit: UNIT };
  session = { ...shared, connection, binding: { ...shared, versionId: 'v1', order: 1, user: 'svc' } };
});
afterEach(() => session.connection.close());

/** The zone has records of all these labels, and shows them whatever it is asked for. */
const zoneHolds = (...labels: readonly string[]): void =>
  server.script({
    at: server.requests.length,
    goesOn: true,
    answer: (answer, { op, bytes }): Answer =>
      op === Op.search
        ? {
            ...answer,
            code: 0,
            entries: bytes.includes(ZONE)
              ? labels.map((label) => ({
                  dn: `DC=${label},${ZONE}`,
                  attributes: new Map([['dc', [label]]]),
                }))
              : [],
          }
        : { ...answer, code: 0 },
  });

const deleted = (): string[] =>
  server.requests.filter(({ op }) => op === Op.remove).map(({ bytes }) => bytes.toString());

describe("the zone's own records", () => {
  test('are never deleted, though an account has their name', async () => {
    zoneHolds(...ofTheZone.map((name) => name.toLowerCase()), 'web01', 'other');
    const told: string[] = [];
    const before = async (name: string): Promise<void> => void told.push(name);
    await expect(removeRecords(session, [...ofTheZone, 'WEB01'], before, signal)).resolves.toEqual([
      `web01.${DOMAIN}`,
    ]);
    expect(deleted()).toEqual([`DC=web01,${ZONE}`]);
    expect(told).toEqual(['WEB01']);
  });

  test('are not even asked for', async () => {
    const asked = server.requests.length;
    await expect(
      removeRecords(session, ofTheZone, () => Promise.reject(new Error('told')), signal),
    ).resolves.toEqual([]);
    await expect(namesWithRecords(session, ofTheZone, signal)).resolves.toEqual([]);
    expect(server.requests).toHaveLength(asked);
  });

  test('are no records of a computer', async () => {
    zoneHolds(...ofTheZone.map((name) => name.toLowerCase()), 'web01');
    await expect(namesWithRecords(session, [...ofTheZone, 'WEB01', 'WEB02'], signal)).resolves.toEqual([
      'WEB01',
    ]);
  });
});

const noteNothing = (): Promise<void> => Promise.resolve();

test('a zone that is not there has no records, and one that refuses is an error', async () => {
  const answers = (code: number): void =>
    server.script({
      at: server.requests.length,
      goesOn: true,
      answer: (answer) => ({ ...answer, code, entries: [] }),
    });
  answers(Result.noSuchObject);
  await expect(namesWithRecords(session, ['WEB01'], signal)).resolves.toEqual([]);
  await expect(removeRecords(session, ['WEB01'], noteNothing, signal)).resolves.toEqual([]);
  answers(Result.insufficientAccess);
  await expect(namesWithRecords(session, ['WEB01'], signal)).rejects.toMatchObject({
    result: Result.insufficientAccess,
  });
  await expect(removeRecords(session, ['WEB01'], noteNothing, signal)).rejects.toMatchObject({
    result: Result.insufficientAccess,
  });
});

test('records are deleted only once the caller has seen to its ledger', async () => {
  zoneHolds('web01');
  const refused = new Error('the ledger does not answer');
  await expect(removeRecords(session, ['WEB01'], () => Promise.reject(refused), signal)).rejects.toBe(
    refused,
  );
  expect(deleted()).toEqual([]);
});
