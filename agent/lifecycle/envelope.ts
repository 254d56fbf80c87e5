/** The envelopes that carry a message, and what is demanded of every one. */
import type { Config } from '../config.ts';
import { AdjoinError } from '../errors.ts';

/** SNS around EventBridge around the fields is the deepest nesting that exists. */
const MAXIMUM_DEPTH = 3;

export interface Expectation {
  readonly accountId: string;
  readonly region: string;
  /** Whether state changes of instances outside Auto Scaling groups ask for anything. @default false */
  readonly standaloneInstances?: boolean;
  /** Unique ID of the role that operators' requests must come from. @default - none is believed */
  readonly operatorRoleId?: string | undefined;
}

/** What the configuration says of it. */
export const expectationOf = ({
  accountId,
  region,
  standaloneInstances,
  operatorRoleId,
}: Config): Expectation => ({
  accountId,
  region,
  standaloneInstances,
  operatorRoleId,
});

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function parseJson(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new AdjoinError('message-malformed', 'The message is not JSON.');
  }
  if (!isObject(value)) throw new AdjoinError('message-malformed', 'The message is not a JSON object.');
  return value;
}

export function mustMatch(what: string, actual: unknown, expected: string): void {
  if (actual === undefined || actual === expected) return;
  throw new AdjoinError(
    'message-foreign',
    `The message names ${what} ${clip(actual)}; this queue serves ${expected}.`,
  );
}

/** A foreign text in a message of ours: short, and on one line. */
export function clip(value: unknown): string {
  // What is no string is only named: writing out a deeply nested value would exhaust the stack.
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : `a value of type ${typeof value}`;
}

export function unwrap(
  envelope: Record<string, unknown>,
  expected: Expectation,
  depth: number,
): { body: Record<string, unknown>; time?: string } {
  if (depth > MAXIMUM_DEPTH) throw new AdjoinError('message-malformed', 'The message is wrapped too often.');
  if (envelope['Type'] === 'Notification' && typeof envelope['Message'] === 'string') {
    return unwrap(parseJson(envelope['Message']), expected, depth + 1);
  }
  if (envelope['source'] === 'aws.autoscaling' && isObject(envelope['detail'])) {
    mustMatch('account', envelope['account'], expected.accountId);
    mustMatch('Region', envelope['region'], expected.region);
    const time = envelope['time'];
    return { body: envelope['detail'], ...(typeof time === 'string' ? { time } : {}) };
  }
  return { body: envelope };
}
