/** The first program in the outer namespace: `main.ts start|sandbox|chaos [options]`. Its exit code is the sandbox's. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { systemClock } from './clock.ts';
import { chaosCommand } from './chaos/command.ts';
import { UsageError } from './command-line/parse.ts';
import { giveToOwner } from './host/namespace.ts';
import { currentGround, type Ground } from './host/ground.ts';
import { pictureOf, reportOf } from './story/report.ts';
import { closingLines, tellStory } from './story/story.ts';
import { createView, type Screen, terminal } from './story/view.ts';
import { type Arguments, parseArguments } from './command-line/arguments.ts';
import { agentCommand, commandsToTry, personAgeGuardSeconds } from './inside/commands.ts';
import { createProgress } from './inside/progress.ts';
import {
  region,
  accountId,
  endCgroups,
  NoCgroupError,
  startSandbox,
  type Sandbox,
} from './inside/sandbox.ts';
import { subjectOf } from './inside/subject.ts';
import { settings, storyOf } from './inside/stories.ts';
import { systemsOf } from './inside/systems.ts';
import { type State, stateFile, writePrivate } from './inside/state.ts';
import { keepLog } from './inside/worker-service.ts';

const directory = '.sandbox';

/** What is of no use once the sandbox is closed. */
const runFiles = ['state.json', 'agent.json', 'agent.env', 'ca.pem'];

/** An interrupted run gives its actions back to a queue that is about to end: it need not wait for them. */
const interruptedStopMs = 5_000;

async function main(): Promise<number> {
  const [verb, ...rest] = process.argv.slice(2);
  const ground = currentGround();
  if (!ground) throw new Error('This program runs inside the sandbox. Use `npm start` or `npm run sandbox`.');
  if (verb === 'chaos') return chaosCommand(rest, ground, directory);
  if (verb !== 'start' && verb !== 'sandbox') throw new Error(`There is no verb ${verb ?? ''}.`);
  const args = parseArguments(verb, rest);

  const interrupt = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => interrupt.abort());
  }
  const screen = terminal(process.stdout, process.env);
  const startedAt = Date.now();
  const say = (line: string): void => screen.write(`${line}\n`);
  const progress = createProgress(screen, startedAt);

  let running: Sandbox | undefined;
  try {
    running = await orInterrupted(interrupt.signal, open(ground, args, progress));
    progress(undefined);
    if (args.verb === 'sandbox') {
      await stayOpen(running, ground, args, say, interrupt.signal);
      return 0;
    }
    return await tell(running, args, screen, startedAt, interrupt.signal);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    say('');
    say('stopping');
    return args.verb === 'sandbox' ? 0 : 130;
  } finally {
    // Machines, mounts and daemons go with the namespace. The agent is told, so that its log has an end; the log stays.
    await Promise.all((running?.agents() ?? []).map((agent) => agent.stop(interruptedStopMs)));
    const [booted] = running?.fleet.workers() ?? [];
    // What was interrupted has not kept it yet; a worker that is being replaced has none.
    if (running && booted) await keepLog(booted, running.agentLogFile).catch(() => undefined);
    await endCgroups(ground.runtime);
    for (const file of runFiles) await rm(join(directory, file), { force: true });
  }
}

/** A leave is best effort. PowerShell starts slowly on two cores that do all the rest as well, and is to have its answer read. */
const patientLeave = { nodes: { leaveSeconds: 60 }, patience: { leaveSeconds: 60 } };

class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

async function orInterrupted<Result>(signal: AbortSignal, work: Promise<Result>): Promise<Result> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(new Interrupted());
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function open(
  ground: Ground,
  args: Arguments,
  progress: (step: string | undefined) => void,
): Promise<Sandbox> {
  const systems = await systemsOf(args.system, ground.image, process.cwd());
  if (args.boot && ground.desk === undefined) throw new Error('There is nothing for a worker to boot from.');
  const sandbox = await startSandbox({
    systems,
    ...(args.boot && ground.desk !== undefined && { workers: 1, bootWorkers: { layer: ground.desk } }),
    image: ground.image,
    runtime: ground.runtime,
    directory: join(process.cwd(), directory),
    port: ground.ports['aws'] ?? 0,
    vpcPort: ground.ports['vpc'] ?? 0,
    // A person at the sandbox may want more than the story's size.
    maximumInstances: Math.max(args.instances, 50),
    ...(args.story && settings[args.story]),
    agentConfig: {
      ...(args.story && settings[args.story].agentConfig),
      ...(args.verb === 'sandbox' && { sweep: { ageGuardSeconds: personAgeGuardSeconds } }),
      ...(systems.some(({ powerShell }) => powerShell) && patientLeave),
    },
    progress,
  });
  await ground.lead('aws', { host: '127.0.0.1', port: Number(new URL(sandbox.endpoint).port) });
  await ground.lead('vpc', { host: '127.0.0.1', port: Number(new URL(sandbox.vpcEndpoint).port) });
  await ground.lead('ldaps', { host: sandbox.domain.address, port: 636 });

  const state = stateFile(join(directory, 'state.json'), stateOf(sandbox, ground));
  await state.update({});
  const pids = Array.from({ length: args.workers }, (): number | null => null);
  for (const place of pids.keys()) {
    let lives = 0;
    const remember = async (pid: number | undefined): Promise<void> => {
      lives += 1;
      const life = lives;
      const hostPid = pid === undefined ? undefined : await ground.hostPid(pid);
      // The answer may come after the agent's end, or after its successor's.
      if (life !== lives) return;
      pids[place] = hostPid ?? null;
      await state.update({ agentPid: pids[0] ?? null, agentPids: [...pids] });
    };
    sandbox.startAgent((pid) => void remember(pid));
  }
  return sandbox;
}

function stateOf(sandbox: Sandbox, ground: Ground): State {
  const { stack, domain, keys } = sandbox;
  return {
    endpoint: sandbox.endpoint,
    vpcEndpoint: sandbox.vpcEndpoint,
    region,
    accountId,
    autoScalingGroup: stack.autoScalingGroup,
    queueUrl: stack.queueUrl,
    deadLetterQueueUrl: stack.deadLetterQueueUrl,
    table: stack.table,
    secretId: stack.secretId,
    agentPid: null,
    agentPids: [],
    directory: {
      domain: domain.domainName,
      url: `ldaps://127.0.0.1:${ground.ports['ldaps']}`,
      address: domain.address,
      caFile: domain.caFile,
      organizationalUnit: domain.organizationalUnit,
      auditUser: domain.auditor.principal,
      auditPassword: domain.auditor.password,
    },
    documents: stack.documents,
    credentials: keys,
  };
}

async function tell(
  sandbox: Sandbox,
  args: Arguments,
  screen: Screen,
  startedAt: number,
  signal: AbortSignal,
): Promise<number> {
  const view = createView(screen, startedAt, Date.now);
  const usual = subjectOf(sandbox);
  const told = args.story && storyOf(args.story, sandbox, usual, args.instances, systemClock);
  const result = await orInterrupted(
    signal,
    tellStory(args.instances, told?.subject ?? usual, view, systemClock, signal, told?.plot),
  );
  for (const line of closingLines(result)) view.say(line);
  if (args.report !== undefined)
    await writeForOwner(args.report, `${JSON.stringify(reportOf(result, new Date(startedAt)), null, 2)}\n`);
  if (args.picture !== undefined) await writeForOwner(args.picture, pictureOf(result));
  if (!result.proven) view.say(`The agent's log: ${relative(process.cwd(), sandbox.agentLogFile)}`);
  return result.proven ? 0 : 1;
}

async function writeForOwner(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  await giveToOwner(file);
}

async function stayOpen(
  sandbox: Sandbox,
  ground: Ground,
  args: Arguments,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const environmentFile = join(directory, 'agent.env');
  const lines = Object.entries(sandbox.agentEnvironment).map(([name, value]) => `${name}=${value}\n`);
  await writePrivate(environmentFile, lines.join(''));
  const hostPid = (await ground.hostPid(process.pid)) ?? 0;
  const configFile = relative(process.cwd(), sandbox.agentConfigFile);
  say('');
  const sudo = process.env['SUDO_UID'] !== undefined;
  const inside = { hostPid, environmentFile, configFile, sudo };
  for (const line of commandsToTry(stateOf(sandbox, ground), inside)) say(line);
  if (args.workers === 0) {
    say('');
    for (const line of agentCommand(sandbox.agentCommand)) say(line);
  }
  say('');
  say('The sandbox is open. Ctrl-C closes it.');
  // Sleeps until the person ends it; a pending timer also keeps the process alive.
  for (;;) await wait(3_600_000, undefined, { signal });
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    if (error instanceof UsageError) {
      error.print();
      process.exit(error.exitCode);
    }
    if (error instanceof NoCgroupError) {
      process.stderr.write(
        `${error.message}\n\`npm start -- --process\` runs the worker as a process, which needs none.\n`,
      );
      process.exit(1);
    }
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`${message}\n`);
    process.exit(1);
  },
);
