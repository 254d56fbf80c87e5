import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { Result } from '../../../agent/directory/failures.ts';
import type { Session } from '../../../agent/directory/sessions.ts';
import { KnownZones, zones } from '../../../agent/directory/zones.ts';
import { ZONE, type Answer } from '../../property/fuzz/ldap/model.ts';
import { ScriptedServer } from '../../property/fuzz/ldap/server.ts';
import { openSession } from './scripted-session.ts';
import { selfSigned } from '../../support/certificate.ts';

const { signal } = new AbortController();
const certificate = selfSigned();
let server: ScriptedServer;
let session: Session;
/** Milliseconds since the Unix epoch. */
let now = 0;

beforeAll(async () => {
  server = await ScriptedServer.listen(certificate);
});
afterAll(() => server.close());
beforeEach(async () => {
  session = await openSession(server, certificate, signal);
});
afterEach(() => session.connection.close());

const known = () => new KnownZones({ now: () => now });
const answerFromNowOn = (answer: (answer: Answer) => Answer): void =>
  server.script({ at: server.requests.length, goesOn: true, answer });

test('of the places that a zone may be in, the one that has it is known, and for a minute without another request', async () => {
  const there = known();
  expect(zones(session).length).toBeGreaterThan(1);
  await expect(there.of(session, signal)).resolves.toEqual([ZONE]);
  const asked = server.requests.length;
  now += 59_000;
  await expect(there.of(session, signal)).resolves.toEqual([ZONE]);
  expect(server.requests).toHaveLength(asked);
});

test('a zone that was moved is found in its new place a minute later', async () => {
  const there = known();
  const [, elsewhere = ''] = zones(session);
  await there.of(session, signal);
  answerFromNowOn((answer) => ({ ...answer, code: answer.code === 0 ? Result.noSuchObject : 0 }));
  now += 60_000;
  await expect(there.of(session, signal)).resolves.not.toContain(ZONE);
  answerFromNowOn((answer) =>
    answer.code === 0 ? answer : { ...answer, code: 0, entries: [{ dn: elsewhere, attributes: new Map() }] },
  );
  now += 60_000;
  await expect(there.of(session, signal)).resolves.toContain(elsewhere);
});

test('what can not be asked is not taken for a place without the zone, now or later', async () => {
  const there = known();
  server.script({
    at: server.requests.length,
    goesOn: false,
    answer: (answer) => ({ ...answer, code: Result.insufficientAccess, entries: [] }),
  });
  await expect(there.of(session, signal)).rejects.toMatchObject({ result: Result.insufficientAccess });
  await expect(there.of(session, signal)).resolves.toEqual([ZONE]);
});
