import { leftovers } from '../machine/leftovers.ts';
import type { Stage } from '../story/story.ts';
import { inServiceTimes, lookAtFleet } from '../story/watch.ts';
import { accountId, region, type Sandbox } from './sandbox.ts';

/** What an agent may take to end: its drain (30 s here) and the long poll before it. */
const agentStopLimitMs = 45_000;

/** A running sandbox as the story sees it. */
export function stageOf(sandbox: Sandbox): Stage {
  const { autoScalingGroup, table } = sandbox.stack;
  const look = () => lookAtFleet(sandbox.autoscaling, sandbox.dynamodb, autoScalingGroup, table);
  return {
    expected: {
      domain: sandbox.domain.domainName,
      organizationalUnit: sandbox.domain.organizationalUnit,
      stampOf: (instanceId) =>
        `adjoin;deployment=${sandbox.stack.deployment};account=${accountId};region=${region};instance=${instanceId}`,
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
      lifecycleStates: async () => (await look()).states,
      inServiceTimes: () => inServiceTimes(sandbox.autoscaling, autoScalingGroup),
      leftovers: (living) => {
        const machines = living.flatMap((instanceId) => sandbox.fleet.machine(instanceId) ?? []);
        return leftovers(sandbox.runtime, [sandbox.domain.controller, ...machines]);
      },
    },
    look,
    setDesiredCapacity: (size) => sandbox.setDesiredCapacity(size),
    agentDeaths: () => sandbox.agent()?.deaths.length ?? 0,
    stopAgent: async () => (await sandbox.agent()?.stop(agentStopLimitMs)) ?? null,
    calls: () =>
      sandbox.cloud
        .calls()
        .filter((call) => call.principal === 'worker')
        .map(({ service, operation, count, errors }) => ({
          operation: `${service}:${operation}`,
          count,
          errors,
        })),
    logFile: '.sandbox/agent.log',
  };
}
