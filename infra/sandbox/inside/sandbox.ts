/**
 * The whole system on one machine: the domain, the AWS endpoint, the stack, the machines and the agent.
 * Runs inside the outer namespace. Everything it starts ends with `stop`, or with the namespace.
 */
import { AutoScalingClient, SetDesiredCapacityCommand } from '@aws-sdk/client-auto-scaling';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { Resolver } from 'node:dns/promises';
import { join } from 'node:path';
import { hastened, systemClock } from '../clock.ts';
import {
  type Cloud,
  createCloud,
  type Faults,
  type SessionKey,
  type SessionWish,
  type Witness,
} from '../cloud/cloud.ts';
import { type Domain, startDomain } from '../domain/domain.ts';
import { oneTimeCode } from '../cloud/sts/one-time-code.ts';
import { makeSupplies, type Supplies } from '../machine/amazon/amazon-linux.ts';
import { checkCgroups } from '../machine/cgroup.ts';
import type { Machine } from '../machine/machine.ts';
import { ensureBridge } from '../machine/network.ts';
import { type Account, account } from '../stack/account.ts';
import { awsBuckets } from '../stack/aws-buckets.ts';
import type { AgentConfig } from '../stack/agent-config.ts';
import { cloudFormationOf } from '../stack/cloudformation/service.ts';
import { Permissions } from '../stack/permissions.ts';
import type { ClientConfig } from '../stack/client-config.ts';
import {
  agentBucket,
  deployStack,
  readStack,
  type Stack,
  type StackOptions,
  unjoinOnlyTag,
} from '../stack/stack.ts';
import { type Synthesis, synthesis } from '../stack/synthesis.ts';
import { type Auditor, createAuditor } from '../story/auditor.ts';
import { type Agent, startAgent } from './agent.ts';
import { createFleet, type Fleet } from './fleet.ts';
import { addGroup } from './groups.ts';
import { createLives, type Lives } from './lives.ts';
import { type Key, writePrivate } from './state.ts';
import type { MachineSystem } from './systems.ts';
import { openWorkerWorld, type WorkerWorld } from './worker-world.ts';

export { endCgroups, NoCgroupError } from '../machine/cgroup.ts';

export const region = 'eu-central-1';
export const accountId = '123456789012';

/** An agent that starts takes about a second to load; a real instance's takes longer. */
const registrationDelayMs = 300;

export interface SandboxOptions {
  readonly image: string;
  /** A directory on a tmpfs. */
  readonly runtime: string;
  /** Where files for people go: the agent's configuration and log, the CA. */
  readonly directory: string;
  /** Loopback port of the AWS endpoint as the internet has it; 0 takes a free one. */
  readonly port: number;
  /** Loopback port of the AWS endpoint as the VPC has it, through its endpoints. Default: a free one. */
  readonly vpcPort?: number;
  readonly maximumInstances: number;
  /** Laid over the configuration that the stack gives to the agent. */
  readonly agentConfig?: AgentConfig;
  readonly heartbeatSeconds?: number;
  /** Whether instances of no group are joined and unjoined as well. Default: they are not. */
  readonly standaloneInstances?: boolean;
  /** Instances in the worker's group: idle ones, while the worker itself is a process, unless they boot. Default 0. */
  readonly workers?: number;
  /** Lets them boot: by their launch template's user data, under systemd, with their role's keys. Default: they don't. */
  readonly bootWorkers?: BootWorkers;
  /** In place of the right one in the secret. */
  readonly servicePassword?: string;
  /** Called for each machine before its instance counts as booted. */
  readonly prepareMachine?: (machine: Machine) => Promise<void>;
  /** The first process of the nodes' machines. Default: shell. */
  readonly nodes?: 'shell' | 'systemd';
  /** What groups are attached for. Default: join and unjoin. */
  readonly attach?: StackOptions['attach'];
  /** What machines are like, a group for each: the first one's is the stack's. Default: one system, the image's. */
  readonly systems?: readonly MachineSystem[];
  /** Spoils calls to the AWS endpoint. Default: none is spoilt. */
  readonly faults?: Faults;
  /** Told what becomes of messages, lifecycle actions and instances. */
  readonly witness?: Witness;
  /** Whether the SSM agent of this instance ever registers. Default: it does. */
  readonly registers?: (instanceId: string) => boolean;
  /** What a rolling update waits for after each batch, in place of the time that the template says. */
  readonly rollingPause?: () => Promise<unknown>;
  /** How many seconds of CloudWatch's metrics and alarms are one. Default 1. */
  readonly metricsHaste?: number;
  /** Auto Scaling's wait after a first failed launch, in milliseconds; it doubles with each further one. Default 5,000. */
  readonly launchBackoffMs?: number;
  /** How long Auto Scaling takes to go on with an instance whose action has ended, in milliseconds. Default 200. */
  readonly transitionMs?: number;
  /** How long DescribeStacks may wait for a stack in progress. Default: not at all, as in AWS. */
  readonly describeStacksWaitsMs?: number;
  /** Told what is being waited for. */
  readonly progress?: (step: string) => void;
}

export interface BootWorkers {
  /** What lies over the image, as on a desk. */
  readonly layer: string;
  /** Called for each worker's machine before it runs its user data. */
  readonly prepare?: (machine: Machine) => Promise<void>;
}

export interface Sandbox {
  readonly runtime: string;
  /** The groups that are attached, with what their machines are like: the stack's first. Undefined: as the image. */
  readonly groups: ReadonlyMap<string, MachineSystem | undefined>;
  readonly cloud: Cloud;
  readonly domain: Domain;
  readonly fleet: Fleet;
  readonly stack: Stack;
  readonly auditor: Auditor;
  /** When each instance of a group came and went. */
  readonly lives: Pick<Lives, 'all'>;
  /** What each principal may do, and what was used of it. */
  readonly permissions: Permissions;
  readonly endpoint: string;
  readonly vpcEndpoint: string;
  readonly keys: Readonly<Record<'operator' | 'developer' | 'administrator' | 'worker', Key>>;
  /** What an SDK client needs to call as the developer. */
  readonly developer: ClientConfig;
  /** As a new session of a role, without asking its trust policy. */
  session(roleArn: string, name: string): ClientConfig;
  readonly autoscaling: AutoScalingClient;
  readonly dynamodb: DynamoDBClient;
  readonly agentConfigFile: string;
  /** The first worker's. */
  readonly agentLogFile: string;
  /** The agent's command line. */
  readonly agentCommand: readonly [string, ...string[]];
  /** The first worker's environment besides PATH. Holds its key. */
  readonly agentEnvironment: Readonly<Record<string, string>>;
  /**
   * Starts an agent, and starts it again whenever it dies: in the place of the first one that was stopped, else as one
   * worker more, with a session and a log of its own. `onPid` is told each process ID, as this namespace numbers it.
   */
  startAgent(onPid?: (pid: number | undefined) => void): Agent;
  /** The first worker. */
  agent(): Agent | undefined;
  /** Every worker, in the order of their numbers. */
  agents(): readonly Agent[];
  /** Where the worker with this number, from 1 on, writes its log. */
  agentLog(number: number): string;
  /** The size of all groups together; the first ones get what can't be shared evenly. */
  setDesiredCapacity(size: number): Promise<void>;
  resolve(name: string): Promise<string[]>;
  stop(): Promise<void>;
}

/** The domain, the AWS account with its people, and no stack: for deployments by other ways than the sandbox's own. */
export interface EmptySandbox extends Pick<
  Sandbox,
  | 'runtime'
  | 'cloud'
  | 'domain'
  | 'fleet'
  | 'permissions'
  | 'endpoint'
  | 'vpcEndpoint'
  | 'developer'
  | 'session'
  | 'stop'
> {
  /** Who is in the account. */
  readonly account: Account;
  /** The developer's MFA device. */
  readonly mfa: {
    /** What it shows now. Each counts once. */
    code(): string;
  };
  /** What `npm run synth` writes, for `adjoin` as the deployment's name. */
  readonly synthesis: Synthesis;
  /** Deploys the stack, makes and attaches the group `fleet`, and puts the credential. */
  deploy(): Promise<Sandbox>;
  /**
   * The sandbox with the stack `adjoin` as it was deployed by then, by whatever way. Deploys nothing and puts no credential.
   * @param agentFile what its workers run. Default: the synthesized one
   */
  withStack(agentFile?: string): Promise<Sandbox>;
}

/** As AWS makes them: an ID that names the key, and 40 characters of secret. */
function makeKey(): Key {
  return {
    accessKeyId: `AKIA${randomBytes(10).toString('hex').slice(0, 16).toUpperCase()}`,
    secretAccessKey: randomBytes(30).toString('base64'),
  };
}

const deployment = 'adjoin';

const workerPrefix = 'worker-';

/** As whom the calls of the worker with this number, from 1 on, are counted. */
export const workerName = (number: number): string => workerPrefix + number;

/** Whether a principal of this name is one of the workers. */
export const isWorker = (principal: string): boolean => principal.startsWith(workerPrefix);

/** What the agent may take to end: its own drain, and the long poll before it. */
const agentStopLimitMs = 45_000;

export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const empty = await startEmptySandbox(options);
  try {
    return await empty.deploy();
  } catch (error) {
    await empty.stop();
    throw error;
  }
}

/** Options of the stack and of its agent count once there is one. */
export async function startEmptySandbox(options: SandboxOptions): Promise<EmptySandbox> {
  const progress = options.progress ?? (() => undefined);
  const developerKey = makeKey();
  const operatorKey = makeKey();
  // As the pages name it.
  const device = { serialNumber: `arn:aws:iam::${accountId}:mfa/me`, secret: randomBytes(20) };
  const undo: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (let step = undo.pop(); step; step = undo.pop()) await step();
  };
  try {
    return await compose();
  } catch (error) {
    await stop();
    throw error;
  }

  /** What workers install, and the certificate of AWS's names: as long as the domain takes, they need not be waited for. */
  async function startSupplies(): Promise<Supplies | undefined> {
    if (options.bootWorkers === undefined) return undefined;
    const { image, runtime } = options;
    const supplies = makeSupplies({ image, runtime, region, layer: options.bootWorkers.layer });
    undo.push(async () => {
      // Its machine is gone then.
      await supplies.catch(() => undefined);
    });
    supplies.catch(() => undefined);
    return supplies;
  }

  async function compose(): Promise<EmptySandbox> {
    await mkdir(options.directory, { recursive: true });
    if (options.bootWorkers) await checkCgroups(options.runtime);
    const caFile = join(options.directory, 'ca.pem');

    progress('domain controller and synthesis');
    // Both take seconds, and neither needs the other.
    const synthesizing = synthesis();
    synthesizing.catch(() => undefined);
    // Before machines want it at the same time.
    await ensureBridge();
    const supplying = startSupplies();
    supplying.catch(() => undefined);
    const domain = await startDomain({ image: options.image, runtime: options.runtime, caFile });
    undo.push(() => domain.destroy());
    const synthesized = await synthesizing;
    const supplies = await supplying;

    progress('AWS endpoint');
    let world: WorkerWorld | undefined;
    let workerCount = 0;
    const groups = new Map<string, MachineSystem | undefined>();
    const fleet: Fleet = createFleet({
      image: options.image,
      runtime: options.runtime,
      nameServers: () => domain.nameServers,
      searchDomain: domain.domainName,
      onDeath: (instanceId) => cloud.machineDied(instanceId),
      ...(options.prepareMachine === undefined ? {} : { prepare: options.prepareMachine }),
      systemOf: (group) => groups.get(group ?? ''),
      workers: () => world,
      ...(options.nodes === undefined ? {} : { init: options.nodes }),
    });
    undo.push(() => fleet.close());
    const people = account({ accountId }, deployment);
    const permissions = new Permissions({
      accountId,
      identities: people.identities,
      trust: people.trust,
      unbound: people.operatorArn,
      foreign: awsBuckets(region),
      resourcePolicies: () => cloud.resourcePolicies(),
    });
    const lives = createLives(() => systemClock.now());
    const cloud: Cloud = createCloud({
      region,
      accountId,
      principals: [
        { name: 'developer', ...developerKey, mfa: device },
        { name: 'operator', ...operatorKey },
      ],
      fleet,
      scripts: fleet,
      clock: systemClock,
      metricsClock: hastened(systemClock, options.metricsHaste ?? 1),
      registrationDelayMs,
      authorize: permissions.authorize,
      ...(options.faults === undefined ? {} : { faults: options.faults }),
      witness(event) {
        lives.note(event);
        options.witness?.(event);
      },
      ...(options.registers === undefined ? {} : { registers: options.registers }),
      ...(options.launchBackoffMs === undefined ? {} : { launchBackoffMs: options.launchBackoffMs }),
      ...(options.transitionMs === undefined ? {} : { transitionMs: options.transitionMs }),
      endpointOf: (service) => permissions.endpointOf(service),
      signalled: options.bootWorkers !== undefined,
      more: cloudFormationOf({
        permissions,
        cloud: () => cloud,
        loopback: () => endpoint,
        describeWaitsMs: options.describeStacksWaitsMs,
        ...(options.bootWorkers && { rolling: { instead: options.rollingPause } }),
      }),
    });
    undo.push(async () => cloud.close());
    const server = createServer((request, response) => cloud.handler(request, response));
    const endpoint = await listen(server, options.port);
    undo.push(() => close(server));
    const vpcServer = createServer((request, response) => cloud.vpcHandler(request, response));
    const vpcEndpoint = await listen(vpcServer, options.vpcPort ?? 0);
    undo.push(() => close(vpcServer));

    if (options.bootWorkers && supplies) {
      const { layer, prepare } = options.bootWorkers;
      world = await openWorkerWorld({
        layer,
        region,
        supplies,
        cloud: () => cloud,
        endpointNames: () => permissions.endpointNames(),
        agentBucket,
        prepare,
        metadata: cloud.metadataHandler({
          instanceAt: (address) => fleet.instanceAt(address),
          roleOf: (profile) => permissions.roleOf(profile),
          issue(instance, roleArn, lifeMs) {
            workerCount += 1;
            return cloud.issue(workerSession(instance.id, roleArn, workerCount, lifeMs));
          },
        }),
      });
      const opened = world;
      undo.push(() => opened.close());
    }

    // A copy, for the SDK writes notes of its own into what it is given.
    const developer: ClientConfig = { endpoint, region, credentials: { ...developerKey } };
    const stackOptions: StackOptions = {
      place: { region, accountId },
      cloud,
      account: people,
      synthesis: synthesized,
      deployment,
      deployer: developer,
      vpcEndpoint,
      credential: {
        domain_name: domain.domainName,
        domain_user: domain.serviceAccount.user,
        domain_password: options.servicePassword ?? domain.serviceAccount.password,
        directory_ou: domain.organizationalUnit,
      },
      caFile,
      directoryCidr: '10.77.0.0/24',
      maximumInstances: options.maximumInstances,
      ...(options.attach === undefined ? {} : { attach: options.attach }),
      ...(options.workers === undefined ? {} : { workers: options.workers }),
      bootWorkers: options.bootWorkers !== undefined,
      ...(options.standaloneInstances === undefined
        ? {}
        : { standaloneInstances: options.standaloneInstances }),
      ...(options.heartbeatSeconds === undefined ? {} : { heartbeatSeconds: options.heartbeatSeconds }),
      ...(options.agentConfig === undefined ? {} : { agentConfig: options.agentConfig }),
    };
    const session = (roleArn: string, sessionName: string): ClientConfig => ({
      endpoint,
      region,
      credentials: cloud.issue({ roleArn, sessionName }),
    });
    return {
      runtime: options.runtime,
      cloud,
      domain,
      fleet,
      permissions,
      endpoint,
      vpcEndpoint,
      developer,
      session,
      account: people,
      mfa: { code: () => oneTimeCode(device.secret, systemClock.now()) },
      synthesis: synthesized,
      async deploy() {
        progress(options.bootWorkers ? 'stack, until its worker has booted and works' : 'stack');
        return inhabited(await deployStack(stackOptions));
      },
      async withStack(agentFile = synthesized.agentFile) {
        return inhabited({ ...(await readStack(stackOptions)), agentFile });
      },
      stop,
    };

    /** What lives on a stack. */
    async function inhabited(stack: Stack): Promise<Sandbox> {
      /** Who a worker is to AWS: the session that the instance metadata service would give to its instance. */
      const workerKey = (number: number): SessionKey => {
        const instanceId = `i-${randomBytes(9).toString('hex').slice(0, 17)}`;
        return cloud.issue(workerSession(instanceId, stack.workerRoleArn, number));
      };
      const keys = {
        operator: operatorKey,
        developer: developerKey,
        administrator: cloud.issue({ roleArn: people.administratorRoleArn, sessionName: 'administrator' }),
        worker: workerKey(1),
      };
      const agentConfigFile = join(options.directory, 'agent.json');
      await writePrivate(agentConfigFile, `${JSON.stringify(stack.agentConfig, null, 2)}\n`);

      const auditor = createAuditor({
        domainName: domain.domainName,
        baseDn: domain.baseDn,
        url: `ldaps://${domain.address}:636`,
        serverName: domain.hostName,
        ca: await readFile(caFile, 'utf8'),
        user: domain.auditor.principal,
        password: domain.auditor.password,
      });
      const autoscaling = new AutoScalingClient(developer);
      const dynamodb = new DynamoDBClient(developer);
      undo.push(async () => {
        autoscaling.destroy();
        dynamodb.destroy();
      });

      const [first, ...others] = options.systems ?? [];
      groups.set(stack.autoScalingGroup, first);
      if (others.length > 0) {
        const owner = new AutoScalingClient({ ...developer, credentials: { ...operatorKey } });
        for (const system of others) {
          const name = system.name.toLowerCase().replaceAll(' ', '-');
          await addGroup(owner, stack.autoScalingGroup, {
            name,
            maximumInstances: options.maximumInstances,
            tags: [
              { Key: 'JoinAD', Value: 'true', PropagateAtLaunch: true },
              ...(options.attach?.Join === 'false' ? [unjoinOnlyTag] : []),
            ],
          });
          groups.set(name, system);
        }
        owner.destroy();
      }

      const agentLog = (number: number): string =>
        join(options.directory, number === 1 ? 'agent.log' : `agent-${number}.log`);
      // Only this run's lives are in the logs.
      for (const name of await readdir(options.directory)) {
        if (/^agent(-\d+)?\.log$/.test(name)) await rm(join(options.directory, name));
      }
      const environmentWith = (key: SessionKey) => ({
        AWS_REGION: region,
        AWS_ENDPOINT_URL: vpcEndpoint,
        AWS_ACCESS_KEY_ID: key.accessKeyId,
        AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
        AWS_SESSION_TOKEN: key.sessionToken,
      });
      const agentEnvironment = environmentWith(keys.worker);
      const agentCommand = [process.execPath, stack.agentFile, '--config', agentConfigFile] as const;
      const agents: Agent[] = [];
      undo.push(async () => {
        await Promise.all(agents.map((agent) => agent.stop(agentStopLimitMs)));
      });

      return {
        runtime: options.runtime,
        groups,
        cloud,
        domain,
        fleet,
        stack,
        auditor,
        lives,
        permissions,
        endpoint,
        vpcEndpoint,
        keys,
        developer,
        session,
        autoscaling,
        dynamodb,
        agentConfigFile,
        agentLogFile: agentLog(1),
        agentCommand,
        agentEnvironment,
        startAgent(onPid = () => undefined) {
          const vacant = agents.findIndex((each) => each.stopped());
          const place = vacant === -1 ? agents.length : vacant;
          const agent = startAgent({
            argv: agentCommand,
            env: place === 0 ? agentEnvironment : environmentWith(workerKey(place + 1)),
            logFile: agentLog(place + 1),
            onPid,
          });
          agents[place] = agent;
          return agent;
        },
        agent: () => agents[0],
        agents: () => agents,
        agentLog,
        async setDesiredCapacity(size) {
          const names = [...groups.keys()];
          const change = (name: string, index: number) =>
            autoscaling.send(
              new SetDesiredCapacityCommand({
                AutoScalingGroupName: name,
                DesiredCapacity: shareOf(size, names.length, index),
              }),
            );
          await Promise.all(names.map(change));
        },
        async resolve(name) {
          const dns = new Resolver({ timeout: 2_000, tries: 2 });
          dns.setServers([domain.address]);
          return dns.resolve4(name).catch(() => []);
        },
        stop,
      };
    }
  }
}

/** The session that the instance metadata service gives to a worker's instance. @param number as whom its calls are counted */
function workerSession(instanceId: string, roleArn: string, number: number, lifeMs?: number): SessionWish {
  return {
    name: workerName(number),
    roleArn,
    sessionName: instanceId,
    context: {
      'ec2:RoleDelivery': '2.0',
      'ec2:SourceInstanceArn': `arn:aws:ec2:${region}:${accountId}:instance/${instanceId}`,
    },
    ...(lifeMs === undefined ? {} : { lifeMs }),
  };
}

/** How many of `size` the group with this index, from 0 on, gets. */
const shareOf = (size: number, groups: number, index: number): number =>
  Math.floor(size / groups) + (index < size % groups ? 1 : 0);

async function listen(server: Server, port: number): Promise<string> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The endpoint has no port.');
  return `http://127.0.0.1:${address.port}`;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}
