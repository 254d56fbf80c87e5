/** `adjoin test` with real clients. */
import { randomBytes } from 'node:crypto';
import { createClients, destroyClients } from '../../aws/clients.ts';
import { createMembershipTable } from '../../aws/membership-table.ts';
import { untilInterrupted } from '../../cli/attended.ts';
import { EXIT } from '../../cli/exit.ts';
import type { Terminal } from '../../cli/terminal.ts';
import { systemClock } from '../../clock.ts';
import type { Config } from '../../config.ts';
import { AdjoinError } from '../../errors.ts';
import { createCaller } from '../aws/caller.ts';
import { createTestGroups } from '../aws/test-group.ts';
import { attend } from '../attended.ts';
import { workerGroupOf } from '../doctor/deployment-checks.ts';
import { queueArnEnd } from '../doctor/group-checks.ts';
import { roleArnOf } from '../roles.ts';
import { test, type TestOptions } from './test.ts';

/** @returns the exit code */
export async function runTest(
  config: Config,
  options: TestOptions & { readonly rolePath: string },
  terminal: Terminal,
): Promise<number> {
  const { accountId, deployment, region } = config;
  const clock = systemClock;
  const clients = createClients(region);
  const caller = createCaller(region, clock);
  try {
    return await attend(
      terminal,
      () => 'Stopped.',
      async (signal) => {
        const { account, arn } = await caller.identity(signal);
        if (account !== accountId) {
          terminal.err(
            `Your credentials are of the account ${account}; the configuration is of ${accountId}.\n`,
          );
          return EXIT.failed;
        }
        const memberships = createMembershipTable(clients.dynamodb, config.table);
        return await test(
          options,
          {
            name: deployment,
            workerGroup: workerGroupOf(deployment),
            queueArn: `arn:${arn.split(':')[1] ?? 'aws'}${queueArnEnd(config)}`,
            publisherRoleArn: roleArnOf(config, 'hook-publisher', arn, options.rolePath),
          },
          {
            ...createTestGroups(clients.autoScaling),
            membership: (instanceId) => memberships.read(instanceId),
            newId: () => randomBytes(4).toString('hex'),
            insist: (work) => untilInterrupted(() => new AdjoinError('draining', 'Interrupted again.'), work),
          },
          { clock, terminal },
          signal,
        );
      },
    );
  } finally {
    caller.close();
    destroyClients(clients);
  }
}
