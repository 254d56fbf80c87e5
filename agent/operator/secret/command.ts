/** `adjoin secret put` with real clients and a real directory. */
import { randomBytes, randomUUID } from 'node:crypto';
import { createClients, destroyClients } from '../../aws/clients.ts';
import type { Terminal } from '../../cli/terminal.ts';
import { systemClock } from '../../clock.ts';
import type { Config } from '../../config.ts';
import { openDirectory } from '../../directory/directory.ts';
import { asAdjoinError } from '../../errors.ts';
import { createRedactor } from '../../redact.ts';
import { askWorker } from '../aws/ask-worker.ts';
import { createCaller } from '../aws/caller.ts';
import { createSecretValue } from '../aws/secret-value.ts';
import { attend, redacted } from '../attended.ts';
import type { Prompt } from '../prompt.ts';
import { putSecret, type PutOptions, type PutPorts } from './put.ts';

/** A bind of its own with these values, and a look for the unit. */
const logOn =
  ({ deployment, accountId, region, directory }: Config, caFile: string | undefined): PutPorts['tryLogOn'] =>
  async (credential, signal) => {
    const opened = openDirectory({
      deployment,
      accountId,
      region,
      caFile: caFile ?? directory.caFile,
      controllers: directory.controllers,
      site: directory.site,
      namePrefixes: directory.namePrefixes,
      // What is refused is not put, so there is nothing to remember.
      credentials: { current: async () => credential, refused: async () => undefined },
      clock: systemClock,
      randomBytes,
      connectTimeoutMs: directory.connectSeconds * 1000,
      operationTimeoutMs: directory.operationSeconds * 1000,
      log: { info: () => undefined, warn: () => undefined },
    });
    try {
      await opened.tryCredential(credential.versionId, signal);
    } finally {
      await opened.close();
    }
  };

export interface RunPutOptions extends PutOptions {
  /** PEM file with the CA of the controllers, where the configuration names one that is on workers only. */
  readonly caFile?: string;
  readonly rolePath: string;
}

/** @returns the exit code */
export async function runPut(
  config: Config,
  options: RunPutOptions,
  prompt: Prompt,
  terminal: Terminal,
): Promise<number> {
  const clock = systemClock;
  const redactor = createRedactor();
  const clients = createClients(config.region);
  const caller = createCaller(config.region, clock);
  let isSent = false;
  const value = createSecretValue(clients.secretsManager, config.secretId);
  const ports: PutPorts = {
    look: value.look,
    async put(...of) {
      isSent = true;
      await value.put(...of);
    },
    tryLogOn: logOn(config, options.caFile),
    async askWorker(signal) {
      try {
        const { arn } = await caller.identity(signal);
        const { rolePath } = options;
        return await askWorker({ config, callerArn: arn, rolePath, clock, newId: randomUUID }, signal);
      } catch (error) {
        signal.throwIfAborted();
        const { code, message } = asAdjoinError(error);
        return `no worker could be asked: ${code}: ${message}`;
      }
    },
    newId: randomUUID,
  };
  const safe = redacted(terminal, redactor);
  const whenStopped = (): string =>
    isSent
      ? 'Stopped. The values were sent: adjoin doctor says which version the secret has.'
      : 'Stopped. Nothing was put.';
  try {
    return await attend(safe, whenStopped, (signal) =>
      putSecret(options, ports, { prompt, terminal: safe, clock, redactor }, signal),
    );
  } finally {
    caller.close();
    destroyClients(clients);
  }
}
