import { afterAll, beforeAll, expect, jest, test as inTurn } from '@jest/globals';
import { constants, createPublicKey, publicEncrypt, randomBytes, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Attribute, Client, NoSuchObjectError } from 'ldapts';
import { commandDocuments } from '../../../documents/index.ts';
import { parameters, type Purpose } from '../../../documents/parameters.ts';
import { dnsZoneDn, type Domain } from '../../../infra/sandbox/domain/domain.ts';
import type { Machine } from '../../../infra/sandbox/machine/machine.ts';
import {
  type LogInTool,
  makeRpmSystem,
  type RpmSystem,
  signPackages,
} from '../../../infra/sandbox/machine/rpm/rpm-system.ts';
import { describeReal, testDomain, testMachine } from '../../support/sandbox.ts';
import { slice, unlessThin } from '../../support/slice.ts';

type Facts = Readonly<Record<string, unknown>>;
type Values = Readonly<Record<string, string | readonly string[]>>;

/** What Run Command puts in where nothing is given. */
function defaultsOf(purpose: Purpose): Values {
  return Object.fromEntries(
    Object.entries(parameters[purpose]).flatMap(([name, parameter]) =>
      parameter.type === 'String' && parameter.default !== undefined ? [[name, parameter.default]] : [],
    ),
  );
}

/** The document's script as the SSM agent makes it: parameters checked, then put in as text, lists as JSON. */
function scriptOf(purpose: Purpose, values: Values): string {
  const document = commandDocuments().find((candidate) => candidate.purpose === purpose);
  const parsed: { mainSteps: { inputs: { runCommand: string[] } }[] } = JSON.parse(document?.content ?? '');
  let text = parsed.mainSteps[0]?.inputs.runCommand.join('\n') ?? '';
  for (const [name, value] of Object.entries({ ...defaultsOf(purpose), ...values })) {
    const pattern = new RegExp(parameters[purpose][name]?.allowedPattern ?? '^$');
    for (const item of [value].flat()) expect(item).toMatch(pattern);
    text = text.replaceAll(`{{ ${name} }}`, typeof value === 'string' ? value : JSON.stringify(value));
  }
  return text;
}

function start(
  machine: Machine,
  purpose: Purpose,
  values: Values,
  { signal, instanceId = machine.name }: { signal?: AbortSignal; instanceId?: string } = {},
) {
  // Each command has a directory of its own, also when it is the second delivery of the same thing.
  const path = `/var/lib/amazon/ssm/${machine.name}/document/orchestration/${randomUUID()}/${purpose}Linux/_script.sh`;
  const env = { AWS_SSM_INSTANCE_ID: instanceId, AWS_SSM_REGION_NAME: 'eu-central-1' };
  return machine.run({ path, text: scriptOf(purpose, values), env, timeoutMs: 120_000 }, signal);
}

/** Runs the document; it must exit 0 with nothing but one line of facts. */
async function run(
  machine: Machine,
  purpose: Purpose,
  values: Values = {},
  instanceId = machine.name,
): Promise<Facts> {
  const { code, stdout, stderr } = await start(machine, purpose, values, { instanceId });
  expect({ code, stderr, stdout }).toEqual({ code: 0, stderr: '', stdout: expect.stringMatching(/^.+\n$/) });
  expect(stdout.length).toBeLessThan(2_000);
  const facts: Facts = JSON.parse(stdout);
  expect(facts).toMatchObject({ adjoin: 1, document: purpose });
  return facts;
}

function seal(key: unknown, oneTimePassword: string): string {
  const publicKey = createPublicKey({ key: Buffer.from(String(key), 'base64'), format: 'der', type: 'spki' });
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  return publicEncrypt(
    { key: publicKey, padding, oaepHash: 'sha256' },
    Buffer.from(oneTimePassword),
  ).toString('base64');
}

/** Digits alone would fail the domain's complexity rule; the prefix brings the classes that hexadecimal may lack. */
const newOneTimePassword = () => `Aa1${randomBytes(40).toString('hex')}`;

const inSeconds = (seconds: number) => String(Math.floor(Date.now() / 1000) + seconds);
/** What a leave is given that has a minute to get there. */
const inTime = (domain: string): Values => ({ domain, notAfter: inSeconds(60) });

/** 15 characters, one machine's own. */
const nameOf = (machine: Machine) => `T${machine.name.slice(-14).toUpperCase()}`;

/** What an image may bring along, as commands of a shell. */
const addKey = (principal: string) =>
  `printf 'addent -password -p ${principal} -k 1 -e aes256-cts-hmac-sha1-96\nx\nwkt /etc/krb5.keytab\n' | ktutil >/dev/null`;
const configure = (...lines: readonly string[]) =>
  `printf '%s\n' ${lines.map((line) => `'${line}'`).join(' ')} >/etc/sssd/sssd.conf; chmod 0600 /etc/sssd/sssd.conf`;

async function inShell(machine: Machine, command: string): Promise<string> {
  const { code, stdout, stderr } = await machine.exec(['sh', '-c', command]);
  expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: '' });
  return stdout.trim();
}

/** Most of a join is waiting: cases run side by side, each on machines of its own. */
const test = inTurn.concurrent;
jest.setTimeout(400_000);

describeReal('the documents on a real machine in a real domain', (ground) => {
  let domain: Domain;
  let directory: Client;
  const machines: Machine[] = [];
  let count = 0;

  beforeAll(async () => {
    domain = await testDomain(ground);
    directory = new Client({
      url: `ldaps://${domain.address}`,
      tlsOptions: { ca: await readFile(domain.caFile, 'utf8'), servername: domain.hostName },
    });
    await directory.bind(domain.serviceAccount.principal, domain.serviceAccount.password);
  }, 180_000);
  afterAll(async () => {
    await directory.unbind();
    await Promise.all(machines.map((machine) => machine.destroy()));
    await domain.destroy();
  }, 180_000);

  async function newMachine(init: 'shell' | 'systemd' = 'shell'): Promise<Machine> {
    count += 1;
    const machine = await testMachine(ground, domain, count, init);
    machines.push(machine);
    return machine;
  }

  /** Creates or replaces the computer account as the agent does. */
  async function stage(computerName: string, oneTimePassword: string): Promise<void> {
    const dn = `CN=${computerName},${domain.organizationalUnit}`;
    const fqdn = `${computerName.toLowerCase()}.${domain.domainName}`;
    try {
      await directory.del(dn);
    } catch (error) {
      if (!(error instanceof NoSuchObjectError)) throw error;
    }
    await directory.add(dn, [
      new Attribute({ type: 'objectClass', values: ['computer'] }),
      new Attribute({ type: 'sAMAccountName', values: [`${computerName}$`] }),
      new Attribute({ type: 'userAccountControl', values: ['4096'] }),
      new Attribute({ type: 'dNSHostName', values: [fqdn] }),
      new Attribute({ type: 'servicePrincipalName', values: [`HOST/${fqdn}`] }),
      new Attribute({ type: 'unicodePwd', values: [Buffer.from(`"${oneTimePassword}"`, 'utf16le')] }),
    ]);
  }

  interface Attempt {
    readonly computerName: string;
    readonly oneTimePassword: string;
    readonly values: Values;
  }

  /** Stages, probes and seals: all but the join itself. */
  async function prepare(machine: Machine, computerName: string, probe: Values = {}): Promise<Attempt> {
    const oneTimePassword = newOneTimePassword();
    await stage(computerName, oneTimePassword);
    const { key } = await run(machine, 'probe', probe);
    const entry = `${machine.name}:${computerName}:${seal(key, oneTimePassword)}`;
    const values = { domain: domain.domainName, domainController: domain.hostName, entries: [entry] };
    return { computerName, oneTimePassword, values };
  }

  async function joined(): Promise<Attempt & { machine: Machine }> {
    const machine = await newMachine();
    const attempt = await prepare(machine, nameOf(machine));
    expect(await run(machine, 'join', attempt.values)).toMatchObject({ result: 'joined' });
    return { machine, ...attempt };
  }

  type Member = Attempt & { readonly machine: Machine };
  let shared: Promise<Member> | undefined;
  let inUse: Promise<void> = Promise.resolve();
  /** One member for all tests after which it is as it was before: they take turns. */
  function onMember(body: (member: Member) => Promise<void>): Promise<void> {
    shared ??= joined();
    const member = shared;
    const turn = inUse.then(async () => body(await member));
    inUse = turn.catch(() => undefined);
    return turn;
  }

  /**
   * A machine that looks like one of an RPM system: its os-release, its log-in tool as a stub that notes how it is called, and all
   * that a join needs as packages in a repository, with the files of this system in them, which it does not have until then.
   */
  async function rpmMachine(
    release: string,
    logInTool: LogInTool,
    packages: RpmSystem['packages'] = 'in repository',
  ): Promise<Machine> {
    const machine = await newMachine();
    const fixtures = join(import.meta.dirname, '..', '..', 'fixtures', 'os-release');
    const osRelease = await readFile(join(fixtures, release), 'utf8');
    await makeRpmSystem(machine, { osRelease, logInTool, packages });
    return machine;
  }

  let groups: Promise<string> | undefined;
  /** Ann may log in, Bob may use sudo, Cid neither: made once in the domain. */
  const furnishGroups = (): Promise<string> =>
    (groups ??= inShell(
      domain.controller,
      [
        'samba-tool group add "Fleet Users" && samba-tool group add wheelers',
        ...['ann', 'bob', 'cid'].map((name) => `samba-tool user create ${name} Secret-0-${name}`),
        'samba-tool group addmembers "Fleet Users" ann && samba-tool group addmembers wheelers bob',
      ].join(' && '),
    ));

  const keytab = (machine: Machine) => inShell(machine, 'sha256sum /etc/krb5.keytab');
  /**
   * Puts a script before a tool, once: the first call of the tool runs it, and then the tool, unless it ends by itself. The tool is
   * `$tool` there.
   */
  async function before(machine: Machine, tool: string, script: string): Promise<void> {
    const text = `#!/bin/sh
tool=$(PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v ${tool})
rm -f /usr/local/sbin/${tool}
${script}
exec "$tool" "$@"
`;
    const place = `/usr/local/sbin/${tool}`;
    const write = `mkdir -p /usr/local/sbin && cat >${place} && chmod 0755 ${place}`;
    const { code } = await machine.exec(['sh', '-c', write], { input: text });
    expect(code).toBe(0);
  }
  const user = () => `administrator@${domain.domainName}`;
  const resolvesUsers = async (machine: Machine) =>
    (await machine.exec(['getent', 'passwd', user()])).stdout !== '';
  /** What of a join still runs after it ended. The kernel takes a moment to end what was killed. */
  async function leftRunning(machine: Machine): Promise<string> {
    const look = "ps -e -o comm= | grep -xE 'adcli|timeout|getent|dig' || :";
    const deadline = Date.now() + 10_000;
    let running = await inShell(machine, look);
    while (running !== '' && Date.now() < deadline) {
      await wait(100);
      running = await inShell(machine, look);
    }
    return running;
  }

  inTurn('the scripts pass shellcheck', async () => {
    const machine = await newMachine();
    const folder = join(import.meta.dirname, '..', '..', '..', 'documents');
    const scripts = (await readdir(folder, { recursive: true })).filter((path) => path.endsWith('.sh'));
    expect(scripts.length).toBeGreaterThan(3);
    for (const path of scripts) {
      const input = await readFile(join(folder, path), 'utf8');
      const place = `/root/documents/${path}`;
      await machine.exec(['sh', '-c', `mkdir -p "$(dirname ${place})" && cat >${place}`], { input });
    }
    const findings: string[] = [];
    for (const path of scripts) {
      const check = `cd "$(dirname /root/documents/${path})" && shellcheck -s sh -x "$(basename ${path})"`;
      const { code, stdout, stderr } = await machine.exec(['sh', '-c', check]);
      if (code !== 0) findings.push(`${path}: ${stdout}${stderr}`);
    }
    expect(findings).toEqual([]);
  });

  test('a probe tells what the node is, and keeps its private key to itself in memory', async () => {
    const machine = await newMachine();
    const first = await run(machine, 'probe');
    expect(first).toMatchObject({
      family: 'linux',
      os: 'debian',
      domain: '',
      computerName: '',
      ready: true,
      missing: [],
      hostName: await inShell(machine, 'hostname'),
    });
    expect(await inShell(machine, 'stat -c "%a %U %n" /run/adjoin /run/adjoin/key.pem')).toBe(
      '700 root /run/adjoin\n600 root /run/adjoin/key.pem',
    );
    expect(await inShell(machine, 'stat -f -c %T /run/adjoin/key.pem')).toBe('tmpfs');
    const second = await run(machine, 'probe');
    expect(second['key']).not.toBe(first['key']);
    expect(
      await inShell(machine, 'openssl pkey -in /run/adjoin/key.pem -pubout -outform DER | base64 -w0'),
    ).toBe(second['key']);
  });

  test('a probe names the packages that a join would miss, and makes no key then', async () => {
    const machine = await newMachine();
    await inShell(machine, 'rm /usr/sbin/adcli /usr/lib/*/sssd/libsss_ad.so');
    expect(await run(machine, 'probe')).toMatchObject({
      ready: false,
      missing: ['adcli', 'sssd-ad'],
      key: '',
    });
    const sealed = Buffer.alloc(256).toString('base64');
    const values = {
      domain: domain.domainName,
      domainController: domain.hostName,
      entries: [`${machine.name}:${nameOf(machine)}:${sealed}`],
    };
    expect(await run(machine, 'join', values)).toMatchObject({ result: 'failed', code: 'packages-missing' });
  });

  test('a probe says that an unknown operating system is not ready, though no package can be named', async () => {
    const machine = await newMachine();
    await inShell(machine, `printf 'ID="some\\"thing"\\nVERSION_ID=1\\n' >/usr/lib/os-release`);
    expect(await run(machine, 'probe')).toMatchObject({
      os: 'something',
      ready: false,
      missing: [],
      key: '',
    });
  });

  // test/linux/operating-systems plays it without a machine.
  unlessThin(() => {
    test('a probe says whether the system is recent enough', async () => {
      const machine = await newMachine();
      for (const [id, version, ready] of [
        ['ubuntu', '18.04', false],
        ['ubuntu', '20.04', true],
        ['ubuntu', '100.10', true],
        ['debian', '10', false],
        ['debian', '11', true],
        ['debian', '', true],
      ] as const) {
        await inShell(machine, `printf 'ID=${id}\\nVERSION_ID="${version}"\\n' >/usr/lib/os-release`);
        const facts = { os: id, osVersion: version, ready, missing: [] };
        expect(await run(machine, 'probe')).toMatchObject(facts);
      }
    });
  });

  inTurn(
    'a join makes the node a working member under the staged name, and its one-time password is nowhere',
    async () => {
      const machine = await newMachine();
      const { computerName, oneTimePassword, values } = await prepare(machine, nameOf(machine));
      const watch = watchProcesses(oneTimePassword);
      const facts = await run(machine, 'join', values);
      const seen = await watch.stop();
      expect(facts).toMatchObject({
        result: 'joined',
        code: '',
        domain: domain.domainName,
        computerName,
      });
      // Unless adcli itself was seen, the look at its arguments would prove nothing.
      expect(seen.adcli).toBe(true);
      expect(seen.leaks).toEqual([]);
      expect(seen.coreLimits).toEqual(['0 0']);
      const files = await machine.exec(
        ['grep', '-rlF', '--devices=skip', '-f', '-', '/etc', '/run', '/root', '/tmp', '/var', '/dev/shm'],
        {
          input: oneTimePassword,
        },
      );
      expect(files.stdout).toBe('');

      await inShell(machine, 'adcli testjoin');
      // A join that was killed in between is told by this key from the keys of services that came with an image.
      expect(await inShell(machine, "klist -k | sed -n 4p | tr -s ' ' | cut -d ' ' -f 3")).toBe(
        `${computerName}$@${domain.realm}`,
      );
      expect(await inShell(machine, `getent passwd administrator@${domain.domainName}`)).toContain(
        'dministrator',
      );
      expect(await inShell(machine, 'hostname; hostname -f; cat /etc/hostname')).toBe(
        [computerName, `${computerName}.${domain.domainName}`, computerName].join('\n').toLowerCase(),
      );
      expect(await inShell(machine, 'stat -c %a /etc/sssd/sssd.conf; ls -A /run/adjoin')).toBe('600\nlock');
      const configuration = await inShell(machine, 'cat /etc/sssd/sssd.conf');
      expect(configuration).not.toContain(domain.hostName);
      // The account's addresses are removed with it; a name in a reverse zone, which sssd registers by default, would stay.
      expect(configuration.split('\n')).toContain('dyndns_update_ptr = False');
      expect(await run(machine, 'probe')).toMatchObject({ domain: domain.domainName, computerName });
    },
  );

  test('a join has ended only when the name leads to the node, and is registered again where it was lost', () =>
    onMember(async ({ computerName, machine, values }) => {
      const name = `${computerName}.${domain.domainName}`.toLowerCase();
      const lookUp = `dig +short @${domain.address} ${name}`;
      expect(await inShell(machine, lookUp)).toBe(machine.address);
      const input = `server ${domain.hostName}\nupdate delete ${name} A\nsend\n`;
      const forget = `kinit -k '${computerName}$@${domain.realm}' && nsupdate -g; kdestroy`;
      await machine.exec(['sh', '-c', forget], { input });
      expect(await inShell(machine, lookUp)).toBe('');
      const heedless =
        '$SIG{USR1} = $SIG{USR2} = sub { exit 1 }; open F, ">/proc/self/comm"; print F "sssd_be"; close F; sleep 300';
      const contained = `exec {"perl"} "contained", "-e", q(${heedless}), "--", "--domain", "${domain.domainName}"`;
      await inShell(
        machine,
        `setsid unshare --pid --fork --kill-child perl -e '${contained}' </dev/null >/dev/null 2>&1 &`,
      );
      expect(await run(machine, 'join', values)).toMatchObject({ result: 'already' });
      expect(await inShell(machine, lookUp)).toBe(machine.address);
      // The sssd of a container is among the node's processes, and none of its business.
      expect(await inShell(machine, 'pgrep -c -f ^contained')).toBe('1');
      // sssd has registered it, and nothing else: one record, and no conflict object beside it.
      const query = {
        base: dnsZoneDn(domain.domainName),
        filter: `(name=${computerName}*)`,
        attributes: ['dnsRecord'],
      };
      expect(await domain.search(query)).toHaveLength(1);
    }));

  test('a name that leads elsewhere, and can not be registered, is no joined node, unless the image wants none', async () => {
    const machine = await newMachine();
    const attempt = await prepare(machine, nameOf(machine));
    const name = `${attempt.computerName}.${domain.domainName}`.toLowerCase();
    const zone = [
      'samba-tool',
      'dns',
      'add',
      domain.hostName,
      domain.domainName,
      name,
      'A',
      '10.77.66.6',
      '-P',
    ];
    expect((await domain.controller.exec(zone)).code).toBe(0);
    const values = { ...attempt.values, executionTimeout: '50' };
    const facts = await run(machine, 'join', values);
    expect(facts).toMatchObject({ result: 'failed', code: 'name-unregistered' });
    expect(facts['detail']).toContain('No server of the zone has an address of this node');
    const snippet = `printf '[domain/%s]\ndyndns_update = false\n' ${domain.domainName} >/etc/sssd/conf.d/10-site.conf`;
    await inShell(machine, `${snippet}; chmod 0600 /etc/sssd/conf.d/10-site.conf`);
    expect(await run(machine, 'join', values)).toMatchObject({ result: 'already' });
  });

  test('what an image says of Kerberos and realmd outlives a join, also one that fails for a read-only /etc, and decides nothing', async () => {
    const machine = await newMachine();
    await inShell(
      machine,
      [
        "printf '[libdefaults]\ndefault_realm = ATHENA.MIT.EDU\n forwardable = true\n' >/etc/krb5.conf",
        "printf '[service]\nautomatic-install = no\n[%s]\ncomputer-ou = OU=Nowhere\nmanage-system = no\n' corp.example.test >/etc/realmd.conf",
      ].join('; '),
    );
    // On the way, /etc becomes read-only, as a root file system does after an error of its disk.
    const readOnly = 'mount --bind /etc /etc && mount -o remount,bind,ro /etc';
    const joinAnew = async () => {
      const { values } = await prepare(machine, nameOf(machine));
      return run(machine, 'join', values);
    };
    await before(machine, 'adcli', readOnly);
    // The password was changed, and the key for it is lost: adcli's own words. The next one fails before that.
    const fails = (code: string, detail: string) => ({
      result: 'failed',
      code,
      detail: expect.stringContaining(detail),
    });
    expect(await joinAnew()).toMatchObject(fails('adcli-failed', "Couldn't add keytab entries"));
    expect(await joinAnew()).toMatchObject(fails('setup-failed', 'Read-only file system'));
    await inShell(machine, 'umount /etc');
    // After adcli, a join writes nothing there any more.
    await before(machine, 'adcli', `"$tool" "$@" || exit; ${readOnly}; exit 0`);
    expect(await joinAnew()).toMatchObject({ result: 'joined' });
    await inShell(machine, 'umount /etc');
    expect(await inShell(machine, 'cat /etc/krb5.conf')).toBe(
      'includedir /etc/krb5.conf.d/\n[libdefaults]\ndefault_realm = ATHENA.MIT.EDU\n forwardable = true',
    );
    const settings = await inShell(machine, 'cat /etc/krb5.conf.d/adjoin');
    expect(settings.split('\n')).toEqual([
      '[libdefaults]',
      `default_realm = ${domain.realm}`,
      'rdns = false',
    ]);
    expect(await run(machine, 'leave', inTime(domain.domainName))).toMatchObject({ result: 'left' });
    expect(await inShell(machine, 'ls -A /etc/krb5.conf.d; ls /etc/krb5.keytab 2>/dev/null || :')).toBe('');
  });

  unlessThin(() => {
    test('a member that an earlier release joined with realm is one, whatever case its name was written in, and leaves', async () => {
      const { machine, computerName, values } = await joined();
      // As realm 0.17.1 wrote it, and the earlier release finished it. realm wrote the name as the domain controller spells it.
      const spelled = 'Corp.Example.Test';
      expect(spelled.toLowerCase()).toBe(domain.domainName);
      const fqdn = `${computerName}.${domain.domainName}`.toLowerCase();
      const lines = [
        '',
        '[sssd]',
        `domains = ${spelled}`,
        'config_file_version = 2',
        'services = nss, pam',
        '',
        `[domain/${spelled}]`,
        `ad_hostname = ${fqdn}`,
        'dyndns_update = True',
        'dyndns_update_ptr = False',
        'dyndns_refresh_interval_offset = 0',
        'default_shell = /bin/bash',
        'krb5_store_password_if_offline = True',
        'cache_credentials = True',
        `krb5_realm = ${domain.realm}`,
        'realmd_tags = manages-system joined-with-adcli ',
        'id_provider = ad',
        `ldap_sasl_authid = ${computerName}$`,
        'fallback_homedir = /home/%u@%d',
        `ad_domain = ${domain.domainName}`,
        'use_fully_qualified_names = True',
        'ldap_id_mapping = True',
        'access_provider = ad',
      ];
      await inShell(machine, `kill "$(cat /run/sssd.pid)"; rm -rf /etc/krb5.conf* /var/lib/sss/db/*`);
      await inShell(machine, configure(...lines));
      await inShell(
        machine,
        `printf '[libdefaults]\nudp_preference_limit = 0\ndefault_realm = ${domain.realm}\n' >/etc/krb5.conf`,
      );
      const look = 'sha256sum /etc/krb5.keytab /etc/krb5.conf /etc/sssd/sssd.conf';
      const [before, probed] = [await inShell(machine, look), await run(machine, 'probe')];
      expect(probed).toMatchObject({ domain: domain.domainName, computerName });
      expect(await run(machine, 'join', values)).toMatchObject({ result: 'joined' });
      expect(await run(machine, 'join', values)).toMatchObject({ result: 'already' });
      expect(await resolvesUsers(machine)).toBe(true);
      expect(await inShell(machine, look)).toBe(before);
      expect(await run(machine, 'leave', inTime(domain.domainName))).toMatchObject({ result: 'left' });
      expect(await inShell(machine, 'cat /etc/sssd/sssd.conf')).not.toContain('[domain/');
    });
  });

  const site = '/etc/sssd/conf.d/10-site.conf';
  const unusable = [
    {
      title: 'whose sssd misses a service that the image asks for',
      spoil: `printf '[sssd]\nservices = nss, pam, ifp\n' >${site}; chmod 0600 ${site}`,
      mend: `rm ${site}`,
      detail:
        'sssd does not run: [sssd] [monitor_restart_service] (0x0010): Process [ifp], definitely stopped!',
    },
    {
      title: 'that does not ask sssd for users',
      spoil: "sed -i 's/^passwd:.*/passwd: files/' /etc/nsswitch.conf",
      mend: "sed -i 's/^passwd:.*/passwd: files sss/' /etc/nsswitch.conf",
      detail: 'nsswitch.conf does not name sss for passwd',
    },
    {
      title: 'whose sssd serves other domains only',
      spoil: `printf '[sssd]\ndomains = elsewhere\n' >${site}; chmod 0600 ${site}`,
      mend: `rm ${site}`,
      detail: 'sssd does not run',
    },
    {
      title: 'whose disk is full after the join',
      spoil: 'mount -t tmpfs -o size=4k none /var/lib/sss/db && head -c 4096 /dev/zero >/var/lib/sss/db/full',
      mend: 'umount /var/lib/sss/db',
      detail: 'sssd does not run',
    },
    {
      title: 'that finds no controller by itself',
      spoil: "echo 'nameserver 10.77.9.9' >/etc/resolv.conf",
      mend: "echo 'nameserver 10.77.0.10' >/etc/resolv.conf",
      detail: 'sssd is connected to no domain controller',
    },
  ];
  test.each(slice(unusable, 1))(
    'a node $title has not joined, at first as later, and is completed once that is mended',
    async ({ spoil, mend, detail }) => {
      const machine = await newMachine();
      const attempt = await prepare(machine, nameOf(machine));
      await before(machine, 'adcli', `"$tool" "$@" || exit; { ${spoil}; } >/dev/null 2>&1; exit 0`);
      const values = { ...attempt.values, executionTimeout: '30' };
      const fails = { result: 'failed', code: 'not-usable', detail: expect.stringContaining(detail) };
      expect(await run(machine, 'join', values)).toMatchObject(fails);
      const { computerName } = attempt;
      expect(await run(machine, 'probe')).toMatchObject({ domain: domain.domainName, computerName });
      // Adopted: the script of a member completes it, and its facts are no better than the node is.
      const again = { result: 'failed', detail: expect.any(String) };
      expect(await run(machine, 'join', values)).toMatchObject(again);
      expect(await resolvesUsers(machine)).toBe(false);
      await inShell(machine, mend);
      const facts = await run(machine, 'join', attempt.values);
      expect(['joined', 'already']).toContain(facts['result']);
      expect(await resolvesUsers(machine)).toBe(true);
    },
  );

  test('a warm node whose sssd is down is a member again only when sssd is online: its cache is no proof', async () => {
    const { machine, values } = await joined();
    await inShell(machine, 'kill "$(cat /run/sssd.pid)"; echo nameserver 10.77.9.9 >/etc/resolv.conf');
    await inShell(machine, `echo '10.77.0.10 ${domain.hostName}' >>/etc/hosts`);
    expect(await run(machine, 'join', { ...values, executionTimeout: '40' })).toMatchObject({
      result: 'failed',
    });
    await inShell(machine, 'echo nameserver 10.77.0.10 >/etc/resolv.conf');
    const facts = await run(machine, 'join', values);
    expect(['joined', 'already']).toContain(facts['result']);
  });

  // Every other test finds it in the second.
  const places = [{ place: '/run/sssd/sssd.pid' }, { place: '/run/sssd.pid' }];
  test.each(slice(places, 1))('sssd is known by its process ID in $place', async ({ place }) => {
    const { machine, values } = await joined();
    if (place !== '/run/sssd.pid') await inShell(machine, `mkdir -p /run/sssd; mv /run/sssd.pid ${place}`);
    expect(await run(machine, 'join', values)).toMatchObject({ result: 'already' });
    expect(await run(machine, 'leave', inTime(domain.domainName))).toMatchObject({ result: 'left' });
    expect(await inShell(machine, 'ps -e -o comm= | grep -x sssd || echo none')).toBe('none');
  });

  test('a join that is delivered twice finds the membership and leaves it as it is', () =>
    onMember(async ({ machine, values }) => {
      const before = await keytab(machine);
      expect(await run(machine, 'join', values)).toMatchObject({ result: 'already', code: '' });
      expect(await keytab(machine)).toBe(before);
    }));

  /** Processes and threads get their numbers in turn, in a machine that has a PID namespace of its own: those of sssd, too. */
  const lastNumber = async (machine: Machine) => Number(await inShell(machine, 'echo "$$"'));
  // They were 13, 76, 29 and 19. The rest is for what a busy machine is slow to do: looks once more, and sssd's own processes.
  const most = { probe: 20, join: 115, again: 50, leave: 38 };
  test('a probe, a join, a join of a member and a leave start no more processes than they need', async () => {
    const machine = await newMachine();
    const started: Record<string, number> = {};
    const count = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
      const before = await lastNumber(machine);
      const result = await work();
      started[name] = (await lastNumber(machine)) - before;
      return result;
    };
    const { values } = await count('probe', () => prepare(machine, nameOf(machine)));
    const join = () => run(machine, 'join', values);
    expect(await count('join', join)).toMatchObject({ result: 'joined' });
    expect(await count('again', join)).toMatchObject({ result: 'already' });
    const leave = () => run(machine, 'leave', inTime(domain.domainName));
    expect(await count('leave', leave)).toMatchObject({ result: 'left' });
    const tooMany = Object.entries(most).filter(([name, limit]) => !((started[name] ?? 0) <= limit));
    expect({ started, tooMany }).toEqual({ started, tooMany: [] });
  });

  test('two deliveries at the same time make one join', async () => {
    const machine = await newMachine();
    const { values } = await prepare(machine, nameOf(machine));
    const results = await Promise.all([run(machine, 'join', values), run(machine, 'join', values)]);
    expect(new Set(results.map((facts) => facts['result']))).toEqual(new Set(['already', 'joined']));
  });

  inTurn('a leave that finds another command at work says so before its time is up', async () => {
    const machine = await newMachine();
    await run(machine, 'probe');
    const values = { ...inTime(domain.domainName), executionTimeout: '5' };
    await inShell(machine, 'exec 9>/run/adjoin/lock; flock 9; sleep 20 >/dev/null 2>&1 &');
    const started = performance.now();
    const { code, stdout, stderr } = await start(machine, 'leave', values);
    expect(performance.now() - started).toBeLessThan(4_000);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('another command of adjoin is still at work');
  });

  // As adcli 0.9.1 says it, by its source and SSSD/sssd#7751.
  const complaints = [
    { words: 'Message stream modified', code: 'adcli-too-old' },
    { words: 'Preauthentication failed', code: 'adcli-failed' },
    { words: 'Cannot contact any KDC for requested realm', code: 'adcli-failed' },
  ];
  test.each(slice(complaints, 1))(
    'an adcli that ends with "$words" is reported as $code',
    async ({ words, code }) => {
      const machine = await newMachine();
      const { computerName, values } = await prepare(machine, nameOf(machine));
      const error = `Couldn't change password for computer account: ${computerName}$: ${words}`;
      const lines = [` * Using domain name: ${domain.domainName}`, ` ! ${error}`];
      lines.push(`adcli: joining domain ${domain.domainName} failed: ${error}`);
      const says = lines.map((line) => `echo "${line.replaceAll('$', String.raw`\$`)}"`).join('; ');
      await before(machine, 'adcli', `{ ${says}; } >&2; exit 5`);
      expect(await run(machine, 'join', values)).toMatchObject({
        result: 'failed',
        code,
        detail: ` ! ${error}`,
      });
      expect(await inShell(machine, 'ls -A /run/adjoin; ls /etc/krb5.keytab 2>/dev/null || :')).toBe('lock');
    },
  );

  test('a one-time password does not join a second machine', () =>
    onMember(async ({ computerName, oneTimePassword }) => {
      const other = await newMachine();
      const { key } = await run(other, 'probe');
      const entries = [`${other.name}:${computerName}:${seal(key, oneTimePassword)}`];
      const facts = await run(other, 'join', {
        domain: domain.domainName,
        domainController: domain.hostName,
        entries,
      });
      expect(facts).toMatchObject({ result: 'failed', code: 'adcli-failed' });
      expect(facts['detail']).toContain('Preauthentication failed');
      expect(JSON.stringify(facts)).not.toContain(oneTimePassword);
      expect(await leftRunning(other)).toBe('');
    }));

  test('a node whose account was staged anew forgets the old membership and joins again', async () => {
    const { machine, computerName } = await joined();
    const { values } = await prepare(machine, computerName);
    expect(await run(machine, 'join', values)).toMatchObject({ result: 'joined' });
    await inShell(machine, 'adcli testjoin');
  });

  test('a member whose domain controller cannot be asked keeps its membership', () =>
    onMember(async ({ machine, values }) => {
      const before = await keytab(machine);
      const facts = await run(machine, 'join', { ...values, domainController: `gone.${domain.domainName}` });
      expect(facts).toMatchObject({ result: 'failed', code: 'adcli-failed' });
      expect(await keytab(machine)).toBe(before);
    }));

  test('the membership of another domain is left alone by join and leave', () =>
    onMember(async ({ machine, values }) => {
      const before = await keytab(machine);
      expect(await run(machine, 'join', { ...values, domain: 'other.example.test' })).toMatchObject({
        result: 'failed',
        code: 'foreign-domain',
      });
      expect(await run(machine, 'leave', inTime('other.example.test'))).toMatchObject({
        result: 'foreign-domain',
      });
      expect(await keytab(machine)).toBe(before);
      await inShell(machine, 'adcli testjoin');
    }));

  const ours = 'corp.example.test';

  const foreign = [
    {
      title: 'a domain of sssd',
      setUp: configure('[sssd]', 'domains = LDAP', '[domain/LDAP]', 'id_provider = ldap'),
    },
    {
      title: 'a domain of sssd that has the same name and is no membership',
      setUp: configure('[sssd]', `domains = ${ours}`, `[domain/${ours}]`, 'id_provider=ldap'),
    },
    {
      title: 'a membership in sssd alone',
      setUp: configure(`[domain/OTHER.example.test]`, 'id_provider = ad'),
    },
    {
      title: 'a membership of Samba alone',
      setUp: `mkdir -p /etc/samba; printf '%s\n' '[global]' 'security = ads' 'workgroup = CORP' 'realm = ${ours.toUpperCase()}' >/etc/samba/smb.conf`,
    },
    { title: "another realm's keys", setUp: addKey('HTTP/web@OTHER.EXAMPLE.TEST') },
    { title: "keys that are no machine's", setUp: addKey(`HTTP/web@${ours.toUpperCase()}`) },
    {
      title: "another realm's keys beside a membership",
      setUp: `${addKey(`A$@${ours.toUpperCase()}`)}; ${addKey('HTTP/web@OTHER.EXAMPLE.TEST')}`,
    },
  ];
  test.each(slice(foreign, 2))(
    '$title on the node, which may come with its image, is left as it is by join and leave',
    async ({ setUp }) => {
      const machine = await newMachine();
      await inShell(machine, setUp);
      const look = 'sha256sum /etc/krb5.keytab /etc/sssd/sssd.conf /etc/samba/smb.conf 2>/dev/null || :';
      const before = await inShell(machine, look);
      expect(before).not.toBe('');
      const { values } = await prepare(machine, nameOf(machine));
      expect(await run(machine, 'join', values)).toMatchObject({ result: 'failed', code: 'foreign-domain' });
      expect(await run(machine, 'leave', inTime(domain.domainName))).toMatchObject({
        result: 'foreign-domain',
      });
      expect(await inShell(machine, look)).toBe(before);
    },
  );

  test('what else is configured in sssd outlives the join, its repair and the leave', async () => {
    const machine = await newMachine();
    await inShell(machine, configure('[sssd]', 'services = nss, pam', '', '[nss]', 'filter_users = root,me'));
    const { values } = await prepare(machine, nameOf(machine));
    const kept = async () => {
      const text = await inShell(machine, 'cat /etc/sssd/sssd.conf');
      expect(text).toContain('[nss]\nfilter_users = root,me');
      return text;
    };
    expect(await run(machine, 'join', values)).toMatchObject({ result: 'joined' });
    await kept();
    await inShell(machine, "sed -i '/^dyndns_update = /d' /etc/sssd/sssd.conf");
    expect(await run(machine, 'join', values)).toMatchObject({ result: 'joined' });
    expect(await kept()).toContain('dyndns_update = True');
    expect(await run(machine, 'leave', inTime(domain.domainName))).toMatchObject({ result: 'left' });
    expect(await kept()).not.toContain(domain.domainName);
  });

  const remainders = [
    { title: 'only the keytab', cut: 'rm /etc/sssd/sssd.conf' },
    { title: 'only the configuration', cut: 'rm /etc/krb5.keytab' },
  ];
  test.each(slice(remainders, 1))(
    'a node that has left $title behind leaves, and may join again',
    async ({ cut }) => {
      const { machine, computerName } = await joined();
      await inShell(machine, cut);
      expect(await run(machine, 'leave', inTime(domain.domainName))).toMatchObject({ result: 'left' });
      expect(await run(machine, 'probe')).toMatchObject({ domain: '', computerName: '' });
      const { values } = await prepare(machine, computerName);
      expect(await run(machine, 'join', values)).toMatchObject({ result: 'joined' });
    },
  );

  test('a join takes only its own entry, sealed to the key of the last probe, and uses that key once', async () => {
    const machine = await newMachine();
    const { values, oneTimePassword, computerName } = await prepare(machine, nameOf(machine));
    const [entry = ''] = values['entries'] ?? [];
    const code = async (entries: readonly string[]) =>
      (await run(machine, 'join', { ...values, entries }))['code'];
    expect(await code([entry.replace(machine.name, 'i-00000000000000fff')])).toBe('no-entry');
    expect(await code([entry])).toBe('no-key');

    const stale = await run(machine, 'probe');
    await run(machine, 'probe');
    expect(await code([`${machine.name}:${computerName}:${seal(stale['key'], oneTimePassword)}`])).toBe(
      'unseal-failed',
    );
    expect(await code([entry])).toBe('no-key');

    const fresh = await run(machine, 'probe');
    const own = `${machine.name}:${computerName}:${seal(fresh['key'], oneTimePassword)}`;
    expect(await code([own, own])).toBe('no-entry');
    expect(await inShell(machine, 'ls -A /run/adjoin')).toBe('lock');
  });

  test('a node that takes the entry of another opens nothing, and leaves it for the other to use', async () => {
    const [machine, thief] = [await newMachine(), await newMachine()];
    const [attempt, its] = [await prepare(machine, nameOf(machine)), await prepare(thief, nameOf(thief))];
    const shared = {
      ...attempt.values,
      entries: [attempt.values, its.values].flatMap(({ entries }) => entries ?? []),
    };
    expect(await run(thief, 'join', shared, machine.name)).toMatchObject({
      result: 'failed',
      code: 'unseal-failed',
    });
    expect(await run(machine, 'join', shared)).toMatchObject({ result: 'joined' });
    // Nor does it help to come back: the password that it could not open is dead by now.
    await run(thief, 'probe');
    expect(await run(thief, 'join', shared, machine.name)).toMatchObject({ code: 'unseal-failed' });
    await inShell(machine, 'adcli testjoin');
  });

  const die = 'kill -KILL 0';
  const afterwards = `"$tool" "$@"; ${die}`;
  const kills = [
    { when: 'the account was used', tool: 'adcli', script: afterwards },
    { when: 'the host name was set', tool: 'hostname', script: afterwards },
    { when: 'the account is used', tool: 'adcli', script: die },
    { when: 'sssd was started', tool: 'setsid', script: afterwards },
    { when: 'the one-time password is opened', tool: 'openssl', script: afterwards },
    { when: 'the host name is set', tool: 'hostname', script: die },
    { when: 'the first file is put into place', tool: 'mv', script: die },
    { when: 'the first directory is made', tool: 'mkdir', script: die },
    { when: 'log-ins are set up', tool: 'pam-auth-update', script: die },
    {
      when: 'log-ins are set up, and adcli has ended',
      tool: 'pam-auth-update',
      script: `until [ -s /etc/krb5.keytab ]; do sleep 0.1; done; sleep 0.5; ${die}`,
    },
    { when: 'log-ins were set up, beside adcli', tool: 'pam-auth-update', script: afterwards },
    { when: 'sssd is started', tool: 'setsid', script: die },
    { when: 'the user is looked up', tool: 'getent', script: die },
    { when: 'the name is looked up', tool: 'dig', script: die },
  ];
  test.each(slice(kills, 1))(
    'a join that is killed when $when leaves nothing running, and the next one succeeds',
    async ({ tool, script }) => {
      const machine = await newMachine();
      const attempt = await prepare(machine, nameOf(machine));
      await before(machine, tool, script);
      const killed = await start(machine, 'join', attempt.values);
      expect(killed).toMatchObject({ code: null, stdout: '' });
      expect(await leftRunning(machine)).toBe('');
      // Delivered again, it either ends well or says that it can't; then the agent stages anew.
      let facts = await run(machine, 'join', attempt.values);
      if (facts['result'] === 'failed') {
        const { values } = await prepare(machine, attempt.computerName);
        facts = await run(machine, 'join', values);
      }
      expect(['joined', 'already']).toContain(facts['result']);
      await inShell(machine, 'adcli testjoin');
      expect(await resolvesUsers(machine)).toBe(true);
      expect(await inShell(machine, 'cat /etc/pam.d/common-session')).toContain('pam_mkhomedir.so');
    },
  );

  test('a member that lost its configuration but not its account is set up again without a password', () =>
    onMember(async ({ machine, values }) => {
      const before = await keytab(machine);
      await inShell(machine, 'rm /etc/sssd/sssd.conf; kill "$(cat /run/sssd.pid)"');
      expect(await run(machine, 'join', values)).toMatchObject({ result: 'joined' });
      expect(await keytab(machine)).toBe(before);
      expect(await inShell(machine, `getent passwd administrator@${domain.domainName}`)).not.toBe('');
    }));

  test('a leave that comes late touches nothing, not even the key of the next join', () =>
    onMember(async ({ machine, values }) => {
      const before = await keytab(machine);
      const { key } = await run(machine, 'probe');
      expect(
        await run(machine, 'leave', { domain: domain.domainName, notAfter: inSeconds(0) }),
      ).toMatchObject({
        result: 'late',
      });
      expect(await keytab(machine)).toBe(before);
      expect(
        await inShell(machine, 'openssl pkey -in /run/adjoin/key.pem -pubout -outform DER | base64 -w0'),
      ).toBe(key);
      expect(await run(machine, 'join', values)).toMatchObject({ result: 'already' });
    }));

  // It takes the controller away from all.
  inTurn(
    'a node leaves in the time that an unjoin waits for it, with no domain controller to ask, and may leave twice',
    async () => {
      const { machine } = await joined();
      await domain.stop();
      try {
        const started = performance.now();
        expect(await run(machine, 'leave', inTime(domain.domainName))).toMatchObject({ result: 'left' });
        // patience.leaveSeconds
        expect(performance.now() - started).toBeLessThan(15_000);
        expect(await run(machine, 'leave', inTime(domain.domainName))).toMatchObject({
          result: 'not-joined',
        });
      } finally {
        await domain.start();
      }
      expect(
        await inShell(
          machine,
          "ls /etc/krb5.keytab 2>/dev/null || ps -e -o comm= | grep sssd || echo 'nothing'",
        ),
      ).toBe('nothing');
    },
  );

  /** What two instances of an image must not have in common, and of the membership that the image's own instance had. */
  const remains =
    'ls /etc/krb5.keytab /var/lib/sss/db/* /etc/ssh/ssh_host_* /etc/sudoers.d/adjoin /etc/hostname /var/lib/adjoin';
  const expectImage = async (machine: Machine) => {
    expect(await inShell(machine, `${remains} 2>/dev/null || :`)).toBe('');
    expect(await inShell(machine, 'cat /etc/machine-id; grep 127.0.1.1 /etc/hosts || :')).toBe('');
    expect(await inShell(machine, 'cat /etc/sssd/sssd.conf 2>/dev/null || :')).not.toContain('[domain/');
    expect(await run(machine, 'probe')).toMatchObject({
      domain: '',
      computerName: '',
      ready: true,
      missing: [],
    });
  };
  const hostKey = 'mkdir -p /etc/ssh; : >/etc/ssh/ssh_host_rsa_key';
  const dies = async (machine: Machine, purpose: Purpose, values: Values) =>
    expect(await start(machine, purpose, values)).toMatchObject({ code: null, stdout: '' });

  test('nodes of each family join side by side: packages by real dnf and zypper, log-ins by the family’s own tool, and leave', async () => {
    const [amazon2023, amazon2, suse, redHat] = await Promise.all([
      rpmMachine('amzn-2023', 'authselect'),
      rpmMachine('amzn-2', 'authconfig'),
      rpmMachine('sles-15.7', 'pam-config'),
      rpmMachine('rhel-9.6', 'authselect'),
    ]);
    // These have no vendor's repository in reach, but the one that the configuration names.
    const named = 'rm /etc/yum.repos.d/vendor.repo; mkdir -p /root/rhel /root/sles';
    await inShell(redHat, `${named}; ln -s /root/rpm/RPMS /root/rhel/9; ${hostKey}`);
    // SUSE's images have the SSM agent.
    await inShell(
      suse,
      `${named}; ln -s /root/rpm/RPMS /root/sles/15; cp /root/rpm/stub /usr/bin/amazon-ssm-agent`,
    );
    const packageRepository = 'file:///root/@id@/@version@';
    await furnishGroups();
    const access = { logInGroups: 'Fleet+Users', sudoGroups: 'wheelers' };

    // One is an image first: the document installs what a join needs, and the SSM agent, from the vendor's repository.
    await inShell(amazon2023, hostKey);
    await before(amazon2023, 'dnf', die);
    await dies(amazon2023, 'prepare-image', {});
    const prepared = await run(amazon2023, 'prepare-image');
    expect(prepared).toMatchObject({ result: 'prepared', system: 'Amazon Linux 2023' });
    expect(String(prepared['installed']).split(' ')).toEqual(
      expect.arrayContaining(['adcli', 'sssd-ad', 'authselect', 'amazon-ssm-agent']),
    );
    await expectImage(amazon2023);
    expect(await run(amazon2023, 'prepare-image')).toMatchObject({ result: 'prepared', installed: '' });
    expect(await inShell(amazon2023, 'cat /root/calls')).toBe(
      'systemctl --no-ask-password enable amazon-ssm-agent',
    );
    await inShell(
      amazon2023,
      'rpm -q adcli sssd-common amazon-ssm-agent; rm /etc/yum.repos.d/vendor.repo /root/calls',
    );

    // Packages of a repository that the configuration names must be signed by a key that the image trusts.
    const sealed = Buffer.alloc(256).toString('base64');
    const refusal = async (machine: Machine) => {
      const entries = [`${machine.name}:${nameOf(machine)}:${sealed}`];
      const values = { domain: domain.domainName, domainController: domain.hostName, entries };
      expect(await run(machine, 'probe', { packageRepository })).toMatchObject({ ready: true });
      const facts = await run(machine, 'join', { ...values, packageRepository });
      expect(facts).toMatchObject({ result: 'failed', code: 'packages-not-installed' });
      return String(facts['detail']);
    };
    const [unsigned] = await Promise.all([refusal(redHat), signPackages(suse)]);
    expect(unsigned).toMatch(
      /^On Red Hat Enterprise Linux, dnf says: .*do not have any GPG public keys.*Missing: adcli authselect/,
    );
    const [untrusted] = await Promise.all([refusal(suse), signPackages(redHat)]);
    expect(untrusted).toMatch(
      /^On SUSE Linux Enterprise Server 15, zypper says: .*Signature verification failed \[4-Signatures public key is not available\]/,
    );
    expect(await run(redHat, 'probe')).toMatchObject({ ready: false, key: '' });
    expect(await run(redHat, 'probe', { operatingSystem: 'CENTOS' })).toMatchObject({
      code: 'system-contradicted',
    });
    const trust = 'mkdir -p /etc/pki/rpm-gpg && cp /root/RPM-GPG-KEY-fleet /etc/pki/rpm-gpg';
    await Promise.all([inShell(redHat, trust), inShell(suse, trust)]);

    const fleet = [
      {
        machine: amazon2023,
        system: 'Amazon Linux 2023',
        tool: 'authselect',
        lacks: false,
        manager: '',
        given: {},
      },
      { machine: amazon2, system: 'Amazon Linux 2', tool: 'authconfig', lacks: true, manager: '', given: {} },
      {
        machine: suse,
        system: 'SUSE Linux Enterprise Server 15',
        tool: 'pam-config',
        lacks: true,
        manager: 'zypper',
        given: { packageRepository },
      },
      {
        machine: redHat,
        system: 'Red Hat Enterprise Linux',
        tool: 'authselect',
        lacks: true,
        manager: 'dnf',
        given: { packageRepository },
      },
    ] as const;
    const leaves = async (machine: Machine, tool: LogInTool) => {
      await before(machine, tool, die);
      await dies(machine, 'leave', inTime(domain.domainName));
      expect(await run(machine, 'leave', inTime(domain.domainName))).toMatchObject({ result: 'left' });
    };
    // An image that is made from a member has nothing of the membership, and log-ins are as they were.
    const becomesImage = async (machine: Machine) => {
      const agent = 'cp /root/rpm/stub /usr/bin/amazon-ssm-agent';
      await inShell(machine, `${agent}; ls /etc/krb5.keytab /etc/sudoers.d/adjoin`);
      expect(await run(machine, 'prepare-image')).toMatchObject({ result: 'prepared', installed: '' });
      await expectImage(machine);
    };
    await Promise.all(
      fleet.map(async ({ machine, system, tool, lacks, manager, given }) => {
        const attempt = await prepare(machine, nameOf(machine), given);
        const probed = await run(machine, 'probe', given);
        expect(probed).toMatchObject({ system, ready: true, code: '' });
        expect(String(probed['missing']).includes('adcli')).toBe(lacks);
        const entries = [
          `${machine.name}:${attempt.computerName}:${seal(probed['key'], attempt.oneTimePassword)}`,
        ];
        const values = { ...attempt.values, ...access, ...given, entries };
        // Killed at what each family has of its own, and run again; not in a run of everything also at what all have in common. The
        // unit tests kill log-in set-ups before and after each call.
        const common = slice(['hostname', 'adcli', 'setsid', 'getent'], 0);
        let latest: Values = values;
        const anew = async () => {
          const { values: fresh } = await prepare(machine, attempt.computerName, given);
          latest = { ...latest, ...fresh };
        };
        for (const step of [manager, tool, ...common].filter(Boolean)) {
          if (common.includes(step)) await anew();
          await before(machine, step, die);
          await dies(machine, 'join', latest);
          expect(await leftRunning(machine)).toBe('');
        }
        let facts = await run(machine, 'join', latest);
        if (facts['result'] === 'failed') {
          await anew();
          facts = await run(machine, 'join', latest);
        }
        // Killed when it asked for the user, it had all of a member.
        expect(facts).toMatchObject({ result: common.length > 0 ? 'already' : 'joined' });
        expect(await run(machine, 'join', values)).toMatchObject({ result: 'already', code: '' });
        expect(await run(machine, 'probe')).toMatchObject({
          missing: [],
          computerName: attempt.computerName,
        });
        await inShell(machine, 'adcli testjoin');
        // What was killed after the log-in set-up finds the set-up, and repeats what there is no harm in.
        const made = async (wanted: readonly string[]): Promise<string[]> => {
          const calls = (await inShell(machine, 'cat /root/calls')).split('\n');
          return common.length > 0 ? [...new Set(calls)].filter((call) => wanted.includes(call)) : calls;
        };
        expect(await made(joinCalls[tool])).toEqual(joinCalls[tool]);
        await (machine === redHat ? becomesImage(machine) : leaves(machine, tool));
        // What was done before the kill is done once more.
        const all = [...new Set([...joinCalls[tool], ...leaveCalls[tool]])];
        expect([...new Set(await made(all))]).toEqual(all);
        expect(
          await inShell(machine, 'ls /etc/sudoers.d/adjoin /var/lib/adjoin/log-in 2>/dev/null || :'),
        ).toBe('');
        expect(await inShell(machine, 'cat /etc/nsswitch.conf')).toBe(
          await inShell(machine, 'cat /root/nsswitch'),
        );
      }),
    );
  });

  /** What systemd says of the services; sssd's own sockets are no services. */
  const failedUnits = (machine: Machine) =>
    inShell(machine, 'systemctl --failed --plain --no-legend --type=service || :');

  test('a Debian node with systemd lets in the groups that are named, with home directories and sudo, also after a reboot; an image is prepared from it', async () => {
    const machine = await newMachine('systemd');
    const { values } = await prepare(machine, nameOf(machine));
    const wrong = await run(machine, 'join', { ...values, logInGroups: 'Nobodies' });
    expect(wrong).toMatchObject({ result: 'failed', code: 'group-unknown' });
    expect(wrong['detail']).toContain(`no group nobodies@${domain.domainName}`);
    const session = await inShell(machine, 'cat /etc/pam.d/common-session');
    await furnishGroups();
    const access = { logInGroups: 'Fleet+Users', sudoGroups: 'wheelers' };
    expect(await run(machine, 'join', { ...values, ...access })).toMatchObject({ result: 'joined' });
    // sssctl says so on standard error.
    const logsIn = async (name: string) => {
      const user = `${name}@${domain.domainName}`;
      const asked = await machine.exec(['sssctl', 'user-checks', '-a', 'acct', '-s', 'other', user]);
      return /^pam_acct_mgmt: .*$/m.exec(asked.stdout + asked.stderr)?.[0];
    };
    expect(await logsIn('ann')).toBe('pam_acct_mgmt: Success');
    expect(await logsIn('bob')).toBe('pam_acct_mgmt: Success');
    expect(await logsIn('cid')).toBe('pam_acct_mgmt: Permission denied');
    const sudo = (name: string) => machine.exec(['sudo', '-l', '-U', `${name}@${domain.domainName}`]);
    expect((await sudo('bob')).stdout).toContain('(ALL : ALL) ALL');
    expect((await sudo('ann')).stdout).toContain('is not allowed to run sudo');
    expect(await inShell(machine, 'stat -c %a /etc/sudoers.d/adjoin')).toBe('440');
    expect(await inShell(machine, 'cat /etc/pam.d/common-session')).toContain('pam_mkhomedir.so');
    expect(session).toContain('pam_mkhomedir.so');
    // systemd has the new name, and starts sssd by itself at the next boot.
    const host = nameOf(machine).toLowerCase();
    expect(
      await inShell(machine, 'hostnamectl hostname; systemctl is-enabled sssd; systemctl is-active sssd'),
    ).toBe(`${host}\nenabled\nactive`);
    expect(await failedUnits(machine)).toBe('');
    await machine.reboot();
    expect(await inShell(machine, 'hostname; systemctl is-active sssd')).toBe(`${host}\nactive`);
    expect(await run(machine, 'join', { ...values, ...access })).toMatchObject({ result: 'already' });
    // An image is prepared from the member: the agent is there, and apt has one repository, with the package that is missing.
    await inShell(machine, `ln -s /bin/true /usr/bin/amazon-ssm-agent; ${hostKey}`);
    await inShell(
      machine,
      [
        'mkdir -p /root/debs/package/DEBIAN /root/debs/package/usr/bin && cd /root/debs',
        'mv /usr/bin/nsupdate package/usr/bin',
        `printf 'Package: bind9-dnsutils\nVersion: 1:99\nArchitecture: all\nMaintainer: m <m@example.test>\nDescription: d\n' >package/DEBIAN/control`,
        'dpkg-deb --build package dns.deb >/dev/null',
        `{ dpkg-deb -f dns.deb; printf 'Filename: ./dns.deb\nSize: %s\nSHA256: %s\n' "$(stat -c %s dns.deb)" "$(sha256sum dns.deb | cut -d ' ' -f 1)"; } >Packages`,
        "rm -f /etc/apt/sources.list.d/*; echo 'deb [trusted=yes] file:/root/debs ./' >/etc/apt/sources.list",
      ].join(' && '),
    );
    const image = { adjoin: 1, result: 'prepared', system: 'Debian' };
    await before(machine, 'mv', die);
    await dies(machine, 'prepare-image', {});
    // The killed one had installed what was missing.
    expect(await run(machine, 'prepare-image')).toMatchObject({ ...image, installed: '' });
    await inShell(machine, 'ls /usr/bin/nsupdate && dpkg -s bind9-dnsutils | grep -x "Version: 1:99"');
    expect(await run(machine, 'prepare-image')).toMatchObject({ ...image, installed: '' });
    await expectImage(machine);
    expect(await inShell(machine, 'cat /etc/pam.d/common-session')).not.toContain('pam_mkhomedir.so');
    expect(await inShell(machine, 'systemctl is-enabled sssd || :; systemctl is-active sssd || :')).toBe(
      'disabled\ninactive',
    );
  });
});

/** Looks at every process's arguments and environment, over and over, for a secret; and whether adcli may dump its core. */
function watchProcesses(secret: string) {
  const leaks = new Set<string>();
  const coreLimits = new Set<string>();
  let adcli = false;
  let watching = true;
  const look = async (pid: string) => {
    for (const file of ['cmdline', 'environ']) {
      // A process may end between two looks.
      const text = await readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '');
      if (text.includes(secret))
        leaks.add(`${file}: ${text.replaceAll('\0', ' ').replaceAll(secret, '***')}`);
      if (!text.includes('adcli\0join\0')) continue;
      adcli = true;
      const limits = await readFile(`/proc/${pid}/limits`, 'latin1').catch(() => '');
      const [, soft, hard] = /^Max core file size +(\S+) +(\S+)/m.exec(limits) ?? [];
      if (soft !== undefined) coreLimits.add(`${soft} ${hard}`);
    }
  };
  const done = (async () => {
    while (watching) {
      const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
      await Promise.all(pids.map(look));
    }
  })();
  return {
    async stop() {
      watching = false;
      await done;
      return { leaks: [...leaks], adcli, coreLimits: [...coreLimits] };
    },
  };
}

/** With systemd's stub: `systemctl` is one, too. The second join calls what looks whether there is anything to do. */
const joinCalls: Readonly<Record<LogInTool, readonly string[]>> = {
  authselect: [
    'authselect current --raw',
    'authselect select sssd with-mkhomedir --force --backup=adjoin',
    'systemctl is-enabled --quiet oddjobd',
    'systemctl --no-ask-password enable --now oddjobd',
  ],
  authconfig: [
    'authconfig --savebackup=adjoin',
    'authconfig --update --enablesssd --enablesssdauth --enablemkhomedir --nostart',
    'systemctl is-enabled --quiet oddjobd',
    'systemctl --no-ask-password enable --now oddjobd',
  ],
  'pam-config': ['pam-config --add --sss --mkhomedir', 'systemctl --no-ask-password try-restart nscd'],
};
const leaveCalls: Readonly<Record<LogInTool, readonly string[]>> = {
  authselect: ['systemctl --no-ask-password disable --now oddjobd', 'authselect backup-restore adjoin'],
  authconfig: ['systemctl --no-ask-password disable --now oddjobd', 'authconfig --restorebackup=adjoin'],
  'pam-config': [
    'pam-config --delete --sss',
    'pam-config --delete --mkhomedir',
    'systemctl --no-ask-password try-restart nscd',
  ],
};
