import { SSMClient } from '@aws-sdk/client-ssm';
import type { CallCount as PrincipalCallCount } from '../cloud/cloud.ts';
import { leftovers } from '../machine/leftovers.ts';
import type { Proof } from '../story/proof.ts';
import type { ChapterFacts, Subject } from '../story/story.ts';
import type { CallCount } from '../story/summary.ts';
import { inServiceTimes, lookAtFleet } from '../story/watch.ts';
import { proveLeft, proveShared } from './command-proofs.ts';
import { machineChecksOf } from './machine-checks.ts';
import { serviceOf } from './worker-service.ts';
import { accountId, isWorker, region, type Sandbox } from './sandbox.ts';

/** What an agent may take to end: its drain (30 s here) and the long poll before it. */
const agentStopLimitMs = 45_000;

/** The stamp that the account of an instance must carry. */
export function stampOf(sandbox: Sandbox, instanceId: string): string {
  return `adjoin;deployment=${sandbox.stack.deployment};account=${accountId};region=${region};instance=${instanceId}`;
}

/** Three starts of PowerShell, which compiles what the scripts bring along, are 20 seconds of a processor. */
const windowsJoinMs = 40_000;

/** A running sandbox as the story sees it. */
export function subjectOf(sandbox: Sandbox): Subject {
  const groups = [...sandbox.groups.keys()];
  const systems = [...sandbox.groups.values()];
  const look = () => lookAtFleet(sandbox.autoscaling, sandbox.dynamodb, groups, sandbox.stack.table);
  return {
    expected: {
      domain: sandbox.domain.domainName,
      organizationalUnit: sandbox.domain.organizationalUnit,
      stampOf: (instanceId) => stampOf(sandbox, instanceId),
    },
    witnesses: {
      auditor: sandbox.auditor,
      resolve: (name) => sandbox.resolve(name),
      addressOf: (instanceId) => sandbox.fleet.machine(instanceId)?.address,
      onMachine: async (instanceId, argv, timeoutMs) => {
        const machine = sandbox.fleet.machine(instanceId);
        if (!machine) return { code: null, stdout: '', stderr: 'there is no such machine' };
        return machine.exec(argv, { timeoutMs });
      },
      checksOf: (instanceId) =>
        machineChecksOf(sandbox.fleet.systemOf(instanceId), sandbox.domain.domainName, groups.length === 1),
      lifecycleStates: async () => (await look()).states,
      inServiceTimes: () => inServiceTimes(sandbox.autoscaling, groups),
      leftovers: (living) => {
        const machines = living.flatMap((instanceId) => sandbox.fleet.machine(instanceId) ?? []);
        return leftovers(sandbox.runtime, [
          ...sandbox.domain.controllers.map((controller) => controller.machine),
          ...sandbox.fleet.workers(),
          ...machines,
        ]);
      },
    },
    look,
    setDesiredCapacity: (size) => sandbox.setDesiredCapacity(size),
    ...agentOf(sandbox),
    calls: () => callsOfWorkers(sandbox.cloud.calls()),
    ...(systems.some((system) => system?.powerShell) && { joinMs: windowsJoinMs }),
    ...(groups.length > 1 && {
      systemOf: (instanceId) => sandbox.fleet.systemOf(instanceId)?.name,
      alsoProve: (chapter) => proveMixed(sandbox, chapter),
    }),
    logFile: '.sandbox/agent.log',
  };
}

/** The worker: a process, or the service of an instance that has booted. */
function agentOf(sandbox: Sandbox): Pick<Subject, 'agentDeaths' | 'stopAgent'> {
  const [booted] = sandbox.fleet.workers();
  if (booted) return serviceOf(booted, sandbox.agentLogFile);
  return {
    agentDeaths: () => sandbox.agents().reduce((total, agent) => total + agent.deaths.length, 0),
    stopAgent: async () => (await sandbox.agent()?.stop(agentStopLimitMs)) ?? null,
  };
}

/** What is only of interest where machines of several systems are served by one worker. */
async function proveMixed(sandbox: Sandbox, { size, previous, instances }: ChapterFacts): Promise<Proof[]> {
  const ssm = new SSMClient(sandbox.developer);
  const { probe, joinLinux, joinWindows, leave } = sandbox.stack.documents;
  const systemOf = (instanceId: string) => sandbox.fleet.systemOf(instanceId)?.name;
  try {
    if (size > previous) return [await proveShared(ssm, { probe, joinLinux, joinWindows }, systemOf)];
    if (size > 0) return [];
    const nodes = new Map<string, string[]>();
    for (const { instanceId } of instances) {
      const name = systemOf(instanceId) ?? '';
      nodes.set(name, [...(nodes.get(name) ?? []), instanceId]);
    }
    return await proveLeft(ssm, leave, nodes);
  } finally {
    ssm.destroy();
  }
}

/** What all workers together called. */
function callsOfWorkers(calls: readonly PrincipalCallCount[]): CallCount[] {
  const sums = new Map<string, CallCount>();
  for (const call of calls.filter(({ principal }) => isWorker(principal))) {
    const operation = `${call.service}:${call.operation}`;
    const { count, errors } = sums.get(operation) ?? { count: 0, errors: 0 };
    sums.set(operation, { operation, count: count + call.count, errors: errors + call.errors });
  }
  return [...sums.values()];
}
