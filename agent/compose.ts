/**
 * The composition: configuration → adapters → worker and sweep.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { createAutoScaling, type AutoScaling } from './aws/auto-scaling.ts';
import { createClients, destroyClients, type Clients } from './aws/clients.ts';
import { readInstanceTag } from './aws/instance-tags.ts';
import { createInstances } from './aws/instances.ts';
import { createQueue } from './aws/queue.ts';
import { createRunCommand } from './aws/run-command.ts';
import { createSecretStore } from './aws/secret.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import { createServiceCredential, type ServiceCredentialSource } from './directory/service-credential.ts';
import { openDirectory, type Directory } from './directory/directory.ts';
import { oneTimePassword } from './directory/one-time-password.ts';
import { seal } from './directory/seal.ts';
import { sameStamp } from './directory/stamp.ts';
import { createMembershipTable, scanMemberships } from './aws/membership-table.ts';
import { createLedger, type Ledger } from './ledger/ledger.ts';
import { createRefusalStore } from './aws/refusal-store.ts';
import { createSweepLeaseStore } from './aws/sweep-lease-store.ts';
import { createHandler } from './lifecycle/handler.ts';
import type { DirectoryPort, WorkPorts } from './lifecycle/work.ts';
import type { Log } from './log.ts';
import { createNodes } from './nodes/nodes.ts';
import type { Pauses } from './patience.ts';
import type { Redactor } from './redact.ts';
import { createSweepLeases, type SweepLeases } from './sweep/lease.ts';
import type { SweepPorts } from './sweep/ports.ts';
import type { SweepReport } from './sweep/report.ts';
import { sweepOnSchedule } from './sweep/schedule.ts';
import { sweep } from './sweep/sweep.ts';
import type { Ending } from './terms.ts';
import { createWorker, type Worker } from './worker.ts';

/** The lease ends before the message shows again, so that whoever receives it next finds it free. */
const LEASE_SHARE = 0.8;

function directoryPort(
  directory: Directory,
  credential: ServiceCredentialSource,
  config: Config,
): DirectoryPort {
  return {
    stage: (instanceId, password, earlier, beforeWrite, signal) =>
      directory.stage(instanceId, password, earlier, beforeWrite, signal),
    remove: (instanceId, remembered, beforeDelete, signal) =>
      directory.remove(instanceId, remembered, beforeDelete, signal),
    async domain(signal) {
      return (await credential.current(signal)).domain;
    },
    async inspect(instanceId, staged, signal) {
      const account = await directory.inspect(staged, signal);
      if (!account) return undefined;
      const { deployment, accountId, region } = config;
      return {
        passwordLastSet: account.passwordLastSet,
        enabled: account.enabled,
        ours: sameStamp(account.stamp, { deployment, accountId, region, instanceId }),
      };
    },
  };
}

function workPorts(
  config: Config,
  clients: Clients,
  directory: DirectoryPort,
  clock: Clock,
  redactor: Redactor,
  pauses: Pauses,
  log: Log,
): WorkPorts {
  const nodes = createNodes({
    runCommand: createRunCommand(clients.ssm),
    documents: config.documents,
    clock,
    coalesceMs: config.nodes.coalesceSeconds * 1000,
    commandPollMs: config.nodes.commandPollSeconds * 1000,
    registrationPollMs: config.nodes.registrationPollSeconds * 1000,
    deliverySeconds: config.nodes.deliverySeconds,
    executionSeconds: {
      probe: config.nodes.probeSeconds,
      join: config.nodes.joinSeconds,
      leave: config.nodes.leaveSeconds,
    },
    onCommand({ purpose, commandId, nodes: targets }) {
      for (const target of targets) log.info('command sent', { purpose, commandId, ...target });
    },
  });
  return {
    directory,
    nodes,
    clock,
    patience: {
      joinMs: config.patience.joinSeconds * 1000,
      unjoinMs: config.patience.unjoinSeconds * 1000,
      leaveMs: config.patience.leaveSeconds * 1000,
      joinAttempts: config.patience.joinAttempts,
      operationMs: config.directory.operationSeconds * 1000,
      pauses,
    },
    newOneTimePassword() {
      const value = oneTimePassword(randomBytes);
      redactor.hide(value);
      return { value, forget: () => redactor.forget(value) };
    },
    seal,
  };
}

/** What worker and sweep share. */
interface Adapters {
  readonly clients: Clients;
  readonly pauses: Pauses;
  readonly credential: ServiceCredentialSource;
  readonly directory: Directory;
  readonly autoScaling: AutoScaling;
  readonly ledger: Ledger;
  readonly leaseMs: number;
  readonly nextOwner: () => string;
  close(): Promise<void>;
}

function openAdapters(config: Config, clock: Clock, redactor: Redactor, log: Log): Adapters {
  const clients = createClients(config.region);
  const pauses: Pauses = {
    firstMs: config.patience.retrySeconds * 1000,
    longestMs: config.patience.retryMaximumSeconds * 1000,
    random: Math.random,
  };
  const credential = createServiceCredential({
    secret: createSecretStore(clients.secretsManager, config.secretId),
    refusals: createRefusalStore(clients.dynamodb, config.table),
    redactor,
    clock,
    pollMs: config.credentialPollSeconds * 1000,
  });
  const directory = openDirectory({
    deployment: config.deployment,
    accountId: config.accountId,
    region: config.region,
    caFile: config.directory.caFile,
    controllers: config.directory.controllers,
    site: config.directory.site,
    namePrefixes: config.directory.namePrefixes,
    credentials: credential,
    clock,
    randomBytes,
    connectTimeoutMs: config.directory.connectSeconds * 1000,
    operationTimeoutMs: config.directory.operationSeconds * 1000,
    log,
  });
  const leaseMs = config.receive.visibilitySeconds * 1000 * LEASE_SHARE;
  const processName = `${hostname()}/${process.pid}`;
  const nextOwner = (): string => `${processName}/${randomUUID()}`;
  const table = createMembershipTable(clients.dynamodb, config.table);
  return {
    clients,
    pauses,
    credential,
    directory,
    autoScaling: createAutoScaling(clients.autoScaling, clock),
    ledger: createLedger({ table, clock, nextOwner, leaseMs }),
    leaseMs,
    nextOwner,
    async close() {
      await directory.close();
      destroyClients(clients);
    },
  };
}

export interface Sweeper {
  readonly leases: SweepLeases;
  sweep(dryRun: boolean, signal: AbortSignal): Promise<SweepReport>;
  close(): Promise<void>;
}

function sweeperOf(config: Config, adapters: Adapters, clock: Clock, log: Log): Sweeper {
  const { autoScaling, clients, directory, ledger, leaseMs, nextOwner } = adapters;
  const { accountId, region, table } = config;
  const ports: SweepPorts = {
    directory,
    instances: createInstances({ ec2: clients.ec2, autoScaling: clients.autoScaling, accountId, region }),
    isInAutoScaling: async (instanceId: string, signal: AbortSignal): Promise<boolean> =>
      (await autoScaling.instance(instanceId, signal)) !== undefined,
    ledger: {
      pages: (signal: AbortSignal) => scanMemberships(clients.dynamodb, table, signal),
      find: (instanceId: string) => ledger.find(instanceId),
      claim: (instanceId: string) => ledger.claim(instanceId),
    },
    clock,
    log,
  };
  const limits = {
    ageGuardMs: config.sweep.ageGuardSeconds * 1000,
    maximumRemovals: config.sweep.maximumRemovals,
    operationMs: config.directory.operationSeconds * 1000,
  };
  const store = createSweepLeaseStore(clients.dynamodb, table);
  return {
    leases: createSweepLeases({ store, clock, nextOwner, leaseMs }),
    sweep: (dryRun, signal) => sweep(ports, { ...limits, dryRun }, signal),
    close: () => adapters.close(),
  };
}

/** The sweep alone, for a person who wants one now. */
export function createSweeper(config: Config, clock: Clock, redactor: Redactor, log: Log): Sweeper {
  return sweeperOf(config, openAdapters(config, clock, redactor, log), clock, log);
}

export interface Agent {
  readonly worker: Worker;
  /** How many messages ended how, since the start. */
  readonly endings: ReadonlyMap<Ending, number>;
  /** Sweeps on schedule until the signal aborts, if the configuration says so. Never rejects. */
  sweepOnSchedule(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export function createAgent(config: Config, clock: Clock, redactor: Redactor, log: Log): Agent {
  const adapters = openAdapters(config, clock, redactor, log);
  const { autoScaling, clients, pauses } = adapters;
  const queue = createQueue(clients.sqs, {
    url: config.queueUrl,
    waitSeconds: config.receive.waitSeconds,
    visibilitySeconds: config.receive.visibilitySeconds,
  });
  const endings = new Map<Ending, number>();
  const messages = createHandler({
    expected: { accountId: config.accountId, region: config.region },
    queue,
    admission: {
      instance: (instanceId, signal) => autoScaling.instance(instanceId, signal),
      group: (name) => autoScaling.group(name),
      instanceTag: (instanceId, key, signal) => readInstanceTag(clients.ec2, instanceId, key, signal),
      heartbeat: (action, signal) => autoScaling.heartbeat(action, signal),
      clock,
    },
    completion: autoScaling,
    ledger: adapters.ledger,
    work: workPorts(
      config,
      clients,
      directoryPort(adapters.directory, adapters.credential, config),
      clock,
      redactor,
      pauses,
      log,
    ),
    clock,
    log,
    visibilityMs: config.receive.visibilitySeconds * 1000,
    count: (ending) => endings.set(ending, (endings.get(ending) ?? 0) + 1),
  });
  const worker = createWorker({
    receive: (maximum) => queue.receive(maximum),
    handle: (message, receivedAt) => messages.handle(message, receivedAt),
    abortAll: (reason) => messages.abortAll(reason),
    handBack: (message) => queue.hide(message, 0),
    slots: config.concurrency,
    drainMs: config.drainSeconds * 1000,
    pauses,
    clock,
    log,
  });
  const sweeper = sweeperOf(config, adapters, clock, log);
  return {
    worker,
    endings,
    async sweepOnSchedule(signal) {
      if (!config.sweep.enabled) return;
      await sweepOnSchedule(
        {
          leases: sweeper.leases,
          intervalMs: config.sweep.intervalSeconds * 1000,
          sweep: (stopped) => sweeper.sweep(false, stopped),
          clock,
          random: Math.random,
          log,
        },
        signal,
      );
    },
    close: () => adapters.close(),
  };
}
