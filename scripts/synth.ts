/**
 * Writes everything that is deployed into a folder, offline and without an AWS account:
 *
 *     node scripts/synth.ts [--deployment NAME] [--output FOLDER]
 *
 *     adjoin.template.json                  the system
 *     adjoin-attach.template.json           attaches one Auto Scaling group
 *     agent/agent.mjs                       the bundled agent, for the bucket that the parameters name
 *     policies/*.json                       service control policies, for the deployment of this name (adjoin)
 */
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { deploymentPattern } from '../infra/site.ts';

const command = new Command('npm run synth --')
  .description('Writes everything that is deployed into a folder, offline and without an AWS account.')
  .option('--deployment <name>', 'what the service control policies name', deploymentOf, 'adjoin')
  .addOption(
    // The CDK CLI says where in the environment.
    new Option('--output <folder>', 'where to').env('CDK_OUTDIR').default('cdk.out'),
  )
  .helpOption('-h, --help', 'show this help')
  .showHelpAfterError('`npm run synth -- --help` lists all options.')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));

function deploymentOf(text: string): string {
  if (new RegExp(deploymentPattern).test(text)) return text;
  throw new InvalidArgumentError(`It must match ${deploymentPattern}.`);
}

const { deployment, output } = command.parse().opts<{ deployment: string; output: string }>();
// The construct library takes a second to load: help and complaints come before.
const { synthesize } = await import('./synthesize.ts');
const written = await synthesize(resolve(output), deployment);
process.stdout.write(`${JSON.stringify(written, undefined, 2)}\n`);
