/**
 * The whole system on one machine: the domain, the AWS endpoint, the stack, the machines and the agent.
 * Runs inside the outer namespace. Everything it starts ends with `stop`, or with the namespace.
 */
import { AutoScalingClient, SetDesiredCapacityCommand } from '@aws-sdk/client-auto-scaling';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { Resolver } from 'node:dns/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { commandDocuments } from '../../../documents/index.ts';
import { type Cloud, createCloud } from '../cloud/cloud.ts';
import { type Domain, startDomain } from '../domain/domain.ts';
import type { Machine } from '../machine/machine.ts';
import { type AgentConfig, type ClientConfig, provision, type Stack } from '../provision.ts';
import { type Auditor, createAuditor } from '../story/auditor.ts';
import type { Clock } from '../story/watch.ts';
import { type Agent, startAgent } from './agent.ts';
import { createFleet, type Fleet } from './fleet.ts';
import { type Key, writePrivate } from './state.ts';

export const region = 'eu-central-1';
export const accountId = '123456789012';

/** An agent that starts takes about a second to load; a real instance's takes longer. */
const registrationDelayMs = 300;

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    await wait(ms, undefined, signal ? { signal } : {});
  },
};

export interface SandboxOptions {
  readonly image: string;
  /** A directory on a tmpfs. */
  readonly runtime: string;
  /** Where files for people go: the agent's configuration and log, the CA. */
  readonly directory: string;
  /** Loopback port of the AWS endpoint; 0 takes a free one. */
  readonly port: number;
  readonly maximumInstances: number;
  /** Laid over the configuration that the stack gives to the agent. */
  readonly agentConfig?: AgentConfig;
  readonly heartbeatSeconds?: number;
  readonly maxReceiveCount?: number;
  /** In place of the right one in the secret. */
  readonly servicePassword?: string;
  /** Called for each machine before its instance counts as booted. */
  readonly prepareMachine?: (machine: Machine) => Promise<void>;
  /** Told what is being waited for. */
  readonly progress?: (step: string) => void;
}

export interface Sandbox {
  readonly runtime: string;
  readonly cloud: Cloud;
  readonly domain: Domain;
  readonly fleet: Fleet;
  readonly stack: Stack;
  readonly auditor: Auditor;
  readonly endpoint: string;
  readonly keys: Readonly<Record<'operator' | 'worker', Key>>;
  /** What an SDK client needs to call as the operator. */
  readonly operator: ClientConfig;
  readonly autoscaling: AutoScalingClient;
  readonly dynamodb: DynamoDBClient;
  readonly agentConfigFile: string;
  readonly agentLogFile: string;
  /** The agent's command line. */
  readonly agentCommand: readonly [string, ...string[]];
  /** The agent's environment besides PATH. Holds the worker's key. */
  readonly agentEnvironment: Readonly<Record<string, string>>;
  /** Starts the agent, and starts it again whenever it dies. `onPid` is told each process ID, as this namespace numbers it. */
  startAgent(onPid?: (pid: number | undefined) => void): Agent;
  agent(): Agent | undefined;
  setDesiredCapacity(size: number): Promise<void>;
  resolve(name: string): Promise<string[]>;
  stop(): Promise<void>;
}

/** As AWS makes them: an ID that names the key, and 40 characters of secret. */
function makeKey(): Key {
  return {
    accessKeyId: `AKIA${randomBytes(10).toString('hex').slice(0, 16).toUpperCase()}`,
    secretAccessKey: randomBytes(30).toString('base64'),
  };
}

const agentProgram = join(import.meta.dirname, '../../../agent/main.ts');

/** What the agent may take to end: its own drain, and the long poll before it. */
const agentStopLimitMs = 45_000;

export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const progress = options.progress ?? (() => undefined);
  const keys = { operator: makeKey(), worker: makeKey() };
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

  async function compose(): Promise<Sandbox> {
    await mkdir(options.directory, { recursive: true });
    const caFile = join(options.directory, 'ca.pem');

    progress('domain controller');
    const domain = await startDomain({ image: options.image, runtime: options.runtime, caFile });
    undo.push(() => domain.destroy());

    progress('AWS endpoint and stack');
    const fleet: Fleet = createFleet({
      image: options.image,
      runtime: options.runtime,
      nameServer: domain.address,
      searchDomain: domain.domainName,
      onDeath: (instanceId) => cloud.machineDied(instanceId),
      ...(options.prepareMachine === undefined ? {} : { prepare: options.prepareMachine }),
    });
    undo.push(() => fleet.close());
    const cloud = createCloud({
      region,
      accountId,
      principals: [
        { name: 'operator', ...keys.operator },
        { name: 'worker', ...keys.worker },
      ],
      fleet,
      scripts: fleet,
      clock: systemClock,
      registrationDelayMs,
    });
    undo.push(async () => cloud.close());
    const server = createServer((request, response) => cloud.handler(request, response));
    const endpoint = await listen(server, options.port);
    undo.push(() => close(server));

    const operator: ClientConfig = { endpoint, region, credentials: keys.operator };
    const stack = await provision({
      client: operator,
      accountId,
      documents: commandDocuments(),
      credential: {
        domain_name: domain.domainName,
        domain_user: domain.serviceAccount.user,
        domain_password: options.servicePassword ?? domain.serviceAccount.password,
        directory_ou: domain.organizationalUnit,
      },
      caFile,
      maximumInstances: options.maximumInstances,
      ...(options.heartbeatSeconds === undefined ? {} : { heartbeatSeconds: options.heartbeatSeconds }),
      ...(options.maxReceiveCount === undefined ? {} : { maxReceiveCount: options.maxReceiveCount }),
      ...(options.agentConfig === undefined ? {} : { agentConfig: options.agentConfig }),
    });
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
    const autoscaling = new AutoScalingClient(operator);
    const dynamodb = new DynamoDBClient(operator);
    undo.push(async () => {
      autoscaling.destroy();
      dynamodb.destroy();
    });

    const agentLogFile = join(options.directory, 'agent.log');
    // Only this run's lives are in it.
    await rm(agentLogFile, { force: true });
    const agentEnvironment = {
      AWS_REGION: region,
      AWS_ENDPOINT_URL: endpoint,
      AWS_ACCESS_KEY_ID: keys.worker.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys.worker.secretAccessKey,
    };
    const agentCommand = [process.execPath, agentProgram, '--config', agentConfigFile] as const;
    let agent: Agent | undefined;
    undo.push(async () => {
      await agent?.stop(agentStopLimitMs);
    });

    return {
      runtime: options.runtime,
      cloud,
      domain,
      fleet,
      stack,
      auditor,
      endpoint,
      keys,
      operator,
      autoscaling,
      dynamodb,
      agentConfigFile,
      agentLogFile,
      agentCommand,
      agentEnvironment,
      startAgent: (onPid = () => undefined) =>
        (agent = startAgent({
          argv: agentCommand,
          env: agentEnvironment,
          logFile: agentLogFile,
          onPid,
        })),
      agent: () => agent,
      async setDesiredCapacity(size) {
        await autoscaling.send(
          new SetDesiredCapacityCommand({
            AutoScalingGroupName: stack.autoScalingGroup,
            DesiredCapacity: size,
          }),
        );
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
