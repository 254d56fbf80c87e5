/**
 * `adjoin dead-letters`: what no worker could handle, and why.
 *
 * - `list` shows each message with its reason.
 * - `replay` sends back to the main queue what a worker can read, or only the message that is named, even an unreadable one.
 * - `discard` deletes the message that is named, for good.
 */
import type { Config } from '../config.ts';
import { createDeadLetters, type DeadLetter, type DeadLetters } from '../aws/dead-letters.ts';
import { createClients, destroyClients } from '../aws/clients.ts';
import { systemClock } from '../clock.ts';
import { asAdjoinError } from '../errors.ts';
import { createMembershipTable } from '../aws/membership-table.ts';
import type { Membership } from '../ledger/membership.ts';
import { expectationOf, type Expectation } from '../lifecycle/envelope.ts';
import { parseMessage } from '../lifecycle/parse.ts';
import { EXIT } from './exit.ts';
import { wrap } from './table.ts';
import type { Terminal } from './terminal.ts';
import type { LifecycleAction } from '../terms.ts';

/** Messages that one command looks at; the rest of a longer queue waits for the next. */
const MOST = 1_000;

export type Verb = 'list' | 'replay' | 'discard';

export interface DeadLetterPorts {
  readonly letters: DeadLetters;
  /** What the ledger holds of an instance. */
  readonly find: (instanceId: string) => Promise<Membership | undefined>;
  readonly expected: Expectation;
  readonly now: () => number;
}

interface Judged {
  readonly message: DeadLetter;
  /** A worker can read it. */
  readonly isAction: boolean;
  readonly what: string;
  readonly reason: string;
}

async function reasonOfAction(
  { instanceId, token }: LifecycleAction,
  ports: DeadLetterPorts,
): Promise<string> {
  try {
    const membership = await ports.find(instanceId);
    if (!membership) return 'no membership is on record: no worker got as far as that';
    const { launch, terminate, lastError, state } = membership;
    if (launch?.actionToken !== token && terminate?.actionToken !== token) {
      return `the ledger knows nothing of this action; the membership, of another one, is ${state}`;
    }
    if (lastError) return `${lastError.code}: ${lastError.message}`;
    return `no error is on record; the membership is ${state}`;
  } catch (error) {
    return `the ledger does not say: ${asAdjoinError(error).message}`;
  }
}

/** Why a message ended here: it can't be read, or what the ledger has of the work on it. */
async function judge(message: DeadLetter, ports: DeadLetterPorts): Promise<Judged> {
  try {
    const parsed = parseMessage(message.body, ports.expected, message.sentAt ?? ports.now());
    if (parsed.kind !== 'action') {
      const what =
        parsed.kind === 'inquiry'
          ? `inquiry of an operator, ${parsed.inquiry.id}`
          : parsed.kind === 'nothing'
            ? parsed.what
            : `test notification of ${parsed.group}`;
      return { message, isAction: true, what, reason: 'it can be read' };
    }
    const { instanceId, transition, group } = parsed.action;
    return {
      message,
      isAction: true,
      what: `${instanceId} ${transition} ${group === '' ? 'outside Auto Scaling groups' : `in ${group}`}`,
      reason: await reasonOfAction(parsed.action, ports),
    };
  } catch (error) {
    const known = asAdjoinError(error);
    return {
      message,
      isAction: false,
      what: 'no lifecycle action',
      reason: `${known.code}: ${known.message}`,
    };
  }
}

async function receiveAll(letters: DeadLetters): Promise<DeadLetter[]> {
  const found = new Map<string, DeadLetter>();
  while (found.size < MOST) {
    const messages = await letters.receive();
    if (messages.length === 0) break;
    for (const message of messages) found.set(message.messageId, message);
  }
  return [...found.values()];
}

function render({ message, what, reason }: Judged): string {
  const sent = message.sentAt === undefined ? 'at an unknown time' : new Date(message.sentAt).toISOString();
  return `${message.messageId}  ${sent}\n${wrap(what, '  ')}${wrap(reason, '  ')}`;
}

/** @param messageId the one message that is meant; without it, all */
export async function workOnDeadLetters(
  verb: Verb,
  messageId: string | undefined,
  ports: DeadLetterPorts,
  terminal: Terminal,
): Promise<number> {
  const { letters } = ports;
  const all = await receiveAll(letters);
  const taken = new Set<string>();
  try {
    const judged = await Promise.all(all.map((message) => judge(message, ports)));
    const meant = judged.filter(({ message, isAction }) =>
      messageId === undefined ? verb === 'list' || isAction : message.messageId === messageId,
    );
    if (messageId !== undefined && meant.length === 0) {
      terminal.err(`There is no message ${messageId} among the ${all.length} that are visible.\n`);
      return EXIT.failed;
    }
    for (const one of verb === 'replay' && messageId === undefined ? judged : meant) {
      terminal.out(render(one));
      if (verb === 'list') continue;
      if (!meant.includes(one)) {
        const { messageId: id } = one.message;
        terminal.out(wrap(`→ not sent: no worker can read it; --message ${id} sends it all the same`, '  '));
        continue;
      }
      await letters[verb](one.message);
      // Only now: a message that could not be sent is shown again below, so that the next attempt finds it.
      taken.add(one.message.messageId);
      terminal.out(verb === 'replay' ? '  → sent to the main queue\n' : '  → discarded\n');
    }
    const left = all.length - meant.length;
    terminal.out(
      `${meant.length} of ${all.length} messages${left > 0 ? `; ${left} left as they are` : ''}.\n`,
    );
    if (all.length >= MOST) terminal.out(`There may be more: one command looks at ${MOST}.\n`);
    return EXIT.ok;
  } finally {
    const rest = all.filter((message) => !taken.has(message.messageId));
    // If that fails, SQS shows them again when their time is up.
    await Promise.allSettled(rest.map((message) => letters.show(message)));
  }
}

export interface DeadLetterRequest {
  readonly verb: Verb;
  /** URL of the dead-letter queue. */
  readonly queue: string;
  /** The one message that is meant; without it, all. */
  readonly messageId?: string | undefined;
}

function portsOf(config: Config, queue: string, clients: ReturnType<typeof createClients>): DeadLetterPorts {
  const table = createMembershipTable(clients.dynamodb, config.table);
  return {
    letters: createDeadLetters(clients.sqs, { url: queue, mainUrl: config.queueUrl }),
    find: (instanceId) => table.read(instanceId),
    expected: expectationOf(config),
    now: () => systemClock.now(),
  };
}

/** @returns the exit code */
export async function deadLetters(
  config: Config,
  { verb, queue, messageId }: DeadLetterRequest,
  terminal: Terminal,
): Promise<number> {
  const clients = createClients(config.region);
  try {
    return await workOnDeadLetters(verb, messageId, portsOf(config, queue, clients), terminal);
  } finally {
    destroyClients(clients);
  }
}
