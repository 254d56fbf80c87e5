import type { RequestListener } from 'node:http';
import { Groups } from './auto-scaling/groups.ts';
import { autoScalingService } from './auto-scaling/service.ts';
import type { Clock } from './clock.ts';
import { Tables } from './dynamodb/tables.ts';
import { Instances, type Fleet } from './ec2/instances.ts';
import { ec2Service } from './ec2/service.ts';
import { FrontDoor, type KeyHolder } from './front-door.ts';
import type { Place } from './place.ts';
import { systemRandom, type Random } from './random.ts';
import type { Authorize, CallCount, Faults } from './seams.ts';
import { Secrets } from './secrets-manager/secrets.ts';
import { secretsManagerService } from './secrets-manager/service.ts';
import type { Service } from './service.ts';
import { Queues } from './sqs/queues.ts';
import { sqsService } from './sqs/service.ts';
import { Commands } from './ssm/commands.ts';
import { Documents } from './ssm/documents.ts';
import { Nodes } from './ssm/nodes.ts';
import type { ScriptRunner } from './ssm/runner/run-document.ts';
import { ssmService } from './ssm/service.ts';
import { stsService } from './sts/service.ts';
import { Timers } from './timers.ts';

export type { Clock } from './clock.ts';
export type { Fleet } from './ec2/instances.ts';
export type { Authorize, CallCount, Faults } from './seams.ts';
export type { ScriptRunner } from './ssm/runner/run-document.ts';

export interface CloudOptions {
  region: string;
  accountId: string;
  /** Who may sign requests. Without an ARN, a principal is an IAM user of its name. */
  principals: readonly { name: string; accessKeyId: string; secretAccessKey: string; arn?: string }[];
  fleet: Fleet;
  scripts: ScriptRunner;
  clock: Clock;
  random?: Random;
  /** Decides on every call; all are allowed without it. */
  authorize?: Authorize;
  /** Spoils calls; none is spoilt without it. */
  faults?: Faults;
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

export interface Cloud {
  /** Mount it on an HTTP server; all services answer on it. */
  readonly handler: RequestListener;
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

  const queues = new Queues({ place, timers, random });
  const nodes = new Nodes(timers, options.registrationDelayMs ?? 2000);
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
  const instances = new Instances({
    fleet: options.fleet,
    timers,
    random,
    events: {
      running(instance) {
        nodes.booted(instance);
        groups.running(instance);
      },
      stopped(instance) {
        nodes.silent(instance.id);
        groups.stopped(instance);
      },
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
      notify: (targetArn, body) =>
        queues.withArn(targetArn)?.send(body, { senderId: 'autoscaling.amazonaws.com' }),
      transitionMs: options.transitionMs ?? 200,
      launchBackoffMs: options.launchBackoffMs ?? 5000,
      terminateHookAfterAbandon: options.terminateHookAfterAbandon ?? true,
    },
    instances,
  );

  const door = new FrontDoor({
    place,
    principals: options.principals.map((each): KeyHolder => ({
      ...each,
      arn: each.arn ?? `arn:aws:iam::${place.accountId}:user/${each.name}`,
    })),
    services: [
      autoScalingService(place, groups),
      ec2Service(place, instances),
      ssmService({ place, documents, nodes, commands, instances }),
      sqsService(place, queues),
      secretsManagerService(place, new Secrets(place, timers, random)),
      stsService(place),
      dynamoDb,
    ],
    tables: new Tables(place),
    timers,
    random,
    authorize: options.authorize ?? (() => ({ allowed: true })),
    faults: options.faults ?? (() => undefined),
  });

  return {
    handler: (request, response) => void door.handle(request, response),
    calls: () => door.calls(),
    machineDied: (instanceId) => instances.died(instanceId),
    close() {
      commands.close();
      timers.close();
    },
  };
}

/** Its operations are dynalite's; the front door only signs them in. */
const dynamoDb: Service = {
  name: 'dynamodb',
  protocol: 'json1.0',
  selector: 'DynamoDB_20120810',
  errors: [],
  operations: new Map(),
};
