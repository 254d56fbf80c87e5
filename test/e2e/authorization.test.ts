import {
  AutoScalingClient,
  CreateOrUpdateTagsCommand,
  DeleteAutoScalingGroupCommand,
  DeleteLifecycleHookCommand,
  DescribeAutoScalingInstancesCommand,
} from '@aws-sdk/client-auto-scaling';
import { CreateTagsCommand, EC2Client } from '@aws-sdk/client-ec2';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import {
  CancelCommandCommand,
  DescribeInstanceInformationCommand,
  SendCommandCommand,
  SSMClient,
  StartSessionCommand,
} from '@aws-sdk/client-ssm';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { describeReal } from '../support/sandbox.ts';
import { eventually, inService, notices, onlyInstance, openSystem, type System } from './sandbox.ts';

/** The least that the agent's configuration allows; renewals come several times within it. */
const visibilitySeconds = 30;

/** What policies/README says that the worker may do though the agent does not: `Sid action`. */
async function excused(): Promise<string[]> {
  const readme = await readFile('policies/README.md', 'utf8');
  const section = readme.split('## Allowed and not used by the agent')[1]?.split('\n## ')[0] ?? '';
  const rows = section.split('\n').filter((line) => /^\| \w+ +\| \w+:/.test(line));
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, 3)
      .map((cell) => cell.trim())
      .join(' '),
  );
}

describeReal('the stack’s policies, while a fleet comes and goes', (ground) => {
  let system: System;
  let workerInstance: string;
  const unused = () => {
    const worker = system.permissions.policies().identities.get(system.stack.workerRoleArn);
    const grants = system.permissions.recorder.unused('identity', worker?.policies ?? []);
    return grants.map(({ sid, action }) => `${sid} ${action}`);
  };

  beforeAll(async () => {
    system = await openSystem(ground, {
      workers: 1,
      agentConfig: { receive: { visibilitySeconds }, sweep: { intervalSeconds: 10 } },
    });
    const autoScaling = new AutoScalingClient(system.developer);
    const { AutoScalingInstances } = await autoScaling.send(new DescribeAutoScalingInstancesCommand({}));
    autoScaling.destroy();
    workerInstance = AutoScalingInstances?.[0]?.InstanceId ?? '';
  }, 300_000);
  afterAll(() => system.stop(), 60_000);

  test('an instance that opted in by its own tag joins and leaves; the worker was denied nothing', async () => {
    const administrator = { ...system.developer, credentials: system.keys.administrator };
    const autoScaling = new AutoScalingClient(administrator);
    const group = { ResourceId: system.stack.autoScalingGroup, ResourceType: 'auto-scaling-group' };
    const tag = { ...group, Key: 'JoinAD', Value: 'false', PropagateAtLaunch: false };
    await autoScaling.send(new CreateOrUpdateTagsCommand({ Tags: [tag] }));
    autoScaling.destroy();
    await system.setDesiredCapacity(1);
    const instanceId = await onlyInstance(system, 'Pending:Wait', 30_000);
    const ec2 = new EC2Client(system.developer);
    await ec2.send(
      new CreateTagsCommand({ Resources: [instanceId], Tags: [{ Key: 'JoinAD', Value: 'true' }] }),
    );
    ec2.destroy();

    await system.domain.stop();
    system.startAgent();
    // Held, the action is renewed: its message and its hook.
    await eventually('a renewed message', 60_000, async () =>
      unused().includes('ReceiveLifecycleActions sqs:ChangeMessageVisibility') ? undefined : true,
    );
    await system.domain.start();
    await inService(system, 1, 90_000);
    // The scheduled sweep reads the ledger and asks EC2.
    await eventually('a sweep', 60_000, async () =>
      unused().some((grant) => /dynamodb:Scan|ec2:DescribeInstances/.test(grant)) ? undefined : true,
    );
    await system.setDesiredCapacity(0);
    await inService(system, 0, 60_000);

    const log = await readFile(system.agentLogFile, 'utf8');
    expect(log).not.toMatch(/AccessDenied|not authorized/);
    expect(system.agent()?.deaths).toEqual([]);
  }, 240_000);

  test('the worker’s policies allow nothing that it did not use, but for what the table of policies excuses', async () => {
    const excuses = await excused();
    expect(excuses.length).toBeGreaterThan(0);
    expect(unused().toSorted()).toEqual(excuses.toSorted());
  });

  test('an account administrator gets no session and no command on the worker, and the audit topic hears of the attempts', async () => {
    const ssm = new SSMClient(system.developer);
    const { InstanceInformationList } = await ssm.send(new DescribeInstanceInformationCommand({}));
    expect(InstanceInformationList?.map(({ InstanceId }) => InstanceId)).toContain(workerInstance);
    const denial = {
      name: 'AccessDeniedException',
      message: expect.stringMatching(
        new RegExp(
          `on resource: arn:aws:ec2:.*:instance/${workerInstance} with an explicit deny in an identity-based policy$`,
        ),
      ),
    };
    await expect(ssm.send(new StartSessionCommand({ Target: workerInstance }))).rejects.toMatchObject(denial);
    const command = new SendCommandCommand({
      DocumentName: 'AWS-RunShellScript',
      InstanceIds: [workerInstance],
      Parameters: { commands: ['id'] },
    });
    await expect(ssm.send(command)).rejects.toMatchObject(denial);
    ssm.destroy();
    for (const [rule, action] of [
      ['session', 'StartSession'],
      ['command', 'SendCommand'],
    ]) {
      await eventually(`a notice of ${action}`, 5_000, async () =>
        notices(system).find(
          (notice) =>
            notice['rule'] === rule && notice['action'] === action && notice['error'] === 'AccessDenied',
        ),
      );
    }
  }, 90_000);

  test('an account administrator takes no group, instance or command away from the worker', async () => {
    const group = system.stack.autoScalingGroup;
    const autoScaling = new AutoScalingClient(system.developer);
    const ec2 = new EC2Client(system.developer);
    const ssm = new SSMClient(system.developer);
    const tag = (Key: string) => ({
      ResourceId: group,
      ResourceType: 'auto-scaling-group',
      Key,
      Value: 'false',
      PropagateAtLaunch: true,
    });
    const attempts: readonly [string, () => Promise<unknown>][] = [
      ['the tag', () => autoScaling.send(new CreateOrUpdateTagsCommand({ Tags: [tag('JoinAD')] }))],
      [
        'the tag in another spelling',
        () => autoScaling.send(new CreateOrUpdateTagsCommand({ Tags: [tag('joinad')] })),
      ],
      [
        'the group',
        () =>
          autoScaling.send(
            new DeleteAutoScalingGroupCommand({ AutoScalingGroupName: group, ForceDelete: true }),
          ),
      ],
      [
        'the hook',
        () =>
          autoScaling.send(
            new DeleteLifecycleHookCommand({
              AutoScalingGroupName: group,
              LifecycleHookName: 'adjoin-launch',
            }),
          ),
      ],
      [
        'the tag of the worker',
        () =>
          ec2.send(
            new CreateTagsCommand({
              Resources: [workerInstance],
              Tags: [{ Key: 'adjoin:worker', Value: 'no' }],
            }),
          ),
      ],
      [
        'a command',
        () => ssm.send(new CancelCommandCommand({ CommandId: '00000000-0000-0000-0000-000000000000' })),
      ],
    ];
    const outcomes: Record<string, string> = {};
    for (const [what, attempt] of attempts) {
      outcomes[what] = await attempt().then(
        () => 'allowed',
        (error: unknown) => (String(error).includes('with an explicit deny') ? 'denied' : String(error)),
      );
    }
    for (const client of [autoScaling, ec2, ssm]) client.destroy();
    expect(outcomes).toEqual(Object.fromEntries(attempts.map(([what]) => [what, 'denied'])));
  }, 90_000);

  test('the worker’s key reads the secret from inside the VPC, and not from outside', async () => {
    const read = new GetSecretValueCommand({ SecretId: system.stack.secretId });
    const reader = (endpoint: string) =>
      new SecretsManagerClient({ ...system.developer, endpoint, credentials: system.keys.worker });
    await expect(reader(system.vpcEndpoint).send(read)).resolves.toMatchObject({
      ARN: system.stack.secretId,
    });
    await expect(reader(system.endpoint).send(read)).rejects.toThrow('explicit deny');
    await eventually('a notice of the denied read', 5_000, async () =>
      notices(system).find(
        (notice) => notice['rule'] === 'secret-read' && notice['error'] === 'AccessDenied',
      ),
    );
  });
});
