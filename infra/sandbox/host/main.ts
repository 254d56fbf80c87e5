import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseChaosArguments } from '../command-line/chaos-arguments.ts';
import { UsageError } from '../command-line/parse.ts';
import { ensureImage } from '../image/image.ts';
import { ensureDesk } from '../image/layer.ts';
import { parseArguments } from '../command-line/arguments.ts';
import { findPowerShell } from '../machine/windows/power-shell.ts';
import { enterNamespace, sweepUp } from './namespace.ts';

/**
 * The host's half of the sandbox, on the pinned Node and as root: reads the command line, brings the image, makes the outer
 * namespace, passes signals in and the exit code out. `bootstrap.mjs` starts it.
 *
 *   main.ts start|sandbox [ARGUMENT…]    the sandbox (infra/sandbox/main.ts)
 *   main.ts chaos [ARGUMENT…]            the sandbox, with everything going wrong
 *   main.ts inside [--desk] COMMAND…     any command in an outer namespace, for people and tests; with what an operator's desk has
 *   main.ts host COMMAND…                any command beside them, when the image is there: for tests that look from outside
 */
const forwards = ['aws', 'vpc', 'ldaps'];

/** What a run that failed leaves for people: logs of agents, and the lanes of tests that have theirs (test/runner/lanes.ts). */
const failureLogs = ['agent*.log', 'tests-*'];

/** What a chaos run leaves for people. */
const chaosFiles = ['chaos.json', 'chaos.svg'];

/** The arguments are fine, but this machine can't run the sandbox. */
const unavailableCode = 1;

/** Ctrl-C reaches us from the terminal and again from npm, within milliseconds. Later than this it is a person's second one. */
const secondInterruptMs = 1_000;

async function main(verb: string, rest: readonly string[]): Promise<number> {
  // Help and complaints need neither root nor the image nor the lock.
  checkArguments(verb, rest);
  // bootstrap.mjs asked for help or complaints alone, and says itself what the machine lacks.
  if (process.env['SANDBOX_UNAVAILABLE'] !== undefined) return unavailableCode;
  switch (verb) {
    case 'start':
    case 'sandbox':
      return inNamespace(
        [process.execPath, 'infra/sandbox/main.ts', verb, ...rest],
        forwards,
        [],
        parseArguments(verb, rest).boot ? ensureDesk : undefined,
      );
    case 'chaos':
      return inNamespace([process.execPath, 'infra/sandbox/main.ts', verb, ...rest], [], chaosFiles);
    case 'inside':
      return rest[0] === '--desk' ? inNamespace(rest.slice(1), [], [], ensureDesk) : inNamespace(rest, []);
    case 'host':
      return onHost(rest);
    default:
      console.error('Usage: main.ts start|sandbox|chaos|inside|host [ARGUMENT…]');
      return 2;
  }
}

/** The program inside reads the same arguments again, where no package feed is. @throws UsageError */
function checkArguments(verb: string, rest: readonly string[]): void {
  if (verb === 'start' || verb === 'sandbox') {
    const { system } = parseArguments(verb, rest);
    const powerShell = system === 'linux' ? undefined : findPowerShell(process.cwd());
    if (powerShell !== undefined && 'reason' in powerShell)
      throw new Error(`There can be no Windows-like machine: ${powerShell.reason}.`);
  }
  if (verb === 'chaos') parseChaosArguments(rest, () => '');
}

async function onHost([program = '', ...argv]: readonly string[]): Promise<number> {
  await ensureImage(report);
  const child = spawn(program, argv, { stdio: ['ignore', 'inherit', 'inherit'] });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  const [code] = await once(child, 'exit');
  return typeof code === 'number' ? code : 1;
}

async function inNamespace(
  argv: readonly string[],
  names: readonly string[],
  results: readonly string[] = [],
  deskOver?: typeof ensureDesk,
): Promise<number> {
  const image = await ensureImage(report);
  const desk = await deskOver?.(image, report);
  const outer = await enterNamespace({ argv, forwards: names, image, desk, env: process.env });
  let interruptedAt: number | undefined;
  const onSignal = () => {
    const now = performance.now();
    interruptedAt ??= now;
    if (now - interruptedAt > secondInterruptMs) outer.kill();
    else outer.stop();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  const onResize = () => outer.resize();
  process.on('SIGWINCH', onResize);
  try {
    const code = await outer.exited;
    await sweepUp(code === 0 ? results : [...results, ...failureLogs]);
    return code;
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
    process.off('SIGWINCH', onResize);
  }
}

function report(line: string): void {
  console.error(line);
}

try {
  process.exitCode = await main(process.argv[2] ?? '', process.argv.slice(3));
} catch (error) {
  if (error instanceof UsageError) error.print();
  else console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof UsageError ? error.exitCode : 1;
}
