import type { CallCount as PrincipalCallCount } from '../cloud/cloud.ts';
import { leftovers } from '../machine/leftovers.ts';
import { wireCommand } from '../machine/windows/run-power-shell.ts';
import type { MachineChecks } from '../story/checks.ts';
import type { Subject } from '../story/story.ts';
import type { CallCount } from '../story/summary.ts';
import { inServiceTimes, lookAtFleet } from '../story/watch.ts';
import { accountId, isWorker, region, type Sandbox } from './sandbox.ts';

/** What an agent may take to end: its drain (30 s here) and the long poll before it. */
const agentStopLimitMs = 45_000;

/** The stamp that the account of an instance must carry. */
export function stampOf(sandbox: Sandbox, instanceId: string): string {
  return `adjoin;deployment=${sandbox.stack.deployment};account=${accountId};region=${region};instance=${instanceId}`;
}

/** Three starts of PowerShell, which compiles what the scripts bring along, are 20 seconds of a processor. */
const windowsJoinMs = 40_000;

/** As the machine itself, over its secure channel. */
const windowsChecks: MachineChecks = {
  member: {
    claim: 'Windows-like machines: secure channel',
    argv: wireCommand('verify'),
    shows: () => true,
  },
  users: {
    claim: 'Windows-like machines: a controller names the administrator',
    argv: wireCommand('lookup', 'administrator'),
    shows: () => true,
  },
};

/** A running sandbox as the story sees it. */
export function subjectOf(sandbox: Sandbox): Subject {
  const { autoScalingGroup, table } = sandbox.stack;
  const look = () => lookAtFleet(sandbox.autoscaling, sandbox.dynamodb, autoScalingGroup, table);
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
      checksOf: (instanceId) => (sandbox.fleet.isWindows(instanceId) ? windowsChecks : undefined),
      lifecycleStates: async () => (await look()).states,
      inServiceTimes: () => inServiceTimes(sandbox.autoscaling, autoScalingGroup),
      leftovers: (living) => {
        const machines = living.flatMap((instanceId) => sandbox.fleet.machine(instanceId) ?? []);
        return leftovers(sandbox.runtime, [
          ...sandbox.domain.controllers.map((controller) => controller.machine),
          ...machines,
        ]);
      },
    },
    look,
    setDesiredCapacity: (size) => sandbox.setDesiredCapacity(size),
    agentDeaths: () => sandbox.agents().reduce((total, agent) => total + agent.deaths.length, 0),
    stopAgent: async () => (await sandbox.agent()?.stop(agentStopLimitMs)) ?? null,
    calls: () => callsOfWorkers(sandbox.cloud.calls()),
    ...(sandbox.hasWindows && { joinMs: windowsJoinMs }),
    logFile: '.sandbox/agent.log',
  };
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
