/** `adjoin destroy` with real clients. */
import { scanMemberships } from '../../aws/membership-table.ts';
import { existsSync, readFileSync } from 'node:fs';
import type { Terminal } from '../../cli/terminal.ts';
import { systemClock } from '../../clock.ts';
import { AdjoinError } from '../../errors.ts';
import { groupsWithHooksTo } from '../aws/groups.ts';
import { createStacks } from '../aws/stacks.ts';
import { withClients } from '../aws/with-clients.ts';
import { attend } from '../attended.ts';
import { parseSettings } from '../deploy/settings.ts';
import type { Prompt } from '../prompt.ts';
import { destroy, type Left } from './destroy.ts';

export interface RunDestroyOptions {
  /** Settings of the deployment, which name stack and Region. */
  readonly file: string;
  readonly json: boolean;
  readonly yes: boolean;
}

/** @returns the exit code */
export async function runDestroy(
  { file, json, yes }: RunDestroyOptions,
  prompt: Prompt,
  terminal: Terminal,
): Promise<number> {
  let whenStopped = 'Stopped. Nothing was changed.';
  return attend(
    terminal,
    () => whenStopped,
    async (signal) => {
      const settings = existsSync(file) ? parseSettings(readFileSync(file, 'utf8'), file) : undefined;
      const region = settings?.region ?? process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION'] ?? '';
      // What is deleted must be what was meant: no stack is guessed.
      if (settings === undefined || region === '')
        throw new AdjoinError(
          'config-invalid',
          `${file} is missing, or says no Region: say the settings with --file.`,
        );
      return withClients(region, async ({ clients, cloudFormation, caller }) => {
        const { account, arn } = await caller.identity(signal);
        terminal.err(`${settings.stack} in ${region}, account ${account}, as ${arn}\n`);
        return await destroy(
          { stack: settings.stack, json, yes },
          {
            stacks: createStacks(cloudFormation),
            clock: systemClock,
            attachedGroups: (queueArn, stopping) =>
              groupsWithHooksTo(clients.autoScaling, queueArn, stopping),
            async left(table, stopping): Promise<Left> {
              let members = 0;
              let owed = 0;
              const now = systemClock.now();
              for await (const { memberships } of scanMemberships(clients.dynamodb, table, now, stopping))
                for (const { state } of memberships) {
                  if (state === 'owed') owed += 1;
                  else if (state !== 'removed' && state !== 'failed') members += 1;
                }
              return { members, owed };
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
