/** What must hold, whatever happens. Each is looked at after every step, or at the very call that could break it. */
import type { Membership } from '../../agent/ledger/membership.ts';
import { mayHaveAccount } from '../../agent/ledger/membership.ts';
import type { ReceivedMessage } from './memory-queue.ts';
import type { Action, Cloud } from './schedule-cloud.ts';
import { isMember, nameOf, type Domain } from './schedule-domain.ts';
import type { Process } from './schedule-kernel.ts';
import type { LifecycleAction } from '../../agent/terms.ts';

export const promises = {
  once: 'An action is completed at most once, no answer contradicts the one that was given, and each that is over was ended by somebody.',
  verified:
    'A launch is continued only when machine and directory know the same password, set after staging.',
  usable:
    'A launch is continued only when the node has shown, since it began, that it resolves users of the domain.',
  forgotten:
    'A termination is continued only when the account and its DNS records are gone, or the ledger owes them.',
  removed: 'No account with a GUID in the ledger exists after its record says that it was removed.',
  deleted: 'A message is deleted only after its action was completed or was void.',
  kept: 'No message is a dead letter while its action still waits.',
  strangers: 'No account is touched that is not ours.',
  accounted: 'Each account of ours stands in the ledger as one that may exist.',
  unharmed: 'A member in service that nobody terminates stays a member.',
  fenced: 'A ledger write is by the newest holder, and no two of them write under one fencing token.',
  alone: 'Nobody acts on an instance whose lease another has taken, or whose own lease ran out.',
  prompt: 'Work on an action that is void stops within one heartbeat.',
  spared: 'The sweep takes no account for an orphan whose instance lives.',
  turns:
    'At most one worker sweeps at a time, but for one that slept or lost its lease and has not noticed yet: what it still pays is fenced.',
  settled: 'In the end every message is settled, and every action over.',
  swept:
    'Once the world has been quiet for the age guard and two intervals, accounts and records are those of living instances, and no debt is left.',
} as const;
export type Promised = keyof typeof promises;

export type Deed = 'stage' | 'join' | 'leave' | 'remove' | 'complete';

/** A worker's two trades hold leases of their own: neither may pass for the other. */
export interface Actor {
  readonly name: string;
  readonly sweeps: boolean;
}

export interface Invariants {
  /** The world stands as it was before the first worker. */
  begin(): void;
  check(): void;
  end(): void;
  tampered(instanceId: string): void;
  took(actor: Actor, instanceId: string, token: string | undefined, fencingToken: number): void;
  written(actor: Actor, membership: Membership, before: Membership | undefined): void;
  acting(actor: Actor, deed: Deed, instanceId: string): void;
  /** A worker's answer has arrived; Auto Scaling takes it if the action is still active. */
  answering(action: LifecycleAction, result: string): void;
  completed(action: LifecycleAction, result: string): void;
  deleting(actor: Actor, received: ReceivedMessage): void;
  /** A sweep begins, under this signal. @returns a function for its end */
  sweeping(process: Process, signal: AbortSignal): () => void;
}

export interface InvariantOptions {
  readonly cloud: Cloud;
  readonly domain: Domain;
  readonly table: ReadonlyMap<string, Membership>;
  readonly now: () => number;
}

/** States that say that an instance's way is not over. */
const unended = new Set<Membership['state']>(['joining', 'staged', 'member', 'leaving', 'owed']);

/** Milliseconds after the end of an action within which its worker must have noticed, with a request's time on top. */
const NOTICE = 300_000 + 30_000;

class Broken extends Error {}

const inService = (state: string): boolean => state === 'InService' || state === 'Warmed:Stopped';
const keyOf = (actor: Actor, instanceId: string): string => `${actor.name} ${instanceId}`;

export function createInvariants(options: InvariantOptions): Invariants {
  const { cloud, domain, table, now } = options;
  const completions = new Map<string, number>();
  const tamperedWith = new Set<string>();
  /** What each process holds of each instance, by its own knowledge. */
  const holdings = new Map<string, { readonly fencingToken: number; readonly token: string | undefined }>();
  const sweeps = new Set<{
    readonly process: Process;
    readonly signal: AbortSignal;
    readonly since: number;
  }>();
  const writers = new Map<string, string>();
  /** What each of them was like when it was first seen. */
  const strangers = new Set<string>();
  /** What broke inside a call, where throwing would only reach the core. */
  let broken: Broken | undefined;

  function must(holds: boolean, promise: Promised, what: string): void {
    if (!holds) broken ??= new Broken(`${promises[promise]}\n  ${what}`);
  }

  const othersAccounts = (): string[] =>
    [...domain.accounts.values()]
      .filter((account) => account.byOthers)
      .map(({ name, password, enabled }) => [name, password, enabled, domain.records.has(name)].join());

  function accounted(): void {
    for (const { stamp, name, foreign, byOthers } of domain.accounts.values()) {
      if (stamp === undefined || foreign || byOthers) continue;
      const membership = table.get(stamp);
      must(
        membership !== undefined && mayHaveAccount(membership),
        'accounted',
        `${name} exists, but the ledger says ${membership?.state ?? 'nothing'} of ${stamp}.`,
      );
    }
  }

  function removed(): void {
    for (const { instanceId, state, objectGuid } of table.values()) {
      if ((state !== 'removed' && state !== 'failed') || objectGuid === undefined) continue;
      const left = domain.accounts.get(objectGuid);
      must(
        left === undefined,
        'removed',
        `${left?.name} of ${instanceId} exists, and the ledger says ${state}.`,
      );
    }
  }

  function kept(): void {
    for (const message of cloud.messages) {
      if (message.gone !== 'dead letter') continue;
      const action = actionOf(message);
      const isLost = action !== undefined && action.ended === undefined;
      must(!isLost, 'kept', `${message.messageId} is a dead letter, but ${action?.token} still waits.`);
    }
  }

  function unharmed(): void {
    for (const { id, state, action } of cloud.instances.values()) {
      if (!inService(state) || tamperedWith.has(id) || !cloud.lives(id)) continue;
      if (action?.transition !== 'launching' || action.ended?.by !== 'worker') continue;
      must(isMember(domain, id), 'unharmed', `${id} is ${state}, but is a member no more.`);
    }
  }

  function swept(): void {
    for (const { stamp, name, byOthers } of domain.accounts.values()) {
      must(stamp === undefined || byOthers || cloud.lives(stamp), 'swept', `${name} is left of ${stamp}.`);
    }
    const names = new Set([...domain.accounts.values()].map((account) => account.name));
    for (const { instanceId, computerName, foundNames = [] } of table.values()) {
      // What became of its account is another matter; the record goes with the instance.
      if (cloud.lives(instanceId)) for (const name of [...foundNames, computerName ?? '']) names.add(name);
    }
    for (const id of cloud.instances.keys()) {
      if (tamperedWith.has(id) && cloud.lives(id))
        for (const letter of ['A', 'B']) names.add(nameOf(id, letter));
    }
    for (const name of domain.records) must(names.has(name), 'swept', `The record of ${name} is left.`);
    for (const { instanceId, state } of table.values()) {
      const isOver = !unended.has(state) || (state !== 'owed' && cloud.lives(instanceId));
      must(isOver, 'swept', `The ledger says ${state} of ${instanceId}.`);
    }
  }

  const actionOf = ({ body }: Pick<ReceivedMessage, 'body'>): Action | undefined => {
    const token = /"LifecycleActionToken":"([^"]+)"/.exec(body)?.[1];
    return token === undefined ? undefined : cloud.actions.get(token);
  };

  return {
    begin() {
      for (const account of othersAccounts()) strangers.add(account);
    },
    check() {
      const others = new Set(othersAccounts());
      const are = [...strangers].every((account) => others.has(account));
      must(are, 'strangers', 'A stranger’s account is not what it was.');
      for (const account of others) strangers.add(account);
      accounted();
      removed();
      unharmed();
      kept();
      if (broken) throw broken;
    },
    end() {
      for (const action of cloud.actions.values()) {
        must(action.ended !== undefined, 'settled', `${action.token} is not over.`);
        const count = completions.get(action.token) ?? 0;
        must(count === (action.ended?.by === 'worker' ? 1 : 0), 'once', `${action.token}: ${count} times.`);
      }
      swept();
      if (broken) throw broken;
    },
    tampered: (instanceId) => void tamperedWith.add(instanceId),
    took(actor, instanceId, token, fencingToken) {
      const key = keyOf(actor, instanceId);
      // A process that slept may learn of an older lease after a newer; it drops that one by itself.
      if (fencingToken < (holdings.get(key)?.fencingToken ?? 0)) return;
      holdings.set(key, { fencingToken, token });
    },
    written(actor, membership, before) {
      const { instanceId, fencingToken, state } = membership;
      const key = `${instanceId} ${fencingToken}`;
      const writer = writers.get(key) ?? actor.name;
      writers.set(key, writer);
      must(writer === actor.name, 'fenced', `${actor.name} and ${writer} both wrote ${key}.`);
      must(
        fencingToken >= (before?.fencingToken ?? 0),
        'fenced',
        `${actor.name} wrote ${key} over ${before?.fencingToken}.`,
      );
      // A debt of the ledger's own is due whether or not the instance lives; what the sweep makes one must be an orphan.
      const judged = actor.sweeps && state === 'owed' && before?.state !== 'owed';
      must(!judged || !cloud.lives(instanceId), 'spared', `${actor.name} takes ${instanceId} for gone.`);
    },
    acting(actor, deed, instanceId) {
      const held = holdings.get(keyOf(actor, instanceId));
      const membership = table.get(instanceId);
      const where = `${actor.name} begins to ${deed} for ${instanceId}`;
      must(
        held !== undefined && held.fencingToken === membership?.fencingToken,
        'alone',
        `${where} with fencing token ${held?.fencingToken}; the newest is ${membership?.fencingToken}.`,
      );
      must(
        (membership?.leaseExpiresAt ?? 0) >= now(),
        'alone',
        `${where} ${(now() - (membership?.leaseExpiresAt ?? 0)) / 1000} s after its lease ran out.`,
      );
      const over = held?.token === undefined ? undefined : cloud.actions.get(held.token)?.ended;
      if (!over || deed === 'remove') return;
      const late = now() - over.at;
      must(late <= NOTICE, 'prompt', `${where} ${late / 1000} s after the action was over.`);
    },
    answering({ token }, result) {
      const ended = cloud.actions.get(token)?.ended;
      const contradicts = ended?.by === 'worker' && ended.result !== result;
      must(!contradicts, 'once', `${token} is answered ${result} after ${ended?.result}.`);
    },
    completed({ token, instanceId, transition, destination }, result) {
      const count = (completions.get(token) ?? 0) + 1;
      completions.set(token, count);
      must(count === 1, 'once', `${token} was completed ${count} times.`);
      if (result !== 'CONTINUE') return;
      if (transition === 'launching') {
        const holds = isMember(domain, instanceId) || tamperedWith.has(instanceId);
        must(holds, 'verified', `${instanceId} was continued, but is no member.`);
        const began = cloud.actions.get(token)?.startedAt ?? 0;
        const resolves = (domain.nodes.get(instanceId)?.resolvedAt ?? 0) >= began;
        must(resolves, 'usable', `${instanceId} was continued, and knows no user of the domain.`);
        return;
      }
      if (destination === 'WarmPool') return;
      // Somebody may have stamped an account after the removal: the sweep's.
      const left = [...domain.accounts.values()].find(
        (account) => account.stamp === instanceId && !account.foreign && !account.byOthers,
      );
      const state = table.get(instanceId)?.state;
      must(!left || state === 'owed', 'forgotten', `${left?.name} is left, and the ledger says ${state}.`);
      const records = domain.free(['A', 'B'].map((letter) => nameOf(instanceId, letter))).join(', ');
      must(!records || state === 'owed', 'forgotten', `DNS knows ${records}, and the ledger says ${state}.`);
    },
    sweeping(process, signal) {
      for (const other of sweeps) {
        const slept = other.process.suspendedUntil >= other.since;
        const over = other.process.dead || other.signal.aborted || slept;
        must(over, 'turns', `${process.name} begins to sweep while ${other.process.name} does.`);
      }
      const mine = { process, signal, since: now() };
      sweeps.add(mine);
      return () => void sweeps.delete(mine);
    },
    deleting(actor, received) {
      const action = actionOf(received);
      must(
        !action || action.ended !== undefined,
        'deleted',
        `${actor.name} deletes ${received.messageId}, but ${action?.token} still waits.`,
      );
    },
  };
}
