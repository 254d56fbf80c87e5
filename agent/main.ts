/**
 * The entry: `adjoin`, which without a command is `adjoin run`.
 *
 *     node agent/main.ts --config FILE
 *     node agent/main.ts sweep --dry-run --config FILE
 */
import { cli } from './cli/cli.ts';

process.exitCode = await cli(process.argv.slice(2));
