/**
 * Request quotas in simulated time, and how the SDK's clients behave under them: token buckets refuse what is too fast, and a
 * client in the mode `adaptive` tries again and slows all of its calls down.
 */
import type { Clock } from '../../agent/clock.ts';

/** A quota on requests, or on units of capacity, as most of AWS has it. */
export interface Quota {
  /** Operations that share it, as in `sqs.ReceiveMessage`. */
  readonly operations: readonly string[];
  /** Tokens that come back each second. */
  readonly perSecond: number;
  /** The most tokens that there are at a time. */
  readonly burst: number;
}

export interface Buckets {
  /** Takes the tokens of a call. @returns false where there are too few: the call is refused */
  take(operation: string, tokens: number): boolean;
}

/** @param now milliseconds */
export function createBuckets(quotas: readonly Quota[], now: () => number): Buckets {
  const buckets = quotas.map((quota) => ({ ...quota, left: quota.burst, at: now() }));
  return {
    take(operation, tokens) {
      const bucket = buckets.find(({ operations }) => operations.includes(operation));
      if (!bucket) return true;
      const passed = (now() - bucket.at) / 1000;
      bucket.left = Math.min(bucket.burst, bucket.left + passed * bucket.perSecond);
      bucket.at = now();
      if (bucket.left < tokens) return false;
      bucket.left -= tokens;
      return true;
    },
  };
}

/** As in agent/aws/clients.ts. */
const ATTEMPTS = 3;
/** Milliseconds: the SDK's pause after a refusal is at most this, doubled each time (`THROTTLING_RETRY_DELAY_BASE`). */
const PAUSE_MS = 500;
/** The parameters of the SDK's rate limiter (`DefaultRateLimiter`). */
const BETA = 0.7;
const SCALE = 0.4;
const SMOOTH = 0.8;
const SLOWEST = 0.5;

/**
 * The SDK's limiter of the mode `adaptive` on a clock that can be simulated: nothing waits until a call has been refused; from then
 * on a rate that falls with each refusal and grows by a cubic function afterwards. Those that wait go in the order of their arrival.
 */
function createLimiter(clock: Clock) {
  let isOn = false;
  let rate = SLOWEST;
  let capacity = 1;
  let tokens = 0;
  let filledAt = clock.now() / 1000;
  let lastMaximum = 0;
  let refusedAt = clock.now() / 1000;
  let measured = 0;
  let requests = 0;
  let measuredAt = Math.floor(clock.now() / 1000);
  let turn = Promise.resolve();

  const seconds = (): number => clock.now() / 1000;
  const window = (): number => Math.cbrt((lastMaximum * (1 - BETA)) / SCALE);

  function fill(): void {
    tokens = Math.min(capacity, tokens + (seconds() - filledAt) * rate);
    filledAt = seconds();
  }

  function measure(): void {
    const bucket = Math.floor(seconds() * 2) / 2;
    requests += 1;
    if (bucket <= measuredAt) return;
    measured = (requests / (bucket - measuredAt)) * SMOOTH + measured * (1 - SMOOTH);
    requests = 0;
    measuredAt = bucket;
  }

  async function after(earlier: Promise<void>): Promise<void> {
    await earlier;
    fill();
    while (tokens < 1) {
      await clock.sleep(((1 - tokens) / rate) * 1000 + 1);
      fill();
    }
    tokens -= 1;
  }

  return {
    async enter(): Promise<void> {
      if (!isOn) return;
      turn = after(turn);
      await turn;
    },
    answered(refused: boolean): void {
      measure();
      let wanted: number;
      if (refused) {
        lastMaximum = isOn ? Math.min(measured, rate) : measured;
        refusedAt = seconds();
        wanted = lastMaximum * BETA;
        isOn = true;
      } else {
        wanted = SCALE * (seconds() - refusedAt - window()) ** 3 + lastMaximum;
      }
      fill();
      rate = Math.max(SLOWEST, Math.min(wanted, 2 * measured));
      capacity = Math.max(1, rate);
      tokens = Math.min(tokens, capacity);
    },
  };
}

export interface Retries {
  /** Runs the attempt, again where it was refused, and as late as the limiter of its client wants it. */
  run<T>(attempt: (attempts: number) => Promise<T>, isRefusal: (error: unknown) => boolean): Promise<T>;
}

/** What of the limiter a client of the mode `standard` has. */
const noLimiter = { enter: () => Promise.resolve(), answered: () => undefined };

/** Those of one client. @param random a number from 0 to 1 */
export function createRetries(
  clock: Clock,
  random: () => number,
  mode: 'adaptive' | 'standard' = 'adaptive',
): Retries {
  const limiter = mode === 'adaptive' ? createLimiter(clock) : noLimiter;
  return {
    async run(attempt, isRefusal) {
      for (let attempts = 1; ; attempts += 1) {
        await limiter.enter();
        try {
          const answer = await attempt(attempts);
          limiter.answered(false);
          return answer;
        } catch (error) {
          const refused = isRefusal(error);
          if (refused) limiter.answered(true);
          if (!refused || attempts === ATTEMPTS) throw error;
          await clock.sleep(random() * PAUSE_MS * 2 ** (attempts - 1));
        }
      }
    },
  };
}
