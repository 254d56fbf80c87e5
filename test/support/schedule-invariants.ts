/** What must hold, whatever happens. Each is looked at after every step, or at the very call that could break it. */
import type { Membership } from '../../agent/ledger/membership.ts';
import { mayHaveAccount } from '../../agent/ledger/membership.ts';
import type { LifecycleAction } from '../../agent/lifecycle/action.ts';
import type { Action, Cloud, Delivery } from './schedule-cloud.ts';
import { isMember, type Domain } from './schedule-domain.ts';
import type { Process } from './schedule-kernel.ts';

export const promises = {
  once: 'An action is completed at most once, and each that is over was ended by somebody.',
  verified:
    'A launch is continued only when machine and directory know the same password, set after staging.',
  forgotten: 'A termination is continued only when the account is gone, or the ledger owes it.',
  deleted: 'A message is deleted only after its action was completed or was void.',
  strangers: 'No account is touched that is not ours.',
  accounted: 'Each account of ours stands in the ledger as one that may exist.',
  unharmed: 'A member in service that nobody terminates stays a member.',
  fenced: 'A ledger write is by the newest holder, and no two processes write under one fencing token.',
  alone: 'Nobody acts on an instance whose lease another has taken, or whose own lease ran out.',
  prompt: 'Work on an action that is void stops within one heartbeat.',
  settled:
    'In the end every message is settled, every action over, and every account a living instance’s or a debt.',
} as const;
type Promised = keyof typeof promises;

export type Deed = 'stage' | 'join' | 'leave' | 'remove' | 'complete';

export interface Invariants {
  /** The world stands as it was before the first worker. */
  begin(): void;
  check(): void;
  end(): void;
  tampered(instanceId: string): void;
  took(process: Process, action: LifecycleAction, fencingToken: number): void;
  written(process: Process, membership: Membership, before: Membership | undefined): void;
  acting(process: Process, deed: Deed, instanceId: string): void;
  completed(action: LifecycleAction, result: string): void;
  deleting(process: Process, delivery: Delivery): void;
}

export interface InvariantOptions {
  readonly cloud: Cloud;
  readonly domain: Domain;
  readonly table: ReadonlyMap<string, Membership>;
  readonly now: () => number;
}

/** Milliseconds after the end of an action within which its worker must have noticed, with a request's time on top. */
const NOTICE = 300_000 + 30_000;

class Broken extends Error {}

const inService = (state: string): boolean => state === 'InService' || state === 'Warmed:Stopped';
const keyOf = (process: Process, instanceId: string): string => `${process.name} ${instanceId}`;

export function createInvariants(options: InvariantOptions): Invariants {
  const { cloud, domain, table, now } = options;
  const completions = new Map<string, number>();
  const tamperedWith = new Set<string>();
  /** What each process holds of each instance, by its own knowledge. */
  const holdings = new Map<string, { readonly fencingToken: number; readonly token: string }>();
  const writers = new Map<string, string>();
  let strangers = '';
  /** What broke inside a call, where throwing would only reach the core. */
  let broken: Broken | undefined;

  function must(holds: boolean, promise: Promised, what: string): void {
    if (!holds) broken ??= new Broken(`${promises[promise]}\n  ${what}`);
  }

  const othersAccounts = (): string =>
    [...domain.accounts.values()]
      .filter((account) => account.stamp === undefined)
      .map((account) => [account.name, account.password, account.enabled].join())
      .join(';');

  function accounted(): void {
    for (const { stamp, name } of domain.accounts.values()) {
      if (stamp === undefined) continue;
      const membership = table.get(stamp);
      must(
        membership !== undefined && mayHaveAccount(membership),
        'accounted',
        `${name} exists, but the ledger says ${membership?.state ?? 'nothing'} of ${stamp}.`,
      );
    }
  }

  function unharmed(): void {
    for (const { id, state, action } of cloud.instances.values()) {
      if (!inService(state) || tamperedWith.has(id)) continue;
      if (action?.transition !== 'launching' || action.ended?.by !== 'worker') continue;
      must(isMember(domain, id), 'unharmed', `${id} is ${state}, but is a member no more.`);
    }
  }

  const actionOf = (delivery: Delivery): Action | undefined => {
    const token = /"LifecycleActionToken":"([^"]+)"/.exec(delivery.body)?.[1];
    return token === undefined ? undefined : cloud.actions.get(token);
  };

  return {
    begin() {
      strangers = othersAccounts();
    },
    check() {
      must(othersAccounts() === strangers, 'strangers', 'A stranger’s account is not what it was.');
      accounted();
      unharmed();
      if (broken) throw broken;
    },
    end() {
      for (const action of cloud.actions.values()) {
        must(action.ended !== undefined, 'settled', `${action.token} is not over.`);
        const count = completions.get(action.token) ?? 0;
        must(count === (action.ended?.by === 'worker' ? 1 : 0), 'once', `${action.token}: ${count} times.`);
      }
      if (broken) throw broken;
    },
    tampered: (instanceId) => void tamperedWith.add(instanceId),
    took(process, { instanceId, token }, fencingToken) {
      const key = keyOf(process, instanceId);
      // A process that slept may learn of an older lease after a newer; it drops that one by itself.
      if (fencingToken < (holdings.get(key)?.fencingToken ?? 0)) return;
      holdings.set(key, { fencingToken, token });
    },
    written(process, membership, before) {
      const { instanceId, fencingToken } = membership;
      const key = `${instanceId} ${fencingToken}`;
      const writer = writers.get(key) ?? process.name;
      writers.set(key, writer);
      must(writer === process.name, 'fenced', `${process.name} and ${writer} both wrote ${key}.`);
      must(
        fencingToken >= (before?.fencingToken ?? 0),
        'fenced',
        `${process.name} wrote ${key} over ${before?.fencingToken}.`,
      );
    },
    acting(process, deed, instanceId) {
      const held = holdings.get(keyOf(process, instanceId));
      const membership = table.get(instanceId);
      const where = `${process.name} begins to ${deed} for ${instanceId}`;
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
      const over = held && cloud.actions.get(held.token)?.ended;
      if (!over || deed === 'remove') return;
      const late = now() - over.at;
      must(late <= NOTICE, 'prompt', `${where} ${late / 1000} s after the action was over.`);
    },
    completed({ token, instanceId, transition, destination }, result) {
      const count = (completions.get(token) ?? 0) + 1;
      completions.set(token, count);
      must(count === 1, 'once', `${token} was completed ${count} times.`);
      if (result !== 'CONTINUE') return;
      if (transition === 'launching') {
        const holds = isMember(domain, instanceId) || tamperedWith.has(instanceId);
        must(holds, 'verified', `${instanceId} was continued, but is no member.`);
        return;
      }
      if (destination === 'WarmPool') return;
      const left = [...domain.accounts.values()].find((account) => account.stamp === instanceId);
      const state = table.get(instanceId)?.state;
      must(!left || state === 'owed', 'forgotten', `${left?.name} is left, and the ledger says ${state}.`);
    },
    deleting(process, delivery) {
      const action = actionOf(delivery);
      must(
        !action || action.ended !== undefined,
        'deleted',
        `${process.name} deletes ${delivery.messageId}, but ${action?.token} still waits.`,
      );
    },
  };
}
