/**
 * Writes everything that is deployed into a folder, offline and without an AWS account:
 *
 *     node scripts/synth.ts [--deployment NAME] [--role-path PATH] [--vpc ID] [--trail NAME]
 *         [--agent-file BUCKET/KEY] [--exempt ARN …] [--output FOLDER]
 *
 *     adjoin.template.json                  the system
 *     adjoin-attach.template.json           attaches one Auto Scaling group
 *     adjoin-import.template.json           takes into a new stack what a deleted one has left
 *     adjoin-prerequisites.template.json    roles and the agent's bucket, before the system
 *     adjoin-iam-events.template.json       sends IAM's events from us-east-1 to the system's Region
 *     prepare-image.sh                      prepares an image, where Run Command does not
 *     agent/agent.mjs                       the bundled agent, for the bucket that the parameters name
 *     policies/*.json                       service control policies and a resource control policy, for the deployment of this name (adjoin); without a
 *                                           VPC, a trail and the place of the agent's file, they say nothing about these
 */
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { deploymentPattern, pathPattern, trailPattern } from '../infra/site.ts';

const command = new Command('npm run synth --')
  .description('Writes everything that is deployed into a folder, offline and without an AWS account.')
  .option('--deployment <name>', 'what the service control policies name', deploymentOf, 'adjoin')
  .option('--role-path <path>', "the stack's RolePath, for the service control policies", pathOf, '/')
  .option('--vpc <id>', 'the VPC of the workers, for the service control policies', vpcOf)
  .option('--trail <name>', 'the trail of the audit rules, for the service control policies', trailOf)
  .option('--agent-file <bucket/key>', 'where the agent is, for the service control policies', agentFileOf)
  .option(
    '--exempt <arn...>',
    'further roles that the service control policies exempt, * for any characters: of IAM Identity Center, of a landing zone',
    exemptOf,
    [],
  )
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

function pathOf(text: string): string {
  if (new RegExp(pathPattern).test(text)) return text;
  throw new InvalidArgumentError('It must begin and end with a slash.');
}

function vpcOf(text: string): string {
  if (/^vpc-[0-9a-f]+$/.test(text)) return text;
  throw new InvalidArgumentError('It must be the ID of a VPC.');
}

function trailOf(text: string): string {
  if (new RegExp(trailPattern).test(text)) return text;
  throw new InvalidArgumentError('It must be the name of a trail.');
}

function exemptOf(text: string, before: readonly string[]): readonly string[] {
  if (/^arn:[a-z*-]+:iam::([0-9]{12}|\*):role\/[A-Za-z0-9_+=,.@/*-]+$/.test(text)) return [...before, text];
  throw new InvalidArgumentError('It must be the ARN of a role.');
}

interface AgentFileOption {
  readonly bucketName: string;
  readonly objectKey: string;
}

function agentFileOf(text: string): AgentFileOption {
  const [, bucketName, objectKey] = /^([a-z0-9.-]{3,63})\/([A-Za-z0-9/_.-]{1,900})$/.exec(text) ?? [];
  if (bucketName !== undefined && objectKey !== undefined) return { bucketName, objectKey };
  throw new InvalidArgumentError('It must be a bucket and a key, with a slash between them.');
}

interface Options {
  readonly deployment: string;
  readonly rolePath: string;
  readonly output: string;
  readonly exempt: readonly string[];
  readonly vpc?: string;
  readonly trail?: string;
  readonly agentFile?: AgentFileOption;
}

const { deployment, rolePath, output, exempt, vpc, trail, agentFile } = command.parse().opts<Options>();
// The construct library takes a second to load: help and complaints come before.
const { synthesize } = await import('./synthesize.ts');
const written = await synthesize(resolve(output), {
  deployment,
  rolePath,
  exempt,
  ...(vpc !== undefined && { vpcId: vpc }),
  ...(trail !== undefined && { trailName: trail }),
  ...(agentFile && { agentFile }),
});
process.stdout.write(`${JSON.stringify(written, undefined, 2)}\n`);
