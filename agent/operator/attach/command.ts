/** `adjoin attach` and `adjoin detach` with real clients. */
import { createClients, destroyClients } from '../../aws/clients.ts';
import type { Terminal } from '../../cli/terminal.ts';
import { EXIT } from '../../cli/exit.ts';
import { systemClock } from '../../clock.ts';
import type { Config } from '../../config.ts';
import { createCaller } from '../aws/caller.ts';
import { createHooks } from '../aws/hooks.ts';
import { queueArnEnd } from '../doctor/group-checks.ts';
import { roleArnOf } from '../roles.ts';
import { attach, type AttachOptions } from './attach.ts';

/** @returns the exit code */
export async function runAttach(
  config: Config,
  options: AttachOptions & { readonly rolePath: string },
  terminal: Terminal,
): Promise<number> {
  const { accountId, region } = config;
  const clients = createClients(region);
  const caller = createCaller(region, systemClock);
  try {
    const { account, arn } = await caller.identity(new AbortController().signal);
    if (account !== accountId) {
      terminal.err(`Your credentials are of the account ${account}; the configuration is of ${accountId}.\n`);
      return EXIT.failed;
    }
    const partition = arn.split(':')[1] ?? 'aws';
    const ports = {
      ...createHooks(clients.autoScaling),
      queueArn: `arn:${partition}${queueArnEnd(config)}`,
      publisherRoleArn: roleArnOf(config, 'hook-publisher', arn, options.rolePath),
    };
    return await attach(options, ports, terminal);
  } finally {
    caller.close();
    destroyClients(clients);
  }
}
