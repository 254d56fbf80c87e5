import { AutoScalingClient, TerminateInstanceInAutoScalingGroupCommand } from '@aws-sdk/client-auto-scaling';
import { ListCommandInvocationsCommand, ListCommandsCommand, SSMClient } from '@aws-sdk/client-ssm';
import { ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { filesWith, formsOf } from '../../infra/sandbox/chaos/secrets.ts';
import { systemClock } from '../../infra/sandbox/clock.ts';
import { amazonLinux, ownSystem, redHat, suse } from '../../infra/sandbox/inside/systems.ts';
import { closingLines, type StoryResult, tellStory } from '../../infra/sandbox/story/story.ts';
import { createView } from '../../infra/sandbox/story/view.ts';
import { describeReal } from '../support/sandbox.ts';
import {
  installRecorder,
  memoryFilesWith,
  plantCanary,
  type ProcessWatch,
  unsealed,
  watchProcesses,
} from './canaries.ts';
import {
  eventually,
  hearEverything,
  inService,
  logEntries,
  membershipOf,
  openSystem,
  putCredential,
  type System,
} from './sandbox.ts';

/** One for each thing that may happen to an account, and one of each system; so enough to look for secrets on. */
const size = 4;
/** After which a removal that is refused is owed: longer than one that is not takes. */
const unjoinSeconds = 20;
/** How often the secret is read. */
const credentialPollSeconds = 2;
/** Who may write the database of a controller that runs: its root. */
const database = '/var/lib/samba/private/sam.ldb';
const stampAttribute = 'msDS-cloudExtensionAttribute1';

const change = (dn: string, ...lines: string[]): string =>
  [`dn: ${dn}`, 'changetype: modify', ...lines, ''].join('\n');

describeReal('the story of a fleet', (ground) => {
  let system: System;
  let processes: ProcessWatch;
  let secrets: string[];
  /** What the AWS services show to anybody who may read. */
  let shown: string;
  let planted: string;
  /** Files of the sandbox and of its machines in which one of the patterns is. */
  let search: (patterns: readonly string[]) => Promise<string[]>;

  beforeAll(async () => {
    system = await openSystem(ground, {
      // A group of each family, as far as machines are Linux: one worker joins them side by side.
      systems: [await ownSystem(ground.image), amazonLinux, redHat, suse],
      prepareMachine: installRecorder,
      agentConfig: { patience: { unjoinSeconds }, credentialPollSeconds },
    });
    processes = watchProcesses();
    hearEverything(system);
    await putCredential(system);
    system.startAgent();
    await system.setDesiredCapacity(size);
    await inService(system, size, 120_000);
    const machines = system.fleet.machines();
    const [first] = machines;
    if (!first) throw new Error('There is no machine.');
    planted = await plantCanary(first, processes);
    await processes.stop();

    const oneTimePasswords = (await Promise.all(machines.map(unsealed))).flat();
    secrets = [system.domain.serviceAccount.password, ...oneTimePasswords];
    const ssm = new SSMClient(system.developer);
    const answers = [
      await ssm.send(new ListCommandsCommand({})),
      await ssm.send(new ListCommandInvocationsCommand({ Details: true })),
      await system.dynamodb.send(new ScanCommand({ TableName: system.stack.table })),
    ];
    ssm.destroy();
    shown = [
      ...answers.map((answer) => JSON.stringify({ ...answer, $metadata: undefined })),
      ...system.cloud.topics.all().flatMap(({ messages }) => messages),
    ].join('\n');
    search = async (patterns) => {
      const own = (await readdir('.sandbox')).filter((name) => name !== 'run' && !name.endsWith('.sock'));
      const synthesized = dirname(dirname(system.stack.agentFile));
      const files = [
        synthesized,
        ...own.map((name) => `.sandbox/${name}`),
        ...machines.map((machine) => machine.disk),
      ];
      const found = await filesWith(patterns, files);
      for (const machine of machines) found.push(...(await memoryFilesWith(patterns, machine)));
      return found;
    };
  }, 300_000);

  afterAll(() => system.stop(), 60_000);

  test('every one-time password was seen by the test, so that it can look for them', () => {
    const [service, ...oneTimePasswords] = secrets;
    expect(service?.length).toBeGreaterThanOrEqual(40);
    expect(new Set(oneTimePasswords).size).toBeGreaterThanOrEqual(size);
    for (const password of oneTimePasswords) expect(password).toMatch(/^[A-Za-z0-9]{20,}$/);
  });

  test('no process had a secret among its arguments or in its environment', () => {
    // The watch was awake: it saw the joins.
    expect([...processes.seen].some((text) => text.includes('adcli'))).toBe(true);
    const seen = [...processes.seen].join('\n');
    expect(secrets.flatMap(formsOf).filter((form) => seen.includes(form))).toEqual([]);
  });

  test('Run Command, the ledger, events and notices show no secret', () => {
    expect(shown).toContain('adjoin-join');
    // Every call that the trail tells of was heard: of the commands, and of the password itself.
    expect(shown).toContain('"eventName":"SendCommand"');
    expect(shown).toContain('"eventName":"PutSecretValue"');
    expect(secrets.flatMap(formsOf).filter((form) => shown.includes(form))).toEqual([]);
  });

  test('no template, no asset, no log, no configuration and no file of a machine holds a secret', async () => {
    expect(await search(secrets)).toEqual([]);
  }, 180_000);

  test('a canary in an argument, in an environment, on a disk and on a tmpfs would have been found', async () => {
    const seen = [...processes.seen];
    expect(seen.some((text) => text.includes(`argument-${planted}`))).toBe(true);
    expect(seen.some((text) => text.includes(`environment-${planted}`))).toBe(true);
    const found = await search([planted]);
    expect(found.some((file) => file.endsWith('/upper/var/canary'))).toBe(true);
    expect(found).toContain('/run/canary');
  }, 180_000);

  test('an account that was moved or whose stamp was changed, by others or by its node, is removed with its instance, or owed where it is', async () => {
    const { domain } = system;
    const onController = async (argv: readonly string[], input = ''): Promise<void> => {
      const { code, stderr } = await domain.controller.exec(argv, { input });
      if (code !== 0) throw new Error(`${argv.slice(0, 3).join(' ')}: ${stderr}`);
    };
    const makeUnit = (name: string): Promise<void> =>
      onController(
        ['ldbadd', '-H', database],
        `dn: OU=${name},${domain.baseDn}\nobjectClass: organizationalUnit\n`,
      );
    const accountOf = async (instanceId: string) => {
      const membership = await membershipOf(system, instanceId);
      const filter = `(objectGUID=${membership?.objectGuid ?? ''})`;
      const [found] = await domain.search({ filter, attributes: ['sAMAccountName', 'userAccountControl'] });
      return found && { dn: found.dn, name: membership?.computerName ?? '', attributes: found.attributes };
    };
    const leave = async (...instanceIds: string[]): Promise<void> => {
      const autoScaling = new AutoScalingClient({ ...system.developer, credentials: system.keys.operator });
      for (const InstanceId of instanceIds) {
        await autoScaling.send(
          new TerminateInstanceInAutoScalingGroupCommand({
            InstanceId,
            ShouldDecrementDesiredCapacity: true,
          }),
        );
      }
      autoScaling.destroy();
    };
    const bound = async (): Promise<number> =>
      (await logEntries(system)).filter(({ event }) => event === 'bound to a domain controller').length;

    const members = await inService(system, size, 10_000);
    const [moved = '', overwritten = '', cleared = '', earlier = ''] = members;
    const accounts = new Map<string, { readonly dn: string; readonly name: string }>();
    for (const instanceId of members) {
      const account = await accountOf(instanceId);
      if (!account) throw new Error(`${instanceId} has no account.`);
      accounts.set(instanceId, account);
    }
    const dnOf = (instanceId: string): string => accounts.get(instanceId)?.dn ?? '';
    const nameOf = (instanceId: string): string => accounts.get(instanceId)?.name ?? '';

    // An administrator moves one, to where the service account may not delete it.
    await makeUnit('Elsewhere');
    const place = `CN=${nameOf(moved)},OU=Elsewhere,${domain.baseDn}`;
    await onController(['samba-tool', 'computer', 'move', nameOf(moved), `OU=Elsewhere,${domain.baseDn}`]);
    const [service] = await domain.search({
      filter: `(sAMAccountName=${domain.serviceAccount.user})`,
      attributes: ['objectSid'],
    });
    const deny = `(D;;SDDT;;;${service?.attributes.get('objectSid')?.[0] ?? ''})`;
    await onController(['samba-tool', 'dsacl', 'set', `--objectdn=${place}`, `--sddl=${deny}`]);
    // Another tool takes the attribute of the next for itself.
    const taken = change(dnOf(overwritten), `replace: ${stampAttribute}`, `${stampAttribute}: inventory=42`);
    await onController(['ldbmodify', '-H', database], taken);
    // A node deletes its stamp with nothing but its own ticket, as root on it can.
    const node = system.fleet.machine(cleared);
    const own = change(dnOf(cleared), `delete: ${stampAttribute}`);
    const asNode = `kinit -k '${nameOf(cleared)}$@${domain.realm}' && ldbmodify -H ldap://${domain.hostName} --use-kerberos=required --use-krb5-ccache=/tmp/krb5cc_0`;
    expect(await node?.exec(['sh', '-c', asNode], { input: own })).toMatchObject({ code: 0 });
    const stamps = (await system.auditor.computers()).map(({ stamp }) => stamp);
    expect(
      stamps.filter((stamp) => members.some((id) => stamp === system.subject.expected.stampOf(id))),
    ).toHaveLength(2);
    // The secret names a new unit, while all of them but one live in the earlier one.
    await makeUnit('Next');
    const before = await bound();
    await putCredential(system, undefined, `OU=Next,${domain.baseDn}`);
    await eventually('the new unit in use', 20_000, async () =>
      (await bound()) > before ? true : undefined,
    );

    await leave(...members);
    await inService(system, 0, (unjoinSeconds + 60) * 1000);
    for (const instanceId of [overwritten, cleared, earlier]) {
      expect(await accountOf(instanceId)).toBeUndefined();
      const membership = await membershipOf(system, instanceId);
      expect([membership?.state, membership?.lastError]).toEqual(['removed', undefined]);
    }
    expect(await membershipOf(system, moved)).toMatchObject({
      state: 'owed',
      lastError: { code: 'account-out-of-reach', message: expect.stringContaining(place) },
    });
    const left = await accountOf(moved);
    expect(left?.dn).toBe(place);
    const disabled = 2;
    expect(Number(left?.attributes.get('userAccountControl')?.[0]) & disabled).toBe(disabled);
    const completed = (await logEntries(system)).filter(
      ({ event, transition }) => event === 'lifecycle action completed' && transition === 'terminating',
    );
    expect(
      completed.map(({ instanceId, result }) => `${String(instanceId)} ${String(result)}`).toSorted(),
    ).toEqual(members.map((id) => `${id} CONTINUE`).toSorted());

    const again = await bound();
    await putCredential(system);
    await eventually('the first unit in use', 20_000, async () =>
      (await bound()) > again ? true : undefined,
    );
  }, 240_000);

  test('the fleet is proven to be in the domain, goes, and leaves nothing behind', async () => {
    let told = '';
    const view = createView(
      {
        live: false,
        color: false,
        write: (text) => void (told += text),
        size: () => ({ columns: 80, rows: 24 }),
      },
      Date.now(),
      Date.now,
    );
    const result: StoryResult = await tellStory(
      2,
      system.subject,
      view,
      systemClock,
      new AbortController().signal,
    );
    const text = [told, ...closingLines(result), await readFile(system.agentLogFile, 'utf8')].join('\n');
    expect({ proven: result.proven, text: result.proven ? '' : text }).toEqual({ proven: true, text: '' });
  }, 300_000);
});
