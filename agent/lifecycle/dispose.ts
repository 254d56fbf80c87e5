/** What becomes of a message after an error. The disposition of the error's code decides (errors.ts). */
import type { Clock } from '../clock.ts';
import type { AdjoinError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Ending } from '../terms.ts';
import type { Delivery } from './delivery.ts';

/** Milliseconds after which SQS shows a malformed message again: soon, so that it reaches the dead-letter queue. */
const MALFORMED_PAUSE_MS = 1_000;
/**
 * Milliseconds after which SQS shows a message again that found no room here: soon, because another worker may have room.
 * They double with each receive up to an hour, so that its receives last for ten hours before it is a dead letter.
 */
const FULL_PAUSE_MS = 5_000;
const LONGEST_FULL_PAUSE_MS = 3_600_000;

/** Milliseconds: SQS counts in whole seconds. */
const LEAST_PAUSE_MS = 1_000;

/** Milliseconds until another worker, or this one, may have a message that was not worked on. */
function pauseOf(error: AdjoinError, delivery: Delivery, clock: Clock): number {
  if (error.code === 'draining' || delivery.isAged()) return 0;
  if (error.code !== 'worker-full') {
    // No longer than another worker's lease lasts: should that worker be dead, the hook does not wait for it.
    const left = error.until === undefined ? Infinity : Math.max(LEAST_PAUSE_MS, error.until - clock.now());
    return Math.min(left, delivery.visibility.lastsMs);
  }
  return Math.min(LONGEST_FULL_PAUSE_MS, FULL_PAUSE_MS * 2 ** (delivery.receiveCount - 1));
}

/** Deletes the message, hides it, shows it to another worker, or leaves it in the queue. @throws AdjoinError of the queue */
export async function dispose(
  delivery: Delivery,
  error: AdjoinError,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<Ending> {
  const { receiveCount } = delivery;
  switch (error.disposition) {
    case 'acknowledge':
      log.info('message deleted without work', { error });
      await delivery.remove();
      return error.code === 'action-not-opted-in' ? 'not-opted-in' : 'void';
    case 'dead-letter':
      log.error('message left for the dead-letter queue', { error, receiveCount });
      await delivery.hide(MALFORMED_PAUSE_MS);
      return 'malformed';
    case 'yield':
      log.info('message handed back', { error });
      await delivery.hide(pauseOf(error, delivery, clock));
      return 'handed-back';
    case 'retry':
    case 'abandon':
    case 'report':
    case 'fatal':
      // The work did not settle it; the queue brings the message back, and in the end keeps it for a person.
      log.error('action failed, message stays in the queue', { error, receiveCount });
      return 'failed';
  }
}
