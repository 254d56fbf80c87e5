/**
 * A worker as it is in AWS: an instance of the launch template boots with systemd, runs the user data as the stack renders it, and
 * serves under the unit that it gets by that.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AutoScalingClient,
  DescribeAutoScalingGroupsCommand,
  DescribeScalingActivitiesCommand,
  SetDesiredCapacityCommand,
  TerminateInstanceInAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  CloudFormationClient,
  CreateChangeSetCommand,
  DeleteStackCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
  type Parameter,
} from '@aws-sdk/client-cloudformation';
import {
  CloudWatchLogsClient,
  FilterLogEventsCommand,
  ResourceNotFoundException,
} from '@aws-sdk/client-cloudwatch-logs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type EmptySandbox, type Sandbox, startEmptySandbox } from '../../infra/sandbox/inside/sandbox.ts';
import { subjectOf } from '../../infra/sandbox/inside/subject.ts';
import type { Machine } from '../../infra/sandbox/machine/machine.ts';
import { agentBucket } from '../../infra/sandbox/stack/stack.ts';
import { shellBlocks } from '../support/chapters.ts';
import { describeReal } from '../support/sandbox.ts';
import { computerNames, eventually, inService } from './sandbox.ts';

/** A set-up of a quarter of a minute; more where others want the processor. */
const limitMs = 240_000;
const group = 'adjoin-worker';
const queueNameMs = 60_000;
/** CloudWatch's five minutes in two and a half seconds: an alarm that takes three of them is to be seen, and its end. */
const metricsHaste = 120;

/** In place of ten minutes of trying: for endpoints that are not ready yet. */
const quickly =
  "printf '#!/bin/sh\\necho 1\\n' >/usr/local/bin/seq; printf '#!/bin/sh\\n' >/usr/local/bin/sleep; chmod 755 /usr/local/bin/*";

describeReal('a worker that boots', (ground) => {
  let empty: EmptySandbox;
  let sandbox: Sandbox | undefined;
  let autoScaling: AutoScalingClient;
  let cloudFormation: CloudFormationClient;
  let logs: CloudWatchLogsClient;
  /** What is different on the machine of the next worker. */
  let difference: string | undefined;

  beforeAll(async () => {
    if (ground.desk === undefined) throw new Error('There is no desk: the runner has to ask for it.');
    empty = await startEmptySandbox({
      image: ground.image,
      runtime: ground.runtime,
      directory: join(process.cwd(), '.sandbox'),
      port: 0,
      maximumInstances: 2,
      nodes: 'systemd',
      metricsHaste,
      // In place of five minutes, which are ample for that.
      rollingPause: () =>
        eventually('as many workers work as are wanted', limitMs, async () =>
          (await working()).length === (await workers()).wanted ? true : undefined,
        ),
      workers: 1,
      bootWorkers: {
        layer: ground.desk,
        async prepare(machine) {
          if (difference !== undefined) await inShell(machine, difference);
        },
      },
    });
    const administrator = () => empty.session(empty.account.administratorRoleArn, 'somebody');
    autoScaling = new AutoScalingClient(administrator());
    cloudFormation = new CloudFormationClient(administrator());
    logs = new CloudWatchLogsClient(administrator());
  }, limitMs);
  afterAll(async () => {
    for (const client of [autoScaling, cloudFormation, logs]) client.destroy();
    await (sandbox ?? empty).stop();
  }, limitMs);

  const theSystem = () => {
    if (sandbox === undefined) throw new Error('Nothing is deployed.');
    return { ...sandbox, subject: subjectOf(sandbox) };
  };

  /** The group's instances that are in service, how many it wants, and what they are launched with. */
  async function workers(): Promise<{ wanted: number; there: string[]; userData: string }> {
    const { AutoScalingGroups = [] } = await autoScaling.send(
      new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [group] }),
    );
    const { DesiredCapacity = 0, Instances = [], LaunchTemplate } = AutoScalingGroups[0] ?? {};
    const launch = empty.cloud.launchTemplates.find({
      id: LaunchTemplate?.LaunchTemplateId,
      version: LaunchTemplate?.Version,
    });
    const there = Instances.filter(({ LifecycleState }) => LifecycleState === 'InService');
    return {
      wanted: DesiredCapacity,
      there: there.map(({ InstanceId = '' }) => InstanceId),
      userData: launch?.userData ?? '',
    };
  }

  async function messages(logStreamName: string): Promise<string[]> {
    const { events = [] } = await logs
      .send(
        new FilterLogEventsCommand({
          logGroupName: '/adjoin/adjoin/worker',
          logStreamNames: [logStreamName],
        }),
      )
      .catch((error: unknown) => {
        // Nothing is delivered yet.
        if (error instanceof ResourceNotFoundException) return { events: [] };
        throw error;
      });
    return events.map(({ message = '' }) => message);
  }

  /** What the topic was told of an alarm that went on. */
  function notices(name: string): { readonly AlarmName: string; readonly NewStateValue: string }[] {
    const topic = empty.cloud.topics.all().find(({ arn }) => arn.endsWith(':adjoin-alarm'));
    return (topic?.messages ?? [])
      .map((body): ReturnType<typeof notices>[number] => JSON.parse(body))
      .filter((each) => each.AlarmName === `adjoin-${name}` && each.NewStateValue === 'ALARM');
  }

  test(
    'a worker that can not find an endpoint says which one, and the creation of the stack fails with that',
    async () => {
      difference = `${quickly}; sed -i '/ sqs\\./d' /etc/hosts`;
      await expect(empty.deploy()).rejects.toThrow(
        /adjoin is ROLLBACK_COMPLETE: \w*WorkerWorks\w+: WaitCondition received failed message: 'worker ip-10-77-\d+-\d+: reaching the VPC endpoints \(name resolution, port 443, TLS\) of sqs failed' for uniqueId: ip-10-77-/,
      );
      // All of it is rolled back: the next creation finds nothing.
      expect((await workers()).there).toEqual([]);
      await cloudFormation.send(new DeleteStackCommand({ StackName: 'adjoin' }));
      await eventually('the failed stack is deleted', 20_000, async () => {
        const { Stacks = [] } = await cloudFormation.send(new DescribeStacksCommand({}));
        return Stacks.length === 0 ? true : undefined;
      });
      difference = undefined;
      // SQS's own rule: until then, it makes no queue of the name of a deleted one.
      const deletedAt = Date.now();
      await eventually('the queues’ names are free', 2 * queueNameMs, async () =>
        Date.now() - deletedAt > queueNameMs ? true : undefined,
      );
    },
    limitMs,
  );

  test(
    'the stack is complete when a worker has installed its packages, fetched the agent, and works under its unit',
    async () => {
      const asked = Date.now();
      sandbox = await empty.deploy();
      // The set-up looks at the agent for some seconds before it reports.
      expect(Date.now() - asked).toBeGreaterThan(5_000);
      const { there } = await workers();
      expect(there).toHaveLength(1);
      const worker = await machineOf(there[0]);
      const show = await inShell(
        worker,
        'systemctl show adjoin --property=ActiveState,NRestarts,User,NoNewPrivileges,ProtectSystem,CapabilityBoundingSet,TimeoutStopUSec',
      );
      expect(show.split('\n').toSorted()).toEqual([
        'ActiveState=active',
        'CapabilityBoundingSet=',
        'NRestarts=0',
        'NoNewPrivileges=yes',
        'ProtectSystem=strict',
        'TimeoutStopUSec=1min 30s',
        'User=adjoin',
      ]);
      expect(await inShell(worker, 'systemctl is-enabled amazon-ssm-agent || :')).toBe('masked');
      expect(
        await inShell(
          worker,
          'systemctl --failed --plain --no-legend; systemctl is-active amazon-cloudwatch-agent',
        ),
      ).toBe('active');
      expect(await inShell(worker, 'rpm -qa | sort')).toMatch(
        /^amazon-cloudwatch-agent-\S+\nlogrotate-\S+\nnodejs24-\S+$/,
      );
      // Its keys are those of its instance, from the metadata service.
      expect(await inShell(worker, 'systemctl show adjoin --property=Environment')).toBe(
        'Environment=MALLOC_ARENA_MAX=1',
      );
      await eventually('the log is delivered', 60_000, async () =>
        (await messages(there[0] ?? '')).some((line) => line.includes('"event":"agent started"'))
          ? true
          : undefined,
      );
      // A person looks for it on the console.
      const [, lastLine] =
        /the set-up's last line is\s+\*([^*]+)\*/.exec(await readFile('docs/first-deployment.md', 'utf8')) ??
        [];
      const said = await eventually('the set-up’s log is delivered', 60_000, async () => {
        const lines = await messages(`${there[0]}-setup`);
        return lines.at(-1) === lastLine ? lines : undefined;
      });
      expect(said.join('\n')).toContain('Installed:');
    },
    limitMs,
  );

  test(
    'a node with systemd joins and leaves, and nobody but that worker does it',
    async () => {
      await theSystem().setDesiredCapacity(1);
      const [node] = await inService(theSystem(), 1, limitMs);
      expect(await computerNames(theSystem())).toHaveLength(1);
      const machine = await machineOf(node);
      const [name = ''] = await computerNames(theSystem());
      expect(
        await inShell(machine, 'hostnamectl hostname; systemctl is-enabled sssd; systemctl is-active sssd'),
      ).toBe(`${name.toLowerCase()}\nenabled\nactive`);
      // What the page tells a person to type in a shell there, as it stands.
      const onTheWorker = shellBlocks(await readFile('docs/operate.md', 'utf8')).filter(
        ({ language }) => language === 'sh',
      );
      expect(onTheWorker.map(({ chapter }) => chapter)).toEqual(['What a sweep would do']);
      const worker = await machineOf((await workers()).there[0]);
      for (const { lines } of onTheWorker) {
        // The shell of a session is a child of a service, and has what systemd gives to those.
        const asService = ['systemd-run', '--quiet', '--pipe', '--wait', '--collect'];
        const { code, stdout, stderr } = await worker.exec([...asService, 'sh', '-c', lines.join('\n')]);
        expect([code, stderr]).toEqual([0, expect.any(String)]);
        expect(stdout.replaceAll(/\s+/g, ' ')).toMatch(
          /1 account and \d memberships? examined: 0 would be removed, .* 0 errors\. This was a dry run/,
        );
      }
      await theSystem().setDesiredCapacity(0);
      await inService(theSystem(), 0, limitMs);
      expect(await computerNames(theSystem())).toEqual([]);
      const completed = theSystem()
        .cloud.calls()
        .filter(({ operation }) => operation === 'CompleteLifecycleAction');
      expect(completed).toEqual([expect.objectContaining({ principal: 'worker-1', count: 2, errors: 0 })]);
    },
    limitMs,
  );

  test(
    'an update of the stack replaces one worker after the other, and one of them works all the time',
    async () => {
      const before = await workers();
      await autoScaling.send(
        new SetDesiredCapacityCommand({ AutoScalingGroupName: group, DesiredCapacity: 2 }),
      );
      await eventually('two workers work', limitMs, async () =>
        (await working()).length === 2 ? true : undefined,
      );
      const old = await working();
      await cloudFormation.send(
        new CreateChangeSetCommand({
          StackName: 'adjoin',
          ChangeSetName: 'turn',
          UsePreviousTemplate: true,
          Capabilities: ['CAPABILITY_NAMED_IAM'],
          Parameters: await parametersWith('UpdateTurn', 'second'),
        }),
      );
      await cloudFormation.send(new ExecuteChangeSetCommand({ StackName: 'adjoin', ChangeSetName: 'turn' }));
      let least = 2;
      await eventually('the update is complete', limitMs, async () => {
        least = Math.min(least, (await working()).length);
        const { Stacks = [] } = await cloudFormation.send(new DescribeStacksCommand({ StackName: 'adjoin' }));
        const status = Stacks[0]?.StackStatus ?? '';
        if (status.includes('ROLLBACK')) throw new Error(`The stack is ${status}.`);
        return status === 'UPDATE_COMPLETE' ? true : undefined;
      });
      expect(least).toBe(1);
      const now = await workers();
      expect(now.there).toHaveLength(2);
      expect(now.there.filter((each) => old.includes(each))).toEqual([]);
      // Each of them reports to the handle whose turn it is.
      expect(now.userData).not.toBe(before.userData);
      await autoScaling.send(
        new SetDesiredCapacityCommand({ AutoScalingGroupName: group, DesiredCapacity: 1 }),
      );
    },
    2 * limitMs,
  );

  test(
    'a worker whose agent has another hash runs nothing and powers itself off; its group replaces it, and the alarm tells; one whose agent was deleted runs the version that its bucket keeps',
    async () => {
      // Workers were missing while the stack was made and updated. That is over once the alarm, if it took one such period, were OK: then
      // none of its periods has any of that.
      const { alarms } = empty.cloud;
      const settings = alarms.find('adjoin-few-workers')?.settings;
      if (settings === undefined) throw new Error('There is no such alarm.');
      const none = { OK: [], ALARM: [], INSUFFICIENT_DATA: [] };
      alarms.put({ ...settings, name: 'one-period', datapointsToAlarm: 1, actions: none });
      await eventually('no worker was missing in an hour', limitMs, async () =>
        alarms.find('one-period')?.state === 'OK' ? true : undefined,
      );
      alarms.delete('one-period');
      expect(alarms.find('adjoin-few-workers')?.state).toBe('OK');
      const before = notices('few-workers').length;
      const { buckets } = empty.cloud;
      const [agent] = buckets.objects(agentBucket);
      if (agent === undefined) throw new Error('There is no agent.');
      // A version that is deleted is gone for good.
      buckets.remove(agentBucket, agent.key, agent.versionId);
      buckets.put(agentBucket, agent.key, Buffer.from(`${agent.body.toString()}\n`), agent.contentType);
      // As AWS's download has the SSM agent, whose unit an image of one's own may have.
      difference =
        'mv /usr/lib/systemd/system/amazon-ssm-agent.service /etc/systemd/system/ && systemctl daemon-reload';
      const { there, userData } = await workers();
      const [, signalUrl = ''] = /^SIGNAL_URL='(.*)'$/m.exec(userData) ?? [];
      await autoScaling.send(
        new TerminateInstanceInAutoScalingGroupCommand({
          InstanceId: there[0],
          ShouldDecrementDesiredCapacity: false,
        }),
      );
      await eventually('the one that was set up in vain is replaced', limitMs, async () => {
        const { Activities = [] } = await autoScaling.send(
          new DescribeScalingActivitiesCommand({ AutoScalingGroupName: group }),
        );
        return Activities.some(({ Cause }) => Cause?.includes('an EC2 health check')) ? true : undefined;
      });
      // Replacement after replacement fails: three of twelve periods lack one.
      const alarm = await eventually(
        'the topic is told',
        limitMs,
        async () => notices('few-workers')[before],
      );
      expect(alarm).toMatchObject({
        NewStateValue: 'ALARM',
        OldStateValue: 'OK',
        // Where two periods have ended since the last look, there may be more than the three that it takes.
        NewStateReason: expect.stringMatching(
          /^Threshold Crossed: \d+ out of the last 12 datapoints \[1\.0 \(/,
        ),
        AlarmDescription: expect.stringContaining('There are fewer workers than wanted.'),
      });
      await expect(empty.cloud.waitHandles.wait(signalUrl, 1, 1)).rejects.toThrow(
        `comparing the hash of s3://${agentBucket}/${agent.key} with the template's failed`,
      );
      const { versionId } = buckets.put(agentBucket, agent.key, agent.body, agent.contentType);
      buckets.remove(agentBucket, agent.key);
      // The next one works.
      await eventually('a worker that works', limitMs, async () => {
        const [instance] = (await workers()).there;
        const machine = empty.fleet.machine(instance ?? '');
        if (machine === undefined) return undefined;
        const state = await inShell(machine, 'systemctl is-active adjoin || :').catch(() => '');
        return state === 'active' ? true : undefined;
      });
      const [instance = ''] = (await workers()).there;
      const machine = await machineOf(instance);
      await eventually('the set-up’s log says which agent it took', 60_000, async () =>
        (await messages(`${instance}-setup`)).some((line) =>
          line.endsWith(`${agent.key} is not the template's: took its version ${versionId}`),
        )
          ? true
          : undefined,
      );
      expect(await inShell(machine, 'systemctl is-enabled amazon-ssm-agent || :')).toBe('masked');
      expect(await inShell(machine, 'systemctl is-active amazon-ssm-agent || :')).toBe('inactive');
    },
    2 * limitMs,
  );

  /** Instances whose agent runs. */
  async function working(): Promise<string[]> {
    const active: string[] = [];
    for (const instance of (await workers()).there) {
      const machine = empty.fleet.machine(instance);
      const state = machine && (await inShell(machine, 'systemctl is-active adjoin || :').catch(() => ''));
      if (state === 'active') active.push(instance);
    }
    return active;
  }

  /** All parameters as they are, but for one. */
  async function parametersWith(name: string, value: string): Promise<Parameter[]> {
    const { Stacks = [] } = await cloudFormation.send(new DescribeStacksCommand({ StackName: 'adjoin' }));
    const { Parameters = [] } = Stacks[0] ?? {};
    return Parameters.map(({ ParameterKey = '' }) =>
      ParameterKey === name
        ? { ParameterKey, ParameterValue: value }
        : { ParameterKey, UsePreviousValue: true },
    );
  }

  async function machineOf(instanceId: string | undefined): Promise<Machine> {
    const machine = empty.fleet.machine(instanceId ?? '');
    if (machine === undefined) throw new Error(`There is no machine of ${instanceId}.`);
    return machine;
  }
});

async function inShell(machine: Machine, command: string): Promise<string> {
  const { code, stdout, stderr } = await machine.exec(['sh', '-c', command]);
  if (code !== 0) throw new Error(`${command}: ${code}: ${stderr}`);
  return stdout.trim();
}
