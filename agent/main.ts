/**
 * The agent: configuration, adapters, worker, signals, exit code.
 *
 *     node agent/main.ts --config FILE
 *
 * Exit codes: 0 drained after SIGTERM or SIGINT; 64 bad arguments; 70 failed; 78 bad configuration (sysexits.h).
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { createAutoScaling } from './aws/auto-scaling.ts';
import { createClients, destroyClients, type Clients } from './aws/clients.ts';
import { readInstanceTag } from './aws/instance-tags.ts';
import { createQueue } from './aws/queue.ts';
import { createRunCommand } from './aws/run-command.ts';
import { createSecretStore } from './aws/secret.ts';
import { systemClock, type Clock } from './clock.ts';
import { loadConfig, type Config } from './config.ts';
import { createServiceCredential, type ServiceCredentialSource } from './credential/service-credential.ts';
import { openDirectory, type Directory } from './directory/directory.ts';
import { oneTimePassword } from './directory/one-time-password.ts';
import { seal } from './directory/seal.ts';
import { sameStamp } from './directory/stamp.ts';
import { AdjoinError, reasonOf } from './errors.ts';
import { createMembershipTable } from './ledger/dynamodb.ts';
import { createLedger } from './ledger/ledger.ts';
import { createRefusalStore } from './ledger/refusals.ts';
import { createProcess, type Ending } from './lifecycle/process.ts';
import type { DirectoryPort, WorkPorts } from './lifecycle/work.ts';
import { createLog, type Log } from './log.ts';
import { createNodes } from './nodes/nodes.ts';
import type { Pauses } from './patience.ts';
import { createRedactor, type Redactor } from './redact.ts';
import { createWorker, type Worker } from './worker.ts';

const USAGE = 'usage: node agent/main.ts --config FILE';
const EXIT = { usage: 64, failed: 70, config: 78 } as const;
/** The lease ends before the message shows again, so that whoever receives it next finds it free. */
const LEASE_SHARE = 0.8;

function directoryPort(
  directory: Directory,
  credential: ServiceCredentialSource,
  config: Config,
): DirectoryPort {
  return {
    stage: (instanceId, password, beforeWrite, signal) =>
      directory.stage(instanceId, password, beforeWrite, signal),
    remove: (instanceId, knownNames, signal) => directory.remove(instanceId, knownNames, signal),
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

interface Agent {
  readonly worker: Worker;
  /** How many messages ended how, since the start. */
  readonly endings: ReadonlyMap<Ending, number>;
  close(): Promise<void>;
}

function createAgent(config: Config, clock: Clock, redactor: Redactor, log: Log): Agent {
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
    namePrefixes: config.directory.namePrefixes,
    credentials: credential,
    clock,
    randomBytes,
    connectTimeoutMs: config.directory.connectSeconds * 1000,
    operationTimeoutMs: config.directory.operationSeconds * 1000,
    log,
  });
  const autoScaling = createAutoScaling(clients.autoScaling, clock);
  const queue = createQueue(clients.sqs, {
    url: config.queueUrl,
    waitSeconds: config.receive.waitSeconds,
    visibilitySeconds: config.receive.visibilitySeconds,
  });
  const visibilityMs = config.receive.visibilitySeconds * 1000;
  const leaseMs = visibilityMs * LEASE_SHARE;
  const processName = `${hostname()}/${process.pid}`;
  const endings = new Map<Ending, number>();
  const messages = createProcess({
    expected: { accountId: config.accountId, region: config.region },
    queue,
    admission: {
      instance: (instanceId, signal) => autoScaling.instance(instanceId, signal),
      group: (name, signal) => autoScaling.group(name, signal),
      instanceTag: (instanceId, key, signal) => readInstanceTag(clients.ec2, instanceId, key, signal),
      heartbeat: (action, signal) => autoScaling.heartbeat(action, signal),
      clock,
    },
    completion: autoScaling,
    ledger: createLedger({
      table: createMembershipTable(clients.dynamodb, config.table),
      clock,
      nextOwner: () => `${processName}/${randomUUID()}`,
      leaseMs,
    }),
    work: workPorts(
      config,
      clients,
      directoryPort(directory, credential, config),
      clock,
      redactor,
      pauses,
      log,
    ),
    clock,
    log,
    visibilityMs,
    leaseMs,
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
  return {
    worker,
    endings,
    async close() {
      await directory.close();
      destroyClients(clients);
    },
  };
}

function writeOut(line: string): void {
  process.stdout.write(line);
}

/** Runs the agent until it is told to stop. @returns the exit code */
async function main(): Promise<number> {
  let file: string;
  try {
    const { values } = parseArgs({ options: { config: { type: 'string' } } });
    if (!values.config) throw new Error('--config is missing');
    file = values.config;
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n${USAGE}\n`);
    return EXIT.usage;
  }
  const redactor = createRedactor();
  let config: Config;
  try {
    config = loadConfig(file, process.env);
  } catch (error) {
    const known = error instanceof AdjoinError ? `${error.message}\n${error.hint}` : reasonOf(error);
    process.stderr.write(`${known}\n`);
    return EXIT.config;
  }
  const log = createLog({ level: config.logLevel, redactor, write: writeOut, now: () => systemClock.now() });
  const agent = createAgent(config, systemClock, redactor, log);
  const stop = (signal: NodeJS.Signals): void => {
    log.info('signal received', { signal });
    agent.worker.stop();
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
  let unheard = false;
  process.stdout.on('error', () => {
    // Nobody reads the log any more. Work that leaves no trace is not done; whoever restarts us opens a new one.
    unheard = true;
    agent.worker.stop();
  });
  log.info('agent started', {
    deployment: config.deployment,
    queueUrl: config.queueUrl,
    concurrency: config.concurrency,
  });
  try {
    await agent.worker.run();
    log.info('agent stopped', { endings: Object.fromEntries(agent.endings) });
    return unheard ? EXIT.failed : 0;
  } catch (error) {
    log.error('agent failed', { error });
    return EXIT.failed;
  } finally {
    await agent.close();
  }
}

process.exitCode = await main();
