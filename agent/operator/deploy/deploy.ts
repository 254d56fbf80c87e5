/**
 * `adjoin deploy`: brings the stack to what settings and template say. CloudFormation does the work and remembers it, so that each run
 * begins with what is there, whatever became of the one before:
 *
 *     (absent), REVIEW_IN_PROGRESS ──▶ a change set that creates
 *     …_COMPLETE                   ──▶ a change set that updates; one without changes ends it
 *     …_IN_PROGRESS                ──▶ is followed to its end, then looked at again
 *     ROLLBACK_COMPLETE            ──▶ a first deployment that failed: deleted, after a question, and made anew
 *     …_FAILED                     ──▶ said, with what failed: a person decides
 *
 *     change set ──shown──▶ (--dry-run) deleted ──▶ ended
 *        └──agreed──▶ agent's file put ──▶ executed ──▶ followed ──▶ documents compared ──▶ configuration written
 *
 * The file comes before the execution, since workers fetch it. It has its hash in its name: repeating it changes nothing.
 */
import { EXIT } from '../../cli/exit.ts';
import { wrap } from '../../cli/table.ts';
import type { Clock } from '../../clock.ts';
import { AdjoinError } from '../../errors.ts';
import { costs, total } from './cost.ts';
import { follow, lastEvent, type Ended } from './follow.ts';
import { byKind, showChanges, showCost } from './plan.ts';
import type { Change, Desk, FilesPort, StackFacts, StacksPort } from './ports.ts';

export interface DeployPorts {
  readonly stacks: StacksPort;
  readonly files: FilesPort;
  readonly clock: Clock;
  readonly newId: () => string;
  /** What the documents in Systems Manager are, compared with those that the stack's workers pin: nothing when they are the same. */
  compareDocuments(agentConfig: string, signal: AbortSignal): Promise<string | undefined>;
  /** Waits for a worker's answer to an inquiry. Why there is none. */
  awaitWorker?(agentConfig: string, signal: AbortSignal): Promise<string | undefined>;
  /** Keeps the configuration for the other commands. @returns its file */
  writeConfig(agentConfig: string): string;
}

export interface DeployOptions {
  readonly stack: string;
  readonly template: string;
  readonly agent: { readonly key: string; readonly content: Buffer };
  /** Values that are given or found. Others keep what the stack has. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Names and default values of the template's parameters. */
  readonly defaults: ReadonlyMap<string, string | undefined>;
  readonly dryRun: boolean;
  readonly json: boolean;
  /** Whether nobody is asked. */
  readonly yes: boolean;
}

interface Outcome {
  readonly action: 'created' | 'updated' | 'unchanged' | 'proposed' | 'none';
  readonly changes?: readonly Change[];
  readonly status: string | null;
  readonly problem?: string;
  readonly config?: string;
}

/** Milliseconds between two looks at a change set. */
const LOOK_MS = 500;

/** What CloudFormation says of a change set without changes. */
const UNCHANGED = /didn't contain changes|No updates are to be performed/;

/** What to do where a person has to decide. */
const STUCK: Readonly<Record<string, string>> = {
  CREATE_FAILED: 'Delete the stack (adjoin destroy), and deploy again.',
  ROLLBACK_FAILED:
    'A first deployment failed, and not all of it could be removed. Delete the stack (adjoin destroy), and deploy again.',
  DELETE_FAILED: 'Delete the stack again (adjoin destroy) once the reason is gone.',
  UPDATE_ROLLBACK_FAILED:
    'Once the reason is gone: aws cloudformation continue-update-rollback --stack-name NAME. Then deploy again.',
  UPDATE_FAILED: 'Roll it back: aws cloudformation rollback-stack --stack-name NAME. Then deploy again.',
};

export async function deploy(
  options: DeployOptions,
  ports: DeployPorts,
  desk: Desk,
  signal: AbortSignal,
): Promise<number> {
  const { stack: name, json, dryRun, yes } = options;
  const { stacks, files, clock } = ports;
  const { terminal, prompt } = desk;
  const say = (text: string): void => (json ? terminal.err(text) : terminal.out(text));
  const going = { stacks, clock };

  async function agrees(question: string): Promise<boolean> {
    if (yes) return true;
    const answer = await prompt.ask(`${question} Type yes: `, signal);
    return answer.toLowerCase() === 'yes';
  }

  const followed = async (id: string, after: string | undefined): Promise<Ended> => {
    const ended = await follow(id, after, going, terminal, say, signal);
    for (const failure of ended.failures.slice(0, 3))
      terminal.err(wrap(`${failure.logicalId} (${failure.type}): ${failure.reason ?? failure.status}`));
    return ended;
  };

  /** @returns what the stack is before a change set, or why none can be made */
  async function ready(): Promise<StackFacts | undefined | Outcome> {
    for (;;) {
      const found = await stacks.find(name, signal);
      if (!found || found.status === 'REVIEW_IN_PROGRESS') return found;
      const { id, status } = found;
      if (status.endsWith('_IN_PROGRESS')) {
        if (dryRun) return { action: 'none', status, problem: `The stack ${name} is ${status}.` };
        say(`The stack ${name} is ${status}: this goes on until it has ended.\n`);
        desk.stage(
          `Stopped looking. CloudFormation goes on with ${name} by itself; run the command again to go on from there.`,
        );
        await followed(id, await lastEvent(id, true, stacks, signal));
        continue;
      }
      if (status === 'ROLLBACK_COMPLETE') {
        const what = `The first deployment of ${name} failed, and all that it made is removed (ROLLBACK_COMPLETE).`;
        if (dryRun)
          return {
            action: 'none',
            status,
            problem: `${what} The stack has to be deleted before it is deployed again.`,
          };
        say(wrap(what));
        if (!(await agrees('Delete what is left of it, and deploy again?')))
          return { action: 'none', status, problem: 'Nothing was changed.' };
        const before = await lastEvent(id, false, stacks, signal);
        await stacks.delete(id, signal);
        const { status: end } = await followed(id, before);
        if (end !== 'DELETE_COMPLETE')
          return { action: 'none', status: end, problem: `It could not be deleted: ${end}.` };
        continue;
      }
      if (status.endsWith('_FAILED')) {
        const failed = (await stacks.resources(id, signal)).filter((each) => each.status.endsWith('_FAILED'));
        const list = failed.map(({ logicalId, reason }) => `${logicalId}: ${reason ?? ''}`).join(' ');
        return {
          action: 'none',
          status,
          problem:
            `The stack ${name} is ${status}. ${list} ${(STUCK[status] ?? '').replace('NAME', name)}`.trim(),
        };
      }
      return found;
    }
  }

  /** Of parameters that nobody gave, the stack's value stays. */
  function wishes(found: StackFacts | undefined): Map<string, string | undefined> {
    const kept = found ? [...found.parameters.keys()].filter((key) => options.defaults.has(key)) : [];
    return new Map([...kept.map((key): [string, undefined] => [key, undefined]), ...options.parameters]);
  }

  async function propose(
    found: StackFacts | undefined,
  ): Promise<Outcome | { readonly id: string; readonly changes: readonly Change[] }> {
    const isNew = !found || found.status === 'REVIEW_IN_PROGRESS';
    const run = ports.newId();
    const key = `adjoin/template-${run}.json`;
    let id: string | undefined;
    let isKept = false;
    try {
      const templateUrl = await files.put(key, Buffer.from(options.template), 'application/json', signal);
      id = await stacks.propose(
        {
          stack: name,
          name: `adjoin-${run}`,
          isNew,
          templateUrl,
          parameters: wishes(isNew ? undefined : found),
        },
        signal,
      );
      for (;;) {
        const { status, reason, changes } = await stacks.changeSet(id, signal);
        if (status === 'CREATE_COMPLETE') {
          isKept = !dryRun;
          return dryRun ? { action: 'proposed', changes, status: found?.status ?? null } : { id, changes };
        }
        if (status === 'FAILED' && UNCHANGED.test(reason ?? ''))
          return { action: 'unchanged', changes: [], status: found?.status ?? null };
        if (status === 'FAILED')
          return {
            action: 'none',
            status: found?.status ?? null,
            problem: `CloudFormation refuses it: ${reason ?? status}`,
          };
        await clock.sleep(LOOK_MS, signal);
      }
    } finally {
      // CloudFormation has its own copy of the template by now, and what is not executed is in nobody's way.
      await files.remove(key).catch(() => say(`The file ${key} is still in the bucket.\n`));
      if (id !== undefined && !isKept) await undo(id, found);
    }
  }

  /** Deletes a change set, and the empty stack that came with it. */
  async function undo(id: string, found: StackFacts | undefined): Promise<void> {
    try {
      await stacks.withdraw(id);
      if (found) return;
      const empty = await stacks.find(name, new AbortController().signal);
      if (empty?.status === 'REVIEW_IN_PROGRESS') await stacks.delete(empty.id, new AbortController().signal);
    } catch (error) {
      if (!(error instanceof AdjoinError)) throw error;
      terminal.err(wrap(`A change set of ${name} is still there, which nobody executes: ${error.message}`));
    }
  }

  const valueOf =
    (found: StackFacts | undefined) =>
    (parameter: string): string =>
      options.parameters.get(parameter) ??
      found?.parameters.get(parameter) ??
      options.defaults.get(parameter) ??
      '';

  let shown = valueOf(undefined);

  async function carryOut(): Promise<Outcome> {
    const found = await ready();
    if (found && 'action' in found) return found;
    if (found && found.status !== 'REVIEW_IN_PROGRESS' && !found.outputs.has('AgentConfig'))
      return {
        action: 'none',
        status: found.status,
        problem: `${name} is not a stack of adjoin: it has no output AgentConfig. Nothing was changed; give another name.`,
      };
    shown = valueOf(found);
    desk.stage(`Stopped. Nothing was made; a change set of ${name} that is left is executed by nobody.`);
    const proposed = await propose(found);
    const changes = proposed.changes ?? [];
    if (changes.length > 0) say(`\n${showChanges(changes)}\n${showCost(shown)}\n`);
    if (!('id' in proposed)) {
      return proposed.action === 'unchanged' && found && !dryRun
        ? verified(found, { ...proposed, changes })
        : proposed;
    }
    const { id } = proposed;
    if (
      !(await agrees(found ? 'Change the stack?' : 'Make all this?').catch(async (error: unknown) => {
        await undo(id, found);
        throw error;
      }))
    ) {
      await undo(id, found);
      return { action: 'none', changes, status: found?.status ?? null, problem: 'Nothing was changed.' };
    }
    await files.put(options.agent.key, options.agent.content, 'text/javascript', signal);
    const begun = await stacks.find(name, signal);
    if (!begun) throw new AdjoinError('unexpected', `The stack ${name} is gone while it was being deployed.`);
    const before = await lastEvent(begun.id, false, stacks, signal);
    desk.stage(
      `Stopped looking. CloudFormation goes on with ${name} by itself; run the command again to go on from there.`,
    );
    await stacks.execute(id, signal);
    const isNew = begun.status === 'REVIEW_IN_PROGRESS';
    const { status } = await followed(begun.id, before);
    if (status !== (isNew ? 'CREATE_COMPLETE' : 'UPDATE_COMPLETE'))
      return {
        action: 'none',
        changes,
        status,
        problem: `The stack ${name} is ${status}: it was not ${isNew ? 'made' : 'changed'}.`,
      };
    const after = await stacks.find(begun.id, signal);
    if (!after) throw new AdjoinError('unexpected', `The stack ${name} is gone.`);
    return verified(after, { action: isNew ? 'created' : 'updated', changes, status });
  }

  /** What CloudFormation does not see. */
  async function verified({ outputs, status }: StackFacts, outcome: Outcome): Promise<Outcome> {
    desk.stage(
      `Stopped. The stack ${name} is ${status}; what is behind it was not looked at. Run the command again.`,
    );
    const agentConfig = outputs.get('AgentConfig');
    if (agentConfig === undefined)
      return { ...outcome, problem: `${name} is not a stack of adjoin: it has no output AgentConfig.` };
    const config = ports.writeConfig(agentConfig);
    const different = await ports.compareDocuments(agentConfig, signal);
    if (different !== undefined)
      return {
        ...outcome,
        config,
        problem: `Attach no group: Run Command would run nothing. ${different}`,
      };
    say('The documents are those that the workers pin.\n');
    const silent = await ports.awaitWorker?.(agentConfig, signal);
    return silent === undefined ? { ...outcome, config } : { ...outcome, config, problem: silent };
  }

  if (!yes && !dryRun && !prompt.isAttended) {
    terminal.err('Nobody can be asked here: say --yes, or --dry-run to see what would be made.\n');
    return EXIT.usage;
  }
  const { action, changes = [], status, problem, config } = await carryOut();
  if (json) {
    const monthly = costs(shown);
    const report = {
      stack: name,
      dryRun,
      action,
      status,
      changes: byKind(changes),
      monthlyUsd: Number(total(monthly).toFixed(2)),
      problem: problem ?? null,
      config: config ?? null,
    };
    terminal.out(`${JSON.stringify(report, null, 2)}\n`);
  }
  if (problem !== undefined) {
    terminal.err(wrap(problem));
    return EXIT.failed;
  }
  if (action === 'proposed') say('A dry run: nothing was made, and the change set is deleted.\n');
  if (action === 'unchanged') say(`Nothing to change in ${name}.\n`);
  if (config !== undefined)
    say(
      wrap(
        `Configuration of the other commands: ${config}. Next: adjoin secret put, then adjoin attach GROUP.`,
      ),
    );
  return EXIT.ok;
}
