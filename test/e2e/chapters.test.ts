/**
 * The pages on deployment, operation and the doctor, as they stand: an operator at a desk with the AWS CLI types their commands, in an
 * account that holds nothing, up to a member and back to nothing.
 */
import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import {
  CreateLogStreamCommand,
  CloudWatchLogsClient,
  PutLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { ListTablesCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import {
  GetSecretValueCommand,
  ListSecretsCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Desk, openDesk } from '../../infra/sandbox/inside/desk.ts';
import {
  accountId,
  type EmptySandbox,
  region,
  type Sandbox,
  startEmptySandbox,
} from '../../infra/sandbox/inside/sandbox.ts';
import { network } from '../../infra/sandbox/stack/network.ts';
import { filledIn, shellBlocks } from '../support/chapters.ts';
import { describeReal } from '../support/sandbox.ts';
import { computerNames, emptyFleet, eventually, logEntries, queuesOf, type Queues } from './sandbox.ts';
import { subjectOf } from '../../infra/sandbox/inside/subject.ts';
import { typist, type Habit, type Typist } from './typist.ts';

/** As the prerequisites name it. */
const bucket = `adjoin-agent-123456789012-${region}`;
/** The longest command waits until CloudFormation is done, or a member is gone. */
const commandLimitMs = 120_000;
const chapterLimitMs = 240_000;
/** What no worker can handle. */
const garbage = ['not JSON', '{}'];

/** What the operator's commands are made of, in a clone. */
const cloned = ['agent', 'config', 'documents', 'node_modules', 'policies'];
const doctor = 'docs/doctor.md';
const operate = 'docs/operate.md';
const deploy = 'docs/deploy.md';

/** Stands for what takes a minute: the clone's packages are there, and the release on the desk is synthesized. */
const npm = `#!/bin/sh
case "$*" in
ci) ;;
'run synth') rm -rf cdk.out && cp -r "$(cat /root/release)" cdk.out ;;
*) exit 64 ;;
esac
`;

describeReal('the pages for operators', (ground) => {
  let empty: EmptySandbox;
  let sandbox: Sandbox | undefined;
  let desk: Desk;
  let person: Typist;
  let values: Map<string, string>;
  /** Of the deployed queue. */
  let queues: Queues | undefined;
  /** Folders of two releases. */
  let releases: readonly [first: string, second: string];
  const used = new Set<string>();
  let broken = false;
  let removedAt = 0;
  const stopDelivery = new AbortController();
  let delivering = Promise.resolve();

  beforeAll(async () => {
    if (ground.desk === undefined) throw new Error('There is no desk: the runner has to ask for it.');
    const page = await readFile('docs/deploy.md', 'utf8');
    empty = await startEmptySandbox({
      image: ground.image,
      runtime: ground.runtime,
      directory: join(process.cwd(), '.sandbox'),
      port: 0,
      maximumInstances: 5,
      describeStacksWaitsMs: 25_000,
    });
    const first = empty.synthesis.folder;
    const second = join(process.cwd(), '.sandbox', 'second-release');
    await makeRelease(first, second);
    releases = [first, second];
    desk = await openDesk({
      image: ground.image,
      layer: ground.desk,
      sandbox: empty,
      caller: empty.session(empty.account.administratorRoleArn, 'somebody'),
      buckets: [bucket],
      shares: [...releases, ...cloned.map((name) => join(process.cwd(), name))],
    });
    await desk.put('/usr/local/bin/npm', npm, '755');
    await desk.put('/root/release', first);
    // What of a clone the commands need; the page has the reader be in one.
    for (const name of cloned)
      await desk.machine.exec(['ln', '-s', join(process.cwd(), name), `/root/adjoin/${name}`]);
    await desk.put('/root/adjoin/ca.pem', await readFile(empty.domain.caFile, 'utf8'));
    person = typist(desk.shell, /<<(?:(?<code>\d+)|more)>>$/);
    // A terminal would say each line once more.
    await person.type('stty -echo', 20_000);
    const [, without = ''] = /replace `EndpointSecurityGroupId` by `([^`]+)`/.exec(page) ?? [];
    values = new Map([
      ['VpcId=vpc-…', `VpcId=${network.VpcId}`],
      ['SubnetA=subnet-…', `SubnetA=${network.SubnetA}`],
      ['SubnetB=subnet-…', `SubnetB=${network.SubnetB}`],
      // As the page says of a VPC without endpoints.
      ['EndpointSecurityGroupId=sg-…', without.replaceAll('\n', ' ')],
      ['RouteTableIds=rtb-…', `RouteTableIds=${network.RouteTableIds}`],
      ['NodeSecurityGroupId=sg-…', 'NodeSecurityGroupId=sg-0a77000000000000c'],
      ['DirectoryCidr=10.0.1.0/24', 'DirectoryCidr=10.77.0.0/24'],
      ['OperatorNetworks=192.0.2.0/24', 'OperatorNetworks=10.77.255.0/24'],
    ]);
  }, 300_000);
  afterAll(async () => {
    stopDelivery.abort();
    queues?.close();
    await desk.close();
    await (sandbox ?? empty).stop();
  }, 180_000);

  /** Types the commands of one block after the other; all of them have to succeed. What each block said. */
  async function follow(page: string, chapter: string, habits: readonly Habit[] = []): Promise<string[]> {
    const said: string[] = [];
    const blocks = shellBlocks(await readFile(page, 'utf8')).filter(
      (each) => each.chapter === chapter && each.language === 'bash' && each.notRun === undefined,
    );
    // A later chapter would wait for what an earlier one has not made.
    if (broken) throw new Error('A chapter before this one failed.');
    broken = true;
    expect(blocks).not.toEqual([]);
    for (const block of blocks) {
      const outputs: string[] = [];
      let command = '';
      for (const line of filledIn(block, values, used)) {
        command += `${line}\n`;
        const { code, output } = await person.type(line, commandLimitMs, habits);
        outputs.push(output);
        if (code === undefined) continue;
        // One that goes on for ever ends by Ctrl-C.
        const expected = command.includes('--follow') ? [0, 1, 130] : [0];
        if (!expected.includes(code)) throw new Error(`${command}ended with ${code}:\n${outputs.join('')}`);
        command = '';
      }
      said.push(outputs.join(''));
    }
    broken = false;
    return said;
  }

  test(
    'roles and bucket are made first; from then on, the person has the rights of the administrator’s role',
    async () => {
      await follow(deploy, '3. Roles and bucket');
      expect(empty.cloud.buckets.names()).toEqual([bucket]);
      // What is still to be said: the stack has bucket and roles.
      const { output } = await person.type(
        'node_modules/.bin/node agent/operator/main.ts doctor --pre',
        commandLimitMs,
      );
      expect(output.replaceAll(/\s+/g, ' ')).toContain(
        'found directoryCa, VpcId, SubnetA, SubnetB, DirectoryCidr, OperatorNetworks. Say it',
      );
    },
    chapterLimitMs,
  );

  test(
    'a deployment makes the stack, and its documents have the hashes that its agent expects',
    async () => {
      const [, hashes = '', reference = ''] = await follow(deploy, '4. Deploy');
      const lists = hashes.trim().split('\n');
      const agentConfig: { documents: Record<string, { hash: string }> } = JSON.parse(
        (await deployedOutput('AgentConfig')) ?? '{}',
      );
      const expected = Object.values(agentConfig.documents).map(({ hash }) => hash);
      expect(expected.length).toBeGreaterThan(3);
      // Each is in both lists.
      for (const hash of expected) expect(lists.filter((line) => line === hash)).toHaveLength(2);
      expect(reference).toContain('DirectoryControllers');
      expect(reference).not.toContain('_FAILED');
      const { key, body } = agentFile();
      expect(key).toMatch(/^adjoin\/agent-[0-9a-f]{12}\.mjs$/);
      expect(empty.synthesis.template).toContain(createHash('sha256').update(body).digest('hex'));
    },
    chapterLimitMs,
  );

  test(
    'the credential goes from the keyboard into the secret',
    async () => {
      await follow(deploy, '5. Put the credential', [
        { when: /Password: $/, type: `${empty.domain.serviceAccount.password}\n` },
      ]);
      const file = join(process.cwd(), '.sandbox', 'agent.mjs');
      await writeFile(file, agentFile().body);
      sandbox = await empty.withStack(file);
      const agent = sandbox;
      agent.startAgent();
      delivering = deliver(agent, stopDelivery.signal);
      const bound = await eventually('a logon with the credential', 60_000, async () =>
        (await logEntries(theSystem())).find(({ event }) => event === 'bound to a domain controller'),
      );
      expect(bound).toMatchObject({ level: 'info' });
    },
    chapterLimitMs,
  );

  test(
    'a group is attached, and its first instance becomes a member while the log is watched',
    async () => {
      const owner = new AutoScalingClient(empty.developer);
      await owner.send(emptyFleet());
      owner.destroy();
      await follow(deploy, '6. Attach a group');
      const [said = ''] = await follow(deploy, '7. Watch the first join', [
        { when: /lifecycle action completed/, type: '\u0003' },
      ]);
      for (const message of ['lifecycle action received', 'account staged', 'lifecycle action completed'])
        expect(said).toContain(message);
      stopDelivery.abort();
      await delivering;
      expect(await computerNames(theSystem())).toHaveLength(1);
      const [computerName = ''] = await computerNames(theSystem());
      expect(said).toMatch(new RegExp(`i-[0-9a-f]+ +\\| +member +\\| +${computerName}`, 'i'));
    },
    chapterLimitMs,
  );

  test(
    'a user with an MFA device signs on as an administrator',
    async () => {
      const { accessKeyId, secretAccessKey } = empty.developer.credentials;
      const lines = [
        '[default]',
        `aws_access_key_id = ${accessKeyId}`,
        `aws_secret_access_key = ${secretAccessKey}`,
        '',
      ];
      await desk.put('/root/.aws/credentials', lines.join('\n'), '600');
      await follow(operate, '');
      values.set('--token-code 123456', `--token-code ${empty.mfa.code()}`);
      await follow(operate, 'Sign on');
      const { output } = await person.type(
        'aws sts get-caller-identity --query Arn --output text',
        commandLimitMs,
      );
      expect(output.trim()).toBe(`arn:aws:sts::${accountId}:assumed-role/adjoin-administrator/me`);
    },
    chapterLimitMs,
  );

  test(
    'all is well, says the doctor, from the desk and from a worker',
    async () => {
      const [member = ''] = [...(await theSystem().subject.look()).memberships.keys()];
      values.set('--node i-0123456789abcdef0', `--node ${member}`);
      for (const said of [...(await follow(operate, 'Is all well?')), ...(await follow(doctor, ''))])
        expect(said).not.toMatch(/✘|"failed"/);
      // Until they are dead letters takes a while.
      queues = queuesOf(theSystem());
      for (const body of garbage) await queues.send(body);
    },
    chapterLimitMs,
  );

  test(
    'a group is attached and detached by hand, and a dry run changes nothing',
    async () => {
      const [said = ''] = await follow(operate, 'Attach and detach a group by hand');
      expect(said).toContain('adjoin-launch');
      expect(await person.type('adjoin attach fleet', commandLimitMs)).toMatchObject({ code: 0 });
    },
    chapterLimitMs,
  );

  test(
    'an instance like those of the group joins, and is removed again, by the administrator’s rights alone',
    async () => {
      const before = await computerNames(theSystem());
      const [said = ''] = await follow(operate, 'Test a group');
      expect(said).toMatch(/in all +✔/);
      expect(await computerNames(theSystem())).toEqual(before);
    },
    chapterLimitMs,
  );

  test(
    'of two dead letters one is discarded, and one sent back',
    async () => {
      const url = theSystem().stack.deadLetterQueueUrl;
      await eventually('two dead letters', commandLimitMs, async () =>
        (await queues?.depth(url)) === garbage.length ? true : undefined,
      );
      const { output } = await person.type(
        'adjoin dead-letters list --queue "$(out DeadLetterQueueUrl)"',
        commandLimitMs,
      );
      const [first = '', second = ''] = output.match(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g) ?? [];
      values.set('--message ID --yes', `--message ${first} --yes`);
      values.set(
        'replay --queue "$DEAD_LETTERS" --message ID',
        `replay --queue "$DEAD_LETTERS" --message ${second}`,
      );
      const [said = ''] = await follow(operate, 'Dead letters');
      expect(said).toContain('sent to the main queue');
      expect(await queues?.depth(url)).toBe(0);
    },
    chapterLimitMs,
  );

  test(
    'a member is looked at, taken out of the domain, and joined again by hand',
    async () => {
      const [member = ''] = (await theSystem().subject.look()).states.keys();
      values.set('--instance i-0123456789abcdef0', `--instance ${member}`);
      values.set('--instance mi-0123456789abcdef0', `--instance ${member}`);
      await follow(operate, 'Join and unjoin by hand');
      expect(await computerNames(theSystem())).toEqual([]);
      await person.type(`as MembershipOperatorRoleArn adjoin join --instance ${member}`, commandLimitMs);
      expect(await computerNames(theSystem())).toHaveLength(1);
    },
    chapterLimitMs,
  );

  test(
    'workers are listed, whom a sweep can be asked of',
    async () => {
      const [said = ''] = await follow(operate, 'What a sweep would do');
      expect(said.trim().split(/\s+/)).toEqual([
        expect.stringMatching(/^i-[0-9a-f]{17}$/),
        expect.stringMatching(/^i-[0-9a-f]{17}$/),
      ]);
    },
    chapterLimitMs,
  );

  test(
    'an agent that was deleted is put back from what its bucket has kept, or from the release',
    async () => {
      const { buckets } = empty.cloud;
      const key = await deployedParameter('AgentKey');
      const { body, versionId } = buckets.get(bucket, key);
      // As break-glass may: it leaves a mark.
      buckets.remove(bucket, key);
      values.set('VERSION', versionId);
      const [said = ''] = await follow(operate, "The agent's file");
      expect(said).toContain(versionId);
      expect(buckets.get(bucket, key).body.equals(body)).toBe(true);
      // The version, and twice what was put back: of the one, and of the release.
      expect(buckets.versions(bucket).filter(({ object }) => object?.key === key)).toHaveLength(3);
    },
    chapterLimitMs,
  );

  test(
    'an update brings the agent of another release, rolling back the former one; the member stays',
    async () => {
      const before = await computerNames(theSystem());
      const [first] = empty.cloud.buckets.objects(bucket).filter(({ key }) => key.startsWith('adjoin/'));
      await desk.put('/root/release', releases[1]);
      await follow(deploy, 'Update');
      expect(await deployedParameter('AgentKey')).not.toBe(first?.key);
      await desk.put('/root/release', releases[0]);
      await follow(deploy, 'Update');
      expect(await deployedParameter('AgentKey')).toBe(first?.key);
      expect(await computerNames(theSystem())).toEqual(before);
    },
    chapterLimitMs,
  );

  test(
    'a removal unjoins the member and deletes the stacks; what contains history stays',
    async () => {
      await follow(deploy, 'Remove');
      removedAt = Date.now();
      expect(await computerNames(theSystem())).toEqual([]);
      const { output } = await person.type(
        "aws cloudformation list-stacks --query 'StackSummaries[?StackStatus!=`DELETE_COMPLETE`].StackName' --output text",
        commandLimitMs,
      );
      // Roles and bucket outlive the system.
      expect(output.trim()).toBe('adjoin-prerequisites');
      const secrets = new SecretsManagerClient(empty.developer);
      const sqs = new SQSClient(empty.developer);
      const { TableNames } = await theSystem().dynamodb.send(new ListTablesCommand({}));
      const { SecretList } = await secrets.send(new ListSecretsCommand({}));
      const { QueueUrls = [] } = await sqs.send(new ListQueuesCommand({}));
      secrets.destroy();
      sqs.destroy();
      expect({
        tables: TableNames,
        secrets: SecretList?.map(({ Name }) => Name),
        logGroups: empty.cloud.logGroups.names().length,
        queues: QueueUrls,
      }).toEqual({
        tables: ['adjoin-memberships'],
        secrets: ['adjoin/service-account'],
        logGroups: 2,
        queues: [],
      });
      expect(empty.cloud.buckets.names()).toHaveLength(2);
    },
    chapterLimitMs,
  );

  test(
    'what the removal left goes into a new stack: the secret has its value, the ledger its memberships',
    async () => {
      const rows = (await theSystem().dynamodb.send(new ScanCommand({ TableName: 'adjoin-memberships' })))
        .Items;
      expect(rows).not.toEqual([]);
      // As the page says: SQS gives away a queue's name after a minute.
      await new Promise((resolve) => setTimeout(resolve, removedAt + 60_000 - Date.now()));
      await follow(deploy, 'Deploy again');
      expect(await asked('Stacks[0].StackStatus')).toBe('UPDATE_COMPLETE');
      const { Items } = await theSystem().dynamodb.send(new ScanCommand({ TableName: 'adjoin-memberships' }));
      expect(Items).toEqual(rows);
      const { accessKeyId, secretAccessKey, sessionToken } = theSystem().keys.worker;
      const worker = new SecretsManagerClient({
        endpoint: theSystem().vpcEndpoint,
        region,
        credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) },
      });
      const { SecretString } = await worker.send(
        new GetSecretValueCommand({ SecretId: 'adjoin/service-account' }),
      );
      worker.destroy();
      expect(SecretString).toContain(empty.domain.serviceAccount.password);
    },
    chapterLimitMs,
  );

  test('each value that the reader fills in stands on the page', () => {
    expect([...used].toSorted()).toEqual([...values.keys()].toSorted());
  });

  const theSystem = () => {
    if (sandbox === undefined) throw new Error('Nothing is deployed.');
    return { ...sandbox, subject: subjectOf(sandbox) };
  };

  /** The first that was uploaded. */
  function agentFile(): { key: string; body: Buffer } {
    const [file] = empty.cloud.buckets.objects(bucket).filter(({ key }) => key.startsWith('adjoin/'));
    if (file === undefined) throw new Error('No agent was uploaded.');
    return file;
  }

  async function asked(query: string): Promise<string> {
    const { output } = await person.type(
      `aws cloudformation describe-stacks --stack-name adjoin --query "${query}" --output text`,
      commandLimitMs,
    );
    return output.trim();
  }
  const deployedOutput = (name: string) => asked(`Stacks[0].Outputs[?OutputKey=='${name}'].OutputValue`);
  const deployedParameter = (name: string) =>
    asked(`Stacks[0].Parameters[?ParameterKey=='${name}'].ParameterValue`);
});

/** A release whose agent differs, and nothing else. */
async function makeRelease(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await cp(from, to, { recursive: true });
  const agent = join(to, 'agent', 'agent.mjs');
  const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');
  const text = await readFile(agent, 'utf8');
  const next = `${text}// the next release\n`;
  await writeFile(agent, next);
  const template = join(to, 'adjoin.template.json');
  const deployed = await readFile(template, 'utf8');
  await writeFile(template, deployed.replaceAll(hashOf(text), hashOf(next)));
}

/** What the worker's instance does with the agent's log: its CloudWatch agent is not here. */
async function deliver(system: Sandbox, signal: AbortSignal): Promise<void> {
  const logGroupName = '/adjoin/adjoin/worker';
  const logStreamName = 'i-0123456789abcdef0';
  // As the worker, by the VPC's endpoint.
  const { accessKeyId, secretAccessKey, sessionToken } = system.keys.worker;
  const logs = new CloudWatchLogsClient({
    endpoint: system.vpcEndpoint,
    region,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) },
  });
  await logs.send(new CreateLogStreamCommand({ logGroupName, logStreamName }));
  let delivered = 0;
  while (!signal.aborted) {
    const text = await readFile(system.agentLogFile, 'utf8').catch(() => '');
    const lines = text.split('\n').slice(delivered, -1);
    if (lines.length > 0) {
      const logEvents = lines.map((message) => ({ timestamp: Date.now(), message }));
      await logs.send(new PutLogEventsCommand({ logGroupName, logStreamName, logEvents }));
      delivered += lines.length;
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  logs.destroy();
}
