import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { Directory, DirectoryOptions } from '../../../agent/directory/directory.ts';
import { lookUpSrv } from '../../../agent/directory/srv-lookup.ts';
import type { Domain } from '../../../infra/sandbox/domain/domain.ts';
import type { Machine } from '../../../infra/sandbox/machine/machine.ts';
import { network } from '../../../infra/sandbox/machine/network.ts';
import { createMemoryLog, textOf } from '../../support/memory-log.ts';
import { openDirectoryOf } from '../../support/real-directory.ts';
import { describeReal, testDomain, testMachine } from '../../support/sandbox.ts';
import { eventually } from '../sandbox.ts';
import { startRogue, type Rogue } from './rogue-controller.ts';

const place = { deployment: 'test', accountId: '123456789012', region: 'eu-central-1' };
const signal = new AbortController().signal;
/** A site that has no controllers: nobody has registered a record under it. */
const site = 'Empty';
const computerName = 'APRINTSERVER';
const target = (name: string) => ({ name, port: 389, priority: 0, weight: 100 });

/**
 * Place: a member of the domain, of no special rights. Way: DNS lets it register a name that the worker asks for, and the
 * authority that signs the controllers' certificates gives it one for its own name. What it wants: the password.
 */
describeReal('A member server that DNS names as a domain controller', (ground) => {
  let domain: Domain;
  let member: Machine;
  let rogue: Rogue;
  let hostName: string;
  const rooms: Directory[] = [];
  /** What has to be ended, in the order in which it began. */
  const ends: (() => Promise<void>)[] = [];
  let log = createMemoryLog();

  const directory = (changes: Partial<DirectoryOptions> = {}): Directory => {
    const room = openDirectoryOf(domain, { ...place, log, ...changes });
    rooms.push(room);
    return room;
  };
  const must = async (argv: readonly string[], input = ''): Promise<void> => {
    const { code, stderr } = await member.exec(argv, { input });
    if (code !== 0) throw new Error(`${argv[0] ?? ''}: ${stderr}`);
  };
  /** What the member registers with nothing but its own account. */
  const update = async (...changes: string[]): Promise<void> => {
    await must(['kinit', '-k', `${computerName}$@${domain.realm}`]);
    // It complains of the answer's signature when the record is there already.
    await member.exec(['nsupdate', '-g'], { input: `${[...changes, 'send'].join('\n')}\n` });
  };
  const failedLogons = async (): Promise<string | undefined> => {
    const filter = `(sAMAccountName=${domain.serviceAccount.user})`;
    const [account] = await domain.search({ filter, attributes: ['badPwdCount'] });
    return account?.attributes.get('badPwdCount')?.[0];
  };

  beforeAll(async () => {
    domain = await testDomain(ground);
    ends.push(() => domain.destroy());
    member = await testMachine(ground, domain, 1);
    ends.push(() => member.destroy());
    hostName = `${computerName.toLowerCase()}.${domain.domainName}`;
    const created = await domain.controller.exec(['samba-tool', 'computer', 'create', computerName]);
    if (created.code !== 0) throw new Error(created.stderr);
    const oneTime = 'Only-For-The-Join-1';
    const set = await domain.controller.exec([
      'samba-tool',
      'user',
      'setpassword',
      `${computerName}$`,
      `--newpassword=${oneTime}`,
    ]);
    if (set.code !== 0) throw new Error(set.stderr);
    await must(
      [
        'adcli',
        'join',
        domain.domainName,
        '--stdin-password',
        '--login-type=computer',
        `--computer-name=${computerName}`,
      ],
      oneTime,
    );
    const zone = `_msdcs.${domain.domainName}`;
    await update(`update add ${hostName} 300 A ${network.gateway}`);
    await update(
      `zone ${zone}`,
      `update add _ldap._tcp.${site}._sites.dc.${zone} 300 SRV 0 100 389 ${hostName}`,
    );
    rogue = await startRogue({
      address: network.gateway,
      ...(await domain.certifyMember(member, hostName)),
      ca: await readFile(domain.caFile, 'utf8'),
      controller: domain,
    });
    ends.push(() => rogue.close());
  }, 180_000);
  afterEach(async () => {
    await Promise.all(rooms.splice(0).map((room) => room.close()));
    log = createMemoryLog();
  });
  afterAll(async () => {
    for (const end of ends.toReversed()) await end();
  });

  test('stands in DNS as the only controller of the site', async () => {
    const records = await lookUpSrv(`_ldap._tcp.${site}._sites.dc._msdcs.${domain.domainName}`, 2_000);
    expect(records.map(({ name }) => name)).toEqual([hostName]);
  });

  test('gets a connection and no password, costs no logon, and the work goes on elsewhere', async () => {
    const before = rogue.visitors;
    await expect(directory({ site }).list(signal, (account) => account)).resolves.toEqual([]);
    expect(rogue.visitors).toBeGreaterThan(before);
    expect(rogue.heard(domain.serviceAccount.password)).toBe(false);
    expect(await failedLogons()).toBe('0');
    expect(log.lines.map(textOf).join('\n')).toMatch(
      /untrusted.*aprintserver.*its certificate has neither the usage KDC Authentication nor the name/,
    );
  });

  test('is not even connected to where controllers take the worker for one of that site', async () => {
    for (const words of [
      ['create', site],
      ['subnet', 'create', `${network.gateway}/32`, site],
    ]) {
      const made = await domain.controller.exec(['samba-tool', 'sites', ...words]);
      if (made.code !== 0) throw new Error(made.stderr);
    }
    const asked: string[] = [];
    const resolveSrv = async (name: string) => {
      asked.push(name);
      return lookUpSrv(name, 2_000);
    };
    const room = directory({ resolveSrv });
    const before = rogue.visitors;
    await room.list(signal, (account) => account);
    const record = `_ldap._tcp.${site}._sites.dc._msdcs.${domain.domainName}`;
    await eventually('its site is asked for', 20_000, async () => asked.includes(record) || undefined);
    await expect(room.list(signal, (account) => account)).resolves.toEqual([]);
    expect(rogue.visitors).toBe(before);
  });

  test('is named as untrusted where it is the only one', async () => {
    const resolveSrv = async () => [target(hostName)];
    await expect(directory({ resolveSrv }).list(signal, (account) => account)).rejects.toMatchObject({
      code: 'directory-untrusted',
    });
    expect(rogue.heard(domain.serviceAccount.password)).toBe(false);
  });

  test('is not believed later either: a controller that is proven does not list it', async () => {
    const room = directory();
    await room.list(signal, (account) => account);
    // As if the ledger named it as the controller of a staging.
    const staged = { objectGuid: randomUUID(), domainController: hostName };
    await expect(room.inspect(staged, signal)).rejects.toMatchObject({
      code: 'directory-untrusted',
      message: expect.stringContaining(`${domain.hostName} does not list it among the controllers`),
    });
    expect(rogue.heard(domain.serviceAccount.password)).toBe(false);
  });
});
