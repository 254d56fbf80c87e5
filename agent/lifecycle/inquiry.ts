/**
 * An operator's question to a worker: how are things at your place? `adjoin doctor` sends it. A worker looks, writes what it found to
 * the ledger's table, and deletes the message. Nothing but the message reaches the worker, and the credential does not leave it.
 *
 * As with requests, the sender counts: a look makes and removes an account in the directory.
 */
import type { Expectation } from './envelope.ts';
import { fieldsOfOperators, parseOperators } from './request.ts';

export interface Inquiry {
  /** 36 characters. */
  readonly id: string;
  /** Milliseconds since the Unix epoch. */
  readonly askedAt: number;
}

/** Milliseconds after which nobody waits for the answer any more. */
export const INQUIRY_MS = 600_000;

const KIND = 'inquiry';

export const isInquiry = (body: Readonly<Record<string, unknown>>): boolean => body['adjoin'] === KIND;

/** The body of the message. */
export function formatInquiry({ id, askedAt }: Inquiry, expected: Expectation): string {
  const { accountId: account, region } = expected;
  return JSON.stringify({ adjoin: KIND, id, account, region, time: new Date(askedAt).toISOString() });
}

/**
 * @param sender as SQS names it
 * @param receivedAt milliseconds since the Unix epoch
 * @throws AdjoinError `message-malformed` or `message-foreign`
 */
export function parseInquiry(
  body: Readonly<Record<string, unknown>>,
  expected: Expectation,
  sender: string,
  receivedAt: number,
): Inquiry {
  const { id, time } = parseOperators(KIND, fieldsOfOperators, body, expected, sender);
  return { id, askedAt: Math.min(Date.parse(time), receivedAt) };
}

export interface InquiryPort {
  /** Looks, and writes down what was found, unless that was done already. @throws AdjoinError when it could not be written */
  answer(id: string, signal: AbortSignal): Promise<void>;
}
