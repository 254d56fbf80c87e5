import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import { database } from '../../../infra/sandbox/domain/database.ts';
import type { Controller } from '../../../infra/sandbox/domain/controller.ts';
import { dnsZoneDn, type Account, type Domain } from '../../../infra/sandbox/domain/domain.ts';
import { parseLdif } from '../../../infra/sandbox/domain/ldif.ts';
import { randomPassword } from '../../../infra/sandbox/domain/password.ts';
import { leftovers } from '../../../infra/sandbox/machine/leftovers.ts';
import type { Machine } from '../../../infra/sandbox/machine/machine.ts';
import { describeReal, testDomain, testMachine } from '../../support/sandbox.ts';

const computer = (name: string, container: string) =>
  `dn: CN=${name},${container}\nobjectClass: computer\nsAMAccountName: ${name}$\nuserAccountControl: 4096\n`;

describeReal('The domain', (ground) => {
  let domain: Domain;
  let client: Machine;
  /** What Kerberos knows of a controller's services. */
  const servicesOf = async (name: string): Promise<readonly string[]> => {
    const [found] = await domain.search({
      filter: `(sAMAccountName=${name}$)`,
      attributes: ['servicePrincipalName'],
    });
    return found?.attributes.get('servicePrincipalName') ?? [];
  };
  let namedAtFirst: readonly string[] = [];

  beforeAll(async () => {
    domain = await testDomain(ground);
    namedAtFirst = await servicesOf('DC1');
    client = await testMachine(ground, domain, 9);
    await client.exec(['sh', '-c', 'cat >/etc/ca.pem'], { input: await readFile(domain.caFile, 'utf8') });
  }, 300_000);
  afterAll(async () => {
    await client.destroy();
    await domain.destroy();
    const left = await leftovers(ground.runtime, []);
    if (left.length > 0) throw new Error(left.join('; '));
  });

  /** Runs an LDAP tool over LDAPS from a machine, as the account, with its password on standard input. */
  const ldap = async (tool: string, account: Account, input: string, ...rest: string[]) => {
    const command = `read -r p; printf %s "$p" >/run/p; tool=$1; shift; exec "$tool" -x -H ldaps://${domain.hostName} -y /run/p "$@"`;
    return client.exec(['sh', '-c', command, 'ldap', tool, '-D', account.principal, ...rest], {
      input: `${account.password}\n${input}`,
      env: { LDAPTLS_CACERT: '/etc/ca.pem' },
    });
  };
  /** The LDAP result of a bind. */
  const bind = async (account: Account) =>
    (await ldap('ldapsearch', account, '', '-s', 'base', '-b', '', 'dnsHostName')).code;
  const add = (account: Account, ldif: string) => ldap('ldapadd', account, ldif);
  const insufficientAccess = 50;

  test('is what the namespace resolves names by', async () => {
    await expect(new Resolver().resolve4(domain.hostName)).resolves.toEqual([domain.address]);
    await expect(readFile('/etc/resolv.conf', 'utf8')).resolves.toBe(`nameserver ${domain.address}\n`);
  });

  test.each(['dc1.corp.example.test', 'localhost', '127.0.0.1', '10.77.0.10'])(
    'proves itself as %s with a certificate under its own authority',
    async (name) => {
      const ca = await readFile(domain.caFile, 'utf8');
      const { promise, resolve, reject } = Promise.withResolvers<boolean>();
      const host = /^\d/.test(name) ? name : undefined;
      const socket = connect({
        host: domain.address,
        port: 636,
        ca,
        ...(host ? {} : { servername: name }),
        checkServerIdentity: () => undefined,
      });
      socket.once('secureConnect', () => {
        const certificate = socket.getPeerX509Certificate();
        resolve(
          /^\d/.test(name)
            ? certificate?.checkIP(name) !== undefined
            : certificate?.checkHost(name) !== undefined,
        );
        socket.destroy();
      });
      socket.once('error', reject);
      await expect(promise).resolves.toBe(true);
    },
  );

  test('is up only when Kerberos knows its LDAP, without which nobody joins', () => {
    expect(namedAtFirst).toContain(`ldap/${domain.hostName}`);
  });

  test('keeps no key of the certificate authority', async () => {
    const { stdout } = await domain.controller.exec(['find', '/', '-xdev', '-name', 'ca.key']);
    expect(stdout).toBe('');
  });

  test('locks an account after ten refused binds, and counts them', async () => {
    const wrong = { ...domain.auditor, password: 'wrong' };
    expect(await bind(wrong)).toBe(49);
    const [auditor] = await domain.search({
      filter: '(sAMAccountName=auditor)',
      attributes: ['badPwdCount'],
    });
    expect(auditor?.attributes.get('badPwdCount')).toEqual(['1']);
    const [head] = await domain.search({ filter: '(objectClass=domain)', attributes: ['lockoutThreshold'] });
    expect(head?.attributes.get('lockoutThreshold')).toEqual(['10']);
  });

  describe('its service account', () => {
    test('creates, changes and deletes computer accounts in the organizational unit', async () => {
      const dn = `CN=WEB1,${domain.organizationalUnit}`;
      expect(await add(domain.serviceAccount, computer('WEB1', domain.organizationalUnit))).toMatchObject({
        code: 0,
      });
      const change = `dn: ${dn}\nchangetype: modify\nreplace: description\ndescription: x\n`;
      expect(await ldap('ldapmodify', domain.serviceAccount, change)).toMatchObject({ code: 0 });
      expect(await ldap('ldapdelete', domain.serviceAccount, '', dn)).toMatchObject({ code: 0 });
    });

    test('may not change the permissions of computer accounts that others made', async () => {
      const input = computer('WEB3', domain.organizationalUnit);
      const added = await domain.controller.exec(['ldbadd', '-H', database], { input });
      expect(added).toMatchObject({ code: 0, stderr: '' });
      const dn = `CN=WEB3,${domain.organizationalUnit}`;
      const read = await ldap('ldapsearch', domain.serviceAccount, '', '-LLL', '-b', dn, 'sDRightsEffective');
      expect(read.stdout).toContain('sDRightsEffective: 0\n');
    });

    test('creates no user, and no computer account elsewhere', async () => {
      const user = `dn: CN=mallory,${domain.organizationalUnit}\nobjectClass: user\nsAMAccountName: mallory\n`;
      expect((await add(domain.serviceAccount, user)).code).toBe(insufficientAccess);
      const outside = computer('WEB2', `CN=Computers,${domain.baseDn}`);
      expect((await add(domain.serviceAccount, outside)).code).toBe(insufficientAccess);
      const unit = `dn: OU=Mine,${domain.organizationalUnit}\nobjectClass: organizationalUnit\n`;
      expect((await add(domain.serviceAccount, unit)).code).toBe(insufficientAccess);
    });

    test('deletes DNS records that came later, but none of the controller’s own', async () => {
      const zone = dnsZoneDn(domain.domainName);
      const record = `dn: DC=web3,${zone}\nobjectClass: dnsNode\n`;
      await domain.controller.exec(['ldbadd', '-H', database], { input: record });
      expect((await ldap('ldapdelete', domain.serviceAccount, '', `DC=dc1,${zone}`)).code).toBe(
        insufficientAccess,
      );
      expect((await ldap('ldapdelete', domain.serviceAccount, '', `DC=@,${zone}`)).code).toBe(
        insufficientAccess,
      );
      expect(await ldap('ldapdelete', domain.serviceAccount, '', `DC=web3,${zone}`)).toMatchObject({
        code: 0,
      });
    });

    test('gets a new password, and the old one is refused from then on', async () => {
      const old = domain.serviceAccount;
      await domain.setServicePassword(randomPassword());
      expect(await bind(old)).toBe(49);
      expect(await bind(domain.serviceAccount)).toBe(0);
    });

    test('has no password in any argument, environment or file', async () => {
      const secrets = [domain.serviceAccount.password, domain.auditor.password];
      // the pattern goes in by a pipe: as an argument it would find itself
      const look = `cat >/run/patterns; grep -r -l -a -f /run/patterns /etc /var /tmp /root /proc/*/cmdline /proc/*/environ 2>/dev/null`;
      const { stdout } = await domain.controller.exec(['sh', '-c', look], { input: secrets.join('\n') });
      expect(stdout).toBe('');
    });
  });

  test('the auditor reads computer accounts and DNS records, and changes nothing', async () => {
    const read = await ldap(
      'ldapsearch',
      domain.auditor,
      '',
      '-b',
      dnsZoneDn(domain.domainName),
      '(dc=dc1)',
      'dc',
    );
    expect(read.stdout).toContain('DC=dc1');
    expect((await add(domain.auditor, computer('WEB4', domain.organizationalUnit))).code).toBe(
      insufficientAccess,
    );
  });

  test('answers what its tools are asked as the tools would, from a database that is open', async () => {
    // Through a shell it is the tool itself.
    const tool = ['sh', '-c', 'exec "$@"', 'tool'];
    const both = async (argv: readonly string[], input = '') => {
      const outcomes = [];
      for (const how of [[], tool])
        outcomes.push(
          await domain.controller.exec([...how, argv[0] ?? '', '-H', database, ...argv.slice(1)], { input }),
        );
      return outcomes.map(({ code, stdout }) => ({ code, found: parseLdif(stdout) }));
    };
    const dn = `CN=WEB4,${domain.organizationalUnit}`;
    const asked = ['objectGUID', 'objectSid', 'whenCreated', 'nTSecurityDescriptor', 'unicodePwd'];
    await domain.controller.exec(['ldbadd', '-H', database], {
      input: computer('WEB4', domain.organizationalUnit),
    });
    for (const argv of [
      ['-b', domain.baseDn, '(sAMAccountName=svc-adjoin)', ...asked],
      ['-b', domain.organizationalUnit, '-s', 'one', ...asked],
      ['-b', dn, '-s', 'base'],
      ['-b', dnsZoneDn(domain.domainName), '(objectClass=dnsNode)', 'dnsRecord'],
    ]) {
      const [open, itself] = await both(['ldbsearch', ...argv]);
      expect(itself?.found.length).toBeGreaterThan(0);
      expect(open).toEqual(itself);
    }
    const [open, itself] = await both(['ldbadd'], computer('WEB4', domain.organizationalUnit));
    expect(itself?.code).not.toBe(0);
    expect(open).toEqual(itself);
    expect(await domain.controller.exec(['ldbdel', '-H', database, dn])).toMatchObject({ code: 0 });
  });

  test('takes a machine that joins with a staged password, and its DNS record, which the service account can delete', async () => {
    const password = randomPassword();
    const quoted = Buffer.from(`"${password}"`, 'utf16le').toString('base64');
    const account = `${computer('WEB5', domain.organizationalUnit)}unicodePwd:: ${quoted}\n`;
    expect(await add(domain.serviceAccount, account)).toMatchObject({ code: 0 });

    const join = [
      'echo web5 >/proc/sys/kernel/hostname',
      'echo 127.0.1.1 web5.corp.example.test web5 >>/etc/hosts',
      'adcli join --domain=corp.example.test --domain-controller=dc1.corp.example.test --computer-name=WEB5 --host-fqdn=web5.corp.example.test --login-type=computer --stdin-password',
      'adcli testjoin --domain=corp.example.test',
      `printf '%s\\n' ${[
        '[sssd]',
        'domains = corp.example.test',
        'services = nss, pam',
        '[domain/corp.example.test]',
        'id_provider = ad',
        'use_fully_qualified_names = true',
        'ad_hostname = web5.corp.example.test',
        'dyndns_update = true',
        // SSSD puts its first update off by a random time, else
        'dyndns_refresh_interval_offset = 0',
      ]
        .map((line) => `'${line}'`)
        .join(' ')} >/etc/sssd/sssd.conf`,
      'chmod 600 /etc/sssd/sssd.conf',
      'sssd -D',
    ].join(' && ');
    expect(await client.exec(['sh', '-c', join], { input: password })).toMatchObject({
      code: 0,
    });

    const zone = dnsZoneDn(domain.domainName);
    const record = async () =>
      (await domain.search({ base: zone, filter: '(dc=web5)', attributes: ['dnsRecord'] })).length;
    const deadline = performance.now() + 90_000;
    while ((await record()) === 0 && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 200));
    const resolver = new Resolver();
    resolver.setServers([domain.address]);
    await expect(resolver.resolve4('web5.corp.example.test')).resolves.toEqual([client.address]);
    const user = await client.exec(['getent', 'passwd', 'administrator@corp.example.test']);
    expect(user.stdout).toMatch(/^administrator@corp\.example\.test:/);
    expect(await ldap('ldapdelete', domain.serviceAccount, '', `DC=web5,${zone}`)).toMatchObject({ code: 0 });
    expect(await record()).toBe(0);
  }, 180_000);

  test('stops answering when its controller stops, and answers again', async () => {
    await domain.stop();
    expect(await bind(domain.serviceAccount)).toBe(255);
    const resolver = new Resolver({ timeout: 2_000, tries: 1 });
    await expect(resolver.resolve4(domain.hostName)).rejects.toThrow(/SERVFAIL|TIMEOUT|REFUSED|UNREACH/);
    await domain.start();
    expect(await bind(domain.serviceAccount)).toBe(0);
  }, 90_000);

  describe('with a second controller', () => {
    let second: Controller;
    beforeAll(async () => {
      second = await domain.addController();
    }, 180_000);

    test('is resolved over either of them, by the namespace and by machines', async () => {
      const configuration = `nameserver ${domain.address}\nnameserver ${second.address}\noptions timeout:1 attempts:2\n`;
      await expect(readFile('/etc/resolv.conf', 'utf8')).resolves.toBe(configuration);
      expect(domain.nameServers).toEqual([domain.address, second.address]);
      expect(await servicesOf('DC2')).toContain(`ldap/${second.hostName}`);
      const machine = await testMachine(ground, domain, 10);
      try {
        expect((await machine.exec(['cat', '/etc/resolv.conf'])).stdout).toContain(configuration);
        await domain.stop();
        const { stdout } = await machine.exec(['getent', 'hosts', second.hostName]);
        expect(stdout).toMatch(new RegExp(`^${second.address.replaceAll('.', '\\.')}\\s`));
      } finally {
        await domain.start();
        await machine.destroy();
      }
    }, 90_000);

    test('has both under one authority, whose key neither keeps', async () => {
      for (const { address, hostName, machine } of domain.controllers) {
        const socket = connect({
          host: address,
          port: 636,
          servername: hostName,
          ca: await readFile(domain.caFile),
        });
        await once(socket, 'secureConnect');
        expect(socket.authorized).toBe(true);
        socket.destroy();
        const search = await machine.exec([
          'grep',
          '-rlE',
          'BEGIN (EC )?PRIVATE KEY',
          '/run',
          '/tmp',
          '/var',
          '/etc',
        ]);
        expect(search.stdout.trim().split('\n')).toEqual(['/var/lib/samba/private/tls/key.pem']);
      }
    });

    test('keeps no administrator that the join needed', async () => {
      const found = await domain.search({ filter: '(sAMAccountName=join-*)', attributes: ['cn'] });
      expect(found).toEqual([]);
    });

    test('still protects the records of controllers', async () => {
      const record = `DC=dc2,${dnsZoneDn(domain.domainName)}`;
      expect((await ldap('ldapdelete', domain.serviceAccount, '', record)).code).toBe(insufficientAccess);
    });

    test.each([
      ['first to second', 0, 1],
      ['second to first', 1, 0],
    ])(
      'replicates by itself, %s',
      async (_way, from, to) => {
        const dn = `CN=FROM${from},${domain.organizationalUnit}`;
        const [source, target] = [domain.controllers[from], domain.controllers[to]];
        const ldif = computer(`FROM${from}`, domain.organizationalUnit);
        await source?.machine.exec(['ldbadd', '-H', database], { input: ldif });
        const seen = async () =>
          (await target?.machine.exec(['ldbsearch', '-H', database, '-b', dn, 'dn']))?.stdout.includes(dn);
        const deadline = performance.now() + 30_000;
        while (!(await seen()) && performance.now() < deadline)
          await new Promise((resolve) => setTimeout(resolve, 200));
        expect(await seen()).toBe(true);
      },
      40_000,
    );
  });
});
