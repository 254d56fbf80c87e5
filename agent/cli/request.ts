/**
 * `adjoin join` and `adjoin unjoin`: asks a worker, through the queue, and follows the ledger until the request has ended.
 *
 * The command itself changes nothing, on the node or in the directory. Interrupted, or at the end of its patience, it only stops
 * looking: the request goes on.
 */
import { randomUUID } from 'node:crypto';
import { createClients, destroyClients } from '../aws/clients.ts';
import { createMembershipTable } from '../aws/membership-table.ts';
import { createOutcomes, sendRequest } from '../aws/request-outcomes.ts';
import { systemClock, type Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import { asAdjoinError, errorCodes, type ErrorCode } from '../errors.ts';
import type { Membership } from '../ledger/membership.ts';
import { expectationOf } from '../lifecycle/envelope.ts';
import { formatRequest, type Outcome, type Request, type Verb } from '../lifecycle/request.ts';
import { EXIT } from './exit.ts';
import { wrap } from './table.ts';
import type { Terminal } from './terminal.ts';

export interface RequestPorts {
  send(request: Request): Promise<void>;
  outcome(requestId: string): Promise<Outcome | undefined>;
  membership(instanceId: string): Promise<Membership | undefined>;
  readonly clock: Clock;
  readonly newId: () => string;
}

export interface RequestOptions {
  readonly verb: Verb;
  readonly instanceId: string;
  /** Milliseconds after which the command stops looking. */
  readonly waitMs: number;
}

/** Milliseconds between two looks at the ledger. */
const LOOK_MS = 2_000;
/** Looks in a row that may fail before the command gives up looking. */
const FAILED_LOOKS = 5;

const STEPS: Readonly<Record<string, string>> = {
  received: 'a worker has taken it up',
  node: 'the node answers Systems Manager',
  probe: 'the node has told what it is',
  stage: 'the account is there',
  join: 'the node has joined',
  verify: 'the directory shows the join',
  'give-up': 'given up, and what was staged is removed or owed',
  leave: 'the node has left, or could not be reached',
  remove: 'the account is removed, or its removal is owed',
};

const ENDINGS: Readonly<Record<string, string>> = {
  joined: 'Joined.',
  unjoined: 'Unjoined: the account and its DNS records are gone.',
  kept: 'It is a member already; nothing was changed.',
  abandoned: 'Not joined. What was staged is removed, or owed to the sweep.',
  owed: 'Not removed yet. The ledger says so, and the sweep tries again.',
  void: 'Nothing was done.',
  failed: 'Nothing was removed: it is not known which account is its own.',
};

function codeOf({ ending, error }: Outcome): number {
  if (ending === 'owed') return EXIT.busy;
  if (ending === 'kept') return error ? EXIT.failed : EXIT.ok;
  return ending === 'joined' || ending === 'unjoined' ? EXIT.ok : EXIT.failed;
}

const isKnown = (code: string): code is ErrorCode => Object.hasOwn(errorCodes, code);

/** Says each step once, and each new trouble. */
function createProgress({ verb }: RequestOptions, { clock }: RequestPorts, terminal: Terminal) {
  const began = clock.now();
  const said = new Set<string>();
  let trouble = '';
  const say = (text: string): void => {
    const seconds = Math.round((clock.now() - began) / 1000);
    terminal.out(wrap(`${seconds} s: ${text}`, '  '));
  };
  return {
    say,
    show(membership: Membership | undefined, id: string): void {
      const action = verb === 'join' ? membership?.launch : membership?.terminate;
      if (!membership || action?.actionToken !== id) return;
      for (const step of Object.keys(action.times)) {
        const text = STEPS[step];
        if (text === undefined || said.has(step)) continue;
        said.add(step);
        say(step === 'stage' ? `${text}: ${membership.computerName ?? ''}` : text);
      }
      const { lastError } = membership;
      if (lastError && lastError.message !== trouble) say(`${lastError.code}: ${lastError.message}`);
      trouble = lastError?.message ?? trouble;
    },
  };
}

/** @returns the exit code: 0 once it is done, 70 when it could not be, 75 when it is not done yet */
export async function follow(
  options: RequestOptions,
  ports: RequestPorts,
  terminal: Terminal,
): Promise<number> {
  const { verb, instanceId, waitMs } = options;
  const { clock } = ports;
  const id = ports.newId();
  const askedAt = clock.now();
  await ports.send({ id, verb, instanceId, askedAt });
  terminal.out(`${verb} of ${instanceId} asked for\n  request ${id}\n`);
  const progress = createProgress(options, ports, terminal);
  for (let failures = 0; ;) {
    try {
      // In this order: what ends between the two is shown whole.
      const outcome = await ports.outcome(id);
      progress.show(await ports.membership(instanceId), id);
      failures = 0;
      if (outcome) {
        terminal.out(`${ENDINGS[outcome.ending] ?? outcome.ending}\n`);
        const { error } = outcome;
        if (error) terminal.err(wrap(`${error.code}: ${error.message}`));
        // Of a void action the hint speaks of hooks.
        if (error && error.code !== 'action-void' && isKnown(error.code))
          terminal.err(wrap(errorCodes[error.code].hint));
        return codeOf(outcome);
      }
    } catch (error) {
      failures += 1;
      const { code, message } = asAdjoinError(error);
      progress.say(`${code}: ${message}`);
      if (failures === FAILED_LOOKS) {
        terminal.err('The ledger does not answer; the request goes on.\n');
        return EXIT.busy;
      }
    }
    if (clock.now() - askedAt >= waitMs) {
      terminal.err(`Not ended after ${Math.round(waitMs / 1000)} s; the request goes on.\n`);
      return EXIT.busy;
    }
    await clock.sleep(LOOK_MS);
  }
}

/** Seconds on top of what the work may take, in which a worker receives the message. */
const RECEIVE_SECONDS = 120;

/** @param waitSeconds @default for as long as the configuration lets such work take @returns the exit code */
export async function request(
  config: Config,
  { verb, instanceId, waitSeconds }: Omit<RequestOptions, 'waitMs'> & { readonly waitSeconds?: number },
  terminal: Terminal,
): Promise<number> {
  const clients = createClients(config.region);
  const table = createMembershipTable(clients.dynamodb, config.table);
  const outcomes = createOutcomes(clients.dynamodb, config.table);
  const { joinSeconds, unjoinSeconds } = config.patience;
  const longest = (verb === 'join' ? joinSeconds : unjoinSeconds) + RECEIVE_SECONDS;
  try {
    return await follow(
      { verb, instanceId, waitMs: (waitSeconds ?? longest) * 1000 },
      {
        send: (asked) =>
          sendRequest(clients.sqs, config.queueUrl, formatRequest(asked, expectationOf(config))),
        outcome: (id) => outcomes.find(id),
        membership: (id) => table.read(id),
        clock: systemClock,
        newId: () => randomUUID(),
      },
      terminal,
    );
  } finally {
    destroyClients(clients);
  }
}
