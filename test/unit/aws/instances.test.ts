import { CreateAutoScalingGroupCommand } from '@aws-sdk/client-auto-scaling';
import { DescribeInstancesCommand, TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createInstances } from '../../../agent/aws/instances.ts';
import type { InstancesPort } from '../../../agent/sweep/ports.ts';
import { accountId, region, startBench, type Bench, type Clients } from '../../sandbox/cloud/bench.ts';

const signal = new AbortController().signal;
const unknown = 'i-0ffffffffffffffff';

let bench: Bench;
let clients: Clients;
/** Called before each answer; throws to spoil it. */
let spoil: (operation: string) => void;

beforeEach(async () => {
  spoil = () => undefined;
  bench = await startBench();
  clients = bench.as('worker');
  for (const client of [clients.ec2, clients.autoScaling]) {
    Object.assign(client.config, { maxAttempts: async () => 1 });
  }
  clients.ec2.middlewareStack.add(
    (next, context) => async (input) => {
      spoil(context.commandName ?? '');
      return next(input);
    },
    { step: 'initialize' },
  );
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
});

const instancesOf = (account = accountId): InstancesPort =>
  createInstances({ ec2: clients.ec2, autoScaling: clients.autoScaling, accountId: account, region });

async function fleet(size: number): Promise<string[]> {
  await clients.autoScaling.send(
    new CreateAutoScalingGroupCommand({
      AutoScalingGroupName: 'fleet',
      MinSize: 0,
      MaxSize: size,
      DesiredCapacity: size,
      AvailabilityZones: [`${region}a`],
      LaunchTemplate: { LaunchTemplateName: 'fleet' },
    }),
  );
  await bench.clock.advance(5_000);
  const { Reservations = [] } = await clients.ec2.send(new DescribeInstancesCommand({}));
  return Reservations.flatMap((each) => each.Instances?.[0]?.InstanceId ?? []);
}

describe('what EC2 says', () => {
  test('of a running instance is that it lives; of a terminated and of an unknown one, what it is', async () => {
    const [running = '', ended = ''] = await fleet(2);
    await clients.ec2.send(new TerminateInstancesCommand({ InstanceIds: [ended] }));
    await bench.clock.advance(5_000);
    await expect(instancesOf().look([running, ended, unknown], signal)).resolves.toEqual(
      new Map([
        [running, 'living'],
        [ended, 'terminated'],
        [unknown, 'unknown'],
      ]),
    );
  });

  test('is nothing of a hybrid node, which so counts as living: its account is no orphan', async () => {
    const hybrid = 'mi-0123456789abcdef0';
    await expect(instancesOf().look([hybrid], signal)).resolves.toEqual(new Map([[hybrid, 'living']]));
  });

  test('is read to its last page', async () => {
    const ids = await fleet(7);
    const send = clients.ec2.send.bind(clients.ec2);
    let pages = 0;
    const paging = {
      // EC2 may answer in pages without being asked to.
      send: async (command: DescribeInstancesCommand) => {
        pages += 1;
        command.input.MaxResults = 5;
        return send(command);
      },
    };
    Object.assign(clients.ec2, paging);
    const found = await instancesOf().look(ids, signal);
    expect(pages).toBe(2);
    expect([...found.values()]).toEqual(ids.map(() => 'living'));
  });

  test('counts for nothing when a page is missing', async () => {
    const ids = await fleet(2);
    let calls = 0;
    spoil = (operation) => {
      calls += operation === 'DescribeInstancesCommand' ? 1 : 0;
      throw Object.assign(new Error('Service unavailable'), { $metadata: { httpStatusCode: 503 } });
    };
    await expect(instancesOf().look(ids, signal)).rejects.toMatchObject({ code: 'aws-unavailable' });
    expect(calls).toBe(1);
  });

  test("counts for nothing when it is about somebody else's instances", async () => {
    const ids = await fleet(1);
    await expect(instancesOf('999999999999').look(ids, signal)).rejects.toMatchObject({
      code: 'account-unproven',
    });
  });
});

describe('the account', () => {
  test('is proven by any of its instances', async () => {
    await fleet(1);
    await expect(instancesOf().proveAccount(signal)).resolves.toBeUndefined();
    await expect(instancesOf('999999999999').proveAccount(signal)).rejects.toMatchObject({
      code: 'account-unproven',
    });
  });

  test('without an instance is proven by an Auto Scaling group', async () => {
    await fleet(0);
    await expect(instancesOf().proveAccount(signal)).resolves.toBeUndefined();
    await expect(instancesOf('999999999999').proveAccount(signal)).rejects.toMatchObject({
      code: 'account-unproven',
    });
  });

  test('with neither is not proven', async () => {
    await expect(instancesOf().proveAccount(signal)).rejects.toMatchObject({ code: 'account-unproven' });
  });
});
