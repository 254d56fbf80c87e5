import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { randomPassword } from '../../infra/sandbox/domain/password.ts';
import { describeReal } from '../support/sandbox.ts';
import { unlessThin } from '../support/slice.ts';
import {
  computerNames,
  eventually,
  inService,
  logEntries,
  membershipOf,
  onlyInstance,
  openSystem,
  putCredential,
  type System,
} from './sandbox.ts';

/** The shortest that Auto Scaling allows: whoever holds a launch for longer has sent heartbeats. */
const heartbeatSeconds = 30;
/** Longer than that by more than the agent takes from the hook's message to the ledger's first word on a busy machine. */
const patienceSeconds = 40;
/** What an answer may take after the patience: the account that was never made need not be taken back. */
const answerSeconds = 30;
/** How often the secret is read. */
const pollSeconds = 5;
/** What a read and a bind may take after that on a busy machine. */
const trialSeconds = 5;

describeReal('a wrong service password', (ground) => {
  let system: System;
  const account = async () =>
    (
      await system.domain.search({
        filter: '(sAMAccountName=svc-adjoin)',
        attributes: ['badPwdCount'],
      })
    )[0];
  const refusedBinds = async () => Number((await account())?.attributes.get('badPwdCount')?.[0] ?? 0);

  beforeAll(async () => {
    system = await openSystem(ground, {
      servicePassword: 'Wrong-password-1',
      heartbeatSeconds,
      agentConfig: { patience: { joinSeconds: patienceSeconds }, credentialPollSeconds: pollSeconds },
    });
    system.startAgent();
    await system.setDesiredCapacity(2);
  }, 300_000);
  afterAll(() => system.stop(), 60_000);

  test('the launches are held, and the ledger and the log name the code and the hint', async () => {
    const instanceId = await onlyInstance(system, 'Pending:Wait', 30_000);
    const error = await eventually(
      'an error in the ledger',
      30_000,
      async () => (await membershipOf(system, instanceId))?.lastError,
    );
    expect(error.code).toBe('credential-refused');
    const logged = JSON.stringify(await logEntries(system));
    expect(logged).toContain('credential-refused');
    expect(logged).toContain('new version of the secret');
    expect(logged).not.toContain('Wrong-password-1');
  }, 180_000);

  test('heartbeats hold them beyond the hook’s timeout, and the patience ends with what the group’s policy says', async () => {
    const received = await eventually('both launches held', 30_000, async () => {
      const { states, memberships } = await system.subject.look();
      const waiting = [...states].filter(([, state]) => state === 'Pending:Wait').map(([id]) => id);
      const times = waiting.flatMap((id) => memberships.get(id)?.launch?.['received'] ?? []);
      return times.length === 2 ? new Map(waiting.map((id, index) => [id, times[index] ?? 0])) : undefined;
    });
    /** When each was last seen held. */
    const seen = new Map<string, number>();
    await eventually('the launches given up', (patienceSeconds + answerSeconds) * 1000, async () => {
      const asked = Date.now();
      const { states } = await system.subject.look();
      const waiting = [...received.keys()].filter((id) => states.get(id) === 'Pending:Wait');
      for (const id of waiting) seen.set(id, asked);
      return waiting.length === 0 ? true : undefined;
    });
    const heldMs = [...received].map(([id, since]) => (seen.get(id) ?? since) - since);
    expect(Math.min(...heldMs)).toBeGreaterThan(heartbeatSeconds * 1000);
    expect(await computerNames(system)).toEqual([]);
  }, 180_000);

  test('both launches, and their replacements, cost one bind', async () => {
    expect(await refusedBinds()).toBe(1);
  });

  test('a secret that is corrected in time lets the held launches join without anyone’s help', async () => {
    const held = await eventually('replacements that are held', 60_000, async () => {
      const { states, memberships } = await system.subject.look();
      const waiting = [...states].filter(([, state]) => state === 'Pending:Wait').map(([id]) => id);
      const refused = waiting.filter((id) => memberships.get(id)?.lastError?.code === 'credential-refused');
      return refused.length === 2 ? refused : undefined;
    });
    await putCredential(system);
    expect((await inService(system, 2, 60_000)).toSorted()).toEqual(held.toSorted());
    expect(await computerNames(system)).toHaveLength(2);
    expect(system.agent()?.deaths).toEqual([]);
  }, 180_000);

  /** What the watch over the secret has logged since then, as an error. */
  const saidSince = async (began: number) =>
    (await logEntries(system)).filter(
      ({ level, event, time }) =>
        level === 'error' &&
        event === 'the service credential can not be used' &&
        Date.parse(String(time)) >= began,
    );

  test('a wrong version written while connections are open is said at once, and the joins go on', async () => {
    expect(await refusedBinds()).toBe(0);
    const written = Date.now();
    await putCredential(system, 'Wrong-password-2');
    const said = await eventually('the refusal', (pollSeconds + trialSeconds) * 1000, async () => {
      const found = await saidSince(written);
      return found.length > 0 ? found : undefined;
    });
    expect(said).toMatchObject([
      { error: { code: 'credential-refused', hint: expect.stringContaining('new version of the secret') } },
    ]);
    await system.setDesiredCapacity(3);
    await inService(system, 3, 60_000);
    expect(await computerNames(system)).toHaveLength(3);
    expect(await saidSince(written)).toHaveLength(1);
    expect(await refusedBinds()).toBe(1);
  }, 180_000);

  unlessThin(() => {
    test('an agent that has lost its connections holds the launches, without another bind, until a version is right', async () => {
      const restarted = Date.now();
      system.agent()?.kill('SIGKILL');
      await eventually('a new agent that knows of the refusal', 30_000, async () =>
        (await saidSince(restarted)).length > 0 ? true : undefined,
      );
      await system.setDesiredCapacity(4);
      const held = await onlyInstance(system, 'Pending:Wait', 30_000);
      await eventually('the launch held', 30_000, async () =>
        (await membershipOf(system, held))?.lastError?.code === 'credential-refused' ? true : undefined,
      );
      expect(await refusedBinds()).toBe(1);
      await putCredential(system);
      expect(await inService(system, 4, 60_000)).toContain(held);
      expect(await refusedBinds()).toBe(0);
      const logged = JSON.stringify(await logEntries(system));
      expect(logged).not.toContain('Wrong-password-2');
    }, 180_000);
  });

  test('a new password is taken up by a connection of its own, while there is no work', async () => {
    await system.domain.setServicePassword(randomPassword());
    const written = Date.now();
    await putCredential(system);
    await eventually('a bind with the new password', (pollSeconds + trialSeconds) * 1000, async () =>
      (await logEntries(system)).some(
        ({ event, time }) => event === 'bound to a domain controller' && Date.parse(String(time)) >= written,
      )
        ? true
        : undefined,
    );
    expect(await refusedBinds()).toBe(0);
    expect(await saidSince(written)).toEqual([]);
    await system.setDesiredCapacity(0);
    await inService(system, 0, 90_000);
    expect(await computerNames(system)).toEqual([]);
  }, 180_000);
});
