/**
 * The composition: configuration → adapters → worker and sweep.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { createAutoScaling, type AutoScaling } from './aws/auto-scaling.ts';
import { createClients, destroyClients, type Clients } from './aws/clients.ts';
import { createEc2Instances } from './aws/ec2-instance.ts';
import { readInstanceTag } from './aws/instance-tags.ts';
import { createInstances } from './aws/instances.ts';
import { createAnswers } from './aws/inquiry-answers.ts';
import { createMembershipTable, scanMemberships } from './aws/membership-table.ts';
import { createQueue } from './aws/queue.ts';
import { createRefusalStore } from './aws/refusal-store.ts';
import { createOutcomes } from './aws/request-outcomes.ts';
import { createRunCommand } from './aws/run-command.ts';
import { createSecretStore } from './aws/secret.ts';
import { createSweepLeaseStore } from './aws/sweep-lease-store.ts';
import { checkPlace, type PlacePorts } from './checks/place-checks.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import { watchCredential } from './directory/credential-watch.ts';
import { openDirectory, type Directory } from './directory/directory.ts';
import { oneTimePassword } from './directory/one-time-password.ts';
import { seal } from './directory/seal.ts';
import { createServiceCredential, type ServiceCredentialSource } from './directory/service-credential.ts';
import { sameStamp } from './directory/stamp.ts';
import { AdjoinError, errorCodes } from './errors.ts';
import { createLedger, type Ledger } from './ledger/ledger.ts';
import { firstVisibility } from './lifecycle/delivery.ts';
import { expectationOf } from './lifecycle/envelope.ts';
import { createHandler, LEASE_SHARE } from './lifecycle/handler.ts';
import type { InquiryPort } from './lifecycle/inquiry.ts';
import { createLoadReport, type LoadReport } from './lifecycle/load.ts';
import { documentOf } from './lifecycle/own-documents.ts';
import { createSlots } from './lifecycle/slots.ts';
import type { DirectoryPort, WorkPorts } from './lifecycle/work.ts';
import type { Log } from './log.ts';
import { createNodes, type Nodes } from './nodes/nodes.ts';
import type { Pauses } from './patience.ts';
import { createPlace } from './place.ts';
import type { Redactor } from './redact.ts';
import { createSweepLeases, type SweepLeases } from './sweep/lease.ts';
import type { InstancesPort, SweepLimits, SweepPorts } from './sweep/ports.ts';
import type { SweepReport } from './sweep/report.ts';
import { sweepOnSchedule } from './sweep/schedule.ts';
import { sweep } from './sweep/sweep.ts';
import type { Ending } from './terms.ts';
import { createWorker, type Worker } from './worker.ts';

/** What everything is made from. */
interface Base {
  readonly config: Config;
  readonly clock: Clock;
  readonly redactor: Redactor;
  readonly log: Log;
}

/** What worker and sweep share. */
interface Adapters extends Base {
  readonly clients: Clients;
  readonly pauses: Pauses;
  readonly credential: ServiceCredentialSource;
  readonly directory: Directory;
  readonly autoScaling: AutoScaling;
  readonly ledger: Ledger;
  readonly sweepLeases: SweepLeases;
  close(): Promise<void>;
}

function openDirectoryOf({ config, clock, log }: Base, credentials: ServiceCredentialSource): Directory {
  return openDirectory({
    deployment: config.deployment,
    accountId: config.accountId,
    region: config.region,
    caFile: config.directory.caFile,
    controllers: config.directory.controllers,
    site: config.directory.site,
    namePrefixes: config.directory.namePrefixes,
    dnsCleanup: config.directory.dnsCleanup,
    credentials,
    clock,
    randomBytes,
    connectTimeoutMs: config.directory.connectSeconds * 1000,
    operationTimeoutMs: config.directory.operationSeconds * 1000,
    log,
  });
}

function openAdapters(base: Base): Adapters {
  const { config, clock, redactor } = base;
  const clients = createClients(config.region);
  const credential = createServiceCredential({
    secret: createSecretStore(clients.secretsManager, config.secretId),
    refusals: createRefusalStore(clients.dynamodb, config.table),
    redactor,
    clock,
    pollMs: config.credentialPollSeconds * 1000,
  });
  const directory = openDirectoryOf(base, credential);
  const leaseMs = config.receive.visibilitySeconds * 1000 * LEASE_SHARE;
  const processName = `${hostname()}/${process.pid}`;
  const nextOwner = (): string => `${processName}/${randomUUID()}`;
  const table = createMembershipTable(clients.dynamodb, config.table, clock);
  const store = createSweepLeaseStore(clients.dynamodb, config.table);
  return {
    ...base,
    clients,
    pauses: {
      firstMs: config.patience.retrySeconds * 1000,
      longestMs: config.patience.retryMaximumSeconds * 1000,
      random: Math.random,
    },
    credential,
    directory,
    autoScaling: createAutoScaling(clients.autoScaling, clock),
    ledger: createLedger({ table, clock, nextOwner, leaseMs }),
    sweepLeases: createSweepLeases({ store, clock, nextOwner, leaseMs }),
    async close() {
      await directory.close();
      destroyClients(clients);
    },
  };
}

function directoryPortOf({ config, directory }: Adapters): DirectoryPort {
  const { deployment, accountId, region } = config;
  return {
    stage: (...of) => directory.stage(...of),
    remove: (...of) => directory.remove(...of),
    prove: (instanceId, challenge, signal) => directory.prove(instanceId, challenge, signal),
    domain: (signal) => directory.domain(signal),
    async inspect(instanceId, staged, signal) {
      const account = await directory.inspect(staged, signal);
      if (!account) return undefined;
      return {
        passwordLastSet: account.passwordLastSet,
        enabled: account.enabled,
        isNameTaken: account.isNameTaken,
        ours: sameStamp(account.stamp, { deployment, accountId, region, instanceId }),
      };
    },
  };
}

function nodesOf({ config, clients, clock, log }: Adapters): Nodes {
  const { nodes } = config;
  return createNodes({
    runCommand: createRunCommand(clients.ssm),
    documents: config.documents,
    clock,
    coalesceMs: nodes.coalesceSeconds * 1000,
    commandPollMs: nodes.commandPollSeconds * 1000,
    registrationPollMs: nodes.registrationPollSeconds * 1000,
    deliverySeconds: nodes.deliverySeconds,
    executionSeconds: {
      probe: nodes.probeSeconds,
      join: nodes.joinSeconds,
      leave: nodes.leaveSeconds,
      'post-join': nodes.postJoinSeconds,
    },
    onCommand({ purpose, commandId, nodes: targets }) {
      for (const target of targets) log.info('command sent', { purpose, commandId, ...target });
    },
    onCancelled({ purpose, commandId, node }) {
      const { hint } = errorCodes['command-cancelled'];
      log.warn('command cancelled', { purpose, commandId, ...node, hint });
    },
  });
}

function workPortsOf(adapters: Adapters): WorkPorts {
  const { config, clock, pauses, redactor } = adapters;
  return {
    directory: directoryPortOf(adapters),
    nodes: nodesOf(adapters),
    clock,
    patience: {
      joinMs: config.patience.joinSeconds * 1000,
      unjoinMs: config.patience.unjoinSeconds * 1000,
      leaveMs: config.patience.leaveSeconds * 1000,
      postJoinMs: config.nodes.postJoinSeconds * 1000,
      joinAttempts: config.patience.joinAttempts,
      operationMs: config.directory.operationSeconds * 1000,
      pauses,
    },
    nodeDefaults: {
      packageRepository: config.nodes.packageRepository,
      logInGroups: config.logIn.groups,
      sudoGroups: config.logIn.sudoGroups,
      groupPolicy: config.logIn.groupPolicy,
      ownDocuments: config.ownDocuments.map(documentOf),
    },
    newOneTimePassword() {
      const value = oneTimePassword(randomBytes);
      redactor.hide(value);
      return { value, forget: () => redactor.forget(value) };
    },
    newChallenge: () => `adjoin-${randomBytes(16).toString('hex')}`,
    seal,
  };
}

const instancesOf = ({ clients, config: { accountId, region } }: Adapters): InstancesPort =>
  createInstances({ ec2: clients.ec2, autoScaling: clients.autoScaling, accountId, region });

function inquiriesOf(adapters: Adapters): InquiryPort {
  const { clients, clock, config, redactor } = adapters;
  const answers = createAnswers(clients.dynamodb, config.table);
  return {
    async answer(id, signal) {
      if (await answers.find(id)) return;
      const findings = await checkPlace(createPlace(adapters), { clock, signal });
      await answers.note(id, { worker: hostname(), findings, at: clock.now() }, (text) =>
        redactor.clean(text),
      );
    },
  };
}

function workerOf(
  adapters: Adapters,
  count: (ending: Ending) => void,
): { readonly worker: Worker; readonly load: LoadReport } {
  const { autoScaling, clients, clock, config, ledger, log, pauses } = adapters;
  const slots = createSlots(config.concurrency, clock);
  const load = createLoadReport({ slots, clock, log });
  const instances = instancesOf(adapters);
  const ec2 = createEc2Instances({ ec2: clients.ec2, clock, accountId: config.accountId });
  const handler = createHandler({
    expected: expectationOf(config),
    admission: {
      instance: (instanceId, signal) => autoScaling.instance(instanceId, signal),
      group: (name) => autoScaling.group(name),
      heartbeat: (...beat) => autoScaling.heartbeat(...beat),
      async existence(instanceId, signal) {
        const existence = (await instances.look([instanceId], signal)).get(instanceId);
        if (existence === undefined)
          throw new AdjoinError('unexpected', `EC2 says nothing of ${instanceId}.`);
        return existence;
      },
      instanceTag: (instanceId, key, signal) => readInstanceTag(clients.ec2, instanceId, key, signal),
      ec2,
    },
    completion: autoScaling,
    ledger,
    outcomes: createOutcomes(clients.dynamodb, config.table),
    inquiries: inquiriesOf(adapters),
    work: workPortsOf(adapters),
    slots,
    log,
    count,
  });
  const { waitSeconds } = config.receive;
  const visibilityMs = config.receive.visibilitySeconds * 1000;
  const queue = createQueue(clients.sqs, {
    url: config.queueUrl,
    waitSeconds,
    visibilitySeconds: firstVisibility(visibilityMs) / 1000,
    clock,
  });
  const worker = createWorker({
    queue: load.watch(queue),
    visibilityMs,
    handler,
    slots,
    drainMs: config.drainSeconds * 1000,
    pauses,
    clock,
    log,
  });
  return { worker, load };
}

export interface Sweeper {
  readonly leases: SweepLeases;
  sweep(dryRun: boolean, signal: AbortSignal): Promise<SweepReport>;
  close(): Promise<void>;
}

function sweeperOf(adapters: Adapters): Sweeper {
  const { autoScaling, clients, clock, config, directory, ledger, log, sweepLeases } = adapters;
  const { table } = config;
  const ports: SweepPorts = {
    directory,
    instances: instancesOf(adapters),
    isInAutoScaling: async (instanceId, signal) =>
      (await autoScaling.instance(instanceId, signal)) !== undefined,
    ledger: {
      pages: (endedSince, signal) => scanMemberships(clients.dynamodb, table, endedSince, signal),
      find: (instanceId) => ledger.find(instanceId),
      claim: (instanceId, first) => ledger.claim(instanceId, first),
    },
    clock,
    log,
  };
  const limits: SweepLimits = {
    ageGuardMs: config.sweep.ageGuardSeconds * 1000,
    maximumRemovals: config.sweep.maximumRemovals,
    quarantineMs: config.sweep.quarantineDays * 86_400_000,
    largestLoss: config.sweep.largestLossPercent / 100,
    operationMs: config.directory.operationSeconds * 1000,
  };
  return {
    leases: sweepLeases,
    sweep: (dryRun, signal) => sweep(ports, { ...limits, dryRun }, signal),
    close: () => adapters.close(),
  };
}

/** The sweep alone, for a person who wants one now. */
export function createSweeper(config: Config, clock: Clock, redactor: Redactor, log: Log): Sweeper {
  return sweeperOf(openAdapters({ config, clock, redactor, log }));
}

/** What a worker can look at, for a person who is at its place. */
export interface PlaceCheck {
  readonly place: PlacePorts;
  close(): Promise<void>;
}

export function createPlaceCheck(config: Config, clock: Clock, redactor: Redactor, log: Log): PlaceCheck {
  const adapters = openAdapters({ config, clock, redactor, log });
  return { place: createPlace(adapters), close: () => adapters.close() };
}

export interface Agent {
  readonly worker: Worker;
  /** How many deliveries ended how, since the start. */
  readonly endings: ReadonlyMap<Ending, number>;
  /** Sweeps on schedule until the signal aborts, if the configuration says so. Never rejects. */
  sweepOnSchedule(signal: AbortSignal): Promise<void>;
  /** Tells in the log how busy the worker is, until the signal aborts. Never rejects. */
  tellLoad(signal: AbortSignal): Promise<void>;
  /** Tries each new version of the secret, until the signal aborts. Never rejects. */
  watchCredential(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export function createAgent(config: Config, clock: Clock, redactor: Redactor, log: Log): Agent {
  const adapters = openAdapters({ config, clock, redactor, log });
  const endings = new Map<Ending, number>();
  const { worker, load } = workerOf(
    adapters,
    (ending) => void endings.set(ending, (endings.get(ending) ?? 0) + 1),
  );
  const sweeper = sweeperOf(adapters);
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
    tellLoad: (signal) => load.tell(signal),
    watchCredential: (signal) =>
      watchCredential(
        {
          look: () => adapters.credential.look(),
          tryVersion: (versionId, stopped) => adapters.directory.tryCredential(versionId, stopped),
          pollMs: config.credentialPollSeconds * 1000,
          clock,
          random: Math.random,
          log,
        },
        signal,
      ),
    close: () => adapters.close(),
  };
}
