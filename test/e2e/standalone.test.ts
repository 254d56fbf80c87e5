import {
  EC2Client,
  RunInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
  waitUntilInstanceStopped,
} from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { placeChecks } from '../../agent/checks/place-checks.ts';
import { IDENTITY } from '../../agent/operator/doctor/deployment-checks.ts';
import { accountId, region } from '../../infra/sandbox/inside/sandbox.ts';
import type { ClientConfig } from '../../infra/sandbox/stack/client-config.ts';
import { describeReal } from '../support/sandbox.ts';
import {
  computerNames,
  eventually,
  logEntries,
  membershipOf,
  openSystem,
  queuesOf,
  type Queues,
  type System,
} from './sandbox.ts';

/** What makes a machine the member that it is, but for its disk's other content. */
const MEMBERSHIP = ['etc/krb5.keytab', 'etc/sssd/sssd.conf', 'etc/hostname', 'etc/hosts'];

describeReal('instances of no group', (ground) => {
  let system: System;
  let queues: Queues;
  let ec2: EC2Client;
  /** Put onto the disk of each machine that boots from now on: it is from an image of a member then. */
  let image: string | undefined;

  beforeAll(async () => {
    system = await openSystem(ground, {
      standaloneInstances: true,
      async prepareMachine(machine) {
        if (image === undefined) return;
        const { code } = await machine.exec(['sh', '-c', 'base64 -d | tar -xz -C /'], { input: image });
        if (code !== 0) throw new Error('The image was not written.');
      },
    });
    queues = queuesOf(system);
    ec2 = new EC2Client(system.developer);
    system.startAgent();
  }, 300_000);
  afterAll(async () => {
    queues.close();
    ec2.destroy();
    await system.stop();
  }, 180_000);

  async function run(): Promise<string> {
    const { Instances = [] } = await ec2.send(
      new RunInstancesCommand({
        ImageId: 'ami-0123456789abcdef0',
        MinCount: 1,
        MaxCount: 1,
        TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'JoinAD', Value: 'true' }] }],
      }),
    );
    return Instances[0]?.InstanceId ?? '';
  }

  /** Its computer name, once the ledger says that it has come to this state. */
  const reaches = (instanceId: string, state: string): Promise<string> =>
    eventually(`${instanceId} ${state}`, 60_000, async () => {
      const membership = await membershipOf(system, instanceId);
      return membership?.state === state ? (membership.computerName ?? '') : undefined;
    });

  async function keysWork(instanceId: string): Promise<boolean> {
    const machine = system.fleet.machine(instanceId);
    const { code } = (await machine?.exec(['adcli', 'testjoin', '-D', system.domain.domainName])) ?? {};
    return code === 0;
  }

  const passwordTimes = async (name: string): Promise<readonly string[]> => {
    const [found] = await system.domain.search({ filter: `(cn=${name})`, attributes: ['pwdLastSet'] });
    return found?.attributes.get('pwdLastSet') ?? [];
  };

  interface Ended {
    readonly code: number;
    readonly text: string;
    readonly out: string;
  }

  /** The command line as an operator has it, from outside the VPC. */
  function command(
    program: string,
    argv: readonly string[],
    { credentials }: { readonly credentials: ClientConfig['credentials'] },
  ): Promise<Ended> {
    const [node] = system.agentCommand;
    const env = {
      ...system.agentEnvironment,
      AWS_ENDPOINT_URL: system.endpoint,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_SESSION_TOKEN: credentials.sessionToken ?? '',
      ADJOIN_QUEUE_URL: system.stack.queueUrl,
    };
    return new Promise((resolve) => {
      execFile(
        node,
        [program, ...argv, '--config', system.agentConfigFile],
        { env },
        (error, stdout, stderr) => {
          const code = typeof error?.code === 'number' ? error.code : error ? 1 : 0;
          resolve({ code, text: stdout + stderr, out: stdout });
        },
      );
    });
  }

  const operator = () => system.session(system.stack.membershipOperatorRoleArn, 'me');

  const byHand = (verb: 'join' | 'unjoin', instanceId: string): Promise<Ended> =>
    command(system.stack.agentFile, [verb, '--instance', instanceId], operator());

  /** What `adjoin doctor` found, as `id: state`. */
  async function doctor(
    as: { readonly credentials: ClientConfig['credentials'] },
    ...options: readonly string[]
  ) {
    const ended = await command(
      join(process.cwd(), 'agent/operator/main.ts'),
      ['doctor', '-o', 'json', ...options],
      as,
    );
    const { checks }: { checks: { id: string; state: string; text?: string }[] } = JSON.parse(ended.out);
    const of = (state: string): string[] => checks.filter((each) => each.state === state).map(({ id }) => id);
    return {
      code: ended.code,
      passed: of('passed'),
      failed: of('failed'),
      skipped: of('skipped'),
      text: ended.text,
    };
  }

  test('join when they run, stay members through a stop and a start, and go from the directory with their end', async () => {
    const first = await run();
    const name = await reaches(first, 'member');
    expect(await computerNames(system)).toEqual([name]);
    expect(await keysWork(first)).toBe(true);
    const joinedAt = await passwordTimes(name);

    // Stopped and started again.
    await ec2.send(new StopInstancesCommand({ InstanceIds: [first] }));
    const stopped = { client: ec2, maxWaitTime: 60, minDelay: 1, maxDelay: 2 };
    await waitUntilInstanceStopped(stopped, { InstanceIds: [first] });
    expect(system.fleet.machine(first)?.pid).toBeUndefined();
    expect(await computerNames(system)).toEqual([name]);
    await ec2.send(new StartInstancesCommand({ InstanceIds: [first] }));
    await eventually('the look at a member', 30_000, async () =>
      (await logEntries(system)).find(({ event }) => event === 'already a member'),
    );
    expect(await passwordTimes(name)).toEqual(joinedAt);
    expect(await keysWork(first)).toBe(true);

    // An image of the member, under an instance ID of its own.
    const packed = ['sh', '-c', `tar -C / -cz ${MEMBERSHIP.join(' ')} | base64 -w0`];
    image = (await system.fleet.machine(first)?.exec(packed))?.stdout;
    const second = await run();
    const secondName = await reaches(second, 'member');
    expect(secondName).not.toBe(name);
    expect(await computerNames(system)).toEqual([name, secondName].toSorted());
    expect(await passwordTimes(name)).toEqual(joinedAt);
    expect(await keysWork(first)).toBe(true);
    expect(await keysWork(second)).toBe(true);

    // What asks for an unjoin, and is none who may.
    const forged = {
      adjoin: 'request',
      id: '00000000-0000-0000-0000-000000000001',
      verb: 'unjoin',
      instanceId: second,
      account: accountId,
      region,
      time: new Date().toISOString(),
    };
    await queues.send(JSON.stringify(forged));
    await eventually('a dead letter to be', 30_000, async () =>
      (await logEntries(system)).find(({ event }) => event === 'message left for the dead-letter queue'),
    );
    expect(await computerNames(system)).toContain(secondName);

    // By hand: out, although it lives, and in again.
    const out = await byHand('unjoin', second);
    expect(out).toMatchObject({ code: 0, text: expect.stringContaining('Unjoined: the account') });
    expect(await computerNames(system)).toEqual([name]);
    expect(await keysWork(second)).toBe(false);
    const back = await byHand('join', second);
    expect(back).toMatchObject({ code: 0, text: expect.stringContaining('the directory shows the join') });
    expect(await computerNames(system)).toEqual([name, secondName].toSorted());

    // The doctor: at the desk of an administrator, who may read, and of the operator, who may ask a worker.
    await eventually('the forged request among the dead letters', 90_000, async () =>
      (await queues.depth(system.stack.deadLetterQueueUrl)) === 1 ? true : undefined,
    );
    const administrator = { credentials: system.keys.administrator };
    const desk = await doctor(administrator, '--node', second, '--group', 'fleet');
    // The sandbox's worker is a process of no group, and one message was forged.
    expect(desk).toMatchObject({ code: 70, failed: ['dead-letters', 'workers'] });
    expect(desk.passed).toEqual(
      expect.arrayContaining([
        'queue',
        'ledger',
        'documents',
        'secret-readers',
        'group-hooks',
        'group-tag',
        'node-member',
      ]),
    );
    const asked = await doctor(operator(), '--ask-worker');
    expect(asked).toMatchObject({ code: 0, failed: [] });
    expect(asked.passed).toEqual([IDENTITY, 'clock', ...placeChecks.map(({ id }) => id)]);
    // What it has tried is undone.
    expect(await computerNames(system)).toEqual([name, secondName].toSorted());

    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [first] }));
    await reaches(first, 'removed');
    expect(await computerNames(system)).toEqual([secondName]);
    expect(await keysWork(second)).toBe(true);
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [second] }));
    await reaches(second, 'removed');
    expect(await computerNames(system)).toEqual([]);
  }, 300_000);
});
