/** Whom a fault befalls, of all there are at that moment. */
import { type CloudRecord, type MessageRecord, tokenOf } from './record.ts';

/** The item at this fraction of the list. */
export function chosen<Item>(items: readonly Item[], fraction: number): Item | undefined {
  return items[Math.floor(fraction * items.length)];
}

/** Of so many repeated messages, the action is still under way. Most are long settled, and a repetition of those is dull. */
const openShare = 0.75;

/** A message that was delivered before, to be sent once more; undefined when there is none of the kind now. */
export function messageToRepeat(
  { messages, actions }: Pick<CloudRecord, 'messages' | 'actions'>,
  choice: number,
): MessageRecord | undefined {
  const delivered = [...messages.values()].filter(
    ({ receives, body }) => receives > 0 && tokenOf(body) !== undefined,
  );
  if (choice >= openShare) return chosen(delivered, (choice - openShare) / (1 - openShare));
  const open = delivered.filter(({ body }) => actions.get(tokenOf(body) ?? '')?.ends.length === 0);
  return chosen(open, choice / openShare);
}
