import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../../agent/clock.ts';
import { openDirectory, type Directory, type DirectoryOptions } from '../../../agent/directory/directory.ts';
import { candidateNames } from '../../../agent/directory/names.ts';
import { oneTimePassword } from '../../../agent/directory/one-time-password.ts';
import { lookUpSrv } from '../../../agent/directory/srv-lookup.ts';
import { formatStamp } from '../../../agent/directory/stamp.ts';
import { database } from '../../../infra/sandbox/domain/database.ts';
import type { Controller } from '../../../infra/sandbox/domain/controller.ts';
import type { Domain } from '../../../infra/sandbox/domain/domain.ts';
import { parseLdif } from '../../../infra/sandbox/domain/ldif.ts';
import { randomPassword } from '../../../infra/sandbox/domain/password.ts';
import type { Machine } from '../../../infra/sandbox/machine/machine.ts';
import { network } from '../../../infra/sandbox/machine/network.ts';
import { mustRun } from '../../../infra/sandbox/machine/process.ts';
import { eventually } from '../../e2e/sandbox.ts';
import { logTo, silentLog, textOf } from '../../support/memory-log.ts';
import { describeReal, testDomain, testMachine } from '../../support/sandbox.ts';
import { slice, unlessThin } from '../../support/slice.ts';
import type { ServiceCredential } from '../../../agent/terms.ts';

const place = { deployment: 'test', accountId: '123456789012', region: 'eu-central-1' };
const signal = new AbortController().signal;
const unchecked = async (): Promise<void> => undefined;

let lastInstance = 0;
const newInstance = (): string => `i-${(lastInstance += 1).toString(16).padStart(17, '0')}`;
const nameOf = (instanceId: string, prefix = 'A'): string => candidateNames(instanceId, [prefix])[0] ?? '';
/** DNS that names this controller alone. */
const only = (controller: Controller) => ({
  resolveSrv: async () => [{ name: controller.hostName, port: 389, priority: 0, weight: 100 }],
});
const password = (): string => oneTimePassword(randomBytes);

describeReal('The directory room with two domain controllers', (ground) => {
  let domain: Domain;
  let first: Controller;
  let second: Controller;
  const rooms: Directory[] = [];
  const machines: Machine[] = [];

  beforeAll(async () => {
    domain = await testDomain(ground);
    second = await domain.addController({ site: 'Branch' });
    const [provisioned] = domain.controllers;
    if (!provisioned) throw new Error('no controller');
    first = provisioned;
  }, 180_000);
  afterEach(async () => {
    await Promise.all(rooms.splice(0).map((room) => room.close()));
    await Promise.all(machines.splice(0).map((machine) => machine.destroy()));
  });
  afterAll(async () => {
    await domain.destroy();
  });

  const directory = (changes: Partial<DirectoryOptions> = {}): Directory => {
    const room = openDirectory({
      ...place,
      caFile: domain.caFile,
      namePrefixes: ['A', 'B'],
      credentials: { current: async () => credential(), refused: unchecked },
      clock: systemClock,
      randomBytes,
      // Three controllers share two cores. A read-only one holds no password of the service account, and asks a writable one first.
      connectTimeoutMs: 5_000,
      operationTimeoutMs: 15_000,
      log: silentLog,
      ...changes,
    });
    rooms.push(room);
    return room;
  };
  const credential = (): ServiceCredential => ({
    versionId: domain.serviceAccount.password.slice(0, 6),
    domain: domain.domainName,
    user: domain.serviceAccount.user,
    password: domain.serviceAccount.password,
    organizationalUnit: domain.organizationalUnit,
  });
  /** Which controller serves the room now. */
  const servedBy = async (room: Directory): Promise<string> => {
    const { domainController } = await room.remove(newInstance(), { names: [] }, unchecked, signal);
    return domainController;
  };
  /** Distinguished names of the accounts with the instance's stamp, as this controller has them, past LDAP. */
  const accountsOn = async (controller: Controller, instanceId: string): Promise<string[]> => {
    const stamp = formatStamp({ ...place, instanceId });
    const filter = `(msDS-cloudExtensionAttribute1=${stamp})`;
    const search = ['ldbsearch', '-H', database, '-b', domain.baseDn, filter, 'dn'];
    const { stdout } = await controller.machine.exec(search);
    return parseLdif(stdout).map(({ dn }) => dn);
  };
  const dnOf = (instanceId: string, prefix = 'A'): string =>
    `CN=${nameOf(instanceId, prefix)},${domain.organizationalUnit}`;
  const setReplication = (on: boolean): Promise<unknown> =>
    Promise.all([first.setReplication(on), second.setReplication(on)]);
  const replicate = async (): Promise<void> => {
    await setReplication(true);
    await second.replicateFrom([first], domain.baseDn);
    await first.replicateFrom([second], domain.baseDn);
  };
  /** A machine that joins as the staged account, over its controller. */
  const join = async (
    number: number,
    staged: { computerName: string; domainController: string },
    secret: string,
  ) => {
    const machine = await testMachine(ground, domain, number);
    machines.push(machine);
    const how = ['--stdin-password', '--login-type=computer', `--computer-name=${staged.computerName}`];
    const command = [
      'adcli',
      'join',
      domain.domainName,
      ...how,
      `--domain-controller=${staged.domainController}`,
    ];
    expect(await machine.exec(command, { input: secret })).toMatchObject({ code: 0 });
    return machine;
  };

  describe('finding them', () => {
    test('DNS names both, on either of them', async () => {
      for (const { address } of [first, second]) {
        const records = await lookUpSrv(`_ldap._tcp.dc._msdcs.${domain.domainName}`, 2_000, [address]);
        expect(records.map(({ name }) => name).toSorted()).toEqual([first.hostName, second.hostName]);
      }
    });

    test('those of the site come first, and the others after them', async () => {
      expect(await servedBy(directory({ site: 'Branch' }))).toBe(second.hostName);
      expect(await servedBy(directory({ site: 'Default-First-Site-Name' }))).toBe(first.hostName);
      await second.stop();
      try {
        expect(await servedBy(directory({ site: 'Branch' }))).toBe(first.hostName);
      } finally {
        await second.start();
      }
    }, 180_000);

    unlessThin(() => {
      test('a worker that is told no site finds its own, and follows it when subnets change', async () => {
        let later = 0;
        const clock = { ...systemClock, now: () => systemClock.now() + later };
        const asked: string[] = [];
        // The whole domain, in an order that is known.
        const inOrder = [first, second].map(({ hostName: name }, priority) => ({
          name,
          priority,
          port: 389,
          weight: 100,
        }));
        const resolveSrv = async (name: string) => {
          if (!name.includes('._sites.')) return inOrder;
          asked.push(name);
          return lookUpSrv(name, 2_000);
        };
        const room = directory({ resolveSrv, clock });
        /** What the controllers say is asked for beside the work. */
        const comesTo = async (controller: Controller): Promise<void> => {
          await eventually(`${controller.hostName} serves`, 20_000, async () =>
            (await servedBy(room)) === controller.hostName ? controller : undefined,
          );
        };
        const configuration = `CN=Configuration,${domain.baseDn}`;
        const subnet = `CN=10.77.0.0/16,CN=Subnets,CN=Sites,${configuration}`;
        /** What an administrator changes, on both; the worker asks again a quarter of an hour later. */
        const change = async (
          tool: 'ldbadd' | 'ldbmodify',
          site: string,
          ...lines: string[]
        ): Promise<void> => {
          const place = `siteObject: CN=${site},CN=Sites,${configuration}`;
          const input = [`dn: ${subnet}`, ...lines, place, ''].join('\n');
          const { code } = await first.machine.exec([tool, '-H', database], { input });
          expect(code).toBe(0);
          await second.replicateFrom([first], configuration);
          later += 15 * 60_000;
        };
        expect(await servedBy(room)).toBe(first.hostName);
        await change('ldbadd', 'Branch', 'objectClass: subnet');
        await comesTo(second);
        expect(asked.at(-1)).toBe(`_ldap._tcp.Branch._sites.dc._msdcs.${domain.domainName}`);
        await change('ldbmodify', 'Default-First-Site-Name', 'changetype: modify', 'replace: siteObject');
        await comesTo(first);
      }, 180_000);
    });

    unlessThin(() => {
      test('a site that DNS does not know is no obstacle', async () => {
        expect([first.hostName, second.hostName]).toContain(await servedBy(directory({ site: 'Nowhere' })));
      });
    });
  });

  describe('failover', () => {
    test('a controller of the site that stops is left for another one, and taken again after five minutes', async () => {
      let later = 0;
      const clock = { ...systemClock, now: () => systemClock.now() + later };
      const room = directory({ site: 'Branch', clock });
      expect(await servedBy(room)).toBe(second.hostName);
      await second.stop();
      try {
        expect(await servedBy(room)).toBe(first.hostName);
      } finally {
        await second.start();
      }
      later = 200_000;
      expect(await servedBy(room)).toBe(first.hostName);
      later = 400_000;
      expect(await servedBy(room)).toBe(second.hostName);
    }, 180_000);

    test('a connection whose packets vanish is given up in the time of one operation, and the other one serves', async () => {
      const connectTimeoutMs = 5_000;
      const operationTimeoutMs = 5_000;
      const failed: string[] = [];
      const log = logTo((line) => {
        if (line.level === 'warn') failed.push(textOf(line));
      });
      const room = directory({
        site: 'Branch',
        connectTimeoutMs,
        operationTimeoutMs,
        log,
      });
      expect(await servedBy(room)).toBe(second.hostName);
      expect(failed).toEqual([]);
      const neighbour = [second.address, 'dev', network.bridge];
      await mustRun([
        'ip',
        'neigh',
        'replace',
        ...neighbour,
        'lladdr',
        '02:00:00:00:00:01',
        'nud',
        'permanent',
      ]);
      try {
        const before = performance.now();
        expect(await servedBy(room)).toBe(first.hostName);
        // One unanswered operation, one connection that does not come about; the rest is for the other controller's answer.
        expect(performance.now() - before).toBeLessThan(operationTimeoutMs + connectTimeoutMs + 10_000);
        expect(failed).toEqual([
          expect.stringContaining(`no answer within ${operationTimeoutMs} ms`),
          expect.stringContaining(`no TLS connection within ${connectTimeoutMs} ms`),
        ]);
        // and stays with the one that works, instead of trying the silent one each time
        expect(await servedBy(room)).toBe(first.hostName);
        expect(failed).toHaveLength(2);
      } finally {
        await mustRun(['ip', 'neigh', 'del', ...neighbour]);
      }
    }, 180_000);
  });

  unlessThin(() => {
    describe('with a read-only controller', () => {
      let readOnly: Controller;
      beforeAll(async () => {
        readOnly = await domain.addController({
          hostName: 'dc3',
          address: '10.77.0.12',
          readOnly: true,
          site: 'Outpost',
        });
      }, 180_000);
      afterAll(async () => {
        await readOnly.stop();
      });

      test('which is up when every writable one knows its account', async () => {
        const search = ['ldbsearch', '-H', database, '-b', domain.baseDn, '(sAMAccountName=DC3$)', 'dn'];
        for (const { machine } of [first, second]) {
          expect(parseLdif((await machine.exec(search)).stdout)).toHaveLength(1);
        }
      });

      test('which the site names first, the work goes on to a writable one', async () => {
        const record = `_ldap._tcp.Outpost._sites.dc._msdcs.${domain.domainName}`;
        const [named] = await lookUpSrv(record, 2_000, [first.address]);
        expect(named?.name).toBe(readOnly.hostName);
        const instance = newInstance();
        const room = directory({ site: 'Outpost' });
        const staged = await room.stage(instance, password(), {}, unchecked, signal);
        expect(staged.domainController).not.toBe(readOnly.hostName);
        expect((await room.remove(instance, { names: [] }, unchecked, signal)).accounts).toEqual([
          nameOf(instance),
        ]);
      }, 90_000);

      test('which is configured first, too', async () => {
        const room = directory({ controllers: [readOnly.hostName, first.hostName] });
        expect(await servedBy(room)).toBe(first.hostName);
      });

      test('which is all there is, nothing is written, and the reason told', async () => {
        const room = directory({ controllers: [readOnly.hostName] });
        await expect(room.stage(newInstance(), password(), {}, unchecked, signal)).rejects.toMatchObject({
          code: 'directory-unavailable',
          message: expect.stringContaining('is a read-only domain controller'),
        });
      });
    });
  });

  describe('before they have replicated', () => {
    test('a join is verified, and removed, on the controller that took it', async () => {
      await setReplication(false);
      const instance = newInstance();
      const near = directory({ site: 'Branch' });
      const far = directory({ site: 'Default-First-Site-Name' });
      const secret = password();
      const staged = await far.stage(instance, secret, {}, unchecked, signal);
      expect(staged.domainController).toBe(first.hostName);
      expect(await near.find(instance, signal)).toEqual([]);
      await join(41, staged, secret);
      const joined = await near.inspect(staged, signal);
      expect(joined?.passwordLastSet).toBeGreaterThan(staged.passwordLastSet);
      // Another worker, which prefers the other controller, stages again: it finds the account where it is.
      const again = await near.stage(instance, password(), staged, unchecked, signal);
      expect(again).toMatchObject({ objectGuid: staged.objectGuid, domainController: first.hostName });
      const { domainController } = staged;
      const removed = await near.remove(instance, { names: [], domainController }, unchecked, signal);
      expect(removed).toMatchObject({ accounts: [nameOf(instance)], domainController });
      await replicate();
      expect(await accountsOn(first, instance)).toEqual([]);
      expect(await accountsOn(second, instance)).toEqual([]);
    }, 90_000);

    test('when the controller of a join dies, the computer joins over the other one under a name of its own, and nothing is left in the end', async () => {
      await setReplication(false);
      const instance = newInstance();
      const room = directory({ site: 'Default-First-Site-Name' });
      const lost = await room.stage(instance, password(), {}, unchecked, signal);
      expect(lost.domainController).toBe(first.hostName);
      await first.stop();

      await expect(room.inspect(lost, signal)).rejects.toMatchObject({ code: 'directory-unavailable' });
      const writes: object[] = [];
      const secret = password();
      const staged = await room.stage(
        instance,
        secret,
        lost,
        async (write) => void writes.push(write),
        signal,
      );
      expect(staged).toMatchObject({
        computerName: nameOf(instance, 'B'),
        domainController: second.hostName,
      });
      expect(writes).toEqual([{ computerName: staged.computerName, domainController: second.hostName }]);
      const member = await join(42, staged, secret);
      expect((await room.inspect(staged, signal))?.passwordLastSet).toBeGreaterThan(staged.passwordLastSet);

      await first.start();
      await replicate();
      const both = [dnOf(instance, 'A'), dnOf(instance, 'B')];
      expect((await accountsOn(first, instance)).toSorted()).toEqual(both);
      expect((await accountsOn(second, instance)).toSorted()).toEqual(both);
      // Either controller lets the member log on.
      for (const { hostName } of [first, second]) {
        const testjoin = ['adcli', 'testjoin', `--domain-controller=${hostName}`];
        expect(await member.exec(testjoin)).toMatchObject({ code: 0 });
      }
      const { objectGuid: keep } = staged;
      const swept = await room.remove(instance, { names: [], keep }, unchecked, signal);
      expect(swept.accounts).toEqual([nameOf(instance, 'A')]);
      expect(await room.find(instance, signal)).toMatchObject([{ objectGuid: keep }]);
      await room.remove(instance, { names: [], domainController: swept.domainController }, unchecked, signal);
      await replicate();
      expect(await accountsOn(first, instance)).toEqual([]);
      expect(await accountsOn(second, instance)).toEqual([]);
    }, 180_000);

    test('an account that only a dead controller knew is not said to be gone; it comes back, is listed, and can be removed', async () => {
      await setReplication(false);
      const instance = newInstance();
      const room = directory({ site: 'Default-First-Site-Name' });
      const { domainController, objectGuid, computerName } = await room.stage(
        instance,
        password(),
        {},
        unchecked,
        signal,
      );
      await first.stop();
      const at = Date.now();
      for (const known of [{ objectGuid }, {}]) {
        const remembered = { names: [], domainController, staged: { computerName, at }, ...known };
        await expect(room.remove(instance, remembered, unchecked, signal)).rejects.toMatchObject({
          code: 'removal-unproven',
          message: expect.stringContaining(domainController),
        });
      }
      const nothing = await room.remove(instance, { names: [], domainController }, unchecked, signal);
      expect(nothing).toEqual({
        accounts: [],
        dnsRecords: [],
        othersRecords: [],
        domainController: second.hostName,
      });
      await first.start();
      await replicate();
      const near = directory({ site: 'Branch' });
      expect((await near.list(signal, (account) => account)).map(({ computerName }) => computerName)).toEqual(
        [nameOf(instance)],
      );
      expect((await near.remove(instance, { names: [] }, unchecked, signal)).accounts).toEqual([
        nameOf(instance),
      ]);
      await replicate();
      expect(await accountsOn(first, instance)).toEqual([]);
      expect(await accountsOn(second, instance)).toEqual([]);
    }, 180_000);

    /** Two controllers make an account of one name each, as two workers who know nothing of each other would. */
    const collide = async (instance: string): Promise<void> => {
      await setReplication(false);
      for (const site of ['Default-First-Site-Name', 'Branch']) {
        await directory({ site }).stage(instance, password(), {}, unchecked, signal);
      }
      await replicate();
      const accounts = await accountsOn(first, instance);
      expect(accounts).toContain(dnOf(instance));
      expect(accounts.filter((dn) => dn.includes('CNF:'))).toHaveLength(1);
    };

    unlessThin(() => {
      test('of two accounts of one name, staging again leaves one', async () => {
        const instance = newInstance();
        await collide(instance);
        await directory().stage(instance, password(), {}, unchecked, signal);
        await replicate();
        expect(await accountsOn(first, instance)).toEqual([dnOf(instance)]);
        expect(await accountsOn(second, instance)).toEqual([dnOf(instance)]);
      }, 180_000);
    });

    test('removal takes both of two accounts of one name', async () => {
      const instance = newInstance();
      await collide(instance);
      const { accounts } = await directory().remove(instance, { names: [] }, unchecked, signal);
      expect(accounts).toHaveLength(2);
      await replicate();
      expect(await accountsOn(first, instance)).toEqual([]);
      expect(await accountsOn(second, instance)).toEqual([]);
    }, 180_000);

    test('a new password that one controller has not heard of yet is not condemned: the other one takes it', async () => {
      await setReplication(false);
      await domain.setServicePassword(randomPassword());
      const refusals: string[] = [];
      const refused = async (versionId: string): Promise<void> => void refusals.push(versionId);
      const credentials = { current: async () => credential(), refused };
      const room = directory({ site: 'Branch', credentials });
      expect(await servedBy(room)).toBe(first.hostName);
      expect(refusals).toEqual([]);
      await replicate();
      expect(await servedBy(directory({ site: 'Branch', credentials }))).toBe(second.hostName);
    }, 90_000);
  });

  describe('when one of them can not use the service account', () => {
    const settings = {
      userAccountControl: ['514', '512'],
      accountExpires: ['1', '0'],
      pwdLastSet: ['0', '-1'],
      logonHours: [':: AAAAAAAAAAAAAAAAAAAAAAAAAAAA', ':: ////////////////////////////'],
    } as const;
    type Setting = keyof typeof settings;
    const set = async (controllers: readonly Controller[], attribute: Setting, value: 0 | 1) => {
      const text = settings[attribute][value];
      for (const { machine } of controllers) {
        const lines = [
          `dn: CN=${domain.serviceAccount.user},CN=Users,${domain.baseDn}`,
          'changetype: modify',
          `replace: ${attribute}`,
          `${attribute}${text.startsWith(':') ? '' : ': '}${text}`,
        ];
        const modified = await machine.exec(['ldbmodify', '-H', database], {
          input: `${lines.join('\n')}\n`,
        });
        expect(modified).toMatchObject({ code: 0 });
      }
    };
    const refusals: string[] = [];
    const watched = (changes: Partial<DirectoryOptions> = {}) => {
      refusals.length = 0;
      const said: string[] = [];
      const log = logTo((line) => void said.push(textOf(line)));
      const refused = async (versionId: string): Promise<void> => void refusals.push(versionId);
      const credentials = { current: async () => credential(), refused };
      return { room: directory({ site: 'Branch', credentials, log, ...changes }), said };
    };
    const failedLogons = async (controller: Controller): Promise<string> => {
      const search = ['ldbsearch', '-H', database, '-b', domain.baseDn, '(sAMAccountName=svc-adjoin)'];
      const { stdout } = await controller.machine.exec([...search, 'badPwdCount']);
      return parseLdif(stdout)[0]?.attributes.get('badPwdCount')?.[0] ?? '0';
    };
    beforeAll(() => setReplication(false));
    afterAll(() => replicate(), 60_000);

    const unusable = [
      ['533', 'userAccountControl', 'credential-disabled'],
      ['701', 'accountExpires', 'credential-disabled'],
      ['773', 'pwdLastSet', 'credential-expired'],
      ['530', 'logonHours', 'credential-restricted'],
    ] as const;
    test.each(slice(unusable, 1))(
      'one that answers data %s alone (%s) condemns nothing, and the other one serves; no answer counts as a failed logon',
      async (data, attribute, code) => {
        await set([second], attribute, 0);
        try {
          const { room, said } = watched();
          expect(await servedBy(room)).toBe(first.hostName);
          expect(said.join('\n')).toContain(`data ${data}`);
          expect(refusals).toEqual([]);
          await set([first], attribute, 0);
          const both = watched();
          await expect(both.room.list(signal, (account) => account)).rejects.toMatchObject({ code });
          expect(refusals).toEqual(code === 'credential-restricted' ? [] : [credential().versionId]);
          expect([await failedLogons(first), await failedLogons(second)]).toEqual(['0', '0']);
        } finally {
          await set([first, second], attribute, 1);
        }
      },
      30_000,
    );

    unlessThin(() => {
      test('and the other one is down, the reason is told and nothing is condemned: it is asked again two minutes later', async () => {
        let later = 0;
        const clock = { ...systemClock, now: () => systemClock.now() + later };
        const { room, said } = watched({ clock });
        await set([second], 'userAccountControl', 0);
        await first.stop();
        try {
          const refused = { code: 'credential-disabled', message: expect.stringContaining('data 533') };
          await expect(room.list(signal, (account) => account)).rejects.toMatchObject(refused);
          await set([second], 'userAccountControl', 1);
          later = 110_000;
          await expect(room.list(signal, (account) => account)).rejects.toMatchObject(refused);
          expect(said.filter((line) => line.includes('bound to'))).toEqual([]);
          later = 125_000;
          await expect(room.list(signal, (account) => account)).resolves.toBeInstanceOf(Array);
          expect(refusals).toEqual([]);
        } finally {
          await set([second], 'userAccountControl', 1);
          await first.start();
        }
      }, 180_000);
    });
  });

  // The last one: the second controller keeps a certificate that any member could have.
  unlessThin(() => {
    describe('a controller that its certificate does not show', () => {
      test('is proven by the list of one that is, and not by its name in DNS', async () => {
        await domain.certifyMember(second.machine, second.hostName);
        await second.stop();
        await second.start();
        await expect(directory(only(second)).list(signal, (account) => account)).rejects.toMatchObject({
          code: 'directory-untrusted',
        });
        const room = directory(only(first));
        expect(await servedBy(room)).toBe(first.hostName);
        const staged = { objectGuid: randomUUID(), domainController: second.hostName };
        expect(await room.inspect(staged, signal)).toBeUndefined();
      }, 180_000);
    });
  });
});
