/** Out and in, by adjoin and by the bare script, on one real domain. Runs inside the sandbox's namespace. Prints what it cost. */
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { currentGround } from '../../infra/sandbox/host/ground.ts';
import type { Agent } from '../../infra/sandbox/inside/agent.ts';
import { startSandbox, type Sandbox } from '../../infra/sandbox/inside/sandbox.ts';
import type { Machine } from '../../infra/sandbox/machine/machine.ts';
import type { Life } from '../../infra/sandbox/story/lives.ts';
import type { Membership } from '../../infra/sandbox/story/memberships.ts';
import { barOf, type Bar } from '../../infra/sandbox/story/picture.ts';
import { lookAtFleet } from '../../infra/sandbox/story/watch.ts';
import { runFloor, REGISTRATION_MS } from './floor.ts';
import type { OverheadCost, Run } from './overhead.ts';

const POLL_MS = 25;
/** An agent that has nothing to do stops at once. */
const AGENT_STOP_MS = 30_000;
/** A join of many on a small machine takes minutes; what takes longer hangs. */
const LIMIT_MS = 900_000;
/** The kernel counts in hundredths of a second for every process that looks (`getconf CLK_TCK`). */
const TICKS = 100;

const ground = currentGround();
if (!ground) throw new Error('This program runs inside the sandbox. Use `npm run bench`.');
const sizes = process.argv.slice(2).map(Number);
const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** @returns the fields of /proc/PID/stat behind the name, which may contain spaces: they begin with the third (proc(5)) */
function statOf(process: string): number[] {
  const stat = readFileSync(`/proc/${process}/stat`, 'utf8');
  return stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
}

/** Seconds, of such fields: the 14th and 15th are a process's own time, the 16th and 17th that of its children that it has waited for. */
const secondsIn = (fields: readonly number[], from: 14 | 16, to: 15 | 17): number =>
  fields.slice(from - 3, to - 2).reduce((sum, each) => sum + each, 0) / TICKS;

/**
 * Of machines that ended, the time of what ran in them until then. The kernel counts it nowhere: an init that dies takes its processes
 * along without waiting for them.
 */
let secondsOfCutOff = 0;

/** Its init is not among them: `unshare` waits for that. */
function secondsRunningIn({ pid }: Machine): number {
  if (pid === undefined) return 0;
  const own = readlinkSync(`/proc/${pid}/ns/pid`);
  let seconds = 0;
  for (const process of readdirSync('/proc')) {
    if (!/^\d+$/.test(process) || Number(process) === pid) continue;
    try {
      if (readlinkSync(`/proc/${process}/ns/pid`) === own) seconds += secondsIn(statOf(process), 14, 17);
    } catch {
      // It ended meanwhile, and its parent has waited for it.
    }
  }
  return seconds;
}

/** What the machine's last processes have taken is counted right before they end. */
async function countToTheEnd(machine: Machine): Promise<void> {
  const destroy = machine.destroy.bind(machine);
  machine.destroy = async () => {
    secondsOfCutOff += secondsRunningIn(machine);
    await destroy();
  };
}

/**
 * Seconds of processor time of all that this process started and that has ended: of each machine that is gone, whatever ran in it
 * since its boot, for its init takes over what others leave. The agent and the domain controller still run.
 */
const secondsOfEnded = (): number => secondsIn(statOf('self'), 16, 17) + secondsOfCutOff;

/** @returns what it returns, with the processor time of the machines that it used, which are gone by then */
async function counted<T extends object>(
  work: () => Promise<T>,
): Promise<T & { readonly cpuSeconds: number }> {
  const before = secondsOfEnded();
  const result = await work();
  return { ...result, cpuSeconds: secondsOfEnded() - before };
}

async function until(isSo: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + LIMIT_MS;
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error(`${what} did not happen within ${LIMIT_MS / 1000} s`);
    await sleep(POLL_MS);
  }
}

/** Machines that boot, are idle for a moment, and end: what both would cost without any join. */
async function bootOnly({ fleet }: Sandbox, instances: number): Promise<object> {
  const ids = Array.from(
    { length: instances },
    () =>
      `i-${randomInt(2 ** 40)
        .toString(16)
        .padStart(17, '0')}`,
  );
  await Promise.all(ids.map((instanceId) => fleet.boot(instanceId, undefined, undefined)));
  await sleep(REGISTRATION_MS);
  await Promise.all(ids.map((instanceId) => fleet.destroy(instanceId)));
  return {};
}

/**
 * @param concurrency where it is not the default
 * @returns once it has begun to receive
 */
async function startAgent(sandbox: Sandbox, concurrency: number | undefined): Promise<Agent> {
  const config: object = JSON.parse(readFileSync(sandbox.agentConfigFile, 'utf8'));
  writeFileSync(sandbox.agentConfigFile, JSON.stringify({ ...config, concurrency }));
  const receives = (): number =>
    sandbox.cloud
      .calls()
      .reduce((sum, { operation, count }) => sum + (operation === 'ReceiveMessage' ? count : 0), 0);
  const before = receives();
  const agent = sandbox.startAgent();
  await until(() => receives() > before, 'The agent’s first receive');
  return agent;
}

async function runAdjoin(sandbox: Sandbox, instances: number, atOnce: number): Promise<Run> {
  const known = new Set(sandbox.lives.all.keys());
  const own = (): Life[] =>
    [...sandbox.lives.all.values()].filter(({ instanceId }) => !known.has(instanceId));
  const count = (step: 'inServiceAt' | 'goneAt'): number =>
    own().filter((life) => life[step] !== undefined).length;
  const from = Date.now();
  await sandbox.setDesiredCapacity(instances);
  await until(() => {
    if (own().length > instances) throw new Error('A launch failed: see .sandbox/agent.log');
    return count('inServiceAt') === instances;
  }, 'The last instance’s entry into service');
  const outEnd = Date.now();
  await sandbox.setDesiredCapacity(0);
  await until(() => count('goneAt') === own().length, 'The last instance’s end');
  const inEnd = Date.now();
  const memberships = await ledgerOf(sandbox, own());
  const bars = own().map((life): Bar =>
    barOf(life.instanceId, life, memberships.get(life.instanceId), inEnd),
  );
  return { atOnce, outMs: outEnd - from, inMs: inEnd - outEnd, from, bars };
}

/** The ledger's times, of which the last is written after the instance is gone. */
async function ledgerOf(
  { autoscaling, dynamodb, stack }: Sandbox,
  lives: readonly Life[],
): Promise<ReadonlyMap<string, Membership>> {
  const deadline = Date.now() + 5_000;
  for (;;) {
    const { memberships } = await lookAtFleet(autoscaling, dynamodb, [stack.autoScalingGroup], stack.table);
    const isDone = lives.every(({ instanceId }) => memberships.get(instanceId)?.state === 'removed');
    if (isDone || Date.now() > deadline) return memberships;
    await sleep(250);
  }
}

/**
 * How many nodes join at once. All is right where each node has a processor of its own. Here they share those of this machine, where
 * that only makes each join longer.
 */
const choicesOf = (instances: number, few: readonly number[]): number[] => [
  ...new Set([...few, instances].map((atOnce) => Math.min(atOnce, instances))),
];

async function measureFloor(instances: number, atOnce: number): Promise<OverheadCost['withoutLogIn']> {
  const floor = await counted(() => runFloor(sandbox, instances, atOnce));
  say(`… ${instances}: bare script, ${atOnce} at once: ${(floor.outMs + floor.inMs) / 1000} s`);
  return floor;
}

async function measureAdjoin(instances: number, atOnce: number): Promise<OverheadCost['adjoin'][number]> {
  const agent = await startAgent(sandbox, atOnce < instances ? atOnce : undefined);
  // A worker runs for weeks: what a program and a group cost the first time is no part of a join.
  await runAdjoin(sandbox, 1, 1);
  const run = await counted(() => runAdjoin(sandbox, instances, atOnce));
  // Only now: the processor time of an agent that has ended would count.
  await agent.stop(AGENT_STOP_MS);
  say(`… ${instances}: adjoin, ${atOnce} at once: ${(run.outMs + run.inMs) / 1000} s`);
  return run;
}

const costs: OverheadCost[] = [];
const sandbox = await startSandbox({
  image: ground.image,
  runtime: ground.runtime,
  directory: join(process.cwd(), '.sandbox'),
  port: 0,
  maximumInstances: Math.max(...sizes),
  prepareMachine: countToTheEnd,
  // The bare script has no group: what Auto Scaling takes after an answer, which is made up here, would count for one side alone.
  transitionMs: 0,
  progress: (step) => say(`… ${step}`),
});
// The first join of all finds neither this program nor the controller ready.
await runFloor(sandbox, 1, 1);
for (const instances of sizes) {
  const idle = await counted(() => bootOnly(sandbox, instances));
  const floors = [];
  const adjoin = [];
  const choices = choicesOf(instances, [4, 8]);
  // In turn: adjoin is dearer the later it comes, and would always be the last.
  for (const [index, atOnce] of choicesOf(instances, [2, 4, 8]).entries()) {
    floors.push(await measureFloor(instances, atOnce));
    const own = choices[index];
    if (own !== undefined) adjoin.push(await measureAdjoin(instances, own));
  }
  const withoutLogIn = await counted(() => runFloor(sandbox, instances, Math.min(4, instances), false));
  costs.push({ instances, idleCpuSeconds: idle.cpuSeconds, adjoin, floors, withoutLogIn });
}
await sandbox.stop();
process.stdout.write(JSON.stringify(costs));
