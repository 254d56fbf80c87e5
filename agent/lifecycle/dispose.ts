/** What becomes of a message after an error. The disposition of the error's code decides (errors.ts). */
import type { AdjoinError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Ending } from '../terms.ts';
import type { Delivery } from './delivery.ts';

/** Milliseconds after which SQS shows a malformed message again: soon, so that it reaches the dead-letter queue. */
const MALFORMED_PAUSE_MS = 1_000;

/** Deletes the message, hides it, shows it to another worker, or leaves it in the queue. @throws AdjoinError of the queue */
export async function dispose(delivery: Delivery, error: AdjoinError, log: Log): Promise<Ending> {
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
      await delivery.hide(error.code === 'draining' || delivery.isAged() ? 0 : delivery.visibility.lastsMs);
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
