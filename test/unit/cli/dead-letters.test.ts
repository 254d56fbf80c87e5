import { beforeEach, describe, expect, test } from '@jest/globals';
import type { DeadLetter } from '../../../agent/aws/dead-letters.ts';
import { workOnDeadLetters, type DeadLetterPorts, type Verb } from '../../../agent/cli/dead-letters.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import { recordTerminal } from '../../support/terminal.ts';
import type { Membership } from '../../../agent/ledger/membership.ts';

const INSTANCE = 'i-0123456789abcdef0';
const action = JSON.stringify({
  LifecycleActionToken: '11111111-1111-1111-1111-111111111111',
  LifecycleHookName: 'join',
  AutoScalingGroupName: 'fleet',
  EC2InstanceId: INSTANCE,
  LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
});

let queue: Map<string, { body: string; hidden: boolean }>;
let main: string[];
let membership: Membership | undefined;
let ports: DeadLetterPorts;
let fails: string | undefined;

beforeEach(() => {
  queue = new Map();
  main = [];
  membership = undefined;
  fails = undefined;
  const present = (message: DeadLetter): void => {
    if (!queue.has(message.messageId)) throw new Error('gone');
    if (fails === message.messageId) throw new AdjoinError('aws-unavailable', 'no');
  };
  ports = {
    letters: {
      async receive() {
        const visible = [...queue].filter(([, { hidden }]) => !hidden).slice(0, 10);
        for (const [, message] of visible) message.hidden = true;
        return visible.map(([messageId, { body }]) => ({
          messageId,
          receiptHandle: messageId,
          body,
          sentAt: Date.UTC(2026, 0, 1),
        }));
      },
      async show(message) {
        const found = queue.get(message.messageId);
        if (found) found.hidden = false;
      },
      async replay(message) {
        present(message);
        main.push(message.body);
        queue.delete(message.messageId);
      },
      async discard(message) {
        present(message);
        queue.delete(message.messageId);
      },
    },
    find: async () => membership,
    expected: { accountId: '123456789012', region: 'eu-central-1' },
    now: () => Date.UTC(2026, 0, 2),
  };
});

const tokenOf = (body: string): string => /"LifecycleActionToken":"([^"]+)"/.exec(body)?.[1] ?? '';
const put = (messageId: string, body: string): void => void queue.set(messageId, { body, hidden: false });

async function run(verb: Verb, messageId?: string): Promise<{ code: number; out: string; err: string }> {
  const terminal = recordTerminal();
  const code = await workOnDeadLetters(verb, messageId, ports, terminal);
  return { code, ...terminal.written };
}

describe('listing dead letters', () => {
  test('shows each with its reason in 80 columns, and leaves all visible', async () => {
    membership = {
      instanceId: INSTANCE,
      autoScalingGroup: 'fleet',
      state: 'failed',
      fencingToken: 1,
      lastError: { code: 'join-failed', message: 'realm said no. '.repeat(20), at: 1 },
      launch: { actionToken: tokenOf(action), hook: 'join', times: {} },
    };
    put('m1', action);
    put('m2', 'garbage');
    put('m3', JSON.stringify({ ...JSON.parse(action), AccountId: '999999999999' }));
    for (let more = 4; more <= 25; more += 1) put(`m${more}`, 'garbage');
    const { code, out } = await run('list');
    expect(code).toBe(0);
    expect(out).toContain('m1  2026-01-01T00:00:00.000Z\n');
    expect(out).toContain(`  ${INSTANCE} launching in fleet\n  join-failed: realm said no.`);
    expect(out).toContain('  message-malformed: The message is not JSON.\n');
    expect(out).toContain('  message-foreign: The message names account "999999999999"');
    expect(out).toContain('25 of 25 messages.');
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect([...queue.values()].every(({ hidden }) => !hidden)).toBe(true);
  });

  test('does not take what the ledger has of another action for its reason', async () => {
    const other = { actionToken: '99999999-9999-9999-9999-999999999999', hook: 'join', times: {} };
    const lastError = { code: 'join-failed', message: 'of an earlier life', at: 1 };
    membership = {
      instanceId: INSTANCE,
      autoScalingGroup: 'fleet',
      state: 'failed',
      fencingToken: 1,
      lastError,
      launch: other,
    };
    put('m1', action);
    const { out } = await run('list');
    expect(out).not.toContain('of an earlier life');
    expect(out).toContain('the ledger knows nothing of this action');
  });

  test('says so when the ledger knows nothing, or does not answer', async () => {
    put('m1', action);
    expect((await run('list')).out).toContain('no membership is on record');
    ports = { ...ports, find: () => Promise.reject(new AdjoinError('aws-denied', 'not allowed')) };
    expect((await run('list')).out).toContain('the ledger does not say: not allowed');
  });
});

describe('replaying dead letters', () => {
  test('sends those back that a worker can read, and leaves the others', async () => {
    put('m1', action);
    put('m2', 'garbage');
    const { out } = await run('replay');
    expect(main).toEqual([action]);
    expect([...queue]).toEqual([['m2', { body: 'garbage', hidden: false }]]);
    expect(out).toContain('1 of 2 messages; 1 left as they are.');
  });

  test('says of each that it leaves why, and how to send it all the same', async () => {
    put('m1', 'garbage');
    const { code, out } = await run('replay');
    expect(code).toBe(0);
    expect(out).toBe(
      'm1  2026-01-01T00:00:00.000Z\n' +
        '  no lifecycle action\n' +
        '  message-malformed: The message is not JSON.\n' +
        '  → not sent: no worker can read it; --message m1 sends it all the same\n' +
        '0 of 1 messages; 1 left as they are.\n',
    );
    expect(queue.get('m1')?.hidden).toBe(false);
  });

  test('sends back the one that is named, whatever it is', async () => {
    put('m1', action);
    put('m2', 'garbage');
    const { out } = await run('replay', 'm2');
    // Nothing is said of those that were not asked for.
    expect(out).not.toContain('m1');
    expect(main).toEqual(['garbage']);
    expect([...queue.keys()]).toEqual(['m1']);
  });

  test('that fails leaves the rest visible, and the one that failed', async () => {
    for (const id of ['m1', 'm2', 'm3']) put(id, action);
    fails = 'm2';
    await expect(run('replay')).rejects.toMatchObject({ code: 'aws-unavailable' });
    expect(main).toEqual([action]);
    expect(queue.get('m2')?.hidden).toBe(false);
    expect(queue.get('m3')?.hidden).toBe(false);
  });
});

describe('discarding a dead letter', () => {
  test('deletes the one that is named', async () => {
    put('m1', action);
    put('m2', 'garbage');
    expect((await run('discard', 'm2')).code).toBe(0);
    expect([...queue]).toEqual([['m1', { body: action, hidden: false }]]);
    expect(main).toEqual([]);
  });

  test('that is not there changes nothing', async () => {
    put('m1', action);
    const { code, err } = await run('discard', 'm9');
    expect(code).toBe(70);
    expect(err).toBe('There is no message m9 among the 1 that are visible.\n');
    expect(queue.get('m1')?.hidden).toBe(false);
  });
});
