/**
 * `adjoin attach` and `adjoin detach`: the hooks and the tag of one existing group, as the attaching template makes them. What is there
 * already stays, so both can be repeated; what is changed is shown.
 *
 * The tag comes first: a hook on a group without it makes Auto Scaling launch and end instances without end. A detached group keeps it:
 * a worker may answer actions that are under way only for groups that have the tag.
 */
import { EXIT } from '../../cli/exit.ts';
import { wrap } from '../../cli/table.ts';
import type { Terminal } from '../../cli/terminal.ts';
import { asksFor, OPT_IN_TAG } from '../../lifecycle/admission.ts';
import type { GroupTag, HookFacts } from '../doctor/ports.ts';

export interface AttachedHook extends HookFacts {
  /** Seconds. */
  readonly heartbeat: number;
  /** Not ours to change. */
  readonly metadata?: string;
}

export interface AttachPorts {
  /** The group's tags, with whether instances get them; nothing when there is no such group. */
  readonly tags: (group: string) => Promise<ReadonlyMap<string, GroupTag> | undefined>;
  readonly hooks: (group: string) => Promise<readonly AttachedHook[]>;
  /** Sets the tag, propagated to instances. */
  readonly setTag: (group: string, key: string, value: string) => Promise<void>;
  readonly putHook: (group: string, hook: AttachedHook) => Promise<void>;
  readonly deleteHook: (group: string, name: string) => Promise<void>;
  readonly queueArn: string;
  readonly publisherRoleArn: string;
}

export interface AttachOptions {
  readonly verb: 'attach' | 'detach';
  readonly group: string;
  readonly join: boolean;
  readonly unjoin: boolean;
  /** Seconds. */
  readonly heartbeat: number;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** Seconds. Auto Scaling takes no others, and what a worker hides and leases for is derived from them. */
export const HEARTBEAT = { shortest: 30, longest: 7_200, usual: 300 } as const;

type Kind = 'launch' | 'terminate';

/** Nothing may enter service unverified; and both results of the other one terminate, but `ABANDON` skips the hooks of others. */
export const HOOKS: Readonly<Record<Kind, Pick<AttachedHook, 'name' | 'transition' | 'defaultResult'>>> = {
  launch: {
    name: 'adjoin-launch',
    transition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
    defaultResult: 'ABANDON',
  },
  terminate: {
    name: 'adjoin-terminate',
    transition: 'autoscaling:EC2_INSTANCE_TERMINATING',
    defaultResult: 'CONTINUE',
  },
};

interface Step {
  readonly what: string;
  /** What becomes of it; nothing when it is as it should be. */
  readonly change?: string;
  readonly perform?: () => Promise<void>;
}

function differences(found: AttachedHook, wanted: AttachedHook): string[] {
  const fields = ['targetArn', 'roleArn', 'defaultResult', 'heartbeat'] as const;
  return fields
    .filter((field) => found[field] !== wanted[field])
    .map((field) => `${field} ${found[field]} → ${wanted[field]}`);
}

function hookStep(
  kind: Kind,
  isWanted: boolean,
  present: readonly AttachedHook[],
  options: AttachOptions,
  ports: AttachPorts,
): Step {
  const { transition, name, defaultResult } = HOOKS[kind];
  // Whatever its name, it is the same hook: two would wait for one answer each.
  const found = present.find((hook) => hook.transition === transition && hook.targetArn === ports.queueArn);
  const what = `hook ${found?.name ?? name}`;
  if (!isWanted) {
    if (!found) return { what };
    return { what, change: 'removed', perform: () => ports.deleteHook(options.group, found.name) };
  }
  const wanted: AttachedHook = {
    name: found?.name ?? name,
    transition,
    defaultResult,
    targetArn: ports.queueArn,
    roleArn: ports.publisherRoleArn,
    heartbeat: options.heartbeat,
    ...(found?.metadata !== undefined && { metadata: found.metadata }),
  };
  const perform = (): Promise<void> => ports.putHook(options.group, wanted);
  if (!found) return { what, change: `made (${kind === 'launch' ? 'join' : 'unjoin'})`, perform };
  const differing = differences(found, wanted);
  return differing.length === 0 ? { what } : { what, change: `changed: ${differing.join(', ')}`, perform };
}

/** A hook that has one of our names, and sends elsewhere: another deployment's, which would be overwritten. */
function foreignHook(present: readonly AttachedHook[], options: AttachOptions, queueArn: string) {
  const wanted = [...(options.join ? [HOOKS.launch] : []), ...(options.unjoin ? [HOOKS.terminate] : [])];
  const taken = new Set(
    wanted
      .filter(({ transition }) =>
        present.every((hook) => hook.transition !== transition || hook.targetArn !== queueArn),
      )
      .map(({ name }) => name),
  );
  return present.find(({ name }) => taken.has(name));
}

/** @returns the steps, or why there are none */
async function plan(options: AttachOptions, ports: AttachPorts): Promise<Step[] | string> {
  const { group, verb } = options;
  const tags = await ports.tags(group);
  if (!tags) return `There is no Auto Scaling group ${group} in this account and Region.`;
  const present = await ports.hooks(group);
  const attaches = verb === 'attach';
  const foreign = attaches ? foreignHook(present, options, ports.queueArn) : undefined;
  if (foreign) {
    return `The hook ${foreign.name} of ${group} sends to ${foreign.targetArn}, which is not this deployment's queue. Nothing was changed: detach the group from the other deployment, or delete that hook, and try again.`;
  }
  const hooks = [
    hookStep('launch', attaches && options.join, present, options, ports),
    hookStep('terminate', attaches && options.unjoin, present, options, ports),
  ];
  if (!attaches) return hooks;
  const tag = tags.get(OPT_IN_TAG);
  const isSet = asksFor(tag?.value) && tag?.propagates === true;
  const what = `tag ${OPT_IN_TAG}=true, for new instances as well`;
  return [
    isSet
      ? { what }
      : {
          what,
          change: tag ? `set, was ${tag.value}${tag.propagates ? '' : ' for the group alone'}` : 'set',
          perform: () => ports.setTag(group, OPT_IN_TAG, 'true'),
        },
    ...hooks,
  ];
}

const NEXT = {
  attach: (group: string): string =>
    `Instances that run already are no members: replace them, or join them by hand. The tag belongs into the code that makes the group, or the next run of that code may take it away. Look at the rest: adjoin doctor --group ${group}`,
  detach: (): string =>
    `Members stay members; their accounts are removed by the sweep once they have ended. The tag ${OPT_IN_TAG} stays: workers may answer what is under way only with it.`,
} as const;

/** @returns the exit code */
export async function attach(
  options: AttachOptions,
  ports: AttachPorts,
  terminal: Terminal,
): Promise<number> {
  const { verb, group, dryRun, json } = options;
  const steps = await plan(options, ports);
  if (typeof steps === 'string') {
    terminal.err(wrap(steps));
    return EXIT.failed;
  }
  const shown: { readonly what: string; readonly change: string | null }[] = [];
  if (!json) terminal.out(`${verb} ${group}${dryRun ? ' (dry run: nothing is changed)' : ''}\n`);
  // In this order, and one after the other: what was done before an error is shown.
  for (const { what, change, perform } of steps) {
    if (!dryRun) await perform?.();
    shown.push({ what, change: change ?? null });
    if (!json) terminal.out(wrap(`${what}: ${change ?? 'as it should be'}`, '  '));
  }
  const changed = shown.filter(({ change }) => change !== null).length;
  if (json) terminal.out(`${JSON.stringify({ verb, group, dryRun, changed, steps: shown }, null, 2)}\n`);
  else terminal.out(`${changed} of ${steps.length} ${dryRun ? 'would be ' : ''}changed.\n`);
  if (!json && changed > 0) terminal.err(wrap(NEXT[verb](group)));
  return EXIT.ok;
}
