/** `adjoin doctor --pre` with real clients and files. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Terminal } from '../../cli/terminal.ts';
import { systemClock } from '../../clock.ts';
import { createReach } from '../../directory/reach.ts';
import { AdjoinError } from '../../errors.ts';
import { createFiles } from '../aws/bucket.ts';
import { createNetwork } from '../aws/network.ts';
import { createStacks } from '../aws/stacks.ts';
import { withClients } from '../aws/with-clients.ts';
import { attend } from '../attended.ts';
import { deployable, readOf, settingsOf } from '../deploy/files.ts';
import { findParameters } from '../deploy/find.ts';
import { readPrerequisites } from '../deploy/prerequisites.ts';
import { contradictions } from '../deploy/rules.ts';
import { DERIVED } from '../deploy/settings.ts';
import { faultOf, readTemplate } from '../deploy/template.ts';
import { doctorBefore, type RoundOptions } from './doctor.ts';
import type { PrePorts } from './pre-ports.ts';

export interface RunPreOptions extends RoundOptions {
  /** Settings of the deployment. */
  readonly file: string;
  readonly template?: string;
  /** Name of the domain; it is in no setting, for the secret has it. */
  readonly domain?: string;
}

/** Milliseconds. */
const DIRECTORY_MS = 5_000;

/** @returns the exit code */
export async function runPre(options: RunPreOptions, terminal: Terminal): Promise<number> {
  const clock = systemClock;
  return attend(
    terminal,
    () => 'Stopped looking.',
    async (signal) => {
      const file = resolve(options.file);
      const template = readOf(
        deployable(options.template, 'templates/adjoin.template.json', 'adjoin.template.json'),
        'The template',
      ).toString('utf8');
      const facts = readTemplate(template);
      const regionOf = (): string =>
        settingsOf(file).region ?? process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION'] ?? '';
      const region = regionOf();
      if (region === '')
        throw new AdjoinError('config-invalid', `No Region is said: in ${file}, or as AWS_REGION.`);
      return withClients(region, async ({ clients, cloudFormation, caller }) => {
        const network = createNetwork(clients.ec2, region);
        const stacks = createStacks(cloudFormation);

        async function prepare(): Promise<PrePorts> {
          // Read again for each round: the person may have changed it.
          const settings = settingsOf(file);
          const { directoryCa } = settings;
          // As deploy does.
          const deployment = settings.parameters.get('Deployment') ?? 'adjoin';
          const before = await readPrerequisites(deployment, stacks, signal);
          const bucket = settings.bucket ?? before.bucket;
          const said = new Map([...before.parameters, ...settings.parameters]);
          const { values, notes } = await findParameters(said, network, signal);
          const known = new Map([...said, ...values]);
          const valueOf = (name: string): string =>
            known.get(name) ?? String(facts.parameters.get(name)?.Default ?? '');
          const caFile = directoryCa === undefined ? undefined : resolve(dirname(file), directoryCa);
          const missing = [
            ...(bucket === undefined ? ['bucket'] : []),
            ...(caFile === undefined ? ['directoryCa'] : []),
            ...[...facts.parameters.keys()].filter(
              (name) =>
                !known.has(name) && !(name in DERIVED) && facts.parameters.get(name)?.Default === undefined,
            ),
          ];
          const faults = [...known].flatMap(([name, value]) => faultOf(name, value, facts) ?? []);
          if (caFile !== undefined && !existsSync(caFile)) faults.push(`directoryCa: there is no ${caFile}.`);
          const named = valueOf('DirectoryControllers')
            .split(',')
            .filter((each) => each !== '');
          const reach = createReach({
            controllers: named.length > 0 ? named : undefined,
            caFile,
            connectTimeoutMs: DIRECTORY_MS,
            operationTimeoutMs: DIRECTORY_MS,
            clock,
            randomBytes,
          });
          return {
            missing,
            notes,
            faults,
            contradictions: contradictions(template, valueOf),
            wanted: valueOf,
            region,
            bucket,
            identity: (stopping) => caller.identity(stopping),
            stackStatus: async (stopping) => (await stacks.find(settings.stack, stopping))?.status,
            bucketRegion: (name, stopping) =>
              createFiles({
                client: cloudFormation,
                region,
                bucket: name,
                clock,
                environment: process.env,
              }).bucketRegion(stopping),
            vpc: (...of) => network.vpc(...of),
            nameServers: (...of) => network.nameServers(...of),
            subnets: (...of) => network.subnets(...of),
            waysOut: (...of) => network.waysOut(...of),
            endpoints: (...of) => network.endpoints(...of),
            prefixList: (...of) => network.prefixList(...of),
            domain: options.domain,
            controllers: (...of) => reach.controllers(...of),
            reach: (...of) => reach.reach(...of),
          };
        }
        return await doctorBefore(options, prepare, clock, terminal, signal);
      });
    },
  );
}
