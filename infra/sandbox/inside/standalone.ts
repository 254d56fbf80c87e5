/** The story of instances outside Auto Scaling groups: they run, stop and start again, and end, and no hook holds them. */
import {
  DescribeInstancesCommand,
  EC2Client,
  RunInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import type { Clock } from '../clock.ts';
import { type Baseline, proveAbsence, proveMembers } from '../story/checks.ts';
import { type Proof, proofOf } from '../story/proof.ts';
import type { Plot, Subject } from '../story/story.ts';
import { lookAtFleet, type Sighting } from '../story/watch.ts';
import type { Sandbox } from './sandbox.ts';

export interface StandaloneStory {
  readonly subject: Subject;
  readonly plot: Plot;
}

const pollMs = 250;
/** Stopping and starting a machine takes a second. */
const stateLimitMs = 30_000;
const testJoinMs = 30_000;

/** @param size how many instances ask for a join; one more does not */
export function standalone(sandbox: Sandbox, subject: Subject, size: number, clock: Clock): StandaloneStory {
  const ec2 = new EC2Client({ ...sandbox.developer, credentials: sandbox.keys.operator });
  const asking: string[] = [];
  const silent: string[] = [];

  const run = async (count: number, tag: string | undefined): Promise<string[]> => {
    const Tags = [tag === undefined ? { Key: 'Name', Value: 'bystander' } : { Key: 'JoinAD', Value: tag }];
    const { Instances = [] } = await ec2.send(
      new RunInstancesCommand({
        ImageId: 'ami-0123456789abcdef0',
        MinCount: count,
        MaxCount: count,
        TagSpecifications: [{ ResourceType: 'instance', Tags }],
      }),
    );
    return Instances.flatMap(({ InstanceId }) => InstanceId ?? []);
  };
  const states = async (): Promise<Map<string, string>> => {
    const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({}));
    const instances = Reservations.flatMap(({ Instances = [] }) => Instances);
    return new Map(instances.map(({ InstanceId = '', State }) => [InstanceId, State?.Name ?? '']));
  };
  const comesTo = async (instanceId: string, state: string): Promise<void> => {
    const deadline = clock.now() + stateLimitMs;
    while ((await states()).get(instanceId) !== state) {
      if (clock.now() > deadline) throw new Error(`${instanceId} does not come to be ${state}`);
      await clock.sleep(pollMs);
    }
  };

  /** In the words of a group's instances, as nothing else tells how far one is: a member is in service, a removal over is gone. */
  const look = async (): Promise<Sighting> => {
    const [seen, { memberships }] = await Promise.all([
      states(),
      lookAtFleet(sandbox.autoscaling, sandbox.dynamodb, [], sandbox.stack.table),
    ]);
    const shown = asking.flatMap((id): [string, string][] => {
      const state = memberships.get(id)?.state;
      const ends = seen.get(id) === 'shutting-down' || seen.get(id) === 'terminated';
      if (ends) return state === 'removed' ? [] : [[id, 'Terminating']];
      return [[id, state === 'member' ? 'InService' : 'Pending']];
    });
    return { states: new Map(shown), memberships };
  };
  const witnesses = {
    ...subject.witnesses,
    lifecycleStates: async () => (await look()).states,
    inServiceTimes: undefined,
  };
  const expected = { ...subject.expected, inService: 'EC2: running, and a member in the ledger' };

  const accounts = async (): Promise<Map<string, number>> => {
    const computers = await witnesses.auditor.computers();
    return new Map(computers.map(({ stamp, passwordLastSet }) => [stamp, passwordLastSet]));
  };
  const proveSilence = async (): Promise<Proof> => {
    const { memberships } = await look();
    const known = silent.filter((id) => memberships.has(id));
    return proofOf('ledger: an instance without JoinAD=true is not there', silent.length, known);
  };

  let before = new Map<string, number>();
  const plot: Plot = (known: Baseline) => [
    {
      title: `run ${size} instances of no group, and one without JoinAD=true`,
      size,
      async act() {
        asking.push(...(await run(size, 'true')));
        silent.push(...(await run(1, undefined)));
      },
      prove: async (_living, _seen, signal) => [
        ...(await proveMembers(size, witnesses, expected, known, clock, signal)),
        await proveSilence(),
      ],
    },
    {
      title: 'stop one, and start it again',
      size,
      async act() {
        before = await accounts();
        const [first = ''] = asking;
        await ec2.send(new StopInstancesCommand({ InstanceIds: [first] }));
        await comesTo(first, 'stopped');
        await ec2.send(new StartInstancesCommand({ InstanceIds: [first] }));
        await comesTo(first, 'running');
      },
      async prove() {
        const [first = ''] = asking;
        const { code } = await witnesses.onMachine(first, ['adcli', 'testjoin'], testJoinMs);
        const now = await accounts();
        const changed = [...before].filter(([stamp, set]) => now.get(stamp) !== set).map(([stamp]) => stamp);
        return [
          proofOf('machine: adcli testjoin, after the start', 1, code === 0 ? [] : [`exit code ${code}`]),
          proofOf('directory: each account is there, with the password that it had', before.size, changed),
        ];
      },
    },
    {
      title: 'terminate them',
      size: 0,
      async act() {
        await ec2.send(new TerminateInstancesCommand({ InstanceIds: [...asking, ...silent] }));
      },
      async prove() {
        for (const id of [...asking, ...silent]) await comesTo(id, 'terminated');
        ec2.destroy();
        return proveAbsence([], witnesses, expected, known);
      },
    },
  ];
  return { subject: { ...subject, witnesses, expected, look }, plot };
}
