/**
 * `adjoin test GROUP`: a throw-away instance joins, and is removed. It is launched by a group of its own, which launches from what the
 * tested group launches from; the tested group is only read, and gets no instance more.
 *
 *     left behind? ──▶ made (empty, hooks, tag) ──▶ its end is scheduled ──▶ one instance ──▶ member, in service
 *                                                                             │ failed, late, interrupted
 *                        ◀── deleted ◀── empty ◀── no instance ◀──────────────┴──────── always ◀──┘
 *
 * Hooks and tag come with the creation, so no launch goes past them. From its second call on, Auto Scaling itself empties the group at a
 * set time: if this process dies, one instance runs until then, and an empty group is left, which costs nothing. The next test finds it
 * by its tag and deletes it; before that time, somebody may still be testing.
 */
import { EXIT } from '../../cli/exit.ts';
import { table, wrap } from '../../cli/table.ts';
import type { Terminal } from '../../cli/terminal.ts';
import type { Clock } from '../../clock.ts';
import { AdjoinError, asAdjoinError } from '../../errors.ts';
import type { Membership } from '../../ledger/membership.ts';
import { OPT_IN_TAG } from '../../lifecycle/admission.ts';
import { HEARTBEAT, HOOKS, type AttachedHook } from '../attach/attach.ts';
import type { Model, Seen, TestPorts } from './ports.ts';

export interface TestOptions {
  readonly group: string;
  /** Further tags of the group that the throw-away instance is to have, such as those that an organization demands. */
  readonly copiedTags: readonly string[];
  /** Milliseconds that the join may take, and as many that the removal may. */
  readonly waitMs: number;
  /** Deletes what earlier tests left, whoever may still be at it, and tests nothing. */
  readonly clean: boolean;
  readonly json: boolean;
}

/** Whose groups they are. */
export interface Deployment {
  readonly name: string;
  readonly workerGroup: string;
  readonly queueArn: string;
  readonly publisherRoleArn: string;
}

export const TEST_TAG = 'adjoin:test';
const PREFIX = 'adjoin-test-';

/** Milliseconds between two looks: a join takes half a minute, and one look costs two reads. */
const LOOK_MS = 2_000;
/** Milliseconds beside the join and the removal: for calls, and for clocks that differ. */
const MARGIN_MS = 300_000;

/** Not of the throw-away instance: it is nobody's to log in to, is joined and not only unjoined, and does not wait for people. */
const NOT_COPIED: ReadonlySet<string> = new Set([
  'adjoin:OnJoinFailure',
  'adjoin:UnjoinOnly',
  'adjoin:sessions',
  TEST_TAG,
]);

interface Step {
  readonly step: string;
  /** Milliseconds that it took. */
  readonly ms: number;
  readonly detail: string;
}

interface Left {
  readonly group: string;
  readonly instances: readonly string[];
}

interface Course {
  readonly steps: Step[];
  testGroup?: string;
  instance?: string;
  computerName?: string;
  problem?: string;
  left?: Left;
}

const markOf = (deployment: string, until: number): string =>
  `${deployment} until ${new Date(until).toISOString().slice(0, 19)}Z`;

/** When Auto Scaling empties it; nothing for a group of another deployment. */
function untilOf(mark: string, deployment: string): number | undefined {
  const [name, until = ''] = mark.split(' until ');
  const at = Date.parse(until);
  return name === deployment && !Number.isNaN(at) ? at : undefined;
}

const timeOf = (at: number): string => `${new Date(at).toISOString().slice(11, 16)} UTC`;

const seconds = (ms: number): string => (ms / 1000).toFixed(1);

function hooksFor(present: readonly AttachedHook[], deployment: Deployment): AttachedHook[] {
  return Object.values(HOOKS).map((kind) => {
    const attached = present.find(
      ({ transition, targetArn }) => transition === kind.transition && targetArn === deployment.queueArn,
    );
    return {
      ...kind,
      targetArn: deployment.queueArn,
      roleArn: deployment.publisherRoleArn,
      heartbeat: attached?.heartbeat ?? HEARTBEAT.usual,
      ...(attached?.metadata !== undefined && { metadata: attached.metadata }),
    };
  });
}

/** Whether the launch will not be tried again. */
const isOver = ({ state, launch, lastError }: Membership): boolean =>
  launch?.times['give-up'] !== undefined ||
  ((state === 'failed' || state === 'owed') && lastError !== undefined);

const lastOf = (known: Membership | undefined): string => {
  if (!known) return 'no worker has taken it up';
  const { state, lastError } = known;
  return `the ledger says ${state}${lastError ? `; last: ${lastError.code}: ${lastError.message}` : ''}`;
};

export async function test(
  options: TestOptions,
  deployment: Deployment,
  ports: TestPorts,
  { clock, terminal }: { readonly clock: Clock; readonly terminal: Terminal },
  signal: AbortSignal,
): Promise<number> {
  const { group, json, waitMs } = options;
  const say = (text: string): void => terminal.err(wrap(text));
  const began = clock.now();
  let stepBegan = began;
  const course: Course = { steps: [] };

  function done(step: string, detail: string): void {
    const now = clock.now();
    course.steps.push({ step, ms: now - stepBegan, detail });
    stepBegan = now;
    terminal.err(`${seconds(now - began).padStart(7)} s  ${step}: ${detail}\n`);
  }

  /** Looks until there is an answer. @throws AdjoinError when there is none in time */
  async function eventually<T>(
    limitMs: number,
    late: () => string,
    stopping: AbortSignal,
    look: () => Promise<T | undefined>,
  ): Promise<T> {
    const deadline = clock.now() + limitMs;
    for (;;) {
      const answer = await look();
      if (answer !== undefined) return answer;
      if (clock.now() >= deadline) throw new AdjoinError('unexpected', late());
      await clock.sleep(LOOK_MS, stopping);
    }
  }

  /** Unjoins what is in the group, by its hook, and deletes it. It may be done at any time, and again. */
  async function clear(name: string, limitMs: number, stopping: AbortSignal): Promise<void> {
    let seen: Seen | undefined;
    const state = (): string =>
      seen?.instances.map((each) => `${each.id} is ${each.state}`).join(', ') ?? 'it is being deleted';
    const late = (): string => `${name} could not be removed within ${limitMs / 1000} s: ${state()}.`;
    await eventually(limitMs, late, stopping, async () => {
      seen = await ports.look(name, stopping);
      if (!seen) return true;
      if (seen.desired > 0) await ports.scale(name, 0);
      else if (seen.instances.length === 0) await ports.remove(name);
      return undefined;
    });
  }

  /** @returns whether all of it could be deleted */
  async function clearEarlier(): Promise<boolean> {
    let isClear = true;
    for (const { name, mark } of await ports.marked(TEST_TAG, signal)) {
      const until = untilOf(mark, deployment.name);
      if (until === undefined || !name.startsWith(PREFIX)) continue;
      if (!options.clean && until > clock.now()) {
        say(
          `${name} is there: another test is under way, or has died. It is left alone until ${timeOf(until)}. If nobody is testing, adjoin test --clean removes it.`,
        );
        continue;
      }
      try {
        await clear(name, waitMs, signal);
        say(`${name}, which an earlier test had left, is removed.`);
      } catch (error) {
        signal.throwIfAborted();
        isClear = false;
        say(`${name}, which an earlier test had left, could not be removed: ${asAdjoinError(error).message}`);
      }
    }
    return isClear;
  }

  /** @returns the group that is tested, or why it can't be */
  async function modelOf(): Promise<Model | string> {
    if (group === deployment.workerGroup) return `${group} is the group of the workers: they join nothing.`;
    const model = await ports.model(group, signal);
    if (!model) return `There is no Auto Scaling group ${group} in this account and Region.`;
    if (!model.hasTemplate) return `${group} has no launch template to launch an instance from.`;
    const ours = model.hooks.filter(({ targetArn }) => targetArn === deployment.queueArn);
    if (ours.length > 0 && !ours.some(({ transition }) => transition === HOOKS.launch.transition))
      return `${group} is attached to be unjoined only: others join its instances, so there is no join to test.`;
    const missing = options.copiedTags.filter((key) => !model.tags.has(key));
    if (missing.length > 0) return `${group} has no tag ${missing.join(', ')} that could be copied.`;
    return model;
  }

  async function launchAndJoin(name: string): Promise<void> {
    let seen: Seen | undefined;
    const look = async (): Promise<Seen> => {
      seen = await ports.look(name, signal);
      if (!seen) throw new AdjoinError('unexpected', `${name} was deleted by somebody else.`);
      return seen;
    };
    const instance = await eventually(
      waitMs,
      () => `Auto Scaling launched no instance within ${waitMs / 1000} s.`,
      signal,
      async () => {
        const { instances } = await look();
        const [launched] = instances;
        if (launched) return launched;
        const [failure] = await ports.failures(name, signal);
        if (failure !== undefined)
          throw new AdjoinError('unexpected', `Auto Scaling can't launch an instance: ${failure}`);
        return undefined;
      },
    );
    course.instance = instance.id;
    done('launched', instance.id);

    let known: Membership | undefined;
    const stateNow = (): string | undefined => seen?.instances.find(({ id }) => id === instance.id)?.state;
    const join = async (): Promise<Membership | undefined> => {
      await look();
      known = await ports.membership(instance.id);
      if (known && isOver(known)) {
        const { code = '', message = '' } = known.lastError ?? {};
        throw new AdjoinError('unexpected', `The join was given up: ${code}: ${message}`);
      }
      const state = stateNow();
      if (state === undefined || state.startsWith('Terminating'))
        throw new AdjoinError('unexpected', `Auto Scaling ended the instance: ${lastOf(known)}.`);
      return known?.state === 'member' ? known : undefined;
    };
    const late = (): string =>
      `The instance is no member after ${waitMs / 1000} s. It is ${stateNow() ?? 'gone'}; ${lastOf(known)}.`;
    const member = await eventually(waitMs, late, signal, join);
    course.computerName = member.computerName ?? '';
    done('joined', `${course.computerName}, as ${member.domainController ?? 'a controller'} shows`);
    await eventually(waitMs, late, signal, async () => {
      await join();
      return stateNow() === 'InService' ? true : undefined;
    });
    done('in service', instance.id);
  }

  /** Whatever has become of the launch. @returns what is wrong with the removal */
  async function takeAway(name: string, stopping: AbortSignal): Promise<string | undefined> {
    const { instance } = course;
    if (!(await ports.look(name, stopping))) return undefined;
    await eventually(
      waitMs,
      () => `${instance ?? 'The instance'} is not gone after ${waitMs / 1000} s.`,
      stopping,
      async () => {
        const seen = await ports.look(name, stopping);
        if (!seen || (seen.desired === 0 && seen.instances.length === 0)) return true;
        if (seen.desired > 0) await ports.scale(name, 0);
        return undefined;
      },
    );
    const known = instance === undefined ? undefined : await ports.membership(instance);
    const isGone = known === undefined || known.state === 'removed' || known.state === 'failed';
    if (instance !== undefined)
      done('removed', isGone ? 'no account, no DNS record, no instance' : lastOf(known));
    await clear(name, waitMs, stopping);
    done('cleaned up', `${name} is deleted`);
    return isGone
      ? undefined
      : `${instance} has ended, and its account may be in the directory: ${lastOf(known)}. The sweep removes it.`;
  }

  async function carryOut(): Promise<void> {
    const model = await modelOf();
    if (typeof model === 'string') {
      course.problem = `${model} Nothing was made.`;
      return;
    }
    const until = clock.now() + 2 * waitMs + MARGIN_MS;
    const name = `${PREFIX}${ports.newId()}`;
    const copied = [...model.tags].filter(
      ([key]) =>
        options.copiedTags.includes(key) ||
        key === 'Operating_System' ||
        (key.startsWith('adjoin:') && !NOT_COPIED.has(key)),
    );
    const tags = new Map([
      ...copied.map(([key, { value }]) => [key, value] as const),
      [OPT_IN_TAG, 'true'] as const,
      [TEST_TAG, markOf(deployment.name, until)] as const,
    ]);
    course.testGroup = name;
    try {
      await ports.make({ name, tags, hooks: hooksFor(model.hooks, deployment) }, group);
      await ports.emptyAt(name, until);
      done('group made', `${name}, like ${group}`);
      signal.throwIfAborted();
      await ports.scale(name, 1);
      await launchAndJoin(name);
    } catch (error) {
      // After an interruption, its reason comes out.
      course.problem = asAdjoinError(signal.aborted ? signal.reason : error).message;
      say(`${course.problem} Cleaning up…`);
    }
    try {
      const owed = await ports.insist((stopping) => takeAway(name, stopping));
      if (owed !== undefined) course.problem = [course.problem, owed].filter(Boolean).join(' ');
    } catch (error) {
      const left = await ports
        .insist((stopping) => ports.look(name, stopping))
        .catch((): Seen | undefined => undefined);
      course.left = { group: name, instances: left?.instances.map(({ id }) => id) ?? [] };
      const why = asAdjoinError(error).message;
      const what = [name, ...course.left.instances].join(', ');
      course.problem = `${course.problem === undefined ? '' : `${course.problem} `}Not cleaned up: ${why} These remain: ${what}. Auto Scaling ends the instance at ${timeOf(until)}, by its hook. adjoin test --clean removes all of it.`;
    }
  }

  const isClear = await clearEarlier();
  if (options.clean) {
    if (isClear) say('Nothing of a test is there any more.');
    return isClear ? EXIT.ok : EXIT.failed;
  }
  await carryOut();
  const { steps, problem } = course;
  if (json) {
    const report = {
      group,
      testGroup: course.testGroup ?? null,
      instance: course.instance ?? null,
      computerName: course.computerName ?? null,
      steps: steps.map(({ step, ms, detail }) => ({ step, seconds: Math.round(ms / 100) / 10, detail })),
      left: course.left ?? null,
      problem: problem ?? null,
    };
    terminal.out(`${JSON.stringify(report, null, 2)}\n`);
  } else if (steps.length > 0) {
    const rows = steps.map(({ step, ms, detail }) => [seconds(ms), step, detail]);
    const sum = [seconds(clock.now() - began), 'in all', problem === undefined ? '✔' : '✘'];
    terminal.out(table(['seconds', 'step', ''], [...rows, sum]));
  }
  if (problem === undefined) return EXIT.ok;
  terminal.err(wrap(problem));
  if (course.instance !== undefined && course.computerName === undefined)
    terminal.err(wrap(`Look at what it needs: adjoin doctor --group ${group} --ask-worker`));
  return EXIT.failed;
}
