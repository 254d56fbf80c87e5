/** `adjoin deploy` with real clients and files. */
import { createHash, randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Clients } from '../../aws/clients.ts';
import { runChecks } from '../../checks/check.ts';
import type { Terminal } from '../../cli/terminal.ts';
import { systemClock } from '../../clock.ts';
import { parseConfig, type Config } from '../../config.ts';
import { AdjoinError, asAdjoinError } from '../../errors.ts';
import { createFiles } from '../aws/bucket.ts';
import { askWorker } from '../aws/ask-worker.ts';
import type { Caller } from '../aws/caller.ts';
import { createDesk } from '../aws/desk.ts';
import { createNetwork } from '../aws/network.ts';
import { createStacks } from '../aws/stacks.ts';
import { withClients } from '../aws/with-clients.ts';
import { attend } from '../attended.ts';
import { deploymentChecks } from '../doctor/deployment-checks.ts';
import type { Prompt } from '../prompt.ts';
import { deploy, type DeployPorts } from './deploy.ts';
import { prepare } from './prepare.ts';
import { formatSettings } from './settings.ts';
import { deployable, readOf, settingsOf } from './files.ts';
import { readPrerequisites } from './prerequisites.ts';
import { readTemplate } from './template.ts';

export interface RunDeployOptions {
  /** Of the settings; without such a file, a person is asked. */
  readonly file: string;
  /** Where the other commands find the agent's configuration. */
  readonly config: string;
  readonly template?: string;
  readonly agent?: string;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly yes: boolean;
  /** Milliseconds for which a worker is asked after the deployment; 0: none is. */
  readonly waitMs: number;
}

/** Milliseconds between two questions to workers. */
const AGAIN_MS = 2_000;

/** Nobody else's file with this name is run: workers compare the hash, and the template has it. */
function mustBelong(agent: Buffer, template: string): string {
  const sha256 = createHash('sha256').update(agent).digest('hex');
  if (!template.includes(sha256))
    throw new AdjoinError(
      'config-invalid',
      "The agent's file is not the one of the template: take both from one release.",
    );
  return `adjoin/agent-${sha256.slice(0, 12)}.mjs`;
}

/** @throws AdjoinError `config-invalid` when nobody can be asked */
async function must(
  value: string | undefined,
  name: string,
  question: string,
  asks: boolean,
  prompt: Prompt,
  signal: AbortSignal,
): Promise<string> {
  if (value !== undefined && value !== '') return value;
  if (asks) return prompt.ask(question, signal);
  throw new AdjoinError('config-invalid', `${name} is missing in adjoin.json, and nobody can be asked.`);
}

interface Deployment {
  readonly clients: Clients;
  readonly caller: Caller;
}

/** Compares what Systems Manager has with what the workers pin. */
async function compareDocuments(
  config: Config,
  { clients, caller }: Deployment,
  signal: AbortSignal,
): Promise<string | undefined> {
  const desk = createDesk({ config, clients, caller, clock: systemClock });
  const checks = deploymentChecks
    .filter(({ id }) => id === 'documents')
    .map((check) => ({ ...check, needs: [] }));
  const findings = await runChecks(checks, desk, {
    clock: systemClock,
    signal,
    limitMs: 60_000,
    denied: 'failed',
  });
  return findings.find(({ state }) => state !== 'passed')?.text;
}

/** @returns the exit code */
export async function runDeploy(
  options: RunDeployOptions,
  prompt: Prompt,
  terminal: Terminal,
): Promise<number> {
  let whenStopped = 'Stopped. Nothing was changed.';
  return attend(
    terminal,
    () => whenStopped,
    async (signal) => {
      const { dryRun, json, yes } = options;
      const asks = prompt.isAttended && !yes;
      const file = resolve(options.file);
      const template = readOf(
        deployable(options.template, 'templates/adjoin.template.json', 'adjoin.template.json'),
        'The template',
      ).toString('utf8');
      const agent = readOf(
        deployable(options.agent, 'agent/agent.mjs', 'agent/agent.mjs'),
        "The agent's file",
      );
      const agentKey = mustBelong(agent, template);
      const given = settingsOf(file);
      const region = await must(
        given.region ?? process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION'],
        'region',
        'Region: ',
        asks,
        prompt,
        signal,
      );
      const clock = systemClock;
      return withClients(region, async ({ clients, cloudFormation, caller }) => {
        const { account, arn } = await caller.identity(signal);
        terminal.err(`${given.stack} in ${region}, account ${account}, as ${arn}\n`);
        const stacks = createStacks(cloudFormation);
        const deployment = given.parameters.get('Deployment') ?? 'adjoin';
        const before = await readPrerequisites(deployment, stacks, signal);
        const bucket = await must(
          given.bucket ?? before.bucket,
          'bucket',
          'Bucket of this Region, for the agent and the template: ',
          asks,
          prompt,
          signal,
        );
        const settings = { ...given, region, bucket };
        const present = await stacks.find(settings.stack, signal);
        const isThere = present !== undefined && /^(CREATE|UPDATE|UPDATE_ROLLBACK)_/.test(present.status);
        const directoryCa =
          settings.directoryCa ??
          (isThere
            ? undefined
            : asks
              ? await prompt.ask('PEM file with the CA of the controllers: ', signal)
              : undefined);
        const caFile = directoryCa === undefined ? undefined : resolve(dirname(file), directoryCa);
        const facts = readTemplate(template);
        const { parameters, answered } = await prepare(
          {
            // A stack that is there keeps its own.
            parameters: isThere
              ? settings.parameters
              : new Map([...before.parameters, ...settings.parameters]),
            bucket,
            agentKey,
            directoryCa: caFile === undefined ? undefined : readOf(caFile, "The CA's file"),
          },
          isThere ? present.parameters : undefined,
          facts,
          { network: createNetwork(clients.ec2, region), prompt, terminal, asks },
          signal,
        );
        if (answered.size > 0) {
          const said = new Map([...settings.parameters, ...answered]);
          writeFileSync(
            file,
            formatSettings({
              ...settings,
              ...(directoryCa !== undefined && { directoryCa }),
              parameters: said,
            }),
          );
          terminal.err(`Your answers are in ${file}.\n`);
        }
        const configOf = (text: string): Config => parseConfig(text, {});
        const awaitWorker: DeployPorts['awaitWorker'] = async (text, stopping) => {
          terminal.err('Asking a worker…\n');
          const config = configOf(text);
          const rolePath = parameters.get('RolePath') ?? present?.parameters.get('RolePath') ?? '/';
          const deadline = clock.now() + options.waitMs;
          for (let why = 'none was asked'; ;) {
            if (clock.now() >= deadline) return `No worker has answered: ${why}.`;
            try {
              const answer = await askWorker(
                { config, callerArn: arn, rolePath, clock, newId: randomUUID },
                stopping,
              );
              if (typeof answer !== 'string') return undefined;
              why = answer;
              await clock.sleep(AGAIN_MS, stopping);
            } catch (error) {
              stopping.throwIfAborted();
              const { code, message } = asAdjoinError(error);
              // It is the person who may not ask; whether workers work is another question.
              return `No worker could be asked: ${code}: ${message}`;
            }
          }
        };
        return await deploy(
          {
            stack: settings.stack,
            template,
            agent: { key: agentKey, content: agent },
            parameters,
            defaults: new Map(
              [...facts.parameters].map(([name, { Default }]) => [
                name,
                Default === undefined ? undefined : String(Default),
              ]),
            ),
            dryRun,
            json,
            yes,
          },
          {
            stacks,
            files: createFiles({ client: cloudFormation, region, bucket, clock, environment: process.env }),
            clock,
            newId: randomUUID,
            compareDocuments: (text, stopping) =>
              compareDocuments(configOf(text), { clients, caller }, stopping),
            ...(options.waitMs > 0 && { awaitWorker }),
            writeConfig(text) {
              const config: Record<string, unknown> = JSON.parse(text);
              // The workers' path is not this computer's.
              if (caFile !== undefined) config['directory'] = { ...configOf(text).directory, caFile };
              writeFileSync(options.config, `${JSON.stringify(config, null, 2)}\n`);
              return options.config;
            },
          },
          {
            terminal,
            prompt,
            stage(text) {
              whenStopped = text;
            },
          },
          signal,
        );
      });
    },
  );
}
