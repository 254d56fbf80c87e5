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
  /** Renews this, too, from now on; it was fresh at `since`, milliseconds since the Unix epoch. */
  add(renewable: Renewable, since: number): void;
  abort(reason: AdjoinError): void;
  /** No more renewals once this resolves. */
  stop(): Promise<void>;
}

/** A third of the shortest: two renewals may fail before the hold is lost. */
const SHARE = 3;

/** These end the hold by themselves; anything else may pass. */
const ends = (error: AdjoinError): boolean =>
  error.disposition === 'acknowledge' || error.disposition === 'yield';

export function createHold(clock: Clock, onTrouble: (error: AdjoinError) => void): Hold {
  const controller = new AbortController();
  const stopped = new AbortController();
  const renewables = new Map<Renewable, { until: number }>();
  /** Cuts the pause short when something is added that needs renewal sooner. */
  let added = new AbortController();

  async function renew(renewable: Renewable, state: { until: number }): Promise<void> {
    const asked = clock.now();
    const answered = new AbortController();
    try {
      const expired = async (): Promise<never> => {
        await clock.sleep(Math.max(0, state.until - asked), answered.signal);
        throw new AdjoinError('lease-lost', `The ${renewable.name} ran out before it was renewed.`);
      };
      await Promise.race([renewable.renew(), expired()]);
      // Counted from the question, not the answer: the other side's clock started no earlier.
      state.until = asked + renewable.lastsMs;
    } catch (error) {
      const known = asAdjoinError(error);
      if (ends(known)) controller.abort(known);
      else onTrouble(known);
    } finally {
      answered.abort();
    }
  }

  async function loop(): Promise<void> {
    while (!stopped.signal.aborted && !controller.signal.aborted) {
      const shortest = Math.min(...[...renewables.keys()].map((renewable) => renewable.lastsMs));
      added = new AbortController();
      try {
        await clock.sleep(shortest / SHARE, AbortSignal.any([stopped.signal, added.signal]));
      } catch {
        continue;
      }
      await Promise.all([...renewables].map(([renewable, state]) => renew(renewable, state)));
    }
  }
  let running: Promise<void> | undefined;

  return {
    signal: controller.signal,
    add(renewable, since) {
      renewables.set(renewable, { until: since + renewable.lastsMs });
      added.abort();
      running ??= loop();
    },
    abort: (reason) => {
      controller.abort(reason);
    },
    async stop() {
      stopped.abort();
      await running;
    },
  };
}
