/** The Windows scripts as the documents carry them, in real PowerShell, on a machine that is a record (machine.ps1). */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createHash, createPublicKey } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join as join_ } from 'node:path';
import { commandDocuments } from '../../documents/index.ts';
import { parameters, type Purpose } from '../../documents/parameters.ts';
import { facts } from '../../agent/nodes/contract.ts';
import { seal } from '../../agent/directory/seal.ts';
import { sample } from '../support/slice.ts';
import { describePowerShell, startShell, type Shell } from '../support/power-shell.ts';

type State = Readonly<Record<string, unknown>> & {
  readonly calls?: readonly string[];
  readonly exitCode?: number;
  readonly key?: string;
  readonly pending?: boolean;
};

const instanceId = 'i-0123456789abcdef0';
const computer = 'A0123456789ABCD';
const domain = 'corp.example.test';
const controller = 'dc1.corp.example.test';
const oneTimePassword = 'Aa1'.repeat(40);
const time = 1_800_000_000;

/** A Windows Server that has just started for the first time. */
const fresh: State = {
  time,
  product: 'Windows Server 2022 Datacenter',
  build: 20348,
  type: 'ServerNT',
  name: 'EC2AMAZ-1',
  nextName: 'EC2AMAZ-1',
  domain: '',
  pending: false,
  staged: '',
  key: '',
  bits: 0,
  renames: [0],
  joins: [0],
  unjoins: [0],
  netlogon5: [0],
  netlogon9: [0],
  netlogon10: [0],
  resolves: [true],
  named: [true],
  texts: [0],
  registering: true,
  traced: false,
  locked: false,
  dead: false,
  dieAt: 0,
  transcript: '',
};
const member = { ...fresh, domain, name: computer, nextName: computer };
/** A configuration of EC2Launch v2. */
const yaml = (task: string) => `version: 1.0\nconfig:\n  - stage: preReady\n    tasks:\n      ${task}\n`;
/** What a reboot does to the record. */
const rebooted = (state: State): State => ({ ...state, pending: false, name: state['nextName'] });

/** Files of the machine, by their path. */
type Given = Readonly<Record<string, string>>;
type Values = Readonly<Record<string, string | readonly string[]>>;
let count = 0;

/** The script as the SSM agent writes it: with a byte order mark, and with the parameters put in. */
function scriptOf(purpose: Purpose, values: Values): string {
  const document = commandDocuments().findLast((each) => each.purpose === purpose);
  const parsed: { mainSteps: { action: string; inputs: { runCommand: string[] } }[] } = JSON.parse(
    document?.content ?? '',
  );
  const step = parsed.mainSteps.find(({ action }) => action === 'aws:runPowerShellScript');
  let text = step?.inputs.runCommand.join('\r\n') ?? '';
  const defaults = Object.entries(parameters[purpose]).flatMap(([name, parameter]) =>
    parameter.type === 'String' && parameter.default !== undefined
      ? [[name, parameter.default] as const]
      : [],
  );
  for (const [name, value] of Object.entries({ ...Object.fromEntries(defaults), ...values })) {
    text = text.replaceAll(`{{ ${name} }}`, typeof value === 'string' ? value : JSON.stringify(value));
  }
  return `\uFEFF${text}`;
}

describePowerShell('the Windows scripts', (powerShell) => {
  let folder = '';
  let shell: Shell;

  beforeAll(async () => {
    folder = await mkdtemp(join_(tmpdir(), 'windows-'));
    shell = startShell(powerShell, join_(import.meta.dirname, 'machine.ps1'), folder);
    // The first scripts compile C#, which is no test's time: an answer that comes after its test would be taken for the next one's.
    const { after, values } = await probed(fresh);
    await join(after, values);
  }, 180_000);
  afterAll(async () => {
    shell.end();
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs a script of a document once. Answers with what it printed and with the machine as it is then. */
  async function run(
    purpose: Purpose,
    before: State,
    values: Values = {},
    given: Given = {},
  ): Promise<{ stdout: string; after: State }> {
    count += 1;
    const own = join_(folder, String(count));
    const script = join_(own, '_script.ps1');
    for (const [path, text] of Object.entries({ '_script.ps1': scriptOf(purpose, values), ...given })) {
      await mkdir(dirname(join_(own, path)), { recursive: true });
      await writeFile(join_(own, path), text);
    }
    const environment = { AWS_SSM_INSTANCE_ID: instanceId, ProgramData: own, SystemRoot: own };
    const answer = await shell.ask({ script, environment, state: { ...before, folder: own } });
    const after: State = JSON.parse(answer.result);
    const foreseen = before['dieAt'] !== 0 || before['locked'] === true;
    if (!foreseen && 'thrown' in after) throw new Error(String(after['thrown']));
    return { stdout: answer.printed, after };
  }

  /** A probed machine, and the parameters of its join. */
  async function probed(before: State, password = oneTimePassword) {
    const { stdout, after } = await run('probe', before);
    const said = facts.probe(instanceId, stdout);
    const entry = `${instanceId}:${computer}:${seal(said.key, password)}`;
    const other = `i-0fedcba9876543210:B0123456789ABCD:${'A'.repeat(344)}`;
    return { said, after, values: { domain, domainController: controller, entries: [other, entry] } };
  }

  const join = async (before: State, values: Values, given: Given = {}) => {
    const { stdout, after } = await run('join', before, values, given);
    return { said: stdout === '' ? undefined : facts.join(instanceId, stdout), after };
  };

  test('a join takes a reboot: first the staged password, without facts; then a new one, and all that a member needs', async () => {
    const { after: machine, values } = await probed(fresh);
    const first = await join(machine, values);
    expect(first).toMatchObject({ said: undefined, after: { exitCode: 3010, key: '' } });
    expect(first.after.calls).toEqual([
      'pending True',
      `staged '${computer}'`,
      'no reverse registration',
      `rename ${computer.toLowerCase()}`,
      `join ${domain} ${controller} 0x4C1 key gone`,
    ]);
    expect(first.after['password']).toBe(createHash('sha256').update(oneTimePassword).digest('hex'));

    const second = await join(rebooted(first.after), values);
    expect(second.said).toEqual({
      adjoin: 1,
      document: 'join',
      result: 'joined',
      code: '',
      domain,
      computerName: computer,
      detail: `Joined ${domain} on ${controller}.`,
    });
    expect(second).toMatchObject({ after: { exitCode: 0, staged: '' } });
    expect(second.after.calls).toEqual([
      `netlogon 5 ${domain}\\${controller}`,
      `netlogon 10 ${domain}`,
      `netlogon 9 ${domain}`,
      "staged ''",
      `netlogon 5 ${domain}`,
      `netlogon 10 ${domain}`,
      `resolve ${computer.toLowerCase()}.${domain} at dc2.corp.example.test`,
      `resolve ${computer.toLowerCase()}.${domain} at dc2.corp.example.test`,
    ]);

    const third = await join({ ...second.after, calls: [] }, values);
    expect(third).toMatchObject({ said: { result: 'already' }, after: { key: '' } });
    expect(third.after.calls).not.toContain(`netlogon 9 ${domain}`);
  });

  test.each([
    ['access is denied', [5, 0], 3010, ['0x4C1', '0xCC1']],
    ['the account exists', [2224, 0], 3010, ['0x4C1', '0xCC1']],
    ['the account may not be used again', [2732, 0], 3010, ['0x4C1', '0xCC1']],
    ['there is no controller for a moment', [1355, 2732, 0], 3010, ['0x4C1', '0x4C1', '0xCC1']],
    ['neither works', [2732, 1326], 0, ['0x4C1', '0xCC1']],
    ['the password is wrong', [1326, 0], 0, ['0x4C1']],
  ])(
    'a join that would write to the account is tried again with the account as it is: %s',
    async (_, joins, exitCode, tried) => {
      const { after: machine, values } = await probed({ ...fresh, joins });
      const { said, after } = await join(machine, values);
      expect(after.exitCode).toBe(exitCode);
      expect((after.calls ?? []).flatMap((call) => /^join .* (0x\w+) /.exec(call)?.[1] ?? [])).toEqual(tried);
      // The first reason is told, where there is one.
      expect(said?.detail.split(',')[0]).toBe(
        exitCode === 3010 ? undefined : `NetJoinDomain: error ${String(joins[0])}`,
      );
    },
  );

  test.each([2048, 3072])('a public key of %i bits is written as Node reads it', async (bits) => {
    const { stdout, after } = await run('probe', { ...fresh, bits });
    const { key } = facts.probe(instanceId, stdout);
    const modulus = /<Modulus>(.*)<\/Modulus>/.exec(String(after.key))?.[1] ?? '';
    const jwk = { kty: 'RSA', n: Buffer.from(modulus, 'base64').toString('base64url'), e: 'AQAB' };
    const expected = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'der' });
    expect(key).toBe(expected.toString('base64'));
  });

  test('a node that has not started again since its join says that it is no member, and joins again when it was staged again', async () => {
    const { after: machine, values } = await probed(fresh);
    const waiting = (await join(machine, values)).after;
    const again = await probed({ ...waiting, calls: [] });
    const shown = facts.probe(instanceId, (await run('probe', waiting)).stdout);
    expect(shown).toMatchObject({ domain: '', computerName: '', ready: true });
    const joined = await join({ ...again.after, calls: [] }, again.values);
    expect(joined).toMatchObject({ said: undefined, after: { exitCode: 3010 } });
    expect(joined.after.calls).toContain(`join ${domain} ${controller} 0x4E1 key gone`);
    const members = facts.probe(instanceId, (await run('probe', rebooted(joined.after))).stdout);
    expect(members).toMatchObject({ domain, computerName: computer });
  });

  test('a command that is run again before the reboot asks for the reboot again, and does nothing else', async () => {
    const { after: machine, values } = await probed(fresh);
    const waiting = (await join(machine, values)).after;
    const again = await join({ ...waiting, calls: [] }, values);
    expect(again).toMatchObject({ said: undefined, after: { exitCode: 3010, calls: [] } });
  });

  test('whatever a join is killed at, the next one ends as a member with a password of its own', async () => {
    const { after: machine, values } = await probed(fresh);
    for (const phase of ['first', 'second'] as const) {
      const start = phase === 'first' ? machine : rebooted((await join(machine, values)).after);
      const steps = (await join({ ...start, calls: [] }, values)).after.calls?.length ?? 0;
      expect(steps).toBeGreaterThan(4);
      const all = Array.from({ length: steps }, (_, index) => index + 1);
      for (const dieAt of sample(all, 3)) {
        const killed = await join({ ...start, dieAt }, values);
        expect([phase, dieAt, killed.after.exitCode, killed.said]).toEqual([phase, dieAt, 1, undefined]);
        const after = { ...killed.after, dead: false, dieAt: 0, thrown: undefined };
        // The machine may start again for another reason, or not at all.
        for (const next of [after, rebooted(after)]) {
          const attempt = await probed(next);
          // What it shows as a member has started since its join. The directory tells whether the password is its own.
          expect(attempt.said.domain !== '' && next.pending).toBe(false);
          let last = await join(attempt.after, attempt.values);
          if (last.after.exitCode === 3010) last = await join(rebooted(last.after), attempt.values);
          expect([phase, dieAt, last.said?.code]).toEqual([phase, dieAt, '']);
          expect(last.after).toMatchObject({ domain, name: computer, password: 'own', staged: '', key: '' });
        }
      }
    }
  }, 300_000);

  test.each([5, 1786, 1789])(
    'a member whose secure channel is refused with %i is joined again',
    async (status) => {
      const { after: machine, values } = await probed({ ...member, netlogon10: [status] });
      const { after } = await join(machine, values);
      expect(after).toMatchObject({ exitCode: 3010 });
      expect(after.calls).toContain(`join ${domain} ${controller} 0x4E1 key gone`);
    },
  );

  test.each([1311, 1792])(
    'a member of whose secure channel %i is all that is known stays as it is',
    async (status) => {
      const { after: machine, values } = await probed({ ...member, netlogon10: [status] });
      const { said, after } = await join(machine, values);
      expect(said).toMatchObject({ result: 'failed', code: 'netlogon-failed' });
      expect(said?.detail).toContain(`error ${status}`);
      expect(after.calls?.filter((call) => !call.startsWith('netlogon'))).toEqual([]);
      // Ten seconds before the agent kills it, and not earlier.
      const { executionTimeout } = parameters.join;
      const limit = executionTimeout?.type === 'String' ? Number(executionTimeout.default) : 0;
      expect(Number(after['time']) - time).toBeGreaterThanOrEqual(limit - 10);
      expect(Number(after['time']) - time).toBeLessThan(limit);
    },
  );

  test('a channel that Netlogon has only just begun to open is waited for', async () => {
    const { after: machine, values } = await probed({
      ...member,
      staged: computer,
      netlogon5: [1792, 1355, 0],
    });
    expect(await join(machine, values)).toMatchObject({
      said: { result: 'joined' },
      after: { password: 'own' },
    });
  });

  const isMember = { domain, name: computer, nextName: computer };
  test.each([
    [
      'a member of another domain',
      { ...isMember, domain: 'other.example.test' },
      'foreign-domain',
      { calls: [], domain: 'other.example.test' },
    ],
    ['a desktop', { type: 'WinNT' }, 'system-unsupported', { calls: [] }],
    ['a key that is gone', { key: '' }, 'no-key', {}],
    ['a name that Windows refuses', { renames: [87] }, 'netjoindomain-failed', {}],
    ['a refused join', { joins: [1326] }, 'netjoindomain-failed', {}],
    [
      'a controller that is not there for as long as there is time',
      { joins: [1355] },
      'netjoindomain-failed',
      {},
    ],
    [
      'a refused password change',
      { ...isMember, staged: computer, netlogon9: [5] },
      'password-not-changed',
      { staged: computer },
    ],
    ['an account that nobody knows', { ...isMember, resolves: [false] }, 'not-usable', {}],
    [
      'a controller of its own choice that refuses it',
      { ...isMember, netlogon10: [0, 1787] },
      'not-usable',
      {},
    ],
    ['a name that leads elsewhere', { ...isMember, named: [false] }, 'name-unregistered', {}],
  ])('a join that meets %s says so', async (_, given, code, machineThen) => {
    const { after: machine, values } = await probed(fresh);
    const { said, after } = await join({ ...machine, ...given }, values);
    expect(said).toMatchObject({ result: 'failed', code, computerName: computer });
    // The key is for this attempt only; a password that was not changed is still known to be the staged one.
    expect(after).toMatchObject({ exitCode: 0, key: '', ...machineThen });
  });

  test('a password that was sealed to the key of an earlier probe is not opened, and nothing is done', async () => {
    const { after: machine, values } = await probed(fresh);
    const { said, after } = await join((await run('probe', machine)).after, values);
    expect(said).toMatchObject({ result: 'failed', code: 'unseal-failed' });
    expect(after).toMatchObject({ calls: [], key: '' });
  });

  test('what was sealed to the key, but is no one-time password, is not used', async () => {
    const { after: machine, values } = await probed(fresh, 'with a "quote');
    const { said, after } = await join(machine, values);
    expect(said).toMatchObject({ result: 'failed', code: 'unseal-failed' });
    expect(after).toMatchObject({ calls: [] });
  });

  test.each([
    [
      'netsetup.log',
      1326,
      /^NetJoinDomain: error 1326, .*account is wrong\. netsetup\.log: NetpDoDomainJoin: status: 0x52e$/,
    ],
    ['no log', 2732, /^NetJoinDomain: error 2732, .*KB5020276\)\.$/],
    ['no log', 4711, /^NetJoinDomain: error 4711, see the Windows error codes\.$/],
  ])('a refused join tells the reason, with %s, of error %i', async (log, code, expected) => {
    const text = [
      '11/29/2026 22:00:00:001 NetpDoDomainJoin: status: 0x0',
      '11/29/2026 22:00:00:002 NetpProvisionComputerAccount: status: 0x35',
      '11/29/2026 22:00:00:003 NetpDoDomainJoin: status: 0x52e',
      '11/29/2026 22:00:00:004 NetUseAdd to somewhere returned 0',
    ].join('\r\n');
    const given = log === 'no log' ? {} : { 'debug/netsetup.log': text };
    const { after: machine, values } = await probed({ ...fresh, joins: [code] });
    const { said } = await join(machine, values, given);
    expect(said?.detail).toMatch(expected);
  });

  test.each([
    ['none of its own', (entry: string) => [entry.replace(instanceId, 'i-00000000000000000')]],
    ['two of its own', (entry: string) => [entry, entry]],
  ])('a join with %s among the entries does nothing', async (_, change) => {
    const { after: machine, values } = await probed(fresh);
    const entries = change(values.entries[1] ?? '');
    const { said, after } = await join(machine, { ...values, entries });
    expect(said).toMatchObject({ result: 'failed', code: 'no-entry' });
    expect(after.calls).toEqual([]);
  });

  test('a name is registered where it is lost, and not at all where the machine is told to register none', async () => {
    // Two servers are asked in each look, one every three seconds; for twenty seconds Windows is left to do it by itself.
    const late = [...Array.from({ length: 20 }, () => false), true];
    const lost = await probed({ ...member, named: late });
    const registered = await join(lost.after, lost.values);
    expect(registered.said).toMatchObject({ result: 'already' });
    const { calls = [] } = registered.after;
    expect(calls.filter((call) => call === 'register')).toHaveLength(1);
    expect(calls.indexOf('register')).toBeGreaterThan(
      calls.findIndex((call) => call.startsWith('resolve')) + 12,
    );
    const soon = await probed({ ...member, named: late.slice(10) });
    expect((await join(soon.after, soon.values)).after.calls).not.toContain('register');
    const told = await probed({ ...member, registering: false, named: [false] });
    const silent = await join(told.after, told.values);
    expect(silent.said).toMatchObject({ result: 'already' });
    expect(silent.after.calls?.filter((call) => /^re(gister|solve)/.test(call))).toEqual([]);
  });

  const v2 = 'Amazon/EC2Launch/config/agent-config.yml';
  const v1 = 'Amazon/EC2-Windows/Launch/Config/LaunchConfig.json';
  test.each([
    ['Windows Server 2016', { build: 14393 }, {}, true, ''],
    ['Windows Server 2012 R2', { build: 9600 }, {}, false, ''],
    ['a desktop', { type: 'WinNT' }, {}, false, ''],
    ['a domain controller', { type: 'LanmanNT' }, {}, false, ''],
    ['EC2Launch v2 as it comes', {}, { [v2]: yaml('- task: setAdminAccount') }, true, ''],
    ['EC2Launch v2 with the task commented out', {}, { [v2]: yaml('# - task: setHostName') }, true, ''],
    ['EC2Launch v2 that sets the name', {}, { [v2]: yaml('- task: setHostName') }, false, 'agent-config.yml'],
    [
      'EC2Launch v2, otherwise written',
      {},
      { [v2]: yaml('- inputs: {}\n        task: "setHostName"') },
      false,
      'agent-config.yml',
    ],
    ['EC2Launch v1 as it comes', {}, { [v1]: '{ "setComputerName": false }' }, true, ''],
    [
      'EC2Launch v1 that sets the name',
      {},
      { [v1]: '{ "setComputerName":  true }' },
      false,
      'LaunchConfig.json',
    ],
  ])('a probe of %s says whether it can join', async (_, system, launch, ready, renamedBy) => {
    const { stdout } = await run('probe', { ...fresh, ...system }, {}, launch);
    const said = facts.probe(instanceId, stdout);
    expect(said).toMatchObject({ family: 'windows', ready, missing: [], renamedBy, hostName: 'EC2AMAZ-1' });
    expect(said.key === '').toBe(!ready);
    expect(said.os).toBe('Windows Server 2022 Datacenter');
    expect(said.code).toBe(ready || renamedBy !== '' ? '' : 'system-unsupported');
  });

  test.each([
    ['a member', member, 'registered', [`text adjoin-x1.${domain} adjoin`]],
    ['a member whose name DNS refuses', { ...member, texts: [9005] }, /error 9005/, expect.anything()],
    ['a machine that waits for its restart', { ...member, pending: true }, '', []],
    ['a machine of no domain', fresh, '', []],
  ])('%s proves its account as far as it has one', async (_, given, proof, calls) => {
    const { stdout, after } = await run('probe', given, { challenge: 'adjoin-x1' });
    expect(facts.probe(instanceId, stdout).proof).toMatch(
      typeof proof === 'string' ? new RegExp(`^${proof}$`) : proof,
    );
    expect(after.calls).toEqual(calls);
    expect((await run('probe', given)).after.calls).toEqual([]);
  });

  test.each([
    ['WINDOWS', true, ''],
    ['RHEL', false, 'system-contradicted'],
  ])(
    'a group that says its nodes run %s is believed where it is so',
    async (operatingSystem, ready, code) => {
      const { stdout } = await run('probe', fresh, { operatingSystem });
      const said = facts.probe(instanceId, stdout);
      expect(said).toMatchObject({ ready, code, system: ready ? 'Windows Server' : '' });
      expect(said.detail).toMatch(ready ? /^$/ : /runs Windows Server 2022.*Operating_System.*RHEL/);
      const { after: machine, values } = await probed(fresh);
      const joined = await join(machine, { ...values, operatingSystem });
      expect(joined.said?.code).toBe(ready ? undefined : code);
      expect(joined.after.exitCode).toBe(ready ? 3010 : 0);
    },
  );

  test.each([
    ['left', member, { domain: '' }],
    [
      'left',
      { ...member, pending: true, staged: computer, name: 'EC2AMAZ-1' },
      { pending: false, staged: '', domain: '' },
    ],
    ['late', { ...member, time: time + 60 }, { domain, calls: [] }],
    ['not-joined', fresh, { calls: [] }],
    [
      'foreign-domain',
      { ...member, domain: 'other.example.test' },
      { domain: 'other.example.test', calls: [] },
    ],
    ['failed', { ...member, unjoins: [5] }, { domain }],
    // Windows says that it is no member, and still has a domain.
    ['failed', { ...member, unjoins: [2692] }, { domain }],
  ])('a leave ends as %s', async (result, given, after) => {
    const ran = await run('leave', { ...given, key: 'k' }, { domain, notAfter: String(time + 60) });
    expect(facts.leave(instanceId, ran.stdout)).toMatchObject({ result });
    expect(ran.after).toMatchObject({ exitCode: 0, key: result === 'late' ? 'k' : '', ...after });
  });

  test('whatever a leave is killed at, the next one leaves nothing of the membership', async () => {
    const values = { domain, notAfter: String(time + 60) };
    const start = { ...member, pending: true, staged: computer, key: 'k' };
    let kills = 0;
    for (let dieAt = 1; ; dieAt += 1) {
      const killed = await run('leave', { ...start, dieAt }, values);
      if (killed.after['dead'] !== true) break;
      kills += 1;
      const after = { ...killed.after, dead: false, dieAt: 0, thrown: undefined };
      const again = await run('leave', after, values);
      expect(facts.leave(instanceId, again.stdout).result).toMatch(/^(left|not-joined)$/);
      expect([dieAt, again.after]).toMatchObject([
        dieAt,
        { domain: '', pending: false, staged: '', key: '' },
      ]);
    }
    expect(kills).toBeGreaterThan(1);
  });

  test('a command waits for another one a quarter of its time, and then says on standard error that it could not', async () => {
    const { stdout, after } = await run('probe', { ...fresh, locked: true });
    expect(stdout).toBe('');
    expect(after).toMatchObject({ exitCode: 1, key: '' });
    expect(String(after['thrown'])).toContain('another command of adjoin is still at work');
    expect(Number(after['time']) - time).toBe(15);
  });

  test('no transcript and no trace of all variables shows the one-time password', async () => {
    const transcript = join_(folder, 'transcript.txt');
    const { after: machine, values } = await probed(fresh);
    const { stdout, after } = await run('join', { ...machine, traced: true, transcript }, values);
    expect(after).toMatchObject({ exitCode: 3010 });
    // The trace is there, with the values of variables, the ciphertext too.
    expect(stdout).toContain(`SET $computer = '${computer}'`);
    expect(stdout).toContain(values.entries[1]?.split(':')[2]?.slice(0, 40));
    for (const text of [stdout, JSON.stringify(after), await readFile(transcript, 'utf8')]) {
      for (const secret of [
        oneTimePassword,
        oneTimePassword.slice(0, 20),
        oneTimePassword.replaceAll(/(.)/g, '$1 ').slice(0, 40),
      ])
        expect(text).not.toContain(secret);
    }
  });
});
