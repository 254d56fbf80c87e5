/** An operator's commands against the sandbox's AWS: from an empty account to a stack, and what each run finds of the one before. */
import {
  AutoScalingClient,
  CompleteLifecycleActionCommand,
  CreateAutoScalingGroupCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeLifecycleHooksCommand,
  DescribeScheduledActionsCommand,
  DescribeTagsCommand,
} from '@aws-sdk/client-auto-scaling';
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { DescribeSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { everyEndpoint, network } from '../../../infra/sandbox/stack/network.ts';
import { bucket, typist, type Typist } from './typed.ts';

let desk: Typist;
let cloudFormation: CloudFormationClient;
let autoScaling: AutoScalingClient;
let secrets: SecretsManagerClient;

beforeAll(async () => {
  desk = await typist();
  desk.settings();
  const { empty } = desk;
  const administrator = empty.session(empty.account.administratorRoleArn, 'internet');
  cloudFormation = new CloudFormationClient(administrator);
  autoScaling = new AutoScalingClient(administrator);
  secrets = new SecretsManagerClient(administrator);
  // Milliseconds: the synthesis, if it is not there.
}, 300_000);
afterAll(async () => {
  for (const client of [cloudFormation, autoScaling, secrets]) client.destroy();
  await desk[Symbol.asyncDispose]();
});

async function statusOf(StackName = 'adjoin'): Promise<string | undefined> {
  try {
    const { Stacks } = await cloudFormation.send(new DescribeStacksCommand({ StackName }));
    return Stacks?.[0]?.StackStatus;
  } catch {
    return undefined;
  }
}
const keys = (): string[] => desk.empty.cloud.buckets.objects(bucket).map(({ key }) => key);

describe('adjoin doctor --pre', () => {
  test('finds that all is well before there is a stack, or says what only a worker will see', async () => {
    const { code, out } = await desk.type(['doctor', '--pre', '--domain', 'corp.example.test']);
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(/✔ the two subnets are in the VPC, and in two\s+zones/),
    ]);
    expect(out).not.toMatch(/[✘‼]/);
    expect(out).toMatch(/- DNS names the domain controllers/);
    expect(out.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(await statusOf()).toBeUndefined();
  });

  test('says what is wrong, and looks at all of it', async () => {
    const { networks } = desk.empty.cloud;
    networks.routeTables.set('rtb-1', {
      id: 'rtb-1',
      vpcId: network.VpcId,
      isMain: false,
      subnetIds: [network.SubnetA],
      wayOut: 'igw-1',
    });
    desk.settings({ EndpointKms: 'existing', RouteTableIds: '', SubnetB: network.SubnetA }, [
      'AdministratorArns',
    ]);
    const { code, out } = await desk.type(['doctor', '--pre', '-o', 'json']);
    networks.routeTables.delete('rtb-1');
    desk.settings();
    expect(code).toBe(70);
    const { checks }: { checks: { id: string; state: string; text?: string }[] } = JSON.parse(out);
    const failures = new Map(
      checks.filter(({ state }) => state === 'failed').map(({ id, text = '' }) => [id, text]),
    );
    expect([...failures.keys()]).toEqual([
      'settings',
      'contradictions',
      'worker-subnets',
      'wanted-endpoints',
    ]);
    expect(failures.get('settings')).toContain('AdministratorArns');
    expect(failures.get('contradictions')).toMatch(/give RouteTableIds[^]*EndpointSecurityGroupId/);
    expect(failures.get('wanted-endpoints')).toContain('There is none of kms.');
  });

  test('looks at no groups, nodes and workers: there are none', async () => {
    const { code, err } = await desk.type(['doctor', '--pre', '--group', 'fleet']);
    expect([code, err]).toEqual([64, expect.stringContaining('before there is a stack')]);
  });
});

describe('adjoin deploy', () => {
  test('asks nobody where nobody is: then --yes or --dry-run has to be said', async () => {
    const { code, err } = await desk.type(['deploy']);
    expect([code, err]).toEqual([64, expect.stringContaining('--yes')]);
    expect(await statusOf()).toBeUndefined();
  });

  test('shows by a dry run what it would make and what that costs, and leaves nothing', async () => {
    const { code, out, err } = await desk.type(['deploy', '--dry-run']);
    expect([code, err]).toEqual([0, expect.stringContaining('S3PrefixListId=pl-')]);
    expect(out).toMatch(/^1 .*AWS::DynamoDB::Table$/m);
    expect(out).toMatch(/116\.80|interface endpoints: 8/);
    expect(out.split('\n').every((line) => line.length <= 80)).toBe(true);
    expect(await statusOf()).toBeUndefined();
    expect(keys()).toEqual([]);
    expect(existsSync(join(desk.folder, 'adjoin-config.json'))).toBe(false);
  });

  test('finds subnets, endpoints and route tables in the VPC, as EC2 shows them', async () => {
    const { networks } = desk.empty.cloud;
    const [group] = ['sg-0123456789abcdef0'];
    const endpoint = {
      id: 'vpce-0123456789abcdef0',
      vpcId: network.VpcId,
      service: 'com.amazonaws.eu-central-1.sqs',
      type: 'Interface',
      state: 'Available',
      privateDns: true,
      groupIds: [group],
      subnetIds: [],
      routeTableIds: [],
    } as const;
    networks.endpoints.set(endpoint.id, endpoint);
    // Of no use to anybody who calls by the service's name.
    networks.endpoints.set('vpce-1', { ...endpoint, id: 'vpce-1', service: 'x.kms', privateDns: false });
    desk.settings({}, ['SubnetA', 'SubnetB', 'RouteTableIds', ...Object.keys(everyEndpoint)]);
    const { code, err } = await desk.type(['deploy', '--dry-run']);
    networks.endpoints.clear();
    desk.settings();
    const found = err.replaceAll('\n', ' ');
    expect([code, found]).toEqual([0, expect.stringContaining(`SubnetA=${network.SubnetA}`)]);
    for (const each of [
      `SubnetB=${network.SubnetB}`,
      'EndpointSqs=existing',
      'EndpointKms=create',
      `EndpointSecurityGroupId=${group}`,
      `RouteTableIds=${network.RouteTableIds}`,
    ])
      expect(found).toContain(each);
  });

  test('leaves nothing either when the person does not agree', async () => {
    const { code, err } = await desk.type(['deploy'], ['no']);
    expect([code, err]).toEqual([70, expect.stringContaining('Nothing was changed.')]);
    expect(await statusOf()).toBeUndefined();
    expect(keys()).toEqual([]);
  });

  test('makes the stack, follows it, compares the documents, and writes the configuration', async () => {
    const { code, out, err } = await desk.type(['deploy'], ['yes']);
    expect([code, err]).toEqual([0, expect.anything()]);
    expect(out).toMatch(/CREATE_COMPLETE +DynamoDB::Table/);
    expect(out).toContain('The documents are those that the workers pin.');
    expect(await statusOf()).toBe('CREATE_COMPLETE');
    expect(keys()).toEqual([expect.stringMatching(/^adjoin\/agent-[0-9a-f]{12}\.mjs$/)]);
    const config = JSON.parse(readFileSync(join(desk.folder, 'adjoin-config.json'), 'utf8'));
    expect(config.directory.caFile).toBe(join(desk.folder, 'ca.pem'));
  });

  test('changes nothing when it is done again, and says so for machines', async () => {
    const { code, out } = await desk.type(['deploy', '--yes', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      action: 'unchanged',
      status: 'CREATE_COMPLETE',
      changes: [],
      problem: null,
    });
  });

  test('changes what the settings change, and keeps the values that they do not name', async () => {
    desk.settings({ AlarmEmail: 'on-call@example.test' });
    const { code, out } = await desk.type(['deploy', '--yes']);
    expect([code, out]).toEqual([0, expect.stringMatching(/^1 .*AWS::SNS::Subscription$/m)]);
    expect(await statusOf()).toBe('UPDATE_COMPLETE');
    desk.settings();
    const again = await desk.type(['deploy', '--yes', '--json']);
    expect(JSON.parse(again.out)).toMatchObject({ action: 'unchanged' });
  });
});

describe('adjoin secret put', () => {
  const values = ['corp.example.test', 'svc-adjoin', 'OU=Fleet,DC=corp,DC=example,DC=test'];
  const current = async (): Promise<string | undefined> => {
    const { VersionIdsToStages = {} } = await secrets.send(
      new DescribeSecretCommand({ SecretId: 'adjoin/service-account' }),
    );
    return Object.entries(VersionIdsToStages).find(([, stages]) => stages.includes('AWSCURRENT'))?.[0];
  };

  test('puts one version, and says that no controller could be tried from here', async () => {
    const before = await current();
    const { code, out, err } = await desk.type(['secret', 'put'], [...values, 'a-password', 'a-password']);
    expect([code, err]).toEqual([0, expect.stringMatching(/The logon was not\s+tried from here/)]);
    const now = await current();
    expect(now).not.toBe(before);
    expect(out).toContain(now);
    expect(out + err).not.toContain('a-password');
  });

  test('puts nothing that is wrong', async () => {
    const before = await current();
    const wrong = ['corp', ...values.slice(1), 'a-password'];
    const { code, err } = await desk.type(['secret', 'put'], wrong);
    expect([code, err]).toEqual([70, expect.stringContaining('domain_name')]);
    expect(await current()).toBe(before);
  });
});

describe('adjoin attach and detach', () => {
  const AutoScalingGroupName = 'fleet';
  const hooks = async () => {
    const { LifecycleHooks = [] } = await autoScaling.send(
      new DescribeLifecycleHooksCommand({ AutoScalingGroupName }),
    );
    return LifecycleHooks;
  };

  beforeAll(async () => {
    await autoScaling.send(
      new CreateAutoScalingGroupCommand({
        AutoScalingGroupName,
        MinSize: 0,
        MaxSize: 1,
        AvailabilityZones: ['eu-central-1a'],
        LaunchTemplate: { LaunchTemplateName: 'fleet', Version: '$Default' },
      }),
    );
  });

  test('make the hooks of a group, which Auto Scaling takes, and its tag', async () => {
    expect((await desk.type(['attach', 'fleet', '--dry-run'])).code).toBe(0);
    expect(await hooks()).toEqual([]);
    const { code, out } = await desk.type(['attach', 'fleet']);
    expect([code, out]).toEqual([0, expect.stringContaining('3 of 3 changed')]);
    expect(await hooks()).toEqual([
      expect.objectContaining({ LifecycleHookName: 'adjoin-launch', DefaultResult: 'ABANDON' }),
      expect.objectContaining({ LifecycleHookName: 'adjoin-terminate', DefaultResult: 'CONTINUE' }),
    ]);
    const { Tags } = await autoScaling.send(
      new DescribeTagsCommand({ Filters: [{ Name: 'auto-scaling-group', Values: ['fleet'] }] }),
    );
    expect(Tags).toMatchObject([{ Key: 'JoinAD', Value: 'true', PropagateAtLaunch: true }]);
    expect((await desk.type(['attach', 'fleet'])).out).toContain('0 of 3 changed');
  });

  test('keep the deployment from being destroyed while they are attached', async () => {
    const { code, err } = await desk.type(['destroy', '--yes']);
    expect([code, err]).toEqual([70, expect.stringContaining('Hooks of fleet send to this deployment')]);
    expect(await statusOf()).toBe('UPDATE_COMPLETE');
  });

  test('take the hooks away again', async () => {
    const { code, out } = await desk.type(['detach', 'fleet']);
    expect([code, out]).toEqual([0, expect.stringContaining('2 of 2 changed')]);
    expect(await hooks()).toEqual([]);
  });
});

describe('adjoin test', () => {
  const testGroups = async () => {
    const { AutoScalingGroups = [] } = await autoScaling.send(new DescribeAutoScalingGroupsCommand({}));
    return AutoScalingGroups.filter(({ AutoScalingGroupName = '' }) =>
      AutoScalingGroupName.startsWith('adjoin-test-'),
    );
  };

  test('says what remains where no worker works, and removes it later', async () => {
    const { code, out, err } = await desk.type(['test', 'fleet', '--wait', '1']);
    const said = err.replaceAll('\n', ' ');
    expect([code, said]).toEqual([70, expect.stringContaining('no worker has taken it up')]);
    expect(said).toContain('These remain: adjoin-test-');
    expect(out).toMatch(/ group made +adjoin-test-[0-9a-f]{8}, like fleet\n.* launched +i-[0-9a-f]{17}\n/);
    const [group, ...others] = await testGroups();
    expect(others).toEqual([]);
    expect(group).toMatchObject({
      MaxSize: 1,
      DesiredCapacity: 0,
      LaunchTemplate: { LaunchTemplateName: 'fleet' },
      Tags: expect.arrayContaining([
        expect.objectContaining({ Key: 'JoinAD', Value: 'true', PropagateAtLaunch: true }),
      ]),
    });
    const { AutoScalingGroupName, Instances: [instance] = [] } = group ?? {};
    const { ScheduledUpdateGroupActions } = await autoScaling.send(
      new DescribeScheduledActionsCommand({ AutoScalingGroupName }),
    );
    expect(ScheduledUpdateGroupActions).toEqual([
      expect.objectContaining({ DesiredCapacity: 0, MaxSize: 0 }),
    ]);
    // Another one goes on beside it.
    expect((await desk.type(['test', 'flete'])).err.replaceAll('\n', ' ')).toContain(
      'It is left alone until',
    );
    // As a worker would.
    await autoScaling.send(
      new CompleteLifecycleActionCommand({
        AutoScalingGroupName,
        LifecycleHookName: 'adjoin-terminate',
        InstanceId: instance?.InstanceId,
        LifecycleActionResult: 'CONTINUE',
      }),
    );
    expect(await desk.type(['test', '--clean'])).toMatchObject({
      code: 0,
      err: expect.stringMatching(/is\s+removed\.\nNothing of a test is there any more\.\n$/),
    });
    expect(await testGroups()).toEqual([]);
  });
});

describe('adjoin doctor', () => {
  test('ends when it is interrupted, and says no more than that', async () => {
    const running = desk.type(['doctor', '--wait', '600']);
    const interrupting = setInterval(() => process.emit('SIGINT'), 20);
    const { code, err } = await running.finally(() => clearInterval(interrupting));
    expect([code, err]).toEqual([70, expect.stringMatching(/^(Not well yet.*\n)?\nStopped looking\.\n$/)]);
  });
});

describe('adjoin destroy', () => {
  test('asks for the name, and takes no other', async () => {
    expect((await desk.type(['destroy'])).code).toBe(64);
    const { code, out, err } = await desk.type(['destroy'], ['yes']);
    expect([code, err]).toEqual([70, expect.stringContaining('That is not its name')]);
    expect(out).toMatch(/These stay[^]*DynamoDB::Table adjoin-memberships/);
    expect(await statusOf()).toBe('UPDATE_COMPLETE');
  });

  test('deletes the stack and follows it; done again, it finds nothing to do', async () => {
    const { code, out } = await desk.type(['destroy'], ['adjoin']);
    expect([code, out]).toEqual([0, expect.stringMatching(/DELETE_COMPLETE[^]*adjoin is gone\./)]);
    expect(await statusOf()).toBeUndefined();
    const again = await desk.type(['destroy', '--yes', '--json']);
    expect([again.code, JSON.parse(again.out)]).toEqual([0, expect.objectContaining({ status: null })]);
  });
});
