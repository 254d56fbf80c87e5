import { type Command, CommanderError, InvalidArgumentError } from 'commander';

/** The command line starts nothing: it asks for help, or it can't be understood. The message is what to print. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  /** 0 when help was asked for; 2 for wrong usage, as most tools have it. */
  readonly exitCode: 0 | 2;

  constructor(message: string, exitCode: 0 | 2) {
    super(message);
    this.exitCode = exitCode;
  }

  /** Where a terminal expects it: help on standard output, complaints on standard error. */
  print(): void {
    const stream = this.exitCode === 0 ? process.stdout : process.stderr;
    stream.write(this.message.endsWith('\n') ? this.message : `${this.message}\n`);
  }
}

/**
 * Reads the arguments of a command. Prints nothing and never exits.
 * @param tryHelp what to type for the list of all options
 * @throws UsageError
 */
export function parseCommand<Options extends object>(
  command: Command,
  argv: readonly string[],
  tryHelp: string,
): Options {
  let text = '';
  const keep = (piece: string): void => {
    text += piece;
  };
  command
    .exitOverride()
    .helpOption('-h, --help', 'show this help')
    .showHelpAfterError(`\`${tryHelp}\` lists all options.`)
    .configureOutput({ writeOut: keep, writeErr: keep });
  try {
    return command.parse(argv, { from: 'user' }).opts<Options>();
  } catch (error) {
    if (error instanceof CommanderError) throw new UsageError(text, error.exitCode === 0 ? 0 : 2);
    throw error;
  }
}

/** Reads an option's value as a whole number from 1 to `most`. */
export function count(most: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (text.trim() !== '' && Number.isInteger(number) && number >= 1 && number <= most) return number;
    throw new InvalidArgumentError(`It takes a whole number from 1 to ${most}.`);
  };
}
