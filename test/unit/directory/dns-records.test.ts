import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { FoundAccount } from '../../../agent/terms.ts';
import type { Session } from '../../../agent/directory/sessions.ts';
import {
  clearTombstones,
  namesTaken,
  namesWithRecords,
  removeRecords,
} from '../../../agent/directory/dns-records.ts';
import { Result } from '../../../agent/directory/failures.ts';
import { text } from '../../support/ber.ts';
import { selfSigned } from '../../support/certificate.ts';
import { DOMAIN, Op, ZONE, type Answer, type Values } from '../../property/fuzz/ldap/model.ts';
import { ScriptedServer } from '../../property/fuzz/ldap/server.ts';
import { openSession } from './scripted-session.ts';
import { descriptorOf, DOMAIN_SID, SERVICE_ACCOUNT } from '../../support/security.ts';

const signal = new AbortController().signal;
const certificate = selfSigned();
/** Names that an account may have, and that are the zone's own: its root, its wildcard, its services. */
const ofTheZone = ['@', '*', '_LDAP', '_msdcs', '..TrustAnchors', 'A B', '-A', 'A-', 'X'.repeat(64)];

/** Security identifier of an account that registers its name. */
const OWNER = `${DOMAIN_SID}-2001`;
const nothing = { removed: [], left: [], refusal: undefined };
const named = (names: readonly string[], objectSids: readonly string[] = [OWNER]) =>
  names.map((computerName) => ({ computerName, objectSids }));

/** Milliseconds since the Unix epoch. */
const NOW = Date.UTC(2026, 0, 1);

const noteNothing = (): Promise<void> => Promise.resolve();

let server: ScriptedServer;
let session: Session;

beforeAll(async () => {
  server = await ScriptedServer.listen(certificate);
});
afterAll(() => server.close());
beforeEach(async () => {
  session = await openSession(server, certificate, signal);
});
afterEach(() => session.connection.close());

/** The zone has records of all these labels, and shows them whatever it is asked for. */
const zoneHolds = (...labels: readonly string[]): void => zoneShows(labels, {});

/** The same, each with these attributes besides. */
const zoneShows = (labels: readonly string[], more: Readonly<Record<string, Values>>): void =>
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
                  attributes: new Map<string, Values>([
                    ['dc', [label]],
                    ['nTSecurityDescriptor', [descriptorOf(OWNER)]],
                    ...Object.entries(more),
                  ]),
                }))
              : [],
          }
        : { ...answer, code: 0 },
  });

const deleted = (): string[] =>
  server.requests.filter(({ op }) => op === Op.remove).map(({ bytes }) => bytes.toString());
/** Distinguished names of what was made a tombstone. */
const entombed = (): string[] =>
  server.requests.filter(({ op }) => op === Op.modify).map(({ parts }) => text(parts[0]));

describe('conflict objects of a name', () => {
  const guid = Buffer.from('30180aa6c941c24284bd4e4e09c6b815', 'hex');
  const conflictOf = (label: string): Readonly<Record<string, Values>> => ({
    dc: [],
    name: [`${label}\nCNF:a60a1830-41c9-42c2-84bd-4e4e09c6b815`],
    objectGUID: [guid],
  });

  test('are found with the records of ended memberships, and deleted by their GUID', async () => {
    zoneShows(['web01'], conflictOf('web01'));
    await expect(namesWithRecords(session, named(['WEB01']), signal)).resolves.toEqual(['WEB01']);
    await expect(removeRecords(session, ['WEB01'], [OWNER], noteNothing, NOW, signal)).resolves.toMatchObject(
      { removed: [`web01.${DOMAIN}`], refusal: undefined },
    );
    expect(deleted()).toEqual([expect.stringMatching(/<GUID=[0-9a-f-]{36}>/)]);
    expect(entombed()).toEqual([]);
  });

  test.each([
    ['of an account that is not the instance’s', 'web01', [`${OWNER}9`], {}],
    ['of a name that was not asked for', 'other', [OWNER], {}],
    ['that are tombstones', 'web01', [OWNER], { dNSTombstoned: ['TRUE'] }],
  ])('%s are left', async (_, label, owners, more: Readonly<Record<string, Values>>) => {
    zoneShows(['web01'], { ...conflictOf(label), ...more });
    await expect(namesWithRecords(session, named(['WEB01'], owners), signal)).resolves.toEqual([]);
    await removeRecords(session, ['WEB01'], owners, noteNothing, NOW, signal);
    expect(deleted()).toEqual([]);
  });
});

describe("the zone's own records", () => {
  test('are never deleted, though an account has their name', async () => {
    zoneHolds(...ofTheZone.map((name) => name.toLowerCase()), 'web01', 'other');
    const told: FoundAccount[] = [];
    const before = async (account: FoundAccount): Promise<void> => void told.push(account);
    await expect(
      removeRecords(session, [...ofTheZone, 'WEB01'], [OWNER], before, NOW, signal),
    ).resolves.toEqual({
      removed: [`web01.${DOMAIN}`],
      left: [],
      refusal: undefined,
    });
    expect(entombed()).toEqual([`DC=web01,${ZONE}`]);
    expect(deleted()).toEqual([]);
    expect(told).toEqual([{ computerName: 'WEB01' }]);
  });

  test('are not even asked for', async () => {
    const asked = server.requests.length;
    await expect(
      removeRecords(session, ofTheZone, [OWNER], () => Promise.reject(new Error('told')), NOW, signal),
    ).resolves.toEqual(nothing);
    await expect(namesWithRecords(session, named(ofTheZone), signal)).resolves.toEqual([]);
    await expect(namesTaken(session, ofTheZone, [], signal)).resolves.toEqual([]);
    expect(server.requests).toHaveLength(asked);
  });

  test('are no records of a computer', async () => {
    zoneHolds(...ofTheZone.map((name) => name.toLowerCase()), 'web01');
    const asked = named([...ofTheZone, 'WEB01', 'WEB02']);
    await expect(namesWithRecords(session, asked, signal)).resolves.toEqual(['WEB01']);
  });
});

describe('records that others own', () => {
  test('are not deleted, and named', async () => {
    zoneHolds('web01');
    const others = [`${DOMAIN_SID}-1999`, SERVICE_ACCOUNT];
    await expect(removeRecords(session, ['WEB01'], others, noteNothing, NOW, signal)).resolves.toEqual({
      ...nothing,
      left: [`web01.${DOMAIN}`],
    });
    expect(entombed()).toEqual([]);
    await expect(namesWithRecords(session, named(['WEB01'], others), signal)).resolves.toEqual([]);
  });

  test.each([
    ['another account of the domain', `${DOMAIN_SID}-1999`, ['WEB01']],
    ['one of our own accounts', OWNER, []],
    ['our service account', SERVICE_ACCOUNT, []],
    ['the administrators of the domain', `${DOMAIN_SID}-512`, []],
    ['the system', 'S-1-5-18', []],
  ])('take a name away, when the owner is %s', async (_who, owner, taken) => {
    zoneHolds('web01');
    const shown = descriptorOf(owner);
    server.script({
      at: server.requests.length,
      goesOn: true,
      answer: (answer, { bytes }): Answer => ({
        ...answer,
        code: 0,
        entries: bytes.includes(ZONE)
          ? [
              {
                dn: `DC=web01,${ZONE}`,
                attributes: new Map<string, Values>([
                  ['dc', ['web01']],
                  ['nTSecurityDescriptor', [shown]],
                ]),
              },
            ]
          : [],
      }),
    });
    await expect(namesTaken(session, ['WEB01', 'WEB02'], [OWNER], signal)).resolves.toEqual(taken);
  });
});

test('a record that may not be removed keeps no other from being removed', async () => {
  zoneHolds('web01', 'web02');
  server.script({
    at: server.requests.length,
    goesOn: true,
    answer: (answer, { op, bytes }): Answer => {
      if (op !== Op.search)
        return { ...answer, code: bytes.includes('web01') ? Result.insufficientAccess : 0 };
      const entries = ['web01', 'web02'].map((label) => ({
        dn: `DC=${label},${ZONE}`,
        attributes: new Map<string, Values>([
          ['dc', [label]],
          ['nTSecurityDescriptor', [descriptorOf(OWNER)]],
        ]),
      }));
      return { ...answer, code: 0, entries: bytes.includes(ZONE) ? entries : [] };
    },
  });
  const both = await removeRecords(session, ['WEB01', 'WEB02'], [OWNER], noteNothing, NOW, signal);
  expect(both).toMatchObject({
    removed: [`web02.${DOMAIN}`],
    refusal: { code: 'dns-record-denied' },
  });
});

describe('a tombstone', () => {
  const buried = { dNSTombstoned: ['TRUE'] };

  test('is no record: nothing is removed, and nothing is stray', async () => {
    zoneShows(['web01'], buried);
    await expect(removeRecords(session, ['WEB01'], [OWNER], noteNothing, NOW, signal)).resolves.toEqual(
      nothing,
    );
    await expect(namesWithRecords(session, named(['WEB01']), signal)).resolves.toEqual([]);
    expect(entombed()).toEqual([]);
  });

  test('of an earlier account of the instance is cleared for the next one, and no other', async () => {
    zoneShows(['web01', 'web02'], buried);
    const told: string[] = [];
    const clear = (objectSids: readonly string[]) =>
      clearTombstones(session, 'WEB01', objectSids, async () => void told.push('told'), signal);
    await expect(clear([`${DOMAIN_SID}-1999`])).resolves.toBe(true);
    expect(deleted()).toEqual([]);
    await expect(clear([OWNER])).resolves.toBe(true);
    expect(deleted()).toEqual([`DC=web01,${ZONE}`]);
    expect(told).toEqual(['told']);
  });

  test('is not what a living record is: that one is not cleared', async () => {
    zoneShows(['web01'], { dNSTombstoned: ['FALSE'] });
    await expect(clearTombstones(session, 'WEB01', [OWNER], noteNothing, signal)).resolves.toBe(true);
    expect(deleted()).toEqual([]);
  });

  test('that may not be cleared leaves the name to nobody', async () => {
    server.script({
      at: server.requests.length,
      goesOn: true,
      answer: (answer, { op, bytes }): Answer => ({
        ...answer,
        code: op === Op.remove ? Result.insufficientAccess : 0,
        entries:
          op === Op.search && bytes.includes(ZONE)
            ? [
                {
                  dn: `DC=web01,${ZONE}`,
                  attributes: new Map<string, Values>([
                    ['dc', ['web01']],
                    ['nTSecurityDescriptor', [descriptorOf(OWNER)]],
                    ...Object.entries(buried),
                  ]),
                },
              ]
            : [],
      }),
    });
    await expect(clearTombstones(session, 'WEB01', [OWNER], noteNothing, signal)).resolves.toBe(false);
  });
});

test('a zone that is not there has no records, and one that refuses is an error', async () => {
  const answers = (code: number): void =>
    server.script({
      at: server.requests.length,
      goesOn: true,
      answer: (answer) => ({ ...answer, code, entries: [] }),
    });
  answers(Result.noSuchObject);
  await expect(namesWithRecords(session, named(['WEB01']), signal)).resolves.toEqual([]);
  await expect(removeRecords(session, ['WEB01'], [OWNER], noteNothing, NOW, signal)).resolves.toEqual(
    nothing,
  );
  answers(Result.insufficientAccess);
  await expect(namesWithRecords(session, named(['WEB01']), signal)).rejects.toMatchObject({
    result: Result.insufficientAccess,
  });
  await expect(removeRecords(session, ['WEB01'], [OWNER], noteNothing, NOW, signal)).rejects.toMatchObject({
    result: Result.insufficientAccess,
  });
});

test('records are removed only once the caller has seen to its ledger', async () => {
  zoneHolds('web01');
  const refused = new Error('the ledger does not answer');
  const removal = removeRecords(session, ['WEB01'], [OWNER], () => Promise.reject(refused), NOW, signal);
  await expect(removal).rejects.toBe(refused);
  expect(entombed()).toEqual([]);
});
