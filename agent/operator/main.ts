/**
 * The entry of an operator's desk: `adjoin` with all commands, those that a worker does not have among them.
 *
 *     node agent/operator/main.ts doctor --config adjoin.json
 */
import { cli } from '../cli/cli.ts';
import { processTerminal } from '../cli/terminal.ts';
import { addOperatorCommands } from './commands.ts';
import { processPrompt } from './prompt.ts';

process.exitCode = await cli(process.argv.slice(2), processTerminal, (extension) =>
  addOperatorCommands(extension, processPrompt()),
);
