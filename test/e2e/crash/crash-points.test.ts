import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { mustRun } from '../../../infra/sandbox/machine/process.ts';
import { describeReal } from '../../support/sandbox.ts';
import { eventually, openSystem, type System } from '../sandbox.ts';
import { computerNameOf, notJoined, notRemoved } from './ends.ts';
import { openLanes, type Lane, type Lanes } from './lane.ts';
import type { Trap } from './journal.ts';
import { pointsOf, shareOf, tableOf, type Action, type Point, type Result, type World } from './points.ts';

/** The least that the agent's configuration allows: the time until a dead agent's message comes back. */
const visibilitySeconds = 10;
/** As many as keep two cores busy while most of them wait for that time to pass. */
const laneCount = 6;
/**
 * Milliseconds that a node's command is held up, so that message and lease fall due for a renewal: after 2.7 and 3.3 s. That of
 * the hook does after 80 s at the earliest, and is left to the schedules.
 */
const slowMs = 4_000;
const slow = { call: /^ssm:SendCommand (join|leave)$/, ms: slowMs };
/** What an agent asks for once and remembers, or does while it connects; a poll that is under way when the message comes. */
const remembered =
  /^(sqs:Receive|autoscaling:Describe(AutoScalingGroups|LifecycleHooks)|secretsmanager:|dynamodb:GetItem refused|ldap:bind|ldap:search the root entry|ldap:search OU=Fleet$)/;
/** Milliseconds: twice the time until the message comes back, and the work itself, twice, on a busy machine. */
const endLimitMs = 180_000;
/** Milliseconds: sssd registers 10 s after its start, with a process or two of its own and a controller that is busy. */
const registrationLimitMs = 90_000;
/** How often the calls of an undisturbed action are looked for. One that the machine is too busy for makes others. */
const referenceAttempts = 4;

/** What a join and an unjoin can't do without. */
const landmarks: Readonly<Record<Action, readonly string[]>> = {
  join: [
    'sqs:ReceiveMessage',
    'autoscaling:RecordLifecycleActionHeartbeat admits',
    'dynamodb:PutItem takes the lease',
    'secretsmanager:GetSecretValue',
    'ssm:SendCommand probe',
    'ldap:bind',
    'dynamodb:PutItem intends to stage',
    'ldap:add',
    'dynamodb:PutItem launch stage',
    'ssm:SendCommand joinLinux',
    'sqs:ChangeMessageVisibility renews',
    'dynamodb:PutItem renews the lease',
    'dynamodb:PutItem launch verify',
    'autoscaling:CompleteLifecycleAction',
    'sqs:DeleteMessage',
  ],
  unjoin: [
    'sqs:ReceiveMessage',
    'autoscaling:RecordLifecycleActionHeartbeat admits',
    'dynamodb:PutItem takes the lease',
    'ssm:SendCommand leave',
    'sqs:ChangeMessageVisibility renews',
    'dynamodb:PutItem renews the lease',
    'ldap:bind',
    'ldap:delete account',
    'ldap:remove DNS record',
    'dynamodb:PutItem terminate remove',
    'autoscaling:CompleteLifecycleAction',
    'sqs:DeleteMessage',
  ],
};

const renews = / renews( the lease)?$/;

const worldOf = (call: string): World =>
  renews.test(call) ? { slow } : remembered.test(call) ? { fresh: true } : {};

interface Outcome extends Omit<Result, 'point'> {
  /** The trap's call was never made. */
  readonly missed: boolean;
  /** DNS knew the machine's address when the action began. */
  readonly registered: boolean;
}

interface Reference {
  readonly calls: readonly string[];
  readonly problems: readonly string[];
  readonly disturbances: readonly string[];
}

describeReal('an agent that is killed at any call', (ground) => {
  let system: System;
  let lanes: Lanes;
  /** That were there before the first instance. */
  let dnsNames: string[];
  const open: Lane[] = [];
  const undo: (() => Promise<void>)[] = [];
  const results: Result[] = [];
  const points: Record<Action, Point[]> = { join: [], unjoin: [] };

  beforeAll(async () => {
    system = await openSystem(ground);
    undo.push(() => system.stop());
    const tls = async (file: string): Promise<string> => {
      const { stdout } = await system.domain.controller.exec(['cat', `/var/lib/samba/private/tls/${file}`]);
      return stdout;
    };
    lanes = await openLanes({
      system,
      certificate: await tls('cert.pem'),
      key: await tls('key.pem'),
      ca: await readFile(system.domain.caFile, 'utf8'),
      visibilitySeconds,
    });
    undo.push(async () => lanes.close());
    dnsNames = await system.auditor.dnsNames();
    const openLane = async (_: unknown, index: number): Promise<Lane> => {
      const lane = await lanes.open(`lane-${index + 1}`);
      undo.push(() => lane.close());
      return lane;
    };
    open.push(...(await Promise.all(Array.from({ length: laneCount }, openLane))));
  }, 300_000);
  afterAll(async () => {
    for (const step of undo.toReversed()) await step();
  }, 180_000);

  const isRegistered = async (computerName: string): Promise<boolean> =>
    computerName !== '' && (await system.resolve(`${computerName}.${system.domain.domainName}`)).length > 0;

  /**
   * Waits for the machine to register its address, which it does by itself, seconds after the join: the unjoin shall have
   * a record to remove. The agent has no part in that; where there is none, an unjoin that needs one says so.
   */
  async function registration(instanceId: string): Promise<void> {
    const computerName = await computerNameOf(system, instanceId);
    const deadline = Date.now() + registrationLimitMs;
    while (!(await isRegistered(computerName)) && Date.now() < deadline) await wait(500);
  }

  /** One action from the empty or the full lane to its end; what was not as it must be. */
  async function act(lane: Lane, action: Action, world: World, trap?: Trap): Promise<Outcome> {
    const { journal } = lane;
    const watch = { ...(world.slow && { slow: world.slow }), ...(trap && { trap }) };
    await lane.begin(watch, world.fresh === true);
    const deaths = lane.deaths();
    const before = await lane.instance();
    const computerName = before ? await computerNameOf(system, before.id) : '';
    const registered = await isRegistered(computerName);
    await lane.scale(action === 'join' ? 1 : 0);
    const sinceKill = (): number => (Date.now() - (journal.sprungAt() ?? Date.now())) / 1000;
    const problems: string[] = [];
    try {
      const instance = await eventually(`the end of the ${action}`, endLimitMs, async () => {
        if (journal.deletions() === 0) return undefined;
        const now = await lane.instance();
        if (action === 'unjoin') return now === undefined && before ? before : undefined;
        return now?.state === 'InService' ? now : undefined;
      });
      const seconds = sinceKill();
      const missed = trap !== undefined && journal.sprungAt() === undefined;
      const expected = trap && !missed ? 1 : 0;
      await eventually('the death of the agent', 5_000, async () =>
        lane.deaths() - deaths >= expected ? true : undefined,
      );
      if (lane.deaths() - deaths > expected) problems.push('the agent died by itself');
      if (action === 'unjoin') {
        problems.push(...(await notRemoved(system, lane, instance.id, computerName)));
        return { missed, registered, seconds, problems };
      }
      await registration(instance.id);
      problems.push(...(await notJoined(system, lane, instance.id)));
      return { missed, registered, seconds, problems };
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
      return { missed: false, registered, seconds: sinceKill(), problems };
    }
  }

  const unregistered = `its machine had registered no address within ${registrationLimitMs / 1000} s`;

  /** The calls of an action that nobody kills, and whatever may have made them others than they are in peace. */
  async function reference(lane: Lane, action: Action, world: World): Promise<Reference> {
    const { problems, registered } = await act(lane, action, world);
    const disturbances = await lane.disturbances();
    if (action === 'unjoin' && !registered) disturbances.push(unregistered);
    return { calls: lane.journal.calls(), problems, disturbances };
  }

  test.each<Action>(['join', 'unjoin'])(
    'an undisturbed %s makes the calls that it is known for',
    async (action) => {
      const [lane, other] = open;
      if (!lane || !other) throw new Error('there are no lanes');
      const calls = new Set<string>();
      let disturbances: readonly string[] = [];
      for (let attempt = 1; attempt <= referenceAttempts; attempt += 1) {
        const references = await Promise.all([
          reference(lane, action, { fresh: true }),
          reference(other, action, { fresh: true, slow }),
        ]);
        expect(references.flatMap((each) => each.problems)).toEqual([]);
        disturbances = references.flatMap((each) => each.disturbances);
        if (disturbances.length === 0) {
          for (const call of references.flatMap((each) => each.calls)) calls.add(call);
          break;
        }
        const back = action === 'join' ? 'unjoin' : 'join';
        const returned = await Promise.all([act(lane, back, {}), act(other, back, {})]);
        expect(returned.flatMap((each) => each.problems)).toEqual([]);
      }
      expect(disturbances).toEqual([]);
      expect([...calls]).toEqual(expect.arrayContaining([...landmarks[action]]));
      const all = [...calls].flatMap((call) => pointsOf(action, call, worldOf(call)));
      points[action] = shareOf(all, process.env['CRASH_SHARE']);
    },
    900_000,
  );

  test('ends every join and every unjoin as if nothing had been', async () => {
    const left = { join: [...points.join], unjoin: [...points.unjoin] };
    const unexpected: string[] = [];
    const next = async (lane: Lane, action: Action): Promise<void> => {
      const point = left[action].shift();
      const { missed, registered, ...outcome } = await act(lane, action, point?.world ?? {}, point);
      if (!point) unexpected.push(...outcome.problems);
      else if (!missed) results.push({ point, ...outcome });
      else if (point.world.fresh || outcome.problems.length > 0) {
        const why = action === 'unjoin' && !registered ? [unregistered] : [];
        results.push({
          point,
          ...outcome,
          problems: ['this call was never made', ...why, ...outcome.problems],
        });
      }
      // Something that this agent remembered, after all.
      else left[action].push({ ...point, world: { ...point.world, fresh: true } });
    };
    await Promise.all(
      open.map(async (lane) => {
        while (left.join.length > 0 || left.unjoin.length > 0) {
          await next(lane, 'join');
          await next(lane, 'unjoin');
        }
      }),
    );
    process.stdout.write(`${tableOf(results).join('\n')}\n`);
    expect(results.filter((result) => result.problems.length > 0)).toEqual([]);
    expect(unexpected).toEqual([]);
    expect(results).toHaveLength(points.join.length + points.unjoin.length);
  }, 1_500_000);

  /** `adjoin sweep`, as a worker's schedule would have it within the day. */
  async function sweep(): Promise<void> {
    const [node, ...argv] = system.agentCommand;
    const [agent = '', ...options] = argv;
    const env = { ...system.agentEnvironment, ADJOIN_SWEEP_AGE_GUARD_SECONDS: '0' };
    await mustRun([node, agent, 'sweep', ...options], { env, timeoutMs: 60_000 });
  }

  test('leaves nothing behind', async () => {
    expect(await lanes.deadLetters()).toBe(0);
    expect((await system.auditor.computers()).map((account) => account.computerName)).toEqual([]);
    const states = async (): Promise<Set<string>> =>
      new Set([...(await system.subject.look()).memberships.values()].map(({ state }) => state));
    expect(await states()).toEqual(new Set(['removed']));
    // An address that a machine registered once more while it was being terminated is what the sweep is for. The lanes'
    // agents run none.
    await sweep();
    expect(await system.auditor.dnsNames()).toEqual(dnsNames);
    expect(await states()).toEqual(new Set(['removed']));
    expect(await system.subject.witnesses.leftovers([])).toEqual([]);
  }, 180_000);
});
