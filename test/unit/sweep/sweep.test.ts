import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import { expiryFrom } from '../../../agent/ledger/membership.ts';
import { sidOf } from '../../support/memory-directory.ts';
import { codesOf, HOUR, instanceOf, LEASE_MS, linesOf, nameOf, SweepWorld, UNSHOWN_GUID } from './world.ts';

let world: SweepWorld;
beforeEach(() => {
  world = new SweepWorld();
});

const failOn =
  (call: RegExp, code: ConstructorParameters<typeof AdjoinError>[0], times = Infinity) =>
  (name: string): void => {
    if (!call.test(name) || times <= 0) return;
    times -= 1;
    throw new AdjoinError(code, `${name} failed`);
  };

describe('an orphan', () => {
  test('of a terminated member goes: lease, debt, account, ledger, in this order', async () => {
    const orphan = world.member(1);
    world.autoScaling.delete(orphan);
    world.ec2.set(orphan, 'terminated');
    const report = await world.sweep();
    expect(linesOf(report)).toEqual([`orphan ${orphan} removed`]);
    expect(report).toMatchObject({ complete: true, accounts: 1, memberships: 1, errors: [] });
    expect(world.effects).toEqual([
      `ledger ${orphan} member`,
      `ledger ${orphan} owed`,
      // Its name is noted before anything goes.
      `ledger ${orphan} owed`,
      `remove ${orphan} ${nameOf(1)}`,
      `unname ${orphan} ${nameOf(1)}`,
      `ledger ${orphan} removed`,
      `ledger ${orphan} removed`,
    ]);
    expect(world.table.get(orphan)).toMatchObject({ state: 'removed', fencingToken: 4 });
    expect(world.table.get(orphan)?.leaseExpiresAt).toBeUndefined();
    expect(world.table.get(orphan)?.expiresAt).toBeGreaterThan(world.clock.now() / 1000);
  });

  test('that no ledger knows goes, too, and leaves a record of it', async () => {
    const orphan = world.account(1);
    expect(linesOf(await world.sweep())).toEqual([`orphan ${orphan} removed`]);
    expect(world.accounts.size).toBe(0);
    expect(world.table.get(orphan)).toMatchObject({ state: 'removed', fencingToken: 1 });
  });

  test('whose membership was closed already goes, too', async () => {
    const orphan = world.account(1);
    world.membership(1, { state: 'removed' });
    expect(linesOf(await world.sweep())).toEqual([`orphan ${orphan} removed`]);
  });

  test('whose membership ended weeks ago goes, too, over the record that the look at the ledger left out', async () => {
    const orphan = world.account(1);
    const now = world.clock.now();
    world.membership(1, { state: 'removed', fencingToken: 7, expiresAt: expiryFrom(now - 20 * 24 * HOUR) });
    expect(linesOf(await world.sweep())).toEqual([`orphan ${orphan} removed`]);
    expect(world.accounts.size).toBe(0);
    expect(world.table.get(orphan)).toMatchObject({ state: 'removed', fencingToken: 8 });
  });

  test('whose membership, left out of that look, can’t be read is kept, and the others go', async () => {
    const kept = world.account(1);
    const orphan = world.account(2);
    world.fault = failOn(new RegExp(`table.read ${kept}`), 'unexpected');
    const report = await world.sweep();
    expect(linesOf(report)).toEqual([`orphan ${kept} kept unproven`, `orphan ${orphan} removed`]);
    expect(report.errors).toMatchObject([{ instanceId: kept, error: { code: 'unexpected' } }]);
  });

  test('and a hundred others are looked up together', async () => {
    for (let number = 1; number <= 250; number += 1) world.account(number);
    const report = await world.sweep({ maximumRemovals: 1000 });
    expect(report.findings).toHaveLength(250);
    expect(world.accounts.size).toBe(0);
    expect(world.calls.filter((call) => call.startsWith('ec2.look'))).toEqual([
      'ec2.look 100',
      'ec2.look 100',
      'ec2.look 50',
    ]);
  });
});

describe('an account is spared', () => {
  test.each(['running', 'stopped', 'shutting-down'] as const)(
    'while EC2 shows its instance %s',
    async (state) => {
      world.ec2.set(world.account(1), state);
      const report = await world.sweep();
      expect(report.findings).toEqual([]);
      expect(world.effects).toEqual([]);
    },
  );

  test('while it is younger than the age guard', async () => {
    const young = world.account(1, HOUR - 1);
    expect(linesOf(await world.sweep())).toEqual([`orphan ${young} kept too-young`]);
    await world.clock.advance(1);
    expect(linesOf(await world.sweep())).toEqual([`orphan ${young} removed`]);
  });

  test('while its membership is younger, as after a staging of the old account', async () => {
    const young = world.account(1);
    world.membership(1, { state: 'staged', stagingBegan: world.clock.now() - 60_000 });
    expect(linesOf(await world.sweep())).toEqual([`orphan ${young} kept too-young`]);
  });

  test('when nobody knows how old it is', async () => {
    const ageless = world.account(1);
    const account = world.accountOf(ageless);
    if (account) world.accounts.set(account.objectGuid, { ...account, madeAt: undefined });
    world.membership(1);
    expect(linesOf(await world.sweep())).toEqual([`orphan ${ageless} kept too-young`]);
  });

  test('while its Auto Scaling group counts the instance', async () => {
    const waiting = world.account(1);
    world.autoScaling.add(waiting);
    expect(linesOf(await world.sweep())).toEqual([`orphan ${waiting} kept in-auto-scaling`]);
    expect(world.effects).toEqual([]);
  });

  test('while a worker holds the lease on its membership', async () => {
    const busy = world.account(1);
    world.membership(1, { leaseOwner: 'worker/1', leaseExpiresAt: world.clock.now() + 1 });
    expect(linesOf(await world.sweep())).toEqual([`orphan ${busy} kept in-work`]);
    expect(world.effects).toEqual([]);
  });

  test('when a worker takes the lease after the ledger was read', async () => {
    const busy = world.account(1);
    world.membership(1);
    world.fault = (call) => {
      if (call !== 'ec2.proveAccount') return;
      world.membership(1, { leaseOwner: 'w', leaseExpiresAt: world.clock.now() + LEASE_MS, fencingToken: 4 });
    };
    expect(linesOf(await world.sweep())).toEqual([`orphan ${busy} kept in-work`]);
    expect(world.effects).toEqual([]);
  });

  test('when a worker was done with it after the ledger was read', async () => {
    const changed = world.account(1);
    world.membership(1);
    world.fault = (call) => {
      if (call === 'ec2.proveAccount') world.membership(1, { state: 'member', fencingToken: 5 });
    };
    expect(linesOf(await world.sweep())).toEqual([`orphan ${changed} kept in-work`]);
    expect(world.accountOf(changed)).toBeDefined();
    expect(world.table.get(changed)).toMatchObject({ state: 'member', fencingToken: 6 });
    expect(world.table.get(changed)?.leaseOwner).toBeUndefined();
  });

  test('when the credentials are not proven to be of our account', async () => {
    const sparing = world.account(1);
    world.isOurAccount = false;
    const report = await world.sweep();
    expect(report.complete).toBe(false);
    expect(codesOf(report)).toEqual(['account-unproven']);
    expect(world.accountOf(sparing)).toBeDefined();
    expect(world.effects).toEqual([]);
  });

  test('when EC2 gives no complete answer; the others are looked up all the same', async () => {
    for (let number = 1; number <= 150; number += 1) world.account(number);
    world.fault = failOn(/ec2\.look/, 'aws-unavailable', 1);
    const report = await world.sweep({ maximumRemovals: 1000 });
    expect(codesOf(report)).toEqual(['aws-unavailable']);
    expect(report.findings.filter(({ outcome }) => outcome.result === 'kept')).toHaveLength(100);
    expect(report.findings.filter(({ outcome }) => outcome.result === 'removed')).toHaveLength(50);
    expect(linesOf(report)[0]).toBe(`orphan ${instanceOf(1)} kept unproven`);
  });

  test('when EC2 leaves its instance out of the answer', async () => {
    const omitted = world.account(1);
    const ports = { ...world.ports.instances, look: async () => new Map() };
    Object.assign(world.ports, { instances: ports });
    expect(linesOf(await world.sweep())).toEqual([`orphan ${omitted} kept unproven`]);
  });

  test('when Auto Scaling does not answer', async () => {
    const unproven = world.account(1);
    world.fault = failOn(/^autoscaling/, 'aws-throttled');
    const report = await world.sweep();
    expect(linesOf(report)).toEqual([`orphan ${unproven} kept unproven`]);
    expect(codesOf(report)).toEqual(['aws-throttled']);
  });

  test("when the ledger's record of it can't be read", async () => {
    const unreadable = world.account(1);
    world.unreadable.push(unreadable);
    const report = await world.sweep();
    expect(linesOf(report)).toEqual([`orphan ${unreadable} kept unproven`]);
    expect(report.errors).toMatchObject([{ instanceId: unreadable }]);
  });

  test('when this run has removed as many as it may', async () => {
    for (let number = 1; number <= 5; number += 1) world.account(number);
    const report = await world.sweep({ maximumRemovals: 2 });
    expect(linesOf(report).map((line) => line.split(' ').slice(2).join(' '))).toEqual([
      'removed',
      'removed',
      'kept cap',
      'kept cap',
      'kept cap',
    ]);
    expect(world.accounts.size).toBe(3);
  });
});

describe('a debt', () => {
  test('is paid first, whatever its age, whether or not the instance lives', async () => {
    const old = world.account(1);
    const owed = world.member(2);
    world.membership(2, { state: 'owed' }, 0);
    const report = await world.sweep({ maximumRemovals: 1 });
    expect(linesOf(report)).toEqual([`debt ${owed} removed`, `orphan ${old} kept cap`]);
    expect(world.table.get(owed)).toMatchObject({ state: 'removed' });
    expect(world.calls).toContain(`directory.remove ${owed}`);
    // What the directory shows is judged before anything of it goes.
    expect(world.calls.indexOf('directory.list')).toBeLessThan(
      world.calls.indexOf(`directory.remove ${owed}`),
    );
  });

  test('is not paid before a staging whose answer nobody has seen is over', async () => {
    const owed = world.membership(1, { state: 'owed', stagingBegan: world.clock.now() - 10_000 });
    world.fault = (call) => {
      // The account appears late: the worker that asked for it is dead.
      if (call === `table.read ${owed}`) void world.clock.sleep(20_000).then(() => world.account(1));
    };
    const began = world.clock.now();
    expect(linesOf(await world.sweep())).toEqual([`debt ${owed} removed`]);
    expect(world.clock.now() - began).toBe(35_000);
    expect(world.accounts.size).toBe(0);
  });

  test('waits for such a staging as long as the directory’s operations may take', async () => {
    const owed = world.membership(1, { state: 'owed', stagingBegan: world.clock.now() });
    const began = world.clock.now();
    expect(linesOf(await world.sweep({ operationMs: 5_000 }))).toEqual([`debt ${owed} removed`]);
    // The intention, a search and the write, and something on top.
    expect(world.clock.now() - began).toBe(10_000 + 2 * 5_000 + 5_000);
  });

  test('is left to the worker that holds its lease', async () => {
    const owed = world.membership(1, {
      state: 'owed',
      leaseOwner: 'w',
      leaseExpiresAt: world.clock.now() + 1,
    });
    expect(linesOf(await world.sweep())).toEqual([`debt ${owed} kept in-work`]);
  });

  test('is paid as soon as the lease of a worker that died is over', async () => {
    const owed = world.membership(1, {
      state: 'owed',
      leaseOwner: 'w',
      leaseExpiresAt: world.clock.now(),
    });
    expect(linesOf(await world.sweep())).toEqual([`debt ${owed} removed`]);
  });

  test('that is paid leaves nothing of what went wrong before, and says where it was paid', async () => {
    const owed = world.membership(1, {
      state: 'owed',
      stagingBegan: world.clock.now() - HOUR,
      lastError: { code: 'directory-unavailable', message: 'down', at: 7 },
    });
    await world.sweep();
    const record = world.table.get(owed);
    expect(record?.state).toBe('removed');
    expect([record?.lastError, record?.stagingBegan]).toEqual([undefined, undefined]);
    expect(record?.domainController).toMatch(/^dc1\./);
    expect(record?.expiresAt).toBeGreaterThan(world.clock.now() / 1000);
  });

  test('that was taken up by a new launch meanwhile is none any more', async () => {
    const owed = world.membership(1, { state: 'owed' });
    world.fault = (call) => {
      if (call === `table.read ${owed}`) world.membership(1, { state: 'staged', fencingToken: 4 });
    };
    expect(linesOf(await world.sweep())).toEqual([`debt ${owed} kept in-work`]);
    expect(world.table.get(owed)?.state).toBe('staged');
  });

  test("that can't be paid stays one, with the reason, and does not stop the others", async () => {
    const [first, second] = [1, 2].map((number) => world.membership(number, { state: 'owed' }));
    world.fault = failOn(new RegExp(`directory.find ${first}`), 'directory-denied');
    const report = await world.sweep();
    expect(linesOf(report)).toEqual([`debt ${first} kept failed`, `debt ${second} removed`]);
    expect(codesOf(report)).toEqual(['directory-denied']);
    expect(world.table.get(first ?? '')).toMatchObject({
      state: 'owed',
      lastError: { code: 'directory-denied' },
    });
    expect(world.table.get(first ?? '')?.leaseOwner).toBeUndefined();
  });
});

describe('a membership', () => {
  test.each(['joining', 'staged', 'member', 'leaving'] as const)(
    'that is %s though its instance is gone is closed once its account is',
    async (state) => {
      // Its name has a first letter that the settings no longer name: only the ledger knows it.
      const former = nameOf(1, 'Z');
      const ended = world.membership(1, { state, computerName: former, objectSids: [sidOf(former)] });
      world.records.add(former);
      expect(linesOf(await world.sweep())).toEqual([`ended ${ended} removed`]);
      expect(world.effects).toContain(`unname ${ended} ${former}`);
      expect(world.records.size).toBe(0);
      expect(world.table.get(ended)).toMatchObject({ state: 'removed' });
    },
  );

  test('of an instance that others had joined, and that ended without a proof, is never said to be removed', async () => {
    const challenge = `ADJOIN-${'0'.repeat(32)}`;
    const change = {
      state: 'leaving',
      launch: undefined,
      objectGuid: undefined,
      computerName: undefined,
    } as const;
    const times = { received: world.clock.now() - 24 * HOUR };
    const terminate = { actionToken: 't', hook: 'unjoin', times };
    const instanceId = world.membership(1, {
      ...change,
      objectSids: undefined,
      terminate,
      foundNames: [challenge],
    });
    await world.sweep();
    expect(world.table.get(instanceId)).toMatchObject({
      state: 'failed',
      lastError: { code: 'account-unmatched' },
    });
  });

  test.each(['removed', 'failed'] as const)('that is %s is left as it is', async (state) => {
    world.membership(1, { state });
    expect(linesOf(await world.sweep())).toEqual([]);
    expect(world.effects).toEqual([]);
  });

  test('of a launch that began just now is left to its worker', async () => {
    const young = world.membership(1, { state: 'joining' }, 60_000);
    expect(linesOf(await world.sweep())).toEqual([`ended ${young} kept too-young`]);
  });

  test('stays open while its account could not be removed', async () => {
    const ended = world.membership(1, { state: 'leaving' });
    world.fault = failOn(/directory\.find/, 'directory-refused');
    await world.sweep();
    expect(world.table.get(ended)?.state).toBe('owed');
  });
});

describe('a DNS record that may not be removed', () => {
  test('is reported by each sweep, fails none, and goes once the right is there', async () => {
    const owed = world.account(1);
    world.membership(1, { state: 'owed' });
    world.directory.areRecordsDenied = true;
    for (let hour = 1; hour <= 2; hour += 1) {
      const report = await world.sweep();
      expect(linesOf(report)).toEqual([`debt ${owed} kept denied`]);
      expect(report).toMatchObject({ complete: true, errors: [] });
      expect(world.accounts.size).toBe(0);
      expect(world.table.get(owed)).toMatchObject({
        state: 'owed',
        lastError: { code: 'dns-record-denied' },
      });
    }
    world.directory.areRecordsDenied = false;
    expect(linesOf(await world.sweep())).toEqual([`debt ${owed} removed`]);
    expect(world.records.size).toBe(0);
  });
});

describe('an account that may not be deleted', () => {
  test.each([
    ['protected', false, 'account-protected'],
    ['denied', true, 'account-out-of-reach'],
  ] as const)(
    'is an error of its own (%s), and keeps no other from being deleted',
    async (guard, moved, code) => {
      for (const number of [1, 2]) {
        world.account(number);
        world.membership(number, { state: 'owed' });
      }
      const account = world.accountOf(instanceOf(1));
      if (account) Object.assign(account, { guard, moved });
      const report = await world.sweep();
      expect(linesOf(report)).toEqual([`debt ${instanceOf(1)} kept failed`, `debt ${instanceOf(2)} removed`]);
      expect(codesOf(report)).toEqual([code]);
    },
  );
});

describe('a member that lives without an account', () => {
  test('is reported, with what to do', async () => {
    const vanished = world.member(1);
    world.loseAccounts(vanished);
    const report = await world.sweep();
    expect(linesOf(report)).toEqual([`vanished ${vanished} reported`]);
    expect(world.effects).toEqual([]);
    const [said] = world.log.filter(({ event }) => event === 'member without an account');
    expect(said?.fields['error']).toMatchObject({ code: 'account-vanished', disposition: 'report' });
  });

  test('but with one elsewhere is reported with its place, and left alone', async () => {
    const moved = world.member(1);
    const account = world.accountOf(moved);
    if (account) account.moved = true;
    expect(linesOf(await world.sweep())).toEqual([`moved ${moved} reported`]);
    expect(world.effects).toEqual([]);
    const [said] = world.log.filter(({ event }) => event === 'member with an account elsewhere');
    expect(said?.fields['error']).toMatchObject({
      code: 'account-moved',
      message: expect.stringContaining(`CN=${nameOf(1)},OU=Elsewhere`),
    });
  });

  test('but with one elsewhere that only the ledger knows is reported as moved, too', async () => {
    const moved = world.member(1);
    const account = world.accountOf(moved);
    if (account) Object.assign(account, { moved: true, stamp: undefined, byOthers: true });
    expect(linesOf(await world.sweep())).toEqual([`moved ${moved} reported`]);
  });

  test('that the unit holds for a new owner is not reported', async () => {
    const owned = world.member(1);
    const account = world.accountOf(owned);
    if (account) Object.assign(account, { byOthers: true });
    expect(linesOf(await world.sweep())).toEqual([]);
  });

  test('is not reported when another controller shows it after all', async () => {
    const late = world.member(1);
    const appear = world.loseAccounts(late);
    world.fault = (call) => {
      if (call === `directory.find ${late}`) appear();
    };
    expect(linesOf(await world.sweep())).toEqual([]);
  });

  test.each([1, 2])(
    "keeps no other from being looked at when its record, at look %d, can't be read",
    async (look) => {
      const [broken, vanished] = [world.member(1), world.member(2)];
      for (const instanceId of [broken, vanished]) world.loseAccounts(instanceId);
      let looks = 0;
      world.fault = (call) => {
        if (call !== `table.read ${broken}` || (looks += 1) < look) return;
        throw new AdjoinError('unexpected', `The ledger's record of ${broken} can't be read.`);
      };
      const report = await world.sweep();
      expect(linesOf(report)).toEqual([`vanished ${vanished} reported`]);
      expect(report.errors).toMatchObject([{ instanceId: broken, error: { code: 'unexpected' } }]);
      expect(world.effects).toEqual([]);
    },
  );

  test('ends the sweep when the ledger does not answer', async () => {
    world.loseAccounts(world.member(1));
    world.fault = failOn(/^table\.read/, 'aws-unavailable');
    const report = await world.sweep();
    expect(report.complete).toBe(false);
    expect(codesOf(report)).toEqual(['aws-unavailable']);
  });

  test('is not reported when it is on its way out', async () => {
    const leaving = world.member(1);
    world.loseAccounts(leaving);
    world.fault = (call) => {
      if (call === `directory.find ${leaving}`) world.membership(1, { state: 'leaving', fencingToken: 4 });
    };
    expect(linesOf(await world.sweep())).toEqual([]);
  });

  test('is not reported while it is young', async () => {
    const young = world.member(1);
    world.membership(1, {}, 60_000);
    world.loseAccounts(young);
    expect(linesOf(await world.sweep())).toEqual([]);
  });
});

describe('DNS records of an ended membership', () => {
  const ended = (ageMs: number): string => {
    world.records.add(nameOf(1));
    return world.membership(1, { state: 'removed', objectGuid: undefined }, ageMs);
  };

  test('go once its instance is gone, as a debt does', async () => {
    const instanceId = ended(2 * HOUR);
    expect(linesOf(await world.sweep())).toEqual([`record ${instanceId} removed`]);
    expect(world.effects).toEqual([
      `ledger ${instanceId} removed`,
      `ledger ${instanceId} owed`,
      `ledger ${instanceId} owed`,
      `unname ${instanceId} ${nameOf(1)}`,
      `ledger ${instanceId} removed`,
      `ledger ${instanceId} removed`,
    ]);
    expect([...world.records]).toEqual([]);
    expect(linesOf(await world.sweep())).toEqual([]);
  });

  test('stay while the instance lives, or is young', async () => {
    const instanceId = ended(HOUR / 2);
    expect(linesOf(await world.sweep())).toEqual([`record ${instanceId} kept too-young`]);
    ended(2 * HOUR);
    world.ec2.set(instanceId, 'running');
    expect(linesOf(await world.sweep())).toEqual([]);
    expect([...world.records]).toEqual([nameOf(1)]);
  });

  test('are looked for until a day has passed, a hundred names together', async () => {
    for (let number = 1; number <= 150; number += 1)
      world.membership(number, { state: 'failed' }, (number <= 120 ? 24 : 26) * HOUR);
    await world.sweep();
    expect(world.strayLooks).toEqual([100, 20]);
  });

  test('that the service account may not read are reported, and orphans go all the same', async () => {
    ended(2 * HOUR);
    const orphan = world.account(2);
    world.fault = failOn(/^directory.strays/, 'directory-denied');
    const report = await world.sweep();
    expect(linesOf(report)).toEqual([`orphan ${orphan} removed`]);
    expect([report.complete, codesOf(report)]).toEqual([true, ['directory-denied']]);
  });

  test('that can’t be looked for end the run, and nothing is taken for clean', async () => {
    ended(2 * HOUR);
    world.fault = (call) => {
      if (call.startsWith('directory.strays')) throw new AdjoinError('directory-unavailable', 'gone');
    };
    const report = await world.sweep();
    expect(report.complete).toBe(false);
    expect(codesOf(report)).toEqual(['directory-unavailable']);
  });
});

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

describe('a sweep to which far less is shown than the ledger knows', () => {
  /** Members, so many of which are gone past their hooks. */
  const fleetOf = (count: number, gone: number): void => {
    for (const number of numbers(count)) world.member(number);
    for (const number of numbers(gone)) {
      world.autoScaling.delete(instanceOf(number));
      world.ec2.delete(instanceOf(number));
    }
  };

  test('by EC2 removes nothing, and says so', async () => {
    fleetOf(10, 6);
    const report = await world.sweep();
    expect(linesOf(report)).toEqual(numbers(6).map((number) => `orphan ${instanceOf(number)} kept shrunk`));
    expect(codesOf(report)).toEqual(['inventory-shrunk']);
    expect(report.errors[0]?.error.message).toBe('EC2 shows 4 of 10 members that the ledger knows.');
    expect(world.effects).toEqual([]);
    expect(world.log.map(({ event }) => event)).toContain('sweep halted');
  });

  test('by EC2, nothing at all, removes nothing', async () => {
    fleetOf(5, 5);
    expect(codesOf(await world.sweep())).toEqual(['inventory-shrunk']);
    expect(world.effects).toEqual([]);
  });

  test.each([
    ['half of a fleet', 10, 5, 0.5],
    ['a few', 4, 4, 0.5],
    ['any number, when it is told so', 10, 10, 1],
  ] as const)('is what %s is not', async (_what, count, gone, largestLoss) => {
    fleetOf(count, gone);
    const report = await world.sweep({ largestLoss });
    expect(report.errors).toEqual([]);
    expect(world.accounts.size).toBe(count - gone);
  });

  test('does not count those that their group still has, nor the young', async () => {
    fleetOf(10, 8);
    for (const number of [1, 2]) world.autoScaling.add(instanceOf(number));
    for (const number of [3, 4]) world.membership(number, {}, 60_000);
    expect(codesOf(await world.sweep())).toEqual([]);
    expect(world.accounts.size).toBe(6);
  });

  test('by the directory removes nothing, pays nothing, and takes no member for vanished', async () => {
    fleetOf(6, 0);
    const owed = world.account(7);
    world.membership(7, { state: 'owed' });
    for (const number of numbers(6)) world.loseAccounts(instanceOf(number));
    const report = await world.sweep();
    expect(report).toMatchObject({ complete: true, findings: [] });
    expect(codesOf(report)).toEqual(['inventory-shrunk']);
    expect(world.effects).toEqual([]);
    expect(world.table.get(owed)).toMatchObject({ state: 'owed' });
  });

  test('by the directory, because all accounts lie in an earlier unit, goes on', async () => {
    fleetOf(6, 0);
    const owed = world.account(7);
    world.membership(7, { state: 'owed' });
    for (const account of world.accounts.values()) account.moved = true;
    const report = await world.sweep();
    expect(linesOf(report)).toEqual([
      `debt ${owed} removed`,
      ...numbers(6).map((number) => `moved ${instanceOf(number)} reported`),
    ]);
  });

  test("by the directory goes on by accounts in an earlier unit, though a record can't be read", async () => {
    fleetOf(6, 0);
    for (const account of world.accounts.values()) account.moved = true;
    world.fault = failOn(new RegExp(`^table\\.read ${instanceOf(1)}`), 'unexpected');
    const report = await world.sweep();
    expect(new Set(codesOf(report))).toEqual(new Set(['unexpected']));
    expect(linesOf(report)).toEqual([2, 3, 4, 5, 6].map((number) => `moved ${instanceOf(number)} reported`));
  });
});

describe('with a quarantine of three days', () => {
  const quarantineMs = 72 * HOUR;
  const goneMember = (): string => {
    const instanceId = world.member(1);
    world.autoScaling.delete(instanceId);
    world.ec2.delete(instanceId);
    return instanceId;
  };

  test('an orphan is disabled, kept for that time with its records, and then removed', async () => {
    const orphan = goneMember();
    expect(linesOf(await world.sweep({ quarantineMs }))).toEqual([`orphan ${orphan} quarantined`]);
    expect(world.accountOf(orphan)?.enabled).toBe(false);
    expect(world.records.size).toBe(1);
    const quarantinedAt = world.clock.now();
    expect(world.table.get(orphan)).toMatchObject({ state: 'member', quarantinedAt });
    await world.clock.advance(quarantineMs - 1);
    expect(linesOf(await world.sweep({ quarantineMs }))).toEqual([`orphan ${orphan} kept quarantine`]);
    await world.clock.advance(1);
    expect(linesOf(await world.sweep({ quarantineMs }))).toEqual([`orphan ${orphan} removed`]);
    expect(world.accounts.size + world.records.size).toBe(0);
    expect(world.table.get(orphan)?.quarantinedAt).toBeUndefined();
  });

  test('one that no ledger knows gets a record that says so, and no debt', async () => {
    const orphan = world.account(1);
    expect(linesOf(await world.sweep({ quarantineMs }))).toEqual([`orphan ${orphan} quarantined`]);
    expect(world.table.get(orphan)).toMatchObject({ state: 'staged', quarantinedAt: world.clock.now() });
    expect(linesOf(await world.sweep({ quarantineMs }))).toEqual([`orphan ${orphan} kept quarantine`]);
    await world.clock.advance(quarantineMs);
    expect(linesOf(await world.sweep({ quarantineMs }))).toEqual([`orphan ${orphan} removed`]);
  });

  test('an instance that turns out to live gets its account back', async () => {
    const alive = goneMember();
    await world.sweep({ quarantineMs });
    world.ec2.set(alive, 'running');
    expect(linesOf(await world.sweep({ quarantineMs }))).toEqual([`orphan ${alive} restored`]);
    expect(world.accountOf(alive)?.enabled).toBe(true);
    expect(JSON.stringify(world.log)).toContain('enabled again');
    expect(world.table.get(alive)).toMatchObject({ state: 'member' });
    expect(world.table.get(alive)?.quarantinedAt).toBeUndefined();
    expect(world.table.get(alive)?.quarantinedSids).toBeUndefined();
    expect(linesOf(await world.sweep({ quarantineMs }))).toEqual([]);
  });

  test('an account that an administrator had disabled before stays disabled when its instance turns out to live', async () => {
    const alive = goneMember();
    for (const account of world.accounts.values()) account.enabled = false;
    const other = world.accountOf(alive)?.name;
    await world.sweep({ quarantineMs });
    expect(world.table.get(alive)?.quarantinedSids).toBeUndefined();
    world.ec2.set(alive, 'running');
    expect(linesOf(await world.sweep({ quarantineMs }))).toEqual([`orphan ${alive} restored`]);
    expect(world.accountOf(alive)).toMatchObject({ name: other, enabled: false });
    expect(JSON.stringify(world.log)).not.toContain('enabled again');
  });

  test('a sweep that dies at any call of a quarantine, or of its end, is made good by the next one', async () => {
    for (const ends of ['quarantined', 'restored'] as const) {
      for (let nth = 1; ; nth += 1) {
        world = new SweepWorld();
        const orphan = goneMember();
        if (ends === 'restored') {
          await world.sweep({ quarantineMs });
          world.ec2.set(orphan, 'running');
        }
        let calls = 0;
        world.fault = () => {
          calls += 1;
          if (calls === nth) throw new AdjoinError('aws-unavailable', 'It died.');
        };
        await world.sweep({ quarantineMs });
        if (calls < nth) break;
        world.fault = () => undefined;
        await world.clock.advance(LEASE_MS);
        await world.sweep({ quarantineMs });
        await world.clock.advance(LEASE_MS);
        expect(world.accountOf(orphan)).toBeDefined();
        const { quarantinedAt } = world.table.get(orphan) ?? {};
        expect(quarantinedAt !== undefined).toBe(ends === 'quarantined');
        const isEnabled = world.accountOf(orphan)?.enabled === true;
        expect(isEnabled || ends === 'quarantined').toBe(true);
      }
    }
  });

  test('a debt is paid all the same: its instance left through its hook', async () => {
    const owed = world.account(1);
    world.membership(1, { state: 'owed' });
    expect(linesOf(await world.sweep({ quarantineMs }))).toEqual([`debt ${owed} removed`]);
  });

  test('a dry run says what would be done', async () => {
    const orphan = goneMember();
    const lines = linesOf(await world.sweep({ quarantineMs, dryRun: true }));
    expect(lines).toEqual([`orphan ${orphan} would-quarantine`]);
    expect(world.effects).toEqual([]);
  });
});

describe('a dry run', () => {
  test('says what would be done and changes nothing', async () => {
    const debt = world.membership(1, { state: 'owed' });
    const orphan = world.account(2);
    const ended = world.membership(3);
    const young = world.account(4, 0);
    world.member(5);
    const before = structuredClone([...world.table]);
    const report = await world.sweep({ dryRun: true });
    expect(linesOf(report).toSorted()).toEqual(
      [
        `debt ${debt} would-remove`,
        `orphan ${orphan} would-remove`,
        `ended ${ended} would-remove`,
        `orphan ${young} kept too-young`,
      ].toSorted(),
    );
    expect(report).toMatchObject({ dryRun: true, complete: true });
    expect(world.effects).toEqual([]);
    expect([...world.table]).toEqual(before);
  });

  test('promises nothing of what a worker holds', async () => {
    const busy = world.account(1);
    world.membership(1, { leaseOwner: 'worker/1', leaseExpiresAt: world.clock.now() + 1 });
    expect(linesOf(await world.sweep({ dryRun: true }))).toEqual([`orphan ${busy} kept in-work`]);
  });

  test('keeps the cap', async () => {
    for (let number = 1; number <= 3; number += 1) world.account(number);
    const report = await world.sweep({ dryRun: true, maximumRemovals: 2 });
    expect(linesOf(report)[2]).toBe(`orphan ${instanceOf(3)} kept cap`);
  });
});

describe('a sweep', () => {
  test('stops between two accounts when it is told to, and says what it left', async () => {
    for (let number = 1; number <= 3; number += 1) world.account(number);
    const stop = new AbortController();
    world.fault = (call) => {
      if (call === `table.write ${instanceOf(1)} removed`) stop.abort(new AdjoinError('draining', 'stop'));
    };
    const report = await world.sweep({}, stop.signal);
    expect(report.complete).toBe(false);
    expect(codesOf(report)).toEqual(['draining']);
    expect(world.effects.filter((effect) => effect.startsWith('remove'))).toHaveLength(1);
    expect(world.table.get(instanceOf(1))?.leaseOwner).toBeUndefined();
  });

  test('that is told to stop while it pays debts takes no further lease', async () => {
    const [first, second] = [1, 2].map((number) => world.membership(number, { state: 'owed' }));
    const stop = new AbortController();
    world.fault = (call) => {
      if (call === `table.write ${first} removed`) stop.abort(new AdjoinError('draining', 'stop'));
    };
    await world.sweep({}, stop.signal);
    expect(world.calls).not.toContain(`table.read ${second}`);
    expect(world.table.get(second ?? '')).toMatchObject({ state: 'owed', fencingToken: 3 });
  });

  test('stopped in the middle of a removal leaves a debt, which the next one pays', async () => {
    const orphan = world.account(1);
    const stop = new AbortController();
    world.fault = (call) => {
      if (call === `directory.remove ${orphan}`) stop.abort(new AdjoinError('draining', 'stop'));
    };
    const report = await world.sweep({}, stop.signal);
    expect(linesOf(report)).toEqual([`orphan ${orphan} kept stopped`]);
    expect(world.table.get(orphan)?.state).toBe('owed');
    world.fault = () => undefined;
    expect(linesOf(await world.sweep())).toEqual([`debt ${orphan} removed`]);
    expect(world.accounts.size).toBe(0);
  });

  test('that dies between an account and its DNS records leaves the name to the next one', async () => {
    const orphan = world.account(1, 24 * HOUR, 'WEB01');
    world.fault = (call) => {
      if (call === `directory.records ${orphan}`) throw new AdjoinError('directory-refused', 'no');
    };
    await world.sweep();
    expect(world.accounts.size).toBe(0);
    expect([...world.records]).toEqual(['WEB01']);
    expect(world.table.get(orphan)).toMatchObject({ state: 'owed', foundNames: ['WEB01'] });
    world.fault = () => undefined;
    expect(linesOf(await world.sweep())).toEqual([`debt ${orphan} removed`]);
    expect(world.effects).toContain(`unname ${orphan} WEB01`);
    expect(world.table.get(orphan)?.foundNames).toBeUndefined();
  });

  test('that was suspended while it looked for an account does not delete it', async () => {
    const orphan = world.account(1);
    world.fault = (call) => {
      if (call === `directory.find ${orphan}`) world.clock.skip(HOUR);
    };
    expect(linesOf(await world.sweep())).toEqual([`orphan ${orphan} kept in-work`]);
    expect(world.accounts.size).toBe(1);
  });

  test('that dies at any call is made good by the next one', async () => {
    const scene = (): SweepWorld => {
      const made = new SweepWorld();
      made.account(1);
      made.membership(2, { state: 'owed' });
      made.membership(3, { state: 'leaving' });
      made.account(3);
      made.member(4);
      return made;
    };
    const whole = scene();
    await whole.sweep();
    const callCount = whole.calls.length;
    expect(callCount).toBeGreaterThan(20);
    for (let dies = 0; dies < callCount; dies += 1) {
      const crashed = scene();
      // A dead process neither answers nor gives anything back: every call from here on hangs.
      crashed.fault = () => (crashed.calls.length > dies ? new Promise(() => undefined) : undefined);
      await expect(crashed.sweep()).rejects.toThrow('Nothing more happens');
      crashed.fault = () => undefined;
      await crashed.clock.advance(LEASE_MS);
      const report = await crashed.sweep();
      expect(report).toMatchObject({ complete: true, errors: [] });
      expect([...crashed.accounts.values()].map(({ stamp }) => stamp)).toEqual([instanceOf(4)]);
      expect([...crashed.records]).toEqual([nameOf(4)]);
      const states = [1, 2, 3, 4].map((number) => crashed.table.get(instanceOf(number))?.state);
      expect(states).toEqual(['removed', 'removed', 'removed', 'member']);
    }
  });

  test('that was suspended past its lease removes nothing when it wakes up', async () => {
    const debt = world.account(1);
    world.membership(1, { state: 'owed' });
    const now = world.clock.now.bind(world.clock);
    world.fault = (call) => {
      if (call === `table.write ${debt} owed`) world.clock.now = () => now() + HOUR;
    };
    expect(linesOf(await world.sweep())).toEqual([`debt ${debt} kept in-work`]);
    expect(world.calls).not.toContain(`directory.find ${debt}`);
    expect(world.accountOf(debt)).toBeDefined();
  });

  test('gives up when no domain controller answers, instead of asking for each account', async () => {
    for (let number = 1; number <= 5; number += 1) world.membership(number, { state: 'owed' });
    world.fault = failOn(/directory\.find/, 'directory-unavailable');
    const report = await world.sweep();
    expect(report.complete).toBe(false);
    expect(codesOf(report)).toEqual(['directory-unavailable']);
    expect(world.calls.filter((call) => call.startsWith('directory.find'))).toHaveLength(1);
  });

  test('renews the lease on a membership whose removal takes long, and stops when it is lost', async () => {
    const slow = world.account(1);
    world.fault = async (call) => {
      if (call === `directory.remove ${slow}`) await world.clock.sleep(3 * LEASE_MS);
    };
    expect(linesOf(await world.sweep())).toEqual([`orphan ${slow} removed`]);

    world.account(1);
    world.membership(1);
    const began = world.clock.now();
    world.fault = async (call, signal) => {
      if (call !== `directory.remove ${slow}`) return;
      const held = world.table.get(slow);
      if (held) world.table.set(slow, { ...held, fencingToken: held.fencingToken + 1 });
      await world.clock.sleep(HOUR, signal);
    };
    expect(linesOf(await world.sweep())).toEqual([`orphan ${slow} kept in-work`]);
    expect(world.clock.now() - began).toBeLessThan(LEASE_MS);
    expect(world.accountOf(slow)).toBeDefined();
  });
});

describe('a twin', () => {
  test('of a living member goes, under the lease, and the member stays as it is', async () => {
    const member = world.member(1);
    const joined = world.accountOf(member);
    const twin = world.twin(1);
    world.records.add(twin.name);
    expect(linesOf(await world.sweep())).toEqual([`twin ${member} removed`]);
    expect([...world.accounts.values()]).toEqual([joined]);
    expect([...world.records]).toEqual([nameOf(1)]);
    expect(world.table.get(member)).toMatchObject({ state: 'member', objectGuid: joined?.objectGuid });
    expect(world.table.get(member)?.leaseExpiresAt).toBeUndefined();
    expect(world.table.get(member)?.foundNames).toBeUndefined();
    expect(linesOf(await world.sweep())).toEqual([]);
  });

  test.each([
    ['while it is young', () => void world.twin(1, HOUR - 1), 'kept too-young'],
    [
      'while a worker holds the lease',
      () => {
        world.twin(1);
        world.membership(1, { leaseOwner: 'w', leaseExpiresAt: world.clock.now() + 1 });
      },
      'kept in-work',
    ],
  ])('stays %s', async (_when, arrange, outcome) => {
    const member = world.member(1);
    arrange();
    expect(linesOf(await world.sweep())).toEqual([`twin ${member} ${outcome}`]);
    expect(world.accounts.size).toBe(2);
    expect(world.effects).toEqual([]);
  });

  test.each([
    ['while the join is not done', { state: 'staged' }],
    ['when none of them is the one that the ledger knows', { objectGuid: UNSHOWN_GUID }],
    ['when the ledger knows of no account', { objectGuid: undefined }],
  ] as const)('stays %s: nobody knows which one counts', async (_when, change) => {
    world.member(1);
    world.membership(1, change);
    world.twin(1);
    expect(linesOf(await world.sweep())).toEqual([]);
    expect(world.effects).toEqual([]);
  });

  test('is only told of in a dry run', async () => {
    const member = world.member(1);
    world.twin(1);
    expect(linesOf(await world.sweep({ dryRun: true }))).toEqual([`twin ${member} would-remove`]);
    expect(world.effects).toEqual([]);
  });

  test('is left where the controller does not show the account to spare, and that is on record until it goes', async () => {
    const member = world.member(1);
    const twin = world.twin(1);
    world.membership(1, { foundNames: ['A1'] });
    const joined = world.accountOf(member);
    if (!joined) throw new Error('no account');
    world.fault = (call) => {
      // The controller that is asked now is behind the one that listed it.
      if (call === `directory.find ${member}`) world.accounts.delete(joined.objectGuid);
    };
    const report = await world.sweep();
    expect(linesOf(report)).toEqual([`twin ${member} kept failed`]);
    expect(codesOf(report)).toEqual(['directory-refused']);
    expect([...world.accounts.values()]).toEqual([twin]);
    expect(world.table.get(member)).toMatchObject({ state: 'member', foundNames: ['A1'] });
    expect(world.table.get(member)?.lastError?.code).toBe('directory-refused');
    world.fault = () => undefined;
    world.accounts.set(joined.objectGuid, joined);
    expect(linesOf(await world.sweep())).toEqual([`twin ${member} removed`]);
    expect(world.table.get(member)?.lastError).toBeUndefined();
  });

  test('whose removal fails leaves the member a member', async () => {
    const member = world.member(1);
    world.twin(1);
    world.fault = failOn(/^directory\.remove/, 'directory-unavailable', 1);
    const report = await world.sweep();
    expect(codesOf(report)).toEqual(['directory-unavailable']);
    expect(world.table.get(member)).toMatchObject({ state: 'member' });
    expect(linesOf(await world.sweep())).toEqual([`twin ${member} removed`]);
  });
});
