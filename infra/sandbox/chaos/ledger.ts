/** The ledger as its table sees it: every write of a worker that was accepted, in order, with the hold it was made under. */
import { isRecord } from '../cloud/wire/shape.ts';

export interface LedgerWrite {
  /** An instance ID, or the name of the sweep's lease. */
  readonly key: string;
  readonly fencingToken: number;
  /** `host/process/holding`; undefined when the lease was given back. */
  readonly owner: string | undefined;
  /** Milliseconds since the epoch. */
  readonly leaseExpiresAt: number | undefined;
}

export interface LedgerWatch {
  readonly writes: readonly LedgerWrite[];
  /** To be told each call that was carried out; it knows by itself which of them write. */
  note(operation: string, input: unknown): void;
  /** The memberships on which this process has a lease that lasts, as last written. */
  heldBy(pid: number, now: number): LedgerWrite[];
}

export function createLedgerWatch(): LedgerWatch {
  const writes: LedgerWrite[] = [];
  const last = new Map<string, LedgerWrite>();
  const tokens = new Set<string>();
  return {
    writes,
    note(operation, input) {
      if (operation === 'TransactWriteItems') {
        // A transaction that is sent again is answered again, but carried out once.
        const token = member(input, 'ClientRequestToken');
        if (typeof token === 'string' && tokens.has(token)) return;
        if (typeof token === 'string') tokens.add(token);
      }
      for (const put of putsOf(operation, input)) {
        const write = writeOf(put);
        if (!write) continue;
        writes.push(write);
        last.set(write.key, write);
      }
    },
    heldBy: (pid, now) =>
      [...last.values()].filter(
        ({ key, owner, leaseExpiresAt = 0 }) =>
          key.startsWith('i-') && owner?.split('/')[1] === String(pid) && leaseExpiresAt > now,
      ),
  };
}

const member = (value: unknown, name: string): unknown => (isRecord(value) ? value[name] : undefined);

/** What a call puts into the table. The agent neither updates nor deletes. */
function putsOf(operation: string, input: unknown): unknown[] {
  if (operation === 'PutItem') return [input];
  const items = operation === 'TransactWriteItems' ? member(input, 'TransactItems') : undefined;
  return Array.isArray(items) ? items.map((item) => member(item, 'Put')) : [];
}

/** Undefined for an item that has no lease, such as a refused credential. */
function writeOf(input: unknown): LedgerWrite | undefined {
  const item = member(input, 'Item');
  const text = (name: string, type: 'S' | 'N'): string | undefined => {
    const value = member(member(item, name), type);
    return typeof value === 'string' ? value : undefined;
  };
  const key = text('instanceId', 'S');
  const fencingToken = text('fencingToken', 'N');
  if (key === undefined || fencingToken === undefined) return undefined;
  const expiry = text('leaseExpiresAt', 'N');
  return {
    key,
    fencingToken: Number(fencingToken),
    owner: text('leaseOwner', 'S'),
    leaseExpiresAt: expiry === undefined ? undefined : Number(expiry),
  };
}

/** A worker that was suspended for longer than its leases last, while it held some. */
export interface Sleep {
  readonly worker: string;
  /** What it held when it fell asleep. */
  readonly held: readonly LedgerWrite[];
  /** How many writes there had been by then. */
  readonly after: number;
  /** Whether its process has died since: then no process is left that could give anything back. */
  readonly died: boolean;
}

/** Writes by others than the newest holder: under an older token, or under the token of another worker. */
export function staleWrites(writes: readonly LedgerWrite[]): string[] {
  const holders = new Map<string, { readonly fencingToken: number; readonly owner: string | undefined }>();
  return writes.flatMap(({ key, fencingToken, owner }) => {
    const holder = holders.get(key);
    const told = `${key}: ${owner ?? 'somebody'} wrote with token ${fencingToken}`;
    if (holder && fencingToken < holder.fencingToken) return [`${told} after ${holder.fencingToken}`];
    const same = holder?.fencingToken === fencingToken;
    if (same && owner !== undefined && owner !== holder.owner)
      return [`${told}, which is ${holder.owner ?? 'nobody'}'s`];
    holders.set(key, { fencingToken, owner: owner ?? (same ? holder.owner : undefined) });
    return [];
  });
}

/** What became of each hold that a worker slept through. */
export function sleptThrough(
  sleep: Sleep,
  writes: readonly LedgerWrite[],
): { readonly key: string; readonly end: 'taken over' | 'given back' | 'died' | 'still held' | 'written' }[] {
  return sleep.held.map(({ key, fencingToken, owner }) => {
    const later = writes.slice(sleep.after).filter((write) => write.key === key);
    const takenOver = later.findIndex((write) => write.fencingToken > fencingToken);
    if (takenOver !== -1) {
      const again = later.slice(takenOver).some((write) => write.owner === owner);
      return { key, end: again ? 'written' : 'taken over' };
    }
    if (later.at(-1) !== undefined && later.at(-1)?.owner === undefined) return { key, end: 'given back' };
    return { key, end: sleep.died ? 'died' : 'still held' };
  });
}
