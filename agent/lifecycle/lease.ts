/**
 * Holding an action: the message stays hidden, the hook's clock is restarted, the ledger's lease is renewed; all by one
 * loop, at a third of the shortest of the three. A hold that cannot be renewed in time is lost, and whoever works under
 * its signal stops at once: from then on somebody else may.
 */
import type { Clock } from '../clock.ts';
import { AdjoinError, asAdjoinError } from '../errors.ts';

export interface Renewable {
  readonly name: string;
  /** Milliseconds that it lasts from a renewal on. */
  readonly lastsMs: number;
  renew(): Promise<void>;
}

export interface Hold {
  /** Aborts with an AdjoinError: `lease-lost`, `action-void`, or the reason given to `abort`. */
  readonly signal: AbortSignal;
  abort(reason: AdjoinError): void;
  /** No more renewals from here on. */
  stop(): Promise<void>;
}

/** A third of the shortest: two renewals may fail before the hold is lost. */
const SHARE = 3;
/** Milliseconds; a process that wakes up this late must have lost a lease, whatever the answers say. */
const SHORTEST_PAUSE = 100;

export function createHold(renewables: readonly Renewable[], clock: Clock, onTrouble: (error: AdjoinError) => void): Hold {
  const controller = new AbortController();
  const stopped = new AbortController();
  const shortest = Math.min(...renewables.map((renewable) => renewable.lastsMs));
  const pause = Math.max(SHORTEST_PAUSE, shortest / SHARE);
  const until = new Map(renewables.map((renewable) => [renewable.name, clock.now() + renewable.lastsMs]));

  /** These end the hold by themselves; anything else may pass. */
  const final = (error: AdjoinError): boolean => error.disposition === 'acknowledge' || error.disposition === 'yield';

  async function renewOne(renewable: Renewable): Promise<void> {
    const asked = clock.now();
    try {
      if (asked >= (until.get(renewable.name) ?? 0)) {
        throw new AdjoinError('lease-lost', `The ${renewable.name} ran out before it could be renewed.`);
      }
      await renewable.renew();
      // Counted from the question, not the answer: the other side's clock started no earlier.
      until.set(renewable.name, asked + renewable.lastsMs);
    } catch (error) {
      const known = asAdjoinError(error);
      if (final(known)) controller.abort(known);
      else onTrouble(known);
    }
  }

  async function loop(): Promise<void> {
    while (!stopped.signal.aborted && !controller.signal.aborted) {
      try {
        await clock.sleep(pause, stopped.signal);
      } catch {
        return;
      }
      await Promise.all(renewables.map(renewOne));
    }
  }
  const running = loop();

  return {
    signal: controller.signal,
    abort: (reason) => {
      controller.abort(reason);
    },
    async stop() {
      stopped.abort();
      await running;
    },
  };
}
