import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import type { Membership } from '../../../agent/ledger/membership.ts';
import type { AttachedHook } from '../../../agent/operator/attach/attach.ts';
import { launchOf } from '../../../agent/operator/aws/test-group.ts';
import type { Model, Seen, TestPorts, Throwaway } from '../../../agent/operator/test/ports.ts';
import { test as runTest, TEST_TAG, type TestOptions } from '../../../agent/operator/test/test.ts';
import { recordTerminal, type RecordedTerminal } from '../../support/terminal.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

const queueArn = 'arn:aws:sqs:eu-central-1:123456789012:adjoin-lifecycle';
const publisherRoleArn = 'arn:aws:iam::123456789012:role/adjoin-eu-central-1-hook-publisher';
const deployment = { name: 'adjoin', workerGroup: 'adjoin-worker', queueArn, publisherRoleArn };
const instance = 'i-0123456789abcdef0';
const name = 'adjoin-test-0badcafe';
const CREATED = 'group made';

const launchHook: AttachedHook = {
  name: 'join-it',
  transition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
  targetArn: queueArn,
  roleArn: publisherRoleArn,
  defaultResult: 'ABANDON',
  heartbeat: 600,
  metadata: 'of the group',
};
const terminateHook: AttachedHook = {
  ...launchHook,
  name: 'adjoin-terminate',
  transition: 'autoscaling:EC2_INSTANCE_TERMINATING',
  defaultResult: 'CONTINUE',
};

interface Group {
  readonly made: Throwaway;
  desired: number;
  state: string | undefined;
  /** When the state was come to. */
  since: number;
  emptyAt: number | undefined;
}

/** What Auto Scaling and a worker do, as time passes. */
interface World {
  model: Model | undefined;
  groups: Map<string, Group>;
  /** What was asked for that changes something. */
  done: string[];
  ledger: Membership | undefined;
  failures: string[];
  /** Milliseconds from the launch to the membership; nothing where no worker works. */
  joinsAfter: number | undefined;
  /** How the worker gives the join up, in place of it. */
  givesUp: { readonly code: string; readonly message: string } | undefined;
  /** State of the ledger when the instance has ended. */
  endsAs: Membership['state'];
  /** Milliseconds in which an instance ends. */
  endsAfter: number;
}

let clock: VirtualClock;
let terminal: RecordedTerminal;
let world: World;
let ports: TestPorts;
let stopping: AbortController;
/** Called before each call, by its name. */
let onCall: (call: string) => void;

const record = (state: Membership['state'], more: Partial<Membership> = {}): Membership => ({
  instanceId: instance,
  autoScalingGroup: name,
  state,
  fencingToken: 1,
  computerName: 'A0123456789ABCD',
  domainController: 'dc1.corp.example.test',
  ...more,
});

function become(group: Group, state: string | undefined): void {
  group.state = state;
  group.since = clock.now();
}

/** Takes the group as far as it is by now. */
function pass(group: Group): void {
  const { joinsAfter, givesUp, endsAs, endsAfter } = world;
  if (group.emptyAt !== undefined && group.emptyAt <= clock.now()) group.desired = 0;
  const age = clock.now() - group.since;
  if (group.desired === 0 && group.state !== undefined && !group.state.startsWith('Terminating'))
    become(group, 'Terminating:Wait');
  else if (group.desired === 1 && group.state === undefined && world.failures.length === 0) {
    become(group, 'Pending:Wait');
    world.ledger = record('joining');
  } else if (group.state === 'Pending:Wait' && givesUp && age >= 5_000)
    world.ledger = record('failed', { lastError: { ...givesUp, at: clock.now() } });
  else if (group.state === 'Pending:Wait' && joinsAfter !== undefined && age >= joinsAfter) {
    world.ledger = record('member');
    become(group, 'InService');
  } else if (group.state?.startsWith('Terminating') && age >= endsAfter) {
    world.ledger = record(endsAs);
    become(group, undefined);
  }
}

beforeEach(() => {
  clock = createVirtualClock();
  terminal = recordTerminal();
  stopping = new AbortController();
  onCall = () => undefined;
  world = {
    model: {
      tags: new Map([
        ['JoinAD', { value: 'true', propagates: true }],
        ['adjoin:SudoGroups', { value: 'Admins', propagates: false }],
        ['adjoin:sessions', { value: 'allowed', propagates: true }],
        ['adjoin:OnJoinFailure', { value: 'HOLD', propagates: false }],
        ['kubernetes.io/cluster/prod', { value: 'owned', propagates: true }],
        ['CostCenter', { value: '4711', propagates: true }],
      ]),
      hooks: [launchHook, terminateHook],
      hasTemplate: true,
    },
    groups: new Map(),
    done: [],
    ledger: undefined,
    failures: [],
    joinsAfter: 20_000,
    givesUp: undefined,
    endsAs: 'removed',
    endsAfter: 6_000,
  };
  const of = (group: string): Group => {
    const found = world.groups.get(group);
    if (!found) throw new AdjoinError('aws-refused', `${group} not found`);
    pass(found);
    return found;
  };
  ports = {
    async model(group) {
      onCall('model');
      return group === 'fleet' ? world.model : undefined;
    },
    async make(made) {
      onCall('make');
      world.done.push(`make ${made.name}`);
      world.groups.set(made.name, {
        made,
        desired: 0,
        state: undefined,
        since: clock.now(),
        emptyAt: undefined,
      });
    },
    async emptyAt(group, at) {
      onCall('emptyAt');
      world.done.push('emptyAt');
      of(group).emptyAt = at;
    },
    async scale(group, size) {
      onCall(`scale ${size}`);
      world.done.push(`scale ${size}`);
      of(group).desired = size;
    },
    async look(group): Promise<Seen | undefined> {
      onCall('look');
      const found = world.groups.get(group);
      if (!found) return undefined;
      pass(found);
      const { desired, state } = found;
      return { desired, instances: state === undefined ? [] : [{ id: instance, state }] };
    },
    async failures() {
      return world.failures;
    },
    async remove(group) {
      onCall('remove');
      if (of(group).state !== undefined) return false;
      world.done.push(`remove ${group}`);
      return world.groups.delete(group);
    },
    async marked(tag) {
      return [...world.groups.values()].map(({ made }) => ({
        name: made.name,
        mark: made.tags.get(tag) ?? '',
      }));
    },
    membership: async () => world.ledger,
    newId: () => '0badcafe',
    insist: (work) => work(new AbortController().signal),
  };
});

const run = (change: Partial<TestOptions> = {}): Promise<number> =>
  runTest(
    { group: 'fleet', copiedTags: [], waitMs: 600_000, clean: false, json: false, ...change },
    deployment,
    ports,
    { clock: clock.passing, terminal },
    stopping.signal,
  );

/** As it stands on the screen, in one line. */
const said = (): string => terminal.written.err.replaceAll('\n', ' ');

describe('a test of a group', () => {
  test('launches one instance, sees it join and go again, and leaves nothing', async () => {
    expect(await run()).toBe(0);
    expect(world.done).toEqual([`make ${name}`, 'emptyAt', 'scale 1', 'scale 0', `remove ${name}`]);
    expect(world.groups.size).toBe(0);
    const { out } = terminal.written;
    expect(out).toMatch(/^ *seconds +step\n/);
    for (const step of [CREATED, 'launched', 'joined', 'in service', 'removed', 'cleaned up', 'in all +✔'])
      expect(out).toMatch(new RegExp(`^[0-9.]+ +${step}`, 'm'));
    expect(out).toContain('A0123456789ABCD');
    expect(`${out}${terminal.written.err}`.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  test('makes hooks and tag with the group, as the group itself has them, and nothing that leads others to it', async () => {
    let made: Throwaway | undefined;
    onCall = (call) => {
      if (call === 'scale 1') made = world.groups.get(name)?.made;
    };
    expect(await run({ copiedTags: ['CostCenter'] })).toBe(0);
    expect(made?.hooks).toEqual([
      expect.objectContaining({
        name: 'adjoin-launch',
        targetArn: queueArn,
        roleArn: publisherRoleArn,
        defaultResult: 'ABANDON',
        heartbeat: 600,
        metadata: 'of the group',
      }),
      expect.objectContaining({ name: 'adjoin-terminate', defaultResult: 'CONTINUE', heartbeat: 600 }),
    ]);
    expect(Object.fromEntries(made?.tags ?? [])).toEqual({
      JoinAD: 'true',
      'adjoin:SudoGroups': 'Admins',
      CostCenter: '4711',
      [TEST_TAG]: 'adjoin until 2026-01-01T00:25:00Z',
    });
  });

  test('has Auto Scaling empty the group at a time that the test itself does not reach', async () => {
    let end: number | undefined;
    onCall = (call) => {
      if (call === 'scale 1') end = world.groups.get(name)?.emptyAt;
    };
    const began = clock.now();
    await run();
    expect(end).toBe(began + 2 * 600_000 + 300_000);
    // Before an instance is asked for.
    expect(world.done.indexOf('emptyAt')).toBeLessThan(world.done.indexOf('scale 1'));
  });

  test('tests a group that is not attached yet, with the usual heartbeat', async () => {
    world.model = { tags: new Map(), hooks: [], hasTemplate: true };
    let made: Throwaway | undefined;
    onCall = (call) => {
      if (call === 'scale 1') made = world.groups.get(name)?.made;
    };
    expect(await run()).toBe(0);
    expect(made?.hooks.map(({ heartbeat }) => heartbeat)).toEqual([300, 300]);
  });

  test('is told to machines', async () => {
    expect(await run({ json: true })).toBe(0);
    expect(JSON.parse(terminal.written.out)).toMatchObject({
      group: 'fleet',
      testGroup: name,
      instance,
      computerName: 'A0123456789ABCD',
      left: null,
      problem: null,
      steps: expect.arrayContaining([{ step: 'joined', seconds: 20, detail: expect.any(String) }]),
    });
  });
});

describe('nothing is made', () => {
  test.each<[string, () => Partial<TestOptions>, string]>([
    ['for a group that is not there', () => ({ group: 'flete' }), 'no Auto Scaling group flete'],
    ['for the workers', () => ({ group: 'adjoin-worker' }), 'group of the workers'],
    [
      'for a group without a template',
      () => {
        world.model = { tags: new Map(), hooks: [], hasTemplate: false };
        return {};
      },
      'no launch template',
    ],
    [
      'for a group that others join',
      () => {
        world.model = { tags: new Map(), hooks: [terminateHook], hasTemplate: true };
        return {};
      },
      'unjoined only',
    ],
    ['with a tag that is not there', () => ({ copiedTags: ['Owner'] }), 'no tag Owner'],
  ])('%s', async (_what, prepare, words) => {
    expect(await run(prepare())).toBe(70);
    expect(said()).toContain(words);
    expect(said()).toContain('Nothing was made.');
    expect(world.done).toEqual([]);
  });
});

describe('what goes wrong is said, and nothing stays', () => {
  test('when the join is given up', async () => {
    world.givesUp = { code: 'node-unsupported', message: 'Plan 9 is not supported.' };
    world.joinsAfter = undefined;
    world.endsAs = 'failed';
    expect(await run()).toBe(70);
    expect(said()).toContain('The join was given up: node-unsupported: Plan 9 is not supported.');
    expect(said()).toContain('adjoin doctor --group fleet');
    expect(world.groups.size).toBe(0);
    expect(terminal.written.out).toMatch(/in all +✘/);
  });

  test('when Auto Scaling can launch nothing', async () => {
    world.failures = ['You have requested more vCPU capacity than your current limit.'];
    expect(await run()).toBe(70);
    expect(said()).toContain('more vCPU capacity');
    expect(world.groups.size).toBe(0);
  });

  test('when Auto Scaling ends the instance', async () => {
    world.joinsAfter = undefined;
    onCall = () => {
      const group = world.groups.get(name);
      if (group?.state === 'Pending:Wait' && clock.now() - group.since > 10_000)
        become(group, 'Terminating:Wait');
    };
    expect(await run()).toBe(70);
    expect(said()).toContain('Auto Scaling ended the instance: the ledger says joining.');
    expect(world.groups.size).toBe(0);
  });

  test('when no worker works', async () => {
    world.joinsAfter = undefined;
    expect(await run()).toBe(70);
    expect(said()).toContain(
      'The instance is no member after 600 s. It is Pending:Wait; the ledger says joining.',
    );
    expect(world.groups.size).toBe(0);
  });

  test('when the removal is owed', async () => {
    world.endsAs = 'owed';
    expect(await run()).toBe(70);
    expect(said()).toContain('its account may be in the directory: the ledger says owed.');
    expect(world.groups.size).toBe(0);
  });

  test('when the group is made and the answer is lost', async () => {
    const before = ports;
    ports = {
      ...ports,
      async make(...of) {
        await before.make(...of);
        throw new AdjoinError('aws-unavailable', 'no answer');
      },
    };
    expect(await run()).toBe(70);
    expect(said()).toContain('no answer');
    expect(world.groups.size).toBe(0);
    expect(world.done).not.toContain('scale 1');
  });

  test('when the group could not be made: then there is nothing to clean up', async () => {
    ports = { ...ports, make: () => Promise.reject(new AdjoinError('aws-denied', 'not yours')) };
    expect(await run()).toBe(70);
    expect(said()).toContain('not yours');
    expect(terminal.written.out).toBe('');
  });

  test.each(['make', 'emptyAt', 'scale 1', 'look'])('when it is interrupted at %s', async (at) => {
    onCall = (call) => {
      if (call === at && !stopping.signal.aborted) stopping.abort(new AdjoinError('draining', 'Stopped.'));
    };
    expect(await run()).toBe(70);
    expect(said()).toContain('Stopped. Cleaning up…');
    expect(world.groups.size).toBe(0);
  });
});

describe('what remains is said', () => {
  test('when cleaning up is interrupted, too', async () => {
    world.endsAfter = Number.POSITIVE_INFINITY;
    ports = {
      ...ports,
      insist: async (work) => {
        const again = new AbortController();
        const looks = { count: 0 };
        onCall = (call) => {
          if (call === 'look' && (looks.count += 1) === 3)
            again.abort(new AdjoinError('draining', 'Interrupted again.'));
        };
        return work(again.signal);
      },
    };
    expect(await run()).toBe(70);
    expect(said()).toContain(`Not cleaned up: Interrupted again. These remain: ${name}, ${instance}.`);
    expect(said()).toContain('Auto Scaling ends the instance at 00:25 UTC');
    expect(said()).toContain('adjoin test --clean');
  });

  test('when the instance does not end in time', async () => {
    world.endsAfter = Number.POSITIVE_INFINITY;
    expect(await run({ json: true })).toBe(70);
    expect(JSON.parse(terminal.written.out)).toMatchObject({
      computerName: 'A0123456789ABCD',
      left: { group: name, instances: [instance] },
      problem: expect.stringContaining('is not gone after 600 s'),
    });
  });
});

describe('what an earlier test left', () => {
  const leave = (until: string, of = 'adjoin'): void => {
    const made = {
      name: 'adjoin-test-deadbeef',
      tags: new Map([[TEST_TAG, `${of} until ${until}`]]),
      hooks: [],
    };
    world.groups.set(made.name, {
      made,
      desired: 1,
      state: 'InService',
      since: clock.now(),
      emptyAt: undefined,
    });
  };

  test('is unjoined and deleted by the next one, once its time is over', async () => {
    leave('2025-12-31T23:59:00Z');
    expect(await run()).toBe(0);
    expect(world.done.slice(0, 3)).toEqual(['scale 0', 'remove adjoin-test-deadbeef', `make ${name}`]);
    expect(said()).toContain('adjoin-test-deadbeef, which an earlier test had left, is removed.');
  });

  test('is left alone before: somebody may be testing', async () => {
    leave('2026-01-01T00:10:00Z');
    expect(await run()).toBe(0);
    expect([...world.groups.keys()]).toEqual(['adjoin-test-deadbeef']);
    expect(said()).toContain('It is left alone until 00:10 UTC.');
  });

  test('is removed at once when that is asked for, and nothing is tested', async () => {
    leave('2026-01-01T00:10:00Z');
    expect(await run({ group: '', clean: true })).toBe(0);
    expect(world.done).toEqual(['scale 0', 'remove adjoin-test-deadbeef']);
  });

  test('is none of ours when it is another deployment’s, or bears only the tag', async () => {
    leave('2025-12-31T23:59:00Z', 'other');
    const fleet = {
      name: 'fleet',
      tags: new Map([[TEST_TAG, 'adjoin until 2025-12-31T23:59:00Z']]),
      hooks: [],
    };
    world.groups.set('fleet', { made: fleet, desired: 1, state: 'InService', since: 0, emptyAt: undefined });
    expect(await run({ clean: true })).toBe(0);
    expect([...world.groups.keys()]).toEqual(['adjoin-test-deadbeef', 'fleet']);
    expect(world.done).toEqual([]);
  });

  test('that can not be removed is said', async () => {
    leave('2025-12-31T23:59:00Z');
    world.endsAfter = Number.POSITIVE_INFINITY;
    expect(await run({ clean: true })).toBe(70);
    expect(said()).toContain('could not be removed within 600 s: i-0123456789abcdef0 is Terminating:Wait.');
  });
});

describe('what is launched', () => {
  const common = { MinSize: 1, MaxSize: 9, DesiredCapacity: 4, DefaultCooldown: 300, HealthCheckType: 'ELB' };
  const names = {
    AutoScalingGroupName: 'fleet',
    AvailabilityZones: ['eu-central-1a'],
    TargetGroupARNs: ['arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/web/1'],
    LoadBalancerNames: ['web'],
    VPCZoneIdentifier: 'subnet-1,subnet-2',
    CreatedTime: new Date(0),
  };
  const LaunchTemplate = { LaunchTemplateId: 'lt-1', LaunchTemplateName: 'fleet', Version: '7' };

  test('is the launch template by its ID, in the group’s subnets, and behind no load balancer', () => {
    expect(launchOf({ ...common, ...names, LaunchTemplate })).toEqual({
      LaunchTemplate: { LaunchTemplateId: 'lt-1', Version: '7' },
      VPCZoneIdentifier: 'subnet-1,subnet-2',
    });
  });

  test('is the whole policy of mixed instances, each template by its ID', () => {
    const MixedInstancesPolicy = {
      LaunchTemplate: {
        LaunchTemplateSpecification: LaunchTemplate,
        Overrides: [{ InstanceType: 't3.micro' as const, LaunchTemplateSpecification: LaunchTemplate }],
      },
      InstancesDistribution: { OnDemandBaseCapacity: 1 },
    };
    const of = launchOf({ ...common, ...names, MixedInstancesPolicy })?.MixedInstancesPolicy;
    expect(of?.InstancesDistribution).toEqual({ OnDemandBaseCapacity: 1 });
    expect(of?.LaunchTemplate?.LaunchTemplateSpecification?.LaunchTemplateName).toBeUndefined();
    expect(of?.LaunchTemplate?.Overrides?.[0]).toMatchObject({
      InstanceType: 't3.micro',
      LaunchTemplateSpecification: { LaunchTemplateId: 'lt-1', LaunchTemplateName: undefined },
    });
  });

  test('is a launch configuration, in zones, by a role that opens the volumes’ key', () => {
    const role = 'arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/';
    const group = { ...common, ...names, VPCZoneIdentifier: '', LaunchConfigurationName: 'old' };
    expect(launchOf({ ...group, ServiceLinkedRoleARN: `${role}AWSServiceRoleForAutoScaling_keys` })).toEqual({
      LaunchConfigurationName: 'old',
      AvailabilityZones: ['eu-central-1a'],
      ServiceLinkedRoleARN: `${role}AWSServiceRoleForAutoScaling_keys`,
    });
    expect(
      launchOf({ ...group, ServiceLinkedRoleARN: `${role}AWSServiceRoleForAutoScaling` }),
    ).not.toHaveProperty('ServiceLinkedRoleARN');
  });

  test('is nothing where the group says nothing', () => {
    expect(launchOf({ ...common, ...names })).toBeUndefined();
  });
});
