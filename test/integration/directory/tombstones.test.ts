import { randomBytes } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Attribute, Change, Client } from 'ldapts';
import type { Directory } from '../../../agent/directory/directory.ts';
import { oneTimePassword } from '../../../agent/directory/one-time-password.ts';
import type { StagedAccount } from '../../../agent/terms.ts';
import { dnsZoneDn, type Domain } from '../../../infra/sandbox/domain/domain.ts';
import type { Machine } from '../../../infra/sandbox/machine/machine.ts';
import { openDirectoryOf } from '../../support/real-directory.ts';
import { describeReal, testDomain, testMachine } from '../../support/sandbox.ts';

const place = { deployment: 'test', accountId: '123456789012', region: 'eu-central-1' };
const signal = new AbortController().signal;
const unchecked = async (): Promise<void> => undefined;
const instanceId = 'i-00000000000000001';

describeReal('DNS records that a real DNS server keeps', (ground) => {
  let domain: Domain;
  let node: Machine;
  let room: Directory;
  let first: StagedAccount;

  beforeAll(async () => {
    domain = await testDomain(ground);
    node = await testMachine(ground, domain, 1);
    room = openDirectoryOf(domain, place);
  }, 180_000);
  afterAll(async () => {
    await room?.close();
    await node?.destroy();
    await domain?.destroy();
  });

  /** The node becomes a member under the instance's name, with a key table of its own. */
  async function join(objectSids: readonly string[]): Promise<StagedAccount> {
    const secret = oneTimePassword(randomBytes);
    const staged = await room.stage(instanceId, secret, { objectSids }, unchecked, signal);
    await node.exec(['rm', '-f', '/etc/krb5.keytab']);
    const how = ['--stdin-password', '--login-type=computer', `--computer-name=${staged.computerName}`];
    const joined = await node.exec(['adcli', 'join', domain.domainName, ...how], { input: secret });
    expect(joined).toMatchObject({ code: 0 });
    const ticket = await node.exec(['kinit', '-k', `${staged.computerName}$@${domain.realm}`]);
    expect(ticket).toMatchObject({ code: 0 });
    return staged;
  }
  const hostOf = ({ computerName }: StagedAccount): string =>
    `${computerName.toLowerCase()}.${domain.domainName}`;
  /** As sssd does it. Samba's answer is not signed as nsupdate wants it, so that its exit code says nothing. */
  const register = (staged: StagedAccount, address: string) =>
    node.exec(['nsupdate', '-g'], { input: `update add ${hostOf(staged)} 300 A ${address}\nsend\n` });
  async function resolved(staged: StagedAccount): Promise<string[]> {
    const resolver = new Resolver();
    resolver.setServers([domain.address]);
    return resolver.resolve4(hostOf(staged)).catch(() => []);
  }
  const stored = async ({ computerName }: StagedAccount): Promise<string> => {
    const base = `DC=${computerName.toLowerCase()},${dnsZoneDn(domain.domainName)}`;
    const search = ['ldbsearch', '-H', '/var/lib/samba/private/sam.ldb', '-b', base, '-s', 'base'];
    return (await domain.controller.exec([...search, '--show-binary', 'dnsRecord', 'dNSTombstoned'])).stdout;
  };

  test('a removal leaves a tombstone that the server reads as its own, and the name has no address', async () => {
    first = await join([]);
    await register(first, '10.77.1.1');
    expect(await resolved(first)).toEqual(['10.77.1.1']);
    expect(await room.remove(instanceId, { names: [] }, unchecked, signal)).toMatchObject({
      accounts: [first.computerName],
      dnsRecords: [hostOf(first)],
    });
    expect(await resolved(first)).toEqual([]);
    const text = await stored(first);
    expect(text).toContain('dNSTombstoned: TRUE');
    expect(text).toContain('DNS_TYPE_TOMBSTONE');
    expect(text.match(/wType/g)).toHaveLength(1);
    expect(text).toMatch(new RegExp(`EntombedTime +: .*${new Date().getUTCFullYear()}`));
    // What is entombed is no record any more.
    const again = { names: [], objectSids: [first.objectSid] };
    expect(await room.remove(instanceId, again, unchecked, signal)).toMatchObject({ dnsRecords: [] });
    const asked = [{ computerName: first.computerName, objectSids: [first.objectSid] }];
    expect(await room.strays(asked, signal)).toEqual([]);
  }, 180_000);

  test('the next account of the same name registers it', async () => {
    const second = await join([first.objectSid]);
    expect(second.computerName).toBe(first.computerName);
    expect(second.objectSid).not.toBe(first.objectSid);
    await register(second, '10.77.1.2');
    expect(await resolved(second)).toEqual(['10.77.1.2']);
  }, 180_000);

  test('the service account writes no name of the controllers, and nothing but tombstones into the others', async () => {
    const client = new Client({
      url: `ldaps://${domain.hostName}`,
      tlsOptions: { ca: [await readFile(domain.caFile, 'utf8')] },
    });
    const zone = dnsZoneDn(domain.domainName);
    const label = first.computerName.toLowerCase();
    const replace = (type: string, values: string[]) => [
      new Change({ operation: 'replace', modification: new Attribute({ type, values }) }),
    ];
    const denied = expect.objectContaining({ code: 50 });
    try {
      await client.bind(domain.serviceAccount.principal, domain.serviceAccount.password);
      await expect(client.modify(`DC=dc1,${zone}`, replace('dNSTombstoned', ['TRUE']))).rejects.toEqual(
        denied,
      );
      await expect(client.modify(`DC=@,${zone}`, replace('dNSTombstoned', ['TRUE']))).rejects.toEqual(denied);
      await expect(client.modify(`DC=${label},${zone}`, replace('description', ['x']))).rejects.toEqual(
        denied,
      );
    } finally {
      await client.unbind();
    }
  }, 90_000);

  test('a conflict object of a name goes with the account that registered it, and one of another account stays', async () => {
    const { objectSid, computerName } = await join([]);
    const label = computerName.toLowerCase();
    const zone = dnsZoneDn(domain.domainName);
    const ldb = (tool: string, ...more: readonly string[]) =>
      domain.controller.exec([tool, '-H', '/var/lib/samba/private/sam.ldb', ...more]);
    // As the directory renames it when two controllers were told the name before they had replicated.
    const conflict = async (suffix: string): Promise<void> => {
      await register({ ...first, computerName }, '10.77.1.3');
      const renamed = `DC=${label}\\0ACNF:60a18831-41c9-42c1-84bd-4e4e09c6b${suffix},${zone}`;
      expect(await ldb('ldbrename', `DC=${label},${zone}`, renamed)).toMatchObject({ code: 0 });
    };
    const conflicts = async (): Promise<number> => {
      const { stdout } = await ldb('ldbsearch', '-b', zone, '-s', 'one', `(name=${label}*CNF*)`, 'name');
      return stdout.match(/^name:/gm)?.length ?? 0;
    };
    await conflict('815');
    expect(await conflicts()).toBe(1);
    const others = [{ computerName, objectSids: [`${objectSid}9`] }];
    expect(await room.strays(others, signal)).toEqual([]);
    const removed = await room.remove(instanceId, { names: [] }, unchecked, signal);
    expect(removed).toMatchObject({
      accounts: [computerName],
      dnsRecords: [`${label}.${domain.domainName}`],
    });
    expect(await conflicts()).toBe(0);
  }, 180_000);
});
