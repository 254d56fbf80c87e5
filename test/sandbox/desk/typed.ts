/** `adjoin` as an administrator types it, in an account of the sandbox: the SDK's clients get keys and address from the environment. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cli } from '../../../agent/cli/cli.ts';
import { addOperatorCommands } from '../../../agent/operator/commands.ts';
import type { Prompt } from '../../../agent/operator/prompt.ts';
import { synthesis } from '../../../infra/sandbox/stack/synthesis.ts';
import { network } from '../../../infra/sandbox/stack/network.ts';
import { recordTerminal } from '../../support/terminal.ts';
import { emptyAccount, place, somePem, type EmptyAccount } from '../stack/deployed.ts';

export const bucket = 'artifacts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Typist extends AsyncDisposable {
  readonly empty: EmptyAccount;
  readonly folder: string;
  /** Writes adjoin.json, with these parameters over those that the sandbox needs, and without some of them. */
  settings(parameters?: Readonly<Record<string, string>>, without?: readonly string[]): void;
  /** @param answers what is typed, question by question; without any, nobody is there */
  type(args: readonly string[], answers?: readonly string[]): Promise<Ran>;
}

const VARIABLES = [
  'AWS_ENDPOINT_URL',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_REGION',
] as const;

export async function typist(): Promise<Typist> {
  const empty = await emptyAccount();
  empty.cloud.buckets.create(bucket);
  const { agentFile, folder: synthesized } = await synthesis();
  const folder = mkdtempSync(join(tmpdir(), 'adjoin-desk-'));
  const before = new Map(VARIABLES.map((name) => [name, process.env[name]]));
  writeFileSync(join(folder, 'ca.pem'), somePem());
  const { administratorRoleArn, breakGlassRoleArn } = empty.account;
  const { credentials } = empty.session(administratorRoleArn, 'internet');
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: empty.developer.endpoint,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_SESSION_TOKEN: credentials.sessionToken,
    AWS_REGION: place.region,
  });
  const { S3PrefixListId: _s3, DynamoDbPrefixListId: _dynamodb, ...vpc } = network;
  return {
    empty,
    folder,
    settings(parameters = {}, without = []) {
      const all = {
        ...vpc,
        DirectoryCidr: '10.77.0.0/24',
        AdministratorArns: administratorRoleArn,
        BreakGlassRoleArn: breakGlassRoleArn,
        OperatorNetworks: '127.0.0.0/8',
        WorkerCount: '0',
        ...parameters,
      };
      writeFileSync(
        join(folder, 'adjoin.json'),
        JSON.stringify({
          region: place.region,
          bucket,
          directoryCa: 'ca.pem',
          parameters: Object.fromEntries(Object.entries(all).filter(([name]) => !without.includes(name))),
        }),
      );
    },
    async type(args, answers) {
      const terminal = recordTerminal();
      const waiting = [...(answers ?? [])];
      const next = async (): Promise<string> => {
        const answer = waiting.shift();
        if (answer === undefined) throw new Error(`A question without an answer: ${terminal.written.err}`);
        return answer;
      };
      const prompt: Prompt = {
        isAttended: answers !== undefined,
        ask: next,
        askSecret: async () => Buffer.from(await next()),
      };
      const [verb = ''] = args;
      const at = (name: string): string => join(folder, name);
      const files = [
        ...(['deploy', 'destroy', 'doctor'].includes(verb) ? ['--file', at('adjoin.json')] : []),
        ...(['deploy', 'doctor'].includes(verb)
          ? ['--template', join(synthesized, 'adjoin.template.json')]
          : []),
        ...(verb === 'deploy' ? ['--agent', agentFile] : []),
        ...(verb === 'destroy' ? [] : ['--config', at('adjoin-config.json')]),
      ];
      const code = await cli([...args, ...files], terminal, (extension) =>
        addOperatorCommands(extension, prompt),
      );
      return { code, ...terminal.written };
    },
    async [Symbol.asyncDispose]() {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
      rmSync(folder, { recursive: true });
      await empty[Symbol.asyncDispose]();
    },
  };
}
