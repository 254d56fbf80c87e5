import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import {
  AutoScalingClient,
  CreateAutoScalingGroupCommand,
  DescribeAutoScalingGroupsCommand,
} from '@aws-sdk/client-auto-scaling';
import { CreateTableCommand, DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { EC2Client, TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import {
  CreateQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { cli } from '../../../agent/cli/cli.ts';
import { systemClock } from '../../../agent/clock.ts';
import type { Directory } from '../../../agent/directory/directory.ts';
import { candidateNames } from '../../../agent/directory/names.ts';
import { oneTimePassword } from '../../../agent/directory/one-time-password.ts';
import { formatStamp } from '../../../agent/directory/stamp.ts';
import { createMembershipTable } from '../../../agent/aws/membership-table.ts';
import type { Membership, MembershipState } from '../../../agent/ledger/membership.ts';
import { createCloud, type Cloud } from '../../../infra/sandbox/cloud/cloud.ts';
import { dnsZoneDn, type Domain } from '../../../infra/sandbox/domain/domain.ts';
import { ownedBy } from '../directory/planting.ts';
import { openDirectoryOf } from '../../support/real-directory.ts';
import { describeReal, testDomain } from '../../support/sandbox.ts';
import { unlessThin } from '../../support/slice.ts';
import { recordTerminal } from '../../support/terminal.ts';

const place = { deployment: 'test', accountId: '123456789012', region: 'eu-central-1' };
const TABLE = 'adjoin-memberships';
const database = '/var/lib/samba/private/sam.ldb';
const signal = new AbortController().signal;
const unchecked = async (): Promise<void> => undefined;
// Each look into the controller's database is a process of its own; on a busy machine they add up.
jest.setTimeout(90_000);
const document = (name: string) => ({ name, version: '1', hash: '0'.repeat(64) });
const nameOf = (instanceId: string, prefix = 'A'): string => candidateNames(instanceId, [prefix])[0] ?? '';
const token = '11111111-1111-1111-1111-111111111111';

describeReal('adjoin sweep', (ground) => {
  let domain: Domain;
  let cloud: Cloud;
  let server: Server;
  let directory: Directory;
  let dynamodb: DynamoDBClient;
  let ec2: EC2Client;
  let sqs: SQSClient;
  let config: string;
  let queueUrl: string;
  let deadLetterUrl: string;
  /** In its group, running. */
  let living: string;
  /** Terminated behind the back of its hook. */
  let terminated: string;
  const forgotten = 'i-00000000000000f00';
  const owed = 'i-00000000000000f01';
  const saved = { ...process.env };

  async function adjoin(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
    const terminal = recordTerminal();
    const code = await cli(argv, terminal);
    return { code, ...terminal.written };
  }
  const ldbadd = async (...lines: string[]): Promise<void> => {
    const { code, stderr } = await domain.controller.exec(['ldbadd', '-H', database, '--relax'], {
      input: `${lines.join('\n')}\n`,
    });
    if (code !== 0) throw new Error(stderr);
  };
  const sidOf = async (accountName: string): Promise<string> => {
    const filter = `(sAMAccountName=${accountName})`;
    const [found] = await domain.search({ filter, attributes: ['objectSid'] });
    return found?.attributes.get('objectSid')?.[0] ?? '';
  };
  /** Of our service account's making, so that nothing but its stamp, or its place, says that it is not ours. */
  const plant = async (name: string, container: string, ...more: string[]): Promise<void> =>
    ldbadd(
      `dn: CN=${name},${container}`,
      'objectClass: computer',
      `sAMAccountName: ${name}$`,
      ownedBy(await sidOf(domain.serviceAccount.user)),
      ...more,
    );
  const stampLine = (instanceId: string, change: object = {}, more = ''): string =>
    `msDS-cloudExtensionAttribute1: ${formatStamp({ ...place, instanceId, ...change })}${more}`;
  /** Security identifiers of the accounts that were staged, by instance: they own the records. */
  const identifiers = new Map<string, string>();
  /** As a DNS server, it takes the place of a tombstone. */
  const record = async (instanceId: string): Promise<void> => {
    const dn = `DC=${nameOf(instanceId).toLowerCase()},${dnsZoneDn(domain.domainName)}`;
    await domain.controller.exec(['ldbdel', '-H', database, dn]);
    await ldbadd(`dn: ${dn}`, 'objectClass: dnsNode', ownedBy(identifiers.get(instanceId) ?? ''));
  };
  const computers = async (): Promise<string[]> => {
    const found = await domain.search({ filter: '(objectClass=computer)', attributes: ['cn'] });
    return found.flatMap((entry) => entry.attributes.get('cn') ?? []).toSorted();
  };
  const records = async (label: string): Promise<number> =>
    (
      await domain.search({
        base: dnsZoneDn(domain.domainName),
        filter: `(&(dc=${label})(!(dNSTombstoned=TRUE)))`,
        attributes: ['dc'],
      })
    ).length;
  const ledger = async (): Promise<Map<string, string | undefined>> => {
    const { Items = [] } = await dynamodb.send(new ScanCommand({ TableName: TABLE, ConsistentRead: true }));
    return new Map(Items.map((item) => [item['instanceId']?.S ?? '', item['state']?.S]));
  };
  const stage = async (instanceId: string) => {
    const staged = await directory.stage(instanceId, oneTimePassword(randomBytes), {}, unchecked, signal);
    identifiers.set(instanceId, staged.objectSid);
    return staged;
  };
  async function remember(instanceId: string, state: MembershipState): Promise<void> {
    const staged = await stage(instanceId);
    const membership: Membership = {
      instanceId,
      autoScalingGroup: 'fleet',
      state,
      fencingToken: 1,
      computerName: staged.computerName,
      objectGuid: staged.objectGuid,
      objectSids: [staged.objectSid],
      launch: { actionToken: token, hook: 'join', times: { received: Date.now() - 1_000 } },
    };
    await createMembershipTable(dynamodb, TABLE).write(membership, undefined);
  }
  async function until(condition: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 45_000;
    while (!(await condition())) {
      if (Date.now() > deadline) throw new Error('It did not come about.');
      await systemClock.sleep(100);
    }
  }

  beforeAll(async () => {
    domain = await testDomain(ground);
    const keys = { accessKeyId: 'AKIAWORKER', secretAccessKey: randomBytes(16).toString('hex') };
    cloud = createCloud({
      ...place,
      principals: [{ name: 'worker', ...keys }],
      fleet: {
        boot: async () => ({ privateIpAddress: '10.77.1.9', hostName: 'host' }),
        destroy: async () => undefined,
        reboot: async () => undefined,
        stop: async () => undefined,
        start: async () => undefined,
      },
      scripts: { run: async () => ({ code: 0, stdout: '', stderr: '', timedOut: false }) },
      clock: systemClock,
    });
    server = createServer(cloud.handler);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const endpoint = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: endpoint,
      AWS_ACCESS_KEY_ID: keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
      ADJOIN_SWEEP_AGE_GUARD_SECONDS: '0',
    });
    const client = { endpoint, region: place.region, credentials: keys };
    dynamodb = new DynamoDBClient(client);
    ec2 = new EC2Client(client);
    sqs = new SQSClient(client);
    await dynamodb.send(
      new CreateTableCommand({
        TableName: TABLE,
        KeySchema: [{ AttributeName: 'instanceId', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'instanceId', AttributeType: 'S' }],
        BillingMode: 'PAY_PER_REQUEST',
      }),
    );
    const credential = {
      domain_name: domain.domainName,
      domain_user: domain.serviceAccount.user,
      domain_password: domain.serviceAccount.password,
      directory_ou: domain.organizationalUnit,
    };
    const secrets = new SecretsManagerClient(client);
    await secrets.send(new CreateSecretCommand({ Name: 'adjoin', SecretString: JSON.stringify(credential) }));
    secrets.destroy();
    const queue = async (QueueName: string): Promise<string> =>
      (await sqs.send(new CreateQueueCommand({ QueueName }))).QueueUrl ?? '';
    queueUrl = await queue('lifecycle');
    deadLetterUrl = await queue('dead-letters');
    config = join(ground.runtime, 'agent.json');
    const documents = {
      probe: document('probe'),
      joinLinux: document('join-linux'),
      joinWindows: document('join-windows'),
      leave: document('leave'),
    };
    const settings = { ...place, queueUrl, table: TABLE, secretId: 'adjoin', documents, logLevel: 'warn' };
    await writeFile(config, JSON.stringify({ ...settings, directory: { caFile: domain.caFile } }));

    const autoScaling = new AutoScalingClient(client);
    await autoScaling.send(
      new CreateAutoScalingGroupCommand({
        AutoScalingGroupName: 'fleet',
        MinSize: 0,
        MaxSize: 2,
        DesiredCapacity: 2,
        AvailabilityZones: [`${place.region}a`],
        LaunchTemplate: { LaunchTemplateName: 'fleet' },
      }),
    );
    const members = async (): Promise<string[]> => {
      const { AutoScalingGroups } = await autoScaling.send(new DescribeAutoScalingGroupsCommand({}));
      return (AutoScalingGroups?.[0]?.Instances ?? [])
        .filter((each) => each.LifecycleState === 'InService')
        .flatMap((each) => each.InstanceId ?? []);
    };
    await until(async () => (await members()).length === 2);
    [living = '', terminated = ''] = await members();
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [terminated] }));
    await until(async () => !(await members()).includes(terminated) && (await members()).length === 2);
    autoScaling.destroy();

    directory = openDirectoryOf(domain, { ...place, namePrefixes: ['A', 'B', 'C'] });
    await remember(living, 'member');
    await remember(terminated, 'member');
    await stage(forgotten);
    await remember(owed, 'owed');
    for (const instanceId of [living, terminated, forgotten, owed]) await record(instanceId);

    const stranger = 'i-00000000000000fff';
    await plant('UNSTAMPED', domain.organizationalUnit);
    await plant('NEIGHBOUR', domain.organizationalUnit, stampLine(stranger, { deployment: 'test2' }));
    await plant('ELSEWHERE', domain.organizationalUnit, stampLine(stranger, { region: 'eu-central-2' }));
    await plant('ACCOUNT', domain.organizationalUnit, stampLine(stranger, { accountId: '123456789013' }));
    await plant('MISREAD', domain.organizationalUnit, stampLine(stranger, {}, ';and=more'));
    await plant('CAPITALS', domain.organizationalUnit, stampLine(stranger, { deployment: 'TEST' }));
    await plant('OUTSIDE', `CN=Computers,${domain.baseDn}`, stampLine(stranger));
  }, 180_000);

  afterAll(async () => {
    process.env = saved;
    await directory.close();
    for (const client of [dynamodb, ec2, sqs]) client.destroy();
    cloud.close();
    server.closeAllConnections();
    server.close();
    await domain.destroy();
  });

  test('by default spares accounts that are not an hour old', async () => {
    delete process.env['ADJOIN_SWEEP_AGE_GUARD_SECONDS'];
    const { code, out } = await adjoin('sweep', '--dry-run', '--config', config);
    process.env['ADJOIN_SWEEP_AGE_GUARD_SECONDS'] = '0';
    expect(out.match(/kept: too young/g)).toHaveLength(2);
    expect(out).toContain('1 would be removed');
    expect(code).toBe(0);
  });

  test('as a dry run names the orphans in 80 columns, and changes nothing', async () => {
    const before = [await computers(), await ledger()];
    const { code, out, err } = await adjoin('sweep', '--dry-run', '--config', config);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    const lines = out.split('\n').map((line) => line.replaceAll(/ {2,}/g, '|'));
    expect(lines).toEqual(
      expect.arrayContaining([
        'instance|computer|kind|age|outcome',
        expect.stringMatching(`^${owed}\\|${nameOf(owed)}\\|debt\\|.*\\|would be removed$`),
        expect.stringMatching(`^${terminated}\\|${nameOf(terminated)}\\|orphan\\|.*\\|would be removed$`),
        expect.stringMatching(`^${forgotten}\\|${nameOf(forgotten)}\\|orphan\\|.*\\|would be removed$`),
        'This was a dry run: nothing was changed.',
      ]),
    );
    expect(out.match(/would be removed$/gm)).toHaveLength(3);
    expect(out).not.toContain(living);
    expect([await computers(), await ledger()]).toEqual(before);
    for (const instanceId of [terminated, forgotten, owed]) {
      expect(await records(nameOf(instanceId).toLowerCase())).toBe(1);
    }
  });

  test('removes the orphans of three kinds with their DNS records, and nothing else', async () => {
    const before = await computers();
    const { code, out, err } = await adjoin('sweep', '--config', config);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('3 removed');
    const gone = [terminated, forgotten, owed].map((instanceId) => nameOf(instanceId));
    expect(await computers()).toEqual(before.filter((name) => !gone.includes(name)));
    expect(await computers()).toEqual(
      expect.arrayContaining([nameOf(living), 'UNSTAMPED', 'NEIGHBOUR', 'ELSEWHERE', 'OUTSIDE', 'MISREAD']),
    );
    for (const name of gone) expect(await records(name.toLowerCase())).toBe(0);
    expect(await records(nameOf(living).toLowerCase())).toBe(1);
    const states = await ledger();
    expect(states.get(living)).toBe('member');
    for (const instanceId of [terminated, forgotten, owed]) expect(states.get(instanceId)).toBe('removed');
  });

  test('finds nothing more the second time', async () => {
    const { code, out } = await adjoin('sweep', '--config', config);
    expect(code).toBe(0);
    expect(out).toContain('0 removed, 0 kept, 0 reported, 0 errors');
  });

  test('removes the DNS record that a machine registered after its account was gone', async () => {
    const label = nameOf(terminated).toLowerCase();
    await record(terminated);
    const dry = await adjoin('sweep', '--dry-run', '--config', config);
    expect(dry.out).toContain(`${terminated}  ${nameOf(terminated)}  record`);
    expect(await records(label)).toBe(1);
    const { code, out } = await adjoin('sweep', '--config', config);
    expect([code, out]).toEqual([0, expect.stringContaining('1 removed')]);
    expect(await records(label)).toBe(0);
    expect((await ledger()).get(terminated)).toBe('removed');
  });

  test('reports a member whose account somebody deleted', async () => {
    await directory.remove(living, { names: [] }, unchecked, signal);
    const { code, out, err } = await adjoin('sweep', '--config', config);
    expect(code).toBe(0);
    expect(out.replaceAll(/ {2,}/g, '|')).toMatch(new RegExp(`${living}\\|${nameOf(living)}\\|vanished`));
    expect(err).toContain('"code":"account-vanished"');
    expect((await ledger()).get(living)).toBe('member');
    await stage(living);
  });

  test('is one at a time', async () => {
    const both = await Promise.all([
      adjoin('sweep', '--config', config),
      adjoin('sweep', '--config', config),
    ]);
    expect(new Set(both.map(({ code }) => code))).toEqual(new Set([0, 75]));
  });

  test('runs by itself in a worker, and ends with it', async () => {
    await stage(forgotten);
    const worker = spawn(process.execPath, ['agent/main.ts', '--config', config], {
      env: {
        ...process.env,
        ADJOIN_SWEEP_INTERVAL_SECONDS: '10',
        ADJOIN_RECEIVE_WAIT_SECONDS: '1',
        ADJOIN_LOG_LEVEL: 'info',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    worker.stdout.setEncoding('utf8').on('data', (text: string) => void (said += text));
    const exited = once(worker, 'exit');
    try {
      await until(async () => said.includes('"event":"sweep ended"'));
    } finally {
      worker.kill('SIGTERM');
    }
    await expect(exited).resolves.toEqual([0, null]);
    const lines: Record<string, unknown>[] = said
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.find(({ event }) => event === 'sweep ended')).toMatchObject({
      level: 'info',
      complete: true,
      orphans: 1,
      removed: 1,
      instances: [forgotten],
      errors: [],
    });
    expect(await computers()).not.toContain(nameOf(forgotten));
    expect(said).not.toContain(domain.serviceAccount.password);
  });

  // The unit tests have pages, and the cap of a run. Six hundred accounts take a real controller longer than all else here.
  unlessThin(() => {
    test('lists more accounts than one page of the directory holds', async () => {
      const before = (await directory.list(signal, (account) => account)).length;
      const ours = ownedBy(await sidOf(domain.serviceAccount.user));
      const lines = Array.from({ length: 600 }, (_, number) => {
        const instanceId = `i-${(0xa00 + number).toString(16).padStart(17, '0')}`;
        const name = nameOf(instanceId);
        return [
          `dn: CN=${name},${domain.organizationalUnit}`,
          'objectClass: computer',
          `sAMAccountName: ${name}$`,
          ours,
          stampLine(instanceId),
          '',
        ].join('\n');
      });
      await ldbadd(...lines);
      const listed = await directory.list(signal, (account) => account);
      expect(listed).toHaveLength(before + 600);
      const { out } = await adjoin('sweep', '--config', config);
      // All but the living one are orphans; a run removes a hundred.
      expect(out).toContain('100 removed');
      expect(out.match(/kept: cap reached/g)).toHaveLength(listed.length - 100 - 1);
    }, 300_000);
  });

  test('of the dead-letter queue shows, replays and discards', async () => {
    const action = {
      LifecycleActionToken: token,
      LifecycleHookName: 'join',
      AutoScalingGroupName: 'fleet',
      EC2InstanceId: living,
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
    };
    const send = async (body: string): Promise<string> =>
      (await sqs.send(new SendMessageCommand({ QueueUrl: deadLetterUrl, MessageBody: body }))).MessageId ??
      '';
    const good = await send(JSON.stringify(action));
    const garbage = await send('garbage');
    const where = ['--config', config, '--queue', deadLetterUrl];

    const listed = await adjoin('dead-letters', 'list', ...where);
    expect(listed.code).toBe(0);
    expect(listed.out).toContain(`${living} launching in fleet`);
    expect(listed.out).toContain('message-malformed: The message is not JSON.');
    expect(listed.out).toContain('2 of 2 messages.');

    const replayed = await adjoin('dead-letters', 'replay', ...where);
    expect(replayed.out).toContain('1 of 2 messages; 1 left as they are.');
    const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: queueUrl }));
    expect(Messages?.map((message) => JSON.parse(message.Body ?? ''))).toEqual([action]);
    expect(replayed.out).toContain(good);

    expect((await adjoin('dead-letters', 'discard', ...where, '--message', garbage)).code).toBe(64);
    const discarded = await adjoin('dead-letters', 'discard', ...where, '--message', garbage, '--yes');
    expect(discarded.out).toContain('discarded');
    expect((await adjoin('dead-letters', 'list', ...where)).out).toContain('0 of 0 messages.');
  });
});
