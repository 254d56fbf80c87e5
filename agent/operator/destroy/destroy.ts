/**
 * `adjoin destroy`: deletes the stack, and says before what stays. A hook that sends to a queue which is gone makes every launch wait and
 * end, so groups are detached first. Members are not unjoined by it: once no worker is left, their accounts stay in the directory.
 *
 *     (absent)            ──▶ nothing to do
 *     DELETE_IN_PROGRESS  ──▶ is followed to its end
 *     …_IN_PROGRESS       ──▶ refused: it has to end first
 *     hooks are attached  ──▶ refused
 *     otherwise           ──its name typed──▶ deleted, followed
 */
import { EXIT } from '../../cli/exit.ts';
import { wrap } from '../../cli/table.ts';
import type { Clock } from '../../clock.ts';
import { asAdjoinError } from '../../errors.ts';
import { follow, lastEvent } from '../deploy/follow.ts';
import type { Desk, StackFacts, StackResource, StacksPort } from '../deploy/ports.ts';
import { readTemplate } from '../deploy/template.ts';

export interface Left {
  /** Living members, by the ledger. */
  readonly members: number;
  /** Removals that the sweep still has to do. */
  readonly owed: number;
}

export interface DestroyPorts {
  readonly stacks: StacksPort;
  readonly clock: Clock;
  /** Groups with a hook that sends to this queue. */
  attachedGroups(queueArn: string, signal: AbortSignal): Promise<readonly string[]>;
  /** What the ledger of this table says of accounts in the directory. */
  left(table: string, signal: AbortSignal): Promise<Left>;
}

export interface DestroyOptions {
  readonly stack: string;
  readonly json: boolean;
  /** Whether nobody is asked. */
  readonly yes: boolean;
}

interface Outcome {
  readonly status: string | null;
  readonly retained?: readonly StackResource[];
  readonly groups?: readonly string[];
  readonly left?: Left;
  readonly problem?: string;
}

export async function destroy(
  { stack: name, json, yes }: DestroyOptions,
  { stacks, clock, ...ports }: DestroyPorts,
  { terminal, prompt, stage }: Desk,
  signal: AbortSignal,
): Promise<number> {
  const say = (text: string): void => (json ? terminal.err(text) : terminal.out(text));

  /** Of a stack that was made: one that never was has no template, and nothing that stays. */
  async function retainedBy({ id }: StackFacts): Promise<StackResource[]> {
    const { retained } = readTemplate(await stacks.template(id, signal));
    return (await stacks.resources(id, signal)).filter(({ logicalId }) => retained.has(logicalId));
  }

  async function followed(id: string, after: string | undefined): Promise<Outcome> {
    stage(
      `Stopped looking. CloudFormation goes on deleting ${name} by itself; run the command again to go on from there.`,
    );
    const { status } = await follow(id, after, { stacks, clock }, terminal, say, signal);
    if (status === 'DELETE_COMPLETE') return { status };
    const failed = (await stacks.resources(id, signal)).filter((each) => each.status === 'DELETE_FAILED');
    const list = failed.map(
      ({ logicalId, physicalId, reason }) => `${logicalId} (${physicalId}): ${reason ?? ''}`,
    );
    return {
      status,
      problem: `${name} is ${status}: ${list.join(' ')} Run the command again once the reason is gone.`,
    };
  }

  async function lookAtDirectory(table: string): Promise<Left | undefined> {
    try {
      return await ports.left(table, signal);
    } catch (error) {
      signal.throwIfAborted();
      say(wrap(`Whether accounts stay in the directory was not found out: ${asAdjoinError(error).message}`));
      return undefined;
    }
  }

  async function carryOut(): Promise<Outcome> {
    const found = await stacks.find(name, signal);
    if (!found) {
      say(`There is no stack ${name} in this account and Region.\n`);
      return { status: null };
    }
    const { id, outputs, status } = found;
    if (status === 'DELETE_IN_PROGRESS') return followed(id, await lastEvent(id, true, stacks, signal));
    if (status.endsWith('_IN_PROGRESS') && status !== 'REVIEW_IN_PROGRESS')
      return { status, problem: `${name} is ${status}. It can be deleted once that has ended.` };
    // One whose creation failed has no outputs, whoever made it.
    if (/^(CREATE|UPDATE|UPDATE_ROLLBACK)_COMPLETE$/.test(status) && !outputs.has('AgentConfig'))
      return {
        status,
        problem: `${name} is not a stack of adjoin: it has no output AgentConfig. Nothing was changed.`,
      };

    const queueArn = outputs.get('QueueArn');
    const groups = queueArn === undefined ? [] : await ports.attachedGroups(queueArn, signal);
    if (groups.length > 0)
      return {
        status,
        groups,
        problem: `Hooks of ${groups.join(', ')} send to this deployment: without it, every launch there would wait and end. Scale in what is to be unjoined, then detach each group (adjoin detach GROUP, or delete its attach stack), and run the command again.`,
      };
    const isMade = status !== 'REVIEW_IN_PROGRESS';
    const retained = isMade ? await retainedBy(found) : [];
    const table = outputs.get('TableName');
    const left = table === undefined ? undefined : await lookAtDirectory(table);
    say(`The stack ${name} (${status}) is deleted.\n`);
    if (retained.length > 0) {
      say('These stay, with what they hold, and cost on:\n');
      for (const { physicalId, type } of retained)
        say(wrap(`${type.replace(/^AWS::/, '')} ${physicalId}`, '  '));
    }
    if (left && left.members + left.owed > 0)
      say(
        wrap(
          `${left.members} instances are members, and ${left.owed} removals are owed: their accounts and DNS records stay in the directory, since nobody is left to remove them.`,
        ),
      );
    const bucket = found.parameters.get('AgentBucket');
    if (bucket !== undefined)
      say(wrap(`So does the agent's file: s3://${bucket}/${found.parameters.get('AgentKey') ?? ''}`));
    const facts = { retained, groups, ...(left && { left }) };
    if (!yes && (await prompt.ask(`Type the stack's name to delete it: `, signal)) !== name)
      return { ...facts, status, problem: 'That is not its name. Nothing was changed.' };
    const before = await lastEvent(id, false, stacks, signal);
    stage(`Stopped. Whether CloudFormation was told to delete ${name} is not known: run the command again.`);
    await stacks.delete(id, signal);
    if (!isMade) return { ...facts, status: 'DELETE_COMPLETE' };
    return { ...facts, ...(await followed(id, before)) };
  }

  if (!yes && !prompt.isAttended) {
    terminal.err('Nobody can be asked here: say --yes.\n');
    return EXIT.usage;
  }
  const { status, retained = [], groups = [], left, problem } = await carryOut();
  if (json) {
    const kept = retained.map(({ type, physicalId }) => ({ type, id: physicalId }));
    const report = {
      stack: name,
      status,
      retained: kept,
      groups,
      left: left ?? null,
      problem: problem ?? null,
    };
    terminal.out(`${JSON.stringify(report, null, 2)}\n`);
  }
  if (problem !== undefined) {
    terminal.err(wrap(problem));
    return EXIT.failed;
  }
  if (status === 'DELETE_COMPLETE') say(`${name} is gone.\n`);
  return EXIT.ok;
}
