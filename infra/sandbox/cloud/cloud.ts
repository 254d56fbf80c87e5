import type { RequestListener } from 'node:http';
import { HookPublisher } from './auto-scaling/hook-publisher.ts';
import { Groups } from './auto-scaling/groups.ts';
import { autoScalingService } from './auto-scaling/service.ts';
import type { Clock } from '../clock.ts';
import { trailEvent } from './cloudtrail/trail.ts';
import { Alarms } from './cloudwatch/alarms.ts';
import { measure } from './cloudwatch/measured.ts';
import { Metrics } from './cloudwatch/metrics.ts';
import { publishAlarm } from './cloudwatch/publisher.ts';
import { dynamoDbService } from './dynamodb/service.ts';
import { Instances, type Fleet, type Instance } from './ec2/instances.ts';
import { LaunchTemplates } from './ec2/launch-templates.ts';
import { Networks } from './ec2/networks.ts';
import { ec2Service } from './ec2/service.ts';
import { stateChange } from './ec2/state-change.ts';
import { Bus } from './events/bus.ts';
import { RuleTargets } from './events/targets.ts';
import { FrontDoor } from './front-door.ts';
import { KeyRing, type KeyHolder, type SessionKey, type SessionWish, type MfaDevice } from './key-ring.ts';
import { Keys } from './kms/keys.ts';
import { LogGroups } from './logs/groups.ts';
import { MetricFilters } from './logs/metric-filters.ts';
import { logsService } from './logs/service.ts';
import { metadataHandler, type MetadataParts } from './metadata/service.ts';
import type { Place } from './place.ts';
import { Buckets } from './s3/buckets.ts';
import { openRequest } from './s3/open.ts';
import { s3Service } from './s3/service.ts';
import { systemRandom, type Random } from './random.ts';
import type { Authorize, CallCount, Faults, Witness } from './seams.ts';
import { Secrets } from './secrets-manager/secrets.ts';
import { secretsManagerService } from './secrets-manager/service.ts';
import type { Door, Service } from './service.ts';
import { Topics } from './sns/topics.ts';
import { Queues } from './sqs/queues.ts';
import { sqsService } from './sqs/service.ts';
import { Commands } from './ssm/commands.ts';
import { Documents } from './ssm/documents.ts';
import { Nodes } from './ssm/nodes.ts';
import { Sessions } from './ssm/sessions.ts';
import type { ScriptRunner } from './ssm/runner/run-document.ts';
import { ssmService } from './ssm/service.ts';
import { stsService } from './sts/service.ts';
import { Timers } from './timers.ts';
import { WaitHandles } from './wait/wait-handles.ts';

export type { Fleet } from './ec2/instances.ts';
export type { SessionKey, SessionWish } from './key-ring.ts';
export type { Authorize, CallCount, CloudEvent, Faults, Witness } from './seams.ts';
export type { ScriptRunner } from './ssm/runner/run-document.ts';

export interface CloudOptions {
  region: string;
  accountId: string;
  /** Who may sign requests. Without an ARN, a principal is an IAM user of its name. */
  principals: readonly {
    name: string;
    accessKeyId: string;
    secretAccessKey: string;
    arn?: string;
    mfa?: MfaDevice;
  }[];
  fleet: Fleet;
  scripts: ScriptRunner;
  clock: Clock;
  /** CloudWatch's, where its periods are to pass in less time. Default: the same. */
  metricsClock?: Clock;
  random?: Random;
  /** Services above these. */
  more?: (parts: ServiceParts) => readonly Service[];
  /** Decides on every call; all are allowed without it. */
  authorize?: Authorize;
  /** The VPC's endpoint of a service, such as `sqs`. Without it, the VPC has no endpoints. */
  endpointOf?: (service: string) => string | undefined;
  /** Spoils calls; none is spoilt without it. */
  faults?: Faults;
  /** Told what becomes of messages, lifecycle actions, instances and nodes. */
  witness?: Witness;
  /** Whether workers boot here and report that they work. Default: none does, and a stack's wait conditions hold at once. */
  signalled?: boolean;
  /** Whether the SSM agent of this instance ever registers. Default: it does. */
  registers?: (instanceId: string) => boolean;
  /** From an instance's boot to its registration as a managed node. Default 2,000: an agent's start-up. */
  registrationDelayMs?: number;
  /** From SendCommand to the start on an idle node. Default 30, as measured with the real agent. */
  commandPickupMs?: number;
  /** How long SSM does not show a new invocation. Default 50. */
  invocationVisibleAfterMs?: number;
  /** How long an instance shows a `:Proceed` state. Default 200. */
  transitionMs?: number;
  /** Wait after a first failed launch; doubles with each further one. Default 5,000. */
  launchBackoffMs?: number;
  /** Whether the terminate hook fires for an abandoned launch. AWS does not say; default true, the harder case. */
  terminateHookAfterAbandon?: boolean;
}

/** What a service is made of that stands above the others, such as CloudFormation. */
export interface ServiceParts {
  readonly place: Place;
  readonly timers: Timers;
  readonly random: Random;
  /** Whose keys it calls the other services with. */
  readonly keys: KeyRing;
  readonly buckets: Buckets;
}

export interface Cloud {
  /** Mount it on an HTTP server; all services answer on it, as they do on the internet. */
  readonly handler: RequestListener;
  /** The same from inside the VPC: what comes in here came through the VPC's endpoints. */
  readonly vpcHandler: RequestListener;
  /** Services that have no operations here: a stack makes their resources by hand. */
  readonly keys: Keys;
  readonly topics: Topics;
  readonly bus: Bus;
  readonly buckets: Buckets;
  /** What EC2's reads of networks show: calls change nothing of it. */
  readonly networks: Networks;
  readonly launchTemplates: LaunchTemplates;
  readonly waitHandles: WaitHandles;
  /** A stack makes log groups by hand; what is in them comes by calls. */
  readonly logGroups: LogGroups;
  readonly metricFilters: MetricFilters;
  /** CloudWatch's, which take no calls either. */
  readonly alarms: Alarms;
  /** The names of the emulated operations, by service. */
  readonly operations: ReadonlyMap<string, readonly string[]>;
  /** Policies as calls have left them, by the ARN of the queue or secret; undefined where there is none now. */
  resourcePolicies(): ReadonlyMap<string, string | undefined>;
  /** The instance metadata service, for a server at its address. */
  metadataHandler(
    parts: Pick<MetadataParts, 'roleOf' | 'issue'> & {
      /** The ID of the instance with this address. */
      readonly instanceAt: (address: string) => string | undefined;
    },
  ): RequestListener;
  /** Temporary keys of a role, without asking its trust policy: what an instance or a service is given. */
  issue(wish: SessionWish): SessionKey;
  /** Every verified call so far, by principal and operation. */
  calls(): CallCount[];
  /** The machine of this instance stopped by itself: it turns unhealthy, and its group replaces it. */
  machineDied(instanceId: string): void;
  /** Forgets everything that was still to happen. Machines are not destroyed: they belong to the fleet. */
  close(): void;
}

/** The services of one AWS account in one Region. All state is in memory. */
export function createCloud(options: CloudOptions): Cloud {
  const place: Place = { region: options.region, accountId: options.accountId };
  const timers = new Timers(options.clock);
  const random = options.random ?? systemRandom;

  const authorize = options.authorize ?? (() => ({ allowed: true }));
  const keyRing = new KeyRing({
    place,
    timers,
    random,
    holders: options.principals.map((each): KeyHolder => ({
      ...each,
      arn: each.arn ?? `arn:aws:iam::${place.accountId}:user/${each.name}`,
    })),
  });
  const keys = new Keys(place, random);
  const topics = new Topics(place);
  const buckets = new Buckets(timers, random);
  const launchTemplates = new LaunchTemplates();
  const waitHandles = new WaitHandles({ place, timers, random, signalled: options.signalled ?? false });
  const metricsTimers = new Timers(options.metricsClock ?? options.clock);
  const metrics = new Metrics();
  const metricFilters = new MetricFilters(metrics, metricsTimers);
  const logGroups = new LogGroups(place, timers, metricFilters);
  const witness = options.witness ?? (() => undefined);
  const queues = new Queues({ place, timers, random, witness });
  const secrets = new Secrets(place, timers, random);
  const targets = new RuleTargets({
    place,
    authorize,
    topics,
    queues,
    keys,
    failed: ({ name }) =>
      metrics.put(
        { namespace: 'AWS/Events', name: 'FailedInvocations', dimensions: { RuleName: name } },
        1,
        metricsTimers.now(),
      ),
  });
  const bus = new Bus({ place, timers, random, deliver: (...delivery) => void targets.deliver(...delivery) });
  const publisher = new HookPublisher({ place, authorize, queues, keys });
  const nodes = new Nodes(timers, options.registrationDelayMs ?? 2000, (instanceId) =>
    witness({ kind: 'node-registered', instanceId }),
  );
  const documents = new Documents(place.accountId, timers);
  const commands = new Commands({
    timers,
    random,
    nodes,
    scripts: options.scripts,
    region: place.region,
    reboot: (instanceId) => options.fleet.reboot(instanceId),
    pickupMs: options.commandPickupMs ?? 30,
    visibleAfterMs: options.invocationVisibleAfterMs ?? 50,
  });
  const networks = new Networks(place);
  const instances = new Instances({
    fleet: options.fleet,
    timers,
    random,
    events: {
      changed: (instance) => bus.put(stateChange(place, instance)),
      rebooted: (instance) => nodes.heard(instance.id),
      running(instance) {
        if (options.registers?.(instance.id) ?? true) nodes.booted(instance);
        groups.running(instance);
      },
      stopped(instance) {
        nodes.silent(instance.id);
        groups.stopped(instance);
      },
      halted: (instance) => nodes.silent(instance.id),
      terminating(instance) {
        nodes.terminated(instance.id);
        commands.terminated(instance.id);
        groups.terminating(instance);
      },
      terminated: (instance) => groups.terminated(instance),
    },
  });
  const groups = new Groups(
    {
      place,
      timers,
      random,
      witness,
      launchData: (template) => launchTemplates.find(template),
      notify: (hook, body) => publisher.publish(hook, body),
      transitionMs: options.transitionMs ?? 200,
      launchBackoffMs: options.launchBackoffMs ?? 5000,
      terminateHookAfterAbandon: options.terminateHookAfterAbandon ?? true,
    },
    instances,
  );

  const alarms = new Alarms({
    place,
    timers: metricsTimers,
    metrics,
    measure: (at) => measure(metrics, { groups: groups.all(), queues: queues.all() }, at),
    publish: (...notice) => void publishAlarm({ place, authorize, topics, keys }, ...notice),
  });

  const services: readonly Service[] = [
    autoScalingService({ place, groups }),
    ec2Service({ place, instances, networks }),
    ssmService({ place, documents, nodes, commands, instances, sessions: new Sessions(random) }),
    sqsService({ place, queues, keys }),
    secretsManagerService({ place, secrets, keys }),
    stsService({ place, keys: keyRing, timers }),
    dynamoDbService(place),
    s3Service(buckets, place.region),
    logsService({ groups: logGroups }),
    ...(options.more?.({ place, timers, random, keys: keyRing, buckets }) ?? []),
  ];
  const door = new FrontDoor({
    place,
    keys: keyRing,
    services,
    timers,
    random,
    authorize,
    faults: options.faults ?? (() => undefined),
    endpointOf: options.endpointOf ?? (() => undefined),
    open: (request) => openRequest({ place, buckets, waitHandles }, request),
    answered(call) {
      const event = trailEvent(call, { place, timers, random });
      if (event) bus.put(event);
    },
  });
  const through =
    (way: Door): RequestListener =>
    (request, response) =>
      void door.handle(request, response, way);

  return {
    handler: through('internet'),
    vpcHandler: through('vpc'),
    keys,
    topics,
    bus,
    buckets,
    networks,
    launchTemplates,
    waitHandles,
    logGroups,
    metricFilters,
    alarms,
    metadataHandler: ({ instanceAt, ...rest }) =>
      metadataHandler({
        ...rest,
        place,
        timers,
        random,
        instanceAt(address): Instance | undefined {
          const id = instanceAt(address);
          return id === undefined ? undefined : instances.find(id);
        },
      }),
    operations: new Map(services.map(({ name, operations }) => [name, [...operations.keys()]])),
    resourcePolicies: () =>
      new Map([
        ...queues.all().map((each) => [each.arn, each.settings.get('Policy')] as const),
        ...secrets.all().map((each) => [each.arn, each.policy] as const),
      ]),
    issue: (wish) => keyRing.issue(wish),
    calls: () => door.calls(),
    machineDied: (instanceId) => instances.died(instanceId),
    close() {
      commands.close();
      timers.close();
      metricsTimers.close();
    },
  };
}
