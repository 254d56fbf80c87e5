/**
 * What an operator asks for by hand, as a message in the queue: `adjoin join` and `adjoin unjoin` send it.
 *
 * It may take a living member out of the domain, so its sender counts. SQS itself says who sent a message, and only sessions of the
 * operators' role are believed: others may send to the queue, lifecycle hooks and EventBridge rules, and what those send is for AWS to
 * bear out.
 */
import * as z from 'zod';
import { AdjoinError } from '../errors.ts';
import type { Ending, LifecycleAction } from '../terms.ts';
import { clip, mustMatch, type Expectation } from './envelope.ts';

export type Verb = 'join' | 'unjoin';

export interface Request {
  /** 36 characters; also the token of the action. */
  readonly id: string;
  readonly verb: Verb;
  /** Of an instance, `i-…`, or of a hybrid node, `mi-…`. */
  readonly instanceId: string;
  /** Milliseconds since the Unix epoch. */
  readonly askedAt: number;
}

/** An instance, or a node outside EC2 that Systems Manager manages. */
export const NODE_ID = /^m?i-[0-9a-f]{17}$/;

export const isHybrid = (instanceId: string): boolean => instanceId.startsWith('mi-');

/** What all messages of operators say. */
export const fieldsOfOperators = z.object({
  id: z.string().regex(/^[0-9a-fA-F-]{36}$/, 'is no ID'),
  account: z.string(),
  region: z.string(),
  time: z.iso.datetime({ offset: true }),
});

const fields = fieldsOfOperators.extend({
  verb: z.enum(['join', 'unjoin']),
  instanceId: z.string().regex(NODE_ID, 'is not the ID of an instance or of a hybrid node'),
});

const KIND = 'request';

export const isRequest = (body: Readonly<Record<string, unknown>>): boolean => body['adjoin'] === KIND;

/** The body of the message. */
export function formatRequest({ id, verb, instanceId, askedAt }: Request, expected: Expectation): string {
  const { accountId: account, region } = expected;
  return JSON.stringify({
    adjoin: KIND,
    id,
    verb,
    instanceId,
    account,
    region,
    time: new Date(askedAt).toISOString(),
  });
}

/** The unique ID of a role, and the name of its session: what SQS says of a sender that is a role. */
const isSessionOf = (sender: string, roleId: string): boolean => sender.startsWith(`${roleId}:`);

/**
 * What an operator's message says, once its sender has proven to be one.
 * @param kind for messages of errors
 * @param sender as SQS names it
 * @throws AdjoinError `message-malformed` or `message-foreign`
 */
export function parseOperators<Said extends z.infer<typeof fieldsOfOperators>>(
  kind: string,
  schema: z.ZodType<Said>,
  body: Readonly<Record<string, unknown>>,
  expected: Expectation,
  sender: string,
): Said {
  const { operatorRoleId } = expected;
  if (operatorRoleId === undefined || !isSessionOf(sender, operatorRoleId)) {
    throw new AdjoinError(
      'message-foreign',
      `A message (${kind}) was sent by ${clip(sender)}, which is no session of the operators' role.`,
    );
  }
  const result = schema.safeParse(body);
  if (!result.success) {
    const problems = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new AdjoinError('message-malformed', `The message is no ${kind}. ${problems.join('; ')}`);
  }
  mustMatch('account', result.data.account, expected.accountId);
  mustMatch('Region', result.data.region, expected.region);
  return result.data;
}

/**
 * @param sender as SQS names it
 * @param receivedAt milliseconds since the Unix epoch
 * @throws AdjoinError `message-malformed` or `message-foreign`
 */
export function parseRequest(
  body: Readonly<Record<string, unknown>>,
  expected: Expectation,
  sender: string,
  receivedAt: number,
): LifecycleAction {
  const { id, verb, instanceId, time } = parseOperators(KIND, fields, body, expected, sender);
  return {
    source: 'request',
    token: id,
    hook: '',
    group: '',
    instanceId,
    transition: verb === 'join' ? 'launching' : 'terminating',
    origin: 'EC2',
    destination: 'EC2',
    startedAt: Math.min(Date.parse(time), receivedAt),
  };
}

/** How a request ended, for the operator who waits for it. */
export interface Outcome {
  readonly ending: Ending;
  readonly error?: { readonly code: string; readonly message: string } | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

/** The outcomes of requests. One that is there makes a second delivery of the same request void. */
export interface OutcomePort {
  find(requestId: string): Promise<Outcome | undefined>;
  /** The first one stays: what a second delivery comes to is not how the request ended. */
  note(requestId: string, outcome: Outcome): Promise<void>;
}
