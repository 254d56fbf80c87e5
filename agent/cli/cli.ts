/**
 * The commands. Exit codes are those of sysexits.h (exit.ts): 0 done; 64 bad arguments; 70 failed; 75 somebody else is
 * at it; 78 bad configuration.
 */
import { AdjoinError, reasonOf } from '../errors.ts';
import { deadLetters } from './dead-letters.ts';
import { EXIT } from './exit.ts';
import { run } from './run.ts';
import { sweepNow } from './sweep.ts';
import { processTerminal, type Terminal } from './terminal.ts';
import { UsageError } from './usage.ts';

type Command = (argv: readonly string[], terminal: Terminal) => Promise<number>;

const commands: Readonly<Record<string, Command>> = { run, sweep: sweepNow, 'dead-letters': deadLetters };

const USAGE = `usage: adjoin [run] --config FILE
       adjoin sweep [--dry-run] --config FILE
       adjoin dead-letters list --config FILE --queue URL
       adjoin dead-letters replay --config FILE --queue URL [--message ID]
       adjoin dead-letters discard --config FILE --queue URL --message ID --yes
`;

/** Errors of `parseArgs`, and our own, are about the arguments. */
const isUsage = (error: unknown): boolean =>
  error instanceof UsageError ||
  (typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    String(error.code).startsWith('ERR_PARSE_ARGS'));

/** Runs the command that the arguments name; without one, the agent. @returns the exit code */
export async function cli(argv: readonly string[], terminal: Terminal = processTerminal): Promise<number> {
  const [first = ''] = argv;
  if (first === 'help' || argv.includes('--help')) {
    terminal.out(USAGE);
    return EXIT.ok;
  }
  const isNamed = first !== '' && !first.startsWith('-');
  const command = isNamed ? (Object.hasOwn(commands, first) ? commands[first] : undefined) : run;
  try {
    if (!command) throw new UsageError(`there is no command ${JSON.stringify(first.slice(0, 40))}`);
    return await command(isNamed ? argv.slice(1) : argv, terminal);
  } catch (error) {
    if (error instanceof AdjoinError) {
      terminal.err(`${error.code}: ${error.message}\n${error.hint}\n`);
      return EXIT.failed;
    }
    if (!isUsage(error)) throw error;
    terminal.err(`${reasonOf(error)}\n${USAGE}`);
    return EXIT.usage;
  }
}
