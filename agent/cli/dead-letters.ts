/**
 * `adjoin dead-letters`: what no worker could handle, and why.
 *
 * - `list` shows each message with its reason.
 * - `replay` sends those that are lifecycle actions back to the main queue, or the one named, whatever it is.
 * - `discard` deletes the one named, for good.
 */
import { parseArgs } from 'node:util';
import type { Config } from '../config.ts';
import { createDeadLetters, type DeadLetter, type DeadLetters } from '../aws/dead-letters.ts';
import { createClients, destroyClients } from '../aws/clients.ts';
import { systemClock } from '../clock.ts';
import { asAdjoinError } from '../errors.ts';
import { createMembershipTable } from '../aws/membership-table.ts';
import type { Membership } from '../ledger/membership.ts';
import { parseMessage, type Expectation } from '../lifecycle/parse.ts';
import { readConfig } from './config.ts';
import { EXIT } from './exit.ts';
import { wrap } from './table.ts';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage.ts';
import type { LifecycleAction } from '../terms.ts';

/** Messages that one command looks at; the rest of a longer queue waits for the next. */
const MOST = 1_000;

const verbs = ['list', 'replay', 'discard'] as const;
export type Verb = (typeof verbs)[number];

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

/** Why a message ended here: it can't be read, or what the ledger remembers of the work on it. */
async function judge(message: DeadLetter, ports: DeadLetterPorts): Promise<Judged> {
  try {
    const parsed = parseMessage(message.body, ports.expected, message.sentAt ?? ports.now());
    if (parsed.kind === 'test-notification') {
      return {
        message,
        isAction: true,
        what: `test notification of ${parsed.group}`,
        reason: 'it can be read',
      };
    }
    const { instanceId, transition, group } = parsed.action;
    return {
      message,
      isAction: true,
      what: `${instanceId} ${transition} in ${group}`,
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
    for (const one of meant) {
      terminal.out(render(one));
      if (verb === 'list') continue;
      await letters[verb](one.message);
      // Only now: one that could not be sent shows again, and is not hidden from the next who tries.
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
    // Should that fail, they show again by themselves.
    await Promise.allSettled(rest.map((message) => letters.show(message)));
  }
}

interface Request {
  readonly verb: Verb;
  readonly config: string;
  readonly queue: string;
  readonly message: string | undefined;
}

function parse(argv: readonly string[]): Request {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      config: { type: 'string' },
      queue: { type: 'string' },
      message: { type: 'string' },
      yes: { type: 'boolean', default: false },
    },
  });
  const verb = verbs.find((known) => known === positionals[0]);
  if (!verb || positionals.length > 1) throw new UsageError(`say one of ${verbs.join(', ')}`);
  if (!values.config) throw new UsageError('--config is missing');
  if (!values.queue) throw new UsageError('--queue is missing: the URL of the dead-letter queue');
  if (verb === 'discard' && !values.message)
    throw new UsageError('--message is missing: discard deletes one');
  if (verb === 'discard' && !values.yes) throw new UsageError('discard deletes for good: confirm with --yes');
  return { verb, config: values.config, queue: values.queue, message: values.message };
}

function portsOf(config: Config, queue: string, clients: ReturnType<typeof createClients>): DeadLetterPorts {
  const table = createMembershipTable(clients.dynamodb, config.table);
  return {
    letters: createDeadLetters(clients.sqs, { url: queue, mainUrl: config.queueUrl }),
    find: (instanceId) => table.read(instanceId),
    expected: { accountId: config.accountId, region: config.region },
    now: () => systemClock.now(),
  };
}

/** @returns the exit code */
export async function deadLetters(argv: readonly string[], terminal: Terminal): Promise<number> {
  const request = parse(argv);
  const config = readConfig(request.config, terminal);
  if (!config) return EXIT.config;
  if (request.queue === config.queueUrl) {
    throw new UsageError('--queue names the main queue; its messages are the worker’s');
  }
  const clients = createClients(config.region);
  try {
    const ports = portsOf(config, request.queue, clients);
    return await workOnDeadLetters(request.verb, request.message, ports, terminal);
  } finally {
    destroyClients(clients);
  }
}
