import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { constants, createPublicKey, publicEncrypt, randomBytes, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { commandDocuments } from '../../../documents/index.ts';
import { parameters, type Purpose } from '../../../documents/parameters.ts';
import { dnsZoneDn, type Domain } from '../../../infra/sandbox/domain/domain.ts';
import type { Machine } from '../../../infra/sandbox/machine/machine.ts';
import { describeReal, testDomain, testMachine } from '../../support/sandbox.ts';

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
  return machine.run({ path, text: scriptOf(purpose, values), env, timeoutMs: 60_000 }, signal);
}

/** Runs the document; it must exit 0 with nothing but one line of facts. */
async function run(
  machine: Machine,
  purpose: Purpose,
  values: Values = {},
  instanceId = machine.name,
): Promise<Facts> {
  const { code, stdout, stderr } = await start(machine, purpose, values, { instanceId });
  expect({ code, stderr, lines: stdout.split('\n').length }).toEqual({ code: 0, stderr: '', lines: 2 });
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

describeReal('the documents on a real machine in a real domain', (ground) => {
  let domain: Domain;
  const machines: Machine[] = [];
  let count = 0;

  beforeAll(async () => {
    domain = await testDomain(ground);
  }, 120_000);
  afterAll(async () => {
    await Promise.all(machines.map((machine) => machine.destroy()));
    await domain.destroy();
  }, 60_000);

  async function newMachine(): Promise<Machine> {
    count += 1;
    const machine = await testMachine(ground, domain, count);
    machines.push(machine);
    return machine;
  }

  /** Creates or replaces the computer account, as the agent does, but past LDAP. */
  async function stage(computerName: string, oneTimePassword: string): Promise<void> {
    const dn = `CN=${computerName},${domain.organizationalUnit}`;
    const database = '/var/lib/samba/private/sam.ldb';
    const fqdn = `${computerName.toLowerCase()}.${domain.domainName}`;
    const quoted = Buffer.from(`"${oneTimePassword}"`, 'utf16le').toString('base64');
    await domain.controller.exec(['ldbdel', '-H', database, '--recursive', dn]);
    const input = [
      `dn: ${dn}`,
      'objectClass: computer',
      `sAMAccountName: ${computerName}$`,
      'userAccountControl: 4096',
      `dNSHostName: ${fqdn}`,
      `servicePrincipalName: HOST/${fqdn}`,
      `unicodePwd:: ${quoted}`,
      '',
    ].join('\n');
    const { code, stderr } = await domain.controller.exec(['ldbadd', '-H', database], { input });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  }

  interface Attempt {
    readonly computerName: string;
    readonly oneTimePassword: string;
    readonly values: Values;
  }

  /** Stages, probes and seals: all but the join itself. */
  async function prepare(machine: Machine, computerName: string): Promise<Attempt> {
    const oneTimePassword = newOneTimePassword();
    await stage(computerName, oneTimePassword);
    const { key } = await run(machine, 'probe');
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

  const keytab = (machine: Machine) => inShell(machine, 'sha256sum /etc/krb5.keytab');
  /** After each realm on this machine, the sed script edits sssd's configuration; /root keeps the very file. */
  async function afterRealm(machine: Machine, edits: string): Promise<void> {
    const lines = ['#!/bin/sh', 'code=0', '/usr/sbin/realm "$@" || code=$?'];
    lines.push(`sed -i '${edits}' /etc/sssd/sssd.conf`, 'ln -f /etc/sssd/sssd.conf /root');
    lines.push('exit "$code"', '');
    const place = '/usr/local/sbin/realm';
    const write = `mkdir -p /usr/local/sbin && cat >${place} && chmod 0755 ${place}`;
    const { code } = await machine.exec(['sh', '-c', write], { input: lines.join('\n') });
    expect(code).toBe(0);
  }
  /** What of a join still runs after it ended. The kernel takes a moment to end what was killed. */
  async function leftRunning(machine: Machine): Promise<string> {
    const look = "ps -e -o comm= | grep -xE 'realm|realmd|adcli|timeout|unshare' || :";
    const deadline = Date.now() + 10_000;
    let running = await inShell(machine, look);
    while (running !== '' && Date.now() < deadline) {
      await wait(100);
      running = await inShell(machine, look);
    }
    return running;
  }

  test('the scripts pass shellcheck', async () => {
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
  }, 60_000);

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
  }, 60_000);

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
  }, 60_000);

  test('a probe says that an unknown operating system is not ready, though no package can be named', async () => {
    const machine = await newMachine();
    await inShell(machine, `printf 'ID="some\\"thing"\\nVERSION_ID=1\\n' >/usr/lib/os-release`);
    expect(await run(machine, 'probe')).toMatchObject({
      os: 'something',
      ready: false,
      missing: [],
      key: '',
    });
  }, 60_000);

  test('a join makes the node a working member under the staged name, and its one-time password is nowhere', async () => {
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
  }, 60_000);

  test('a joined node registers its address with the domain', async () => {
    const { computerName } = await joined();
    const query = {
      base: dnsZoneDn(domain.domainName),
      filter: `(name=${computerName})`,
      attributes: ['dnsRecord'],
    };
    // sssd registers 10 seconds after its start.
    const deadline = Date.now() + 90_000;
    while ((await domain.search(query)).length === 0 && Date.now() < deadline) await wait(500);
    expect(await domain.search(query)).toHaveLength(1);
  }, 150_000);

  test('a domain whose name has capitals is joined, and its configuration finished, all the same', async () => {
    const machine = await newMachine();
    const { computerName, values } = await prepare(machine, nameOf(machine));
    // realm writes the name as the domain controller spells it. Samba's is in lower case whatever it was given.
    const spelled = 'Corp.Example.Test';
    expect(spelled.toLowerCase()).toBe(domain.domainName);
    await afterRealm(machine, `/^\\[domain\\/\\|^domains *=/s/${domain.domainName}/${spelled}/`);
    expect(await run(machine, 'join', values)).toMatchObject({ result: 'joined' });
    const section = await inShell(machine, `sed -n '/^.domain.${spelled}]$/,$p' /etc/sssd/sssd.conf`);
    expect(section.split('\n').slice(0, 2)).toEqual([
      `[domain/${spelled}]`,
      `ad_hostname = ${computerName}.${domain.domainName}`.toLowerCase(),
    ]);
    expect(section).not.toMatch(/^ad_server/m);
    expect(await inShell(machine, `getent passwd administrator@${domain.domainName}`)).not.toBe('');
    expect(await run(machine, 'join', values)).toMatchObject({ result: 'already' });
    expect(await run(machine, 'leave', inTime(domain.domainName))).toMatchObject({ result: 'left' });
    expect(await inShell(machine, 'cat /etc/sssd/sssd.conf')).not.toContain('[domain/');
  }, 60_000);

  test('a join after which sssd does not know the domain has failed, and leaves its configuration as it is', async () => {
    const machine = await newMachine();
    const { values } = await prepare(machine, nameOf(machine));
    await afterRealm(machine, 's/^.domain.*]$/[domain\\/other.example.test]/');
    expect(await run(machine, 'join', values)).toMatchObject({
      result: 'failed',
      code: 'verify-failed',
      detail: 'realm left no configuration for sssd.',
    });
    expect(await inShell(machine, 'test /root/sssd.conf -ef /etc/sssd/sssd.conf && ls /etc/sssd')).toBe(
      'conf.d\nsssd.conf',
    );
  }, 60_000);

  test('a join that is delivered twice finds the membership and leaves it as it is', async () => {
    const { machine, values } = await joined();
    const before = await keytab(machine);
    expect(await run(machine, 'join', values)).toMatchObject({ result: 'already', code: '' });
    expect(await keytab(machine)).toBe(before);
  }, 60_000);

  test('two deliveries at the same time make one join', async () => {
    const machine = await newMachine();
    const { values } = await prepare(machine, nameOf(machine));
    const results = await Promise.all([run(machine, 'join', values), run(machine, 'join', values)]);
    expect(new Set(results.map((facts) => facts['result']))).toEqual(new Set(['already', 'joined']));
  }, 60_000);

  test('a leave that finds another command at work says so before its time is up', async () => {
    const machine = await newMachine();
    await run(machine, 'probe');
    const values = { ...inTime(domain.domainName), executionTimeout: '5' };
    await inShell(machine, 'exec 9>/run/adjoin/lock; flock 9; sleep 20 >/dev/null 2>&1 &');
    const started = performance.now();
    const { code, stdout, stderr } = await start(machine, 'leave', values);
    expect(performance.now() - started).toBeLessThan(4_000);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('another command of adjoin is still at work');
  }, 60_000);

  test('a one-time password does not join a second machine', async () => {
    const { computerName, oneTimePassword } = await joined();
    const other = await newMachine();
    const { key } = await run(other, 'probe');
    const entries = [`${other.name}:${computerName}:${seal(key, oneTimePassword)}`];
    const facts = await run(other, 'join', {
      domain: domain.domainName,
      domainController: domain.hostName,
      entries,
    });
    expect(facts).toMatchObject({ result: 'failed', code: 'realm-failed' });
    expect(facts['detail']).toContain('Preauthentication failed');
    expect(JSON.stringify(facts)).not.toContain(oneTimePassword);
    expect(await leftRunning(other)).toBe('');
  }, 60_000);

  test('a node whose account was staged anew forgets the old membership and joins again', async () => {
    const { machine, computerName } = await joined();
    const { values } = await prepare(machine, computerName);
    expect(await run(machine, 'join', values)).toMatchObject({ result: 'joined' });
    await inShell(machine, 'adcli testjoin');
  }, 60_000);

  test('a member whose domain controller cannot be asked keeps its membership', async () => {
    const { machine, values } = await joined();
    const before = await keytab(machine);
    const facts = await run(machine, 'join', { ...values, domainController: `gone.${domain.domainName}` });
    expect(facts).toMatchObject({ result: 'failed', code: 'realm-failed' });
    expect(await keytab(machine)).toBe(before);
  }, 60_000);

  test('the membership of another domain is left alone by join and leave', async () => {
    const { machine, values } = await joined();
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
  }, 60_000);

  const ours = 'corp.example.test';

  test.each([
    ['a domain of sssd', configure('[sssd]', 'domains = LDAP', '[domain/LDAP]', 'id_provider = ldap')],
    [
      'a domain of sssd that has the same name and is no membership',
      configure('[sssd]', `domains = ${ours}`, `[domain/${ours}]`, 'id_provider=ldap'),
    ],
    ['a membership in sssd alone', configure(`[domain/OTHER.example.test]`, 'id_provider = ad')],
    [
      'a membership of Samba alone',
      `mkdir -p /etc/samba; printf '%s\n' '[global]' 'security = ads' 'workgroup = CORP' 'realm = ${ours.toUpperCase()}' >/etc/samba/smb.conf`,
    ],
    ["another realm's keys", addKey('HTTP/web@OTHER.EXAMPLE.TEST')],
    ["keys that are no machine's", addKey(`HTTP/web@${ours.toUpperCase()}`)],
    [
      "another realm's keys beside a membership",
      `${addKey(`A$@${ours.toUpperCase()}`)}; ${addKey('HTTP/web@OTHER.EXAMPLE.TEST')}`,
    ],
  ])(
    '%s on the node, which may come with its image, is left as it is by join and leave',
    async (_, setUp) => {
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
    60_000,
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
  }, 60_000);

  test.each([
    ['only the keytab', 'rm /etc/sssd/sssd.conf'],
    ['only the configuration', 'rm /etc/krb5.keytab'],
  ])(
    'a node that has left %s behind leaves, and may join again',
    async (_, cut) => {
      const { machine, computerName } = await joined();
      await inShell(machine, cut);
      expect(await run(machine, 'leave', inTime(domain.domainName))).toMatchObject({ result: 'left' });
      expect(await run(machine, 'probe')).toMatchObject({ domain: '', computerName: '' });
      const { values } = await prepare(machine, computerName);
      expect(await run(machine, 'join', values)).toMatchObject({ result: 'joined' });
    },
    60_000,
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
  }, 60_000);

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
  }, 60_000);

  // A join takes 1.5 to 3.5 seconds: from before the unsealing until sssd is about to start.
  test.each([30, 400, 1_000, 1_700])(
    'a join that is killed after %i ms leaves nothing running, and the next one succeeds',
    async (afterMs) => {
      const machine = await newMachine();
      const attempt = await prepare(machine, nameOf(machine));
      await start(machine, 'join', attempt.values, { signal: AbortSignal.timeout(afterMs) });
      expect(await leftRunning(machine)).toBe('');
      // Delivered again, it either ends well or says that it can't; then the agent stages anew.
      let facts = await run(machine, 'join', attempt.values);
      if (facts['result'] === 'failed') {
        const { values } = await prepare(machine, attempt.computerName);
        facts = await run(machine, 'join', values);
      }
      expect(['joined', 'already']).toContain(facts['result']);
      await inShell(machine, 'adcli testjoin');
      expect(await inShell(machine, `getent passwd administrator@${domain.domainName}`)).not.toBe('');
    },
    60_000,
  );

  test('a member that lost its configuration but not its account is set up again without a password', async () => {
    const { machine, values } = await joined();
    const before = await keytab(machine);
    await inShell(machine, 'rm /etc/sssd/sssd.conf; kill "$(cat /run/sssd.pid)"');
    expect(await run(machine, 'join', values)).toMatchObject({ result: 'joined' });
    expect(await keytab(machine)).toBe(before);
    expect(await inShell(machine, `getent passwd administrator@${domain.domainName}`)).not.toBe('');
  }, 60_000);

  test('a leave that comes late touches nothing, not even the key of the next join', async () => {
    const { machine, values } = await joined();
    const before = await keytab(machine);
    const { key } = await run(machine, 'probe');
    expect(await run(machine, 'leave', { domain: domain.domainName, notAfter: inSeconds(0) })).toMatchObject({
      result: 'late',
    });
    expect(await keytab(machine)).toBe(before);
    expect(
      await inShell(machine, 'openssl pkey -in /run/adjoin/key.pem -pubout -outform DER | base64 -w0'),
    ).toBe(key);
    expect(await run(machine, 'join', values)).toMatchObject({ result: 'already' });
  }, 60_000);

  test('a node leaves in the time that an unjoin waits for it, with no domain controller to ask, and may leave twice', async () => {
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
  }, 60_000);
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
