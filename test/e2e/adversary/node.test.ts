import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Attribute, Client } from 'ldapts';
import { readFile } from 'node:fs/promises';
import type { Directory } from '../../../agent/directory/directory.ts';
import { candidateNames } from '../../../agent/directory/names.ts';
import { oneTimePassword } from '../../../agent/directory/one-time-password.ts';
import { formatStamp } from '../../../agent/directory/stamp.ts';
import type { StagedAccount } from '../../../agent/terms.ts';
import type { Domain } from '../../../infra/sandbox/domain/domain.ts';
import type { Machine } from '../../../infra/sandbox/machine/machine.ts';
import { ownedBy, plantingIn } from '../../integration/directory/planting.ts';
import { openDirectoryOf } from '../../support/real-directory.ts';
import { describeReal, testDomain, testMachine } from '../../support/sandbox.ts';

const place = { deployment: 'test', accountId: '123456789012', region: 'eu-central-1' };
const signal = new AbortController().signal;
const unchecked = async (): Promise<void> => undefined;
const stampAttribute = 'msDS-cloudExtensionAttribute1';

/** Clears, or else overwrites, each attribute that the directory says its computer may write, with nothing but its own ticket. */
const clearAll = `
import json, sys
from samba.credentials import Credentials, MUST_USE_KERBEROS
from samba.param import LoadParm
from samba.samdb import SamDB
import ldb

wanted = json.load(sys.stdin)
parameters = LoadParm()
parameters.load_default()
credentials = Credentials()
credentials.guess(parameters)
credentials.set_kerberos_state(MUST_USE_KERBEROS)
directory = SamDB(url="ldap://" + wanted["server"], credentials=credentials, lp=parameters)
found = directory.search(wanted["dn"], ldb.SCOPE_BASE, attrs=["allowedAttributesEffective"])
writable = [str(name) for name in found[0]["allowedAttributesEffective"]]
cleared = []
for name in writable:
    for value in ([], ["x"]):
        change = ldb.Message(ldb.Dn(directory, wanted["dn"]))
        change[name] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, name)
        try:
            directory.modify(change)
            cleared.append(name)
            break
        except ldb.LdbError:
            pass
print(json.dumps({"writable": writable, "cleared": cleared}))
`;

const candidatesOf = (instanceId: string): string[] => candidateNames(instanceId, ['A', 'B']);
let instances = 0;
const newInstance = (): string => `i-${(instances += 1).toString(16).padStart(17, '0')}`;

/**
 * Places: root on a member, with the computer's own account and the tools that are on it; and a person who may make computer
 * accounts in the unit. What they want: to hold other instances, to keep an account, to have the worker delete for them.
 */
describeReal('What a directory user may do to accounts and names', (ground) => {
  let domain: Domain;
  let node: Machine;
  let room: Directory;
  let own: StagedAccount;
  const ownInstance = newInstance();
  const { plantOurs, plantRecord, dnOf, records, sidOf } = plantingIn(() => domain);

  const must = async (argv: readonly string[], input = ''): Promise<string> => {
    const { code, stderr, stdout } = await node.exec(argv, { input });
    if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
    return stdout;
  };
  const logOn = () => node.exec(['kinit', '-k', `${own.computerName}$@${domain.realm}`]);
  /** Changes the directory with nothing but the computer's own ticket. */
  const asComputer = async (tool: 'ldbadd' | 'ldbmodify', ...lines: string[]): Promise<void> => {
    await logOn();
    const how = ['--use-kerberos=required', '--use-krb5-ccache=/tmp/krb5cc_0'];
    await must([tool, '-H', `ldap://${domain.hostName}`, ...how], `${lines.join('\n')}\n`);
  };
  const stampLine = (instanceId: string): string =>
    `${stampAttribute}: ${formatStamp({ ...place, instanceId })}`;
  const stage = (instanceId: string, secret = oneTimePassword(randomBytes)) =>
    room.stage(instanceId, secret, {}, unchecked, signal);
  const remove = (instanceId: string, objectGuid?: string) =>
    room.remove(instanceId, { names: [], objectGuid }, unchecked, signal);

  beforeAll(async () => {
    domain = await testDomain(ground);
    node = await testMachine(ground, domain, 1);
    room = openDirectoryOf(domain, place);
    const secret = oneTimePassword(randomBytes);
    own = await stage(ownInstance, secret);
    const how = ['--stdin-password', '--login-type=computer', `--computer-name=${own.computerName}`];
    await must(['adcli', 'join', domain.domainName, ...how], secret);
    const ticket = await logOn();
    if (ticket.code !== 0) throw new Error(ticket.stderr);
  }, 180_000);
  afterAll(async () => {
    await room?.close();
    await node?.destroy();
    await domain?.destroy();
  });

  describe('root on a node', () => {
    test('holds no other instance by a child of its account that has their stamp, or their name', async () => {
      const victim = newInstance();
      const staged = await stage(victim);
      const next = newInstance();
      const [planted = ''] = candidatesOf(next);
      for (const [name, instanceId] of [
        ['GHOST', victim],
        [planted, next],
      ] as const) {
        await asComputer(
          'ldbadd',
          `dn: CN=${name},${own.distinguishedName}`,
          'objectClass: msDS-GroupManagedServiceAccount',
          `sAMAccountName: ${name}$`,
          'msDS-ManagedPasswordInterval: 30',
          stampLine(instanceId),
        );
      }
      expect((await room.find(victim, signal)).map(({ objectGuid }) => objectGuid)).toEqual([
        staged.objectGuid,
      ]);
      expect((await remove(victim)).accounts).toEqual([staged.computerName]);
      // Its name is taken, so it gets the next one.
      const [, second] = candidatesOf(next);
      expect((await stage(next)).computerName).toBe(second);
      expect((await remove(next)).accounts).toEqual([second]);
    }, 180_000);

    test('has no DNS record deleted that is not its own', async () => {
      await plantRecord('vcenter', (await sidOf('krbtgt')).replace(/\d+$/, '512'));
      await asComputer(
        'ldbadd',
        `dn: CN=VCENTER,${own.distinguishedName}`,
        'objectClass: msDS-GroupManagedServiceAccount',
        'sAMAccountName: VCENTER$',
        'msDS-ManagedPasswordInterval: 30',
        stampLine(ownInstance),
      );
      expect((await room.find(ownInstance, signal)).map(({ computerName }) => computerName)).toEqual([
        own.computerName,
      ]);
      expect(await records('vcenter')).toBe(1);
    }, 180_000);

    test('gives no launching instance away by registering its name first', async () => {
      const victim = newInstance();
      const staged = await stage(victim);
      expect(await room.inspect(staged, signal)).toMatchObject({ isNameTaken: false });
      const label = staged.computerName.toLowerCase();
      await logOn();
      await node.exec(['nsupdate', '-g'], {
        input: `update add ${label}.${domain.domainName} 300 A 10.77.66.6\nsend\n`,
      });
      expect(await records(label)).toBe(1);
      expect(await room.inspect(staged, signal)).toMatchObject({ isNameTaken: true });
      expect(await remove(victim)).toMatchObject({
        dnsRecords: [],
        othersRecords: [`${label}.${domain.domainName}`],
      });
      expect((await stage(victim)).computerName).not.toBe(staged.computerName);
      await remove(victim);
    }, 180_000);

    test('does not keep its account by clearing all that it may write, and a copied keytab is of no use afterwards', async () => {
      await logOn();
      const input = JSON.stringify({ server: domain.hostName, dn: own.distinguishedName });
      const { writable, cleared }: { writable: string[]; cleared: string[] } = JSON.parse(
        await must(['python3', '-c', clearAll], input),
      );
      expect(writable.length).toBeGreaterThan(10);
      expect(cleared).toContain(stampAttribute);
      expect((await room.list(signal, (account) => account)).map(({ objectGuid }) => objectGuid)).toContain(
        own.objectGuid,
      );
      const label = own.computerName.toLowerCase();
      await node.exec(['nsupdate', '-g'], {
        input: `update add ${label}.${domain.domainName} 300 A ${node.address}\nsend\n`,
      });
      expect(await records(label)).toBe(1);
      expect(await remove(ownInstance, own.objectGuid)).toMatchObject({
        accounts: [own.computerName],
        dnsRecords: [`${label}.${domain.domainName}`],
      });
      expect(await dnOf(own.computerName)).toBeUndefined();
      expect(await records('vcenter')).toBe(1);
      expect((await logOn()).code).not.toBe(0);
    }, 180_000);
  });

  test('a person who may make computers in the unit has nothing adopted, and nothing deleted', async () => {
    const { auditor } = domain;
    await domain.controller.exec([
      'samba-tool',
      'dsacl',
      'set',
      `--objectdn=${domain.organizationalUnit}`,
      `--sddl=(OA;CI;CCDC;bf967a86-0de6-11d0-a285-00aa003049e2;;${await sidOf(auditor.user)})`,
    ]);
    const client = new Client({
      url: `ldaps://${domain.hostName}`,
      tlsOptions: { ca: [await readFile(domain.caFile, 'utf8')] },
    });
    const instance = newInstance();
    const [first = '', second] = candidatesOf(instance);
    try {
      await client.bind(auditor.principal, auditor.password);
      for (const name of [first, 'PORTAL']) {
        await client.add(`CN=${name},${domain.organizationalUnit}`, [
          new Attribute({ type: 'objectClass', values: ['computer'] }),
          new Attribute({ type: 'sAMAccountName', values: [`${name}$`] }),
          new Attribute({ type: stampAttribute, values: [formatStamp({ ...place, instanceId: instance })] }),
        ]);
      }
    } finally {
      await client.unbind();
    }
    await plantRecord('portal', await sidOf('PORTAL$'));
    expect(await room.find(instance, signal)).toEqual([]);
    expect(await room.list(signal, (account) => account)).toEqual([]);
    const staged = await stage(instance);
    expect(staged.computerName).toBe(second);
    expect(await remove(instance)).toMatchObject({ accounts: [second], dnsRecords: [] });
    expect(await dnOf('PORTAL')).toBeDefined();
    expect(await dnOf(first)).toBeDefined();
    expect(await records('portal')).toBe(1);
  }, 180_000);

  test('an account that may not be deleted is disabled, is an error, and keeps no other from being deleted', async () => {
    const instance = newInstance();
    const first = await stage(instance);
    const twin = `TWIN${instances}`;
    // A second one, joined by other means, that an administrator has protected.
    const descriptor = ownedBy(await sidOf(domain.serviceAccount.user), '(D;;SDDT;;;WD)(A;;RPWPLCLORC;;;AU)');
    await plantOurs(twin, stampLine(instance), descriptor);
    await expect(remove(instance)).rejects.toMatchObject({ code: 'account-protected' });
    expect(await dnOf(first.computerName)).toBeUndefined();
    const [left] = await domain.search({
      filter: `(sAMAccountName=${twin}$)`,
      attributes: ['userAccountControl'],
    });
    expect(left?.attributes.get('userAccountControl')).toEqual(['4098']);
  }, 180_000);
});
