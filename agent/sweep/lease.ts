/**
 * The sweep's lease: one worker sweeps at a time, and all of them together once per interval.
 *
 *     free ──take──▶ taken ──end──▶ free, swept at …
 *                      └──release, or the lease runs out──▶ free (another worker goes on)
 *
 * Every write is conditioned on the fencing token that was read, and taking it raises the token, so a worker that was
 * suspended until its lease ran out can't renew it.
 */
import type { Clock } from '../clock.ts';
import { AdjoinError } from '../errors.ts';
import type { Renewable } from '../keep-alive.ts';

export interface SweepLeaseRecord {
  readonly fencingToken: number;
  readonly leaseOwner?: string | undefined;
  /** Milliseconds since the Unix epoch, both. */
  readonly leaseExpiresAt?: number | undefined;
  /** When a sweep last came to its end. */
  readonly endedAt?: number | undefined;
}

export interface SweepLeaseStore {
  /** Strongly consistent. */
  read(): Promise<SweepLeaseRecord | undefined>;
  /** Writes if the stored fencing token is `expected` (undefined: if there is none). @returns whether it was */
  write(record: SweepLeaseRecord, expected: number | undefined): Promise<boolean>;
}

/** A worker's exclusive right to sweep. */
export interface SweepLease extends Renewable {
  readonly taken: true;
  /** When it was taken, milliseconds since the Unix epoch. It lasts `lastsMs` from then on. */
  readonly since: number;
  /** @throws AdjoinError `lease-lost` */
  renew(): Promise<void>;
  /** Gives the lease back; a sweep that came to its `end` counts for the interval. Never throws for a lease that is lost. */
  release(end: boolean): Promise<void>;
}

interface NotNow {
  readonly taken: false;
  /** Why not. */
  readonly reason: string;
  /** When to ask again, milliseconds since the Unix epoch. */
  readonly notBefore: number;
}

export interface SweepLeases {
  /** @param intervalMs how long ago the last sweep must have ended; 0 for a person who wants one now */
  take(intervalMs: number): Promise<SweepLease | NotNow>;
}

export interface SweepLeaseOptions {
  readonly store: SweepLeaseStore;
  readonly clock: Clock;
  /** A name for one lease: this process and a number that is never used again. */
  readonly nextOwner: () => string;
  /** Milliseconds that a lease lasts without renewal. */
  readonly leaseMs: number;
}

export function createSweepLeases({ store, clock, nextOwner, leaseMs }: SweepLeaseOptions): SweepLeases {
  function leaseOf(first: SweepLeaseRecord, since: number): SweepLease {
    const write = async (change: Partial<SweepLeaseRecord>): Promise<void> => {
      if (await store.write({ ...first, ...change }, first.fencingToken)) return;
      throw new AdjoinError('lease-lost', 'Another worker has taken over the sweep.');
    };
    return {
      taken: true,
      name: 'lease on the sweep',
      lastsMs: leaseMs,
      since,
      renew: () => write({ leaseExpiresAt: clock.now() + leaseMs }),
      async release(end) {
        const free = { leaseOwner: undefined, leaseExpiresAt: undefined };
        try {
          await write(end ? { ...free, endedAt: clock.now() } : free);
        } catch (error) {
          if (!(error instanceof AdjoinError) || error.code !== 'lease-lost') throw error;
        }
      },
    };
  }

  return {
    async take(intervalMs) {
      const owner = nextOwner();
      const stored = await store.read();
      const now = clock.now();
      const leasedUntil = stored?.leaseExpiresAt ?? 0;
      if (leasedUntil > now) {
        return {
          taken: false,
          reason: `${stored?.leaseOwner ?? 'another worker'} sweeps`,
          notBefore: leasedUntil,
        };
      }
      const due = stored?.endedAt === undefined ? now : stored.endedAt + intervalMs;
      if (due > now) return { taken: false, reason: 'the last sweep is not long ago', notBefore: due };
      const record: SweepLeaseRecord = {
        ...stored,
        fencingToken: (stored?.fencingToken ?? 0) + 1,
        leaseOwner: owner,
        leaseExpiresAt: now + leaseMs,
      };
      if (await store.write(record, stored?.fencingToken)) return leaseOf(record, now);
      return { taken: false, reason: 'another worker was faster', notBefore: now + leaseMs };
    },
  };
}
