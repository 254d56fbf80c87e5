import { beforeEach, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import { destroy, type DestroyPorts } from '../../../agent/operator/destroy/destroy.ts';
import { MemoryStacks } from '../../support/memory-stacks.ts';
import { recordTerminal, type RecordedTerminal } from '../../support/terminal.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

let stacks: MemoryStacks;
let clock: VirtualClock;
let terminal: RecordedTerminal;
let groups: string[];
let left: DestroyPorts['left'];

beforeEach(() => {
  stacks = new MemoryStacks();
  stacks.status = 'CREATE_COMPLETE';
  stacks.outputs = new Map([
    ['AgentConfig', '{}'],
    ['QueueArn', 'queue'],
    ['TableName', 'table'],
  ]);
  stacks.kept = { Table: { Type: 'AWS::DynamoDB::Table', DeletionPolicy: 'RetainExceptOnCreate' } };
  stacks.present = ['Table', 'Queue'].map((logicalId) => ({
    logicalId,
    physicalId: `adjoin-${logicalId}`,
    type: 'T',
    status: 'CREATE_COMPLETE',
    reason: undefined,
  }));
  stacks.past.push(stacks.event('adjoin', 'CREATE_COMPLETE'));
  clock = createVirtualClock();
  terminal = recordTerminal();
  groups = [];
  left = async () => ({ members: 0, owed: 0 });
});

const run = (answer = 'adjoin'): Promise<number> =>
  clock.until(
    destroy(
      { stack: 'adjoin', json: false, yes: false },
      { stacks, clock, attachedGroups: async () => groups, left: (...of) => left(...of) },
      {
        terminal,
        prompt: { isAttended: true, ask: async () => answer, askSecret: async () => Buffer.alloc(0) },
        stage: () => undefined,
      },
      new AbortController().signal,
    ),
  );
const gone = () =>
  stacks.coming.push({ events: [stacks.event('adjoin', 'DELETE_COMPLETE')], end: undefined });

test('says what stays, and nothing that does not', async () => {
  gone();
  left = async () => ({ members: 3, owed: 1 });
  expect(await run()).toBe(0);
  expect(terminal.written.out).toContain('adjoin-Table');
  expect(terminal.written.out).not.toContain('adjoin-Queue');
  expect(terminal.written.out).toMatch(/3 instances are members, and 1 removals are owed/);
  expect(stacks.done).toEqual(['delete']);
});

test('goes on where an earlier run was interrupted, without a question', async () => {
  stacks.status = 'DELETE_IN_PROGRESS';
  stacks.past.push(stacks.event('adjoin', 'DELETE_IN_PROGRESS'));
  gone();
  expect(await run('not asked')).toBe(0);
  expect(stacks.done).toEqual([]);
});

test.each(['CREATE_IN_PROGRESS', 'UPDATE_ROLLBACK_IN_PROGRESS'])(
  'does not interfere with %s',
  async (status) => {
    stacks.status = status;
    expect(await run()).toBe(70);
    expect([stacks.done, terminal.written.err]).toEqual([[], expect.stringContaining(status)]);
  },
);

test('refuses while a group is attached, whatever is typed', async () => {
  groups = ['fleet'];
  expect(await run()).toBe(70);
  expect(stacks.done).toEqual([]);
});

test('a stack of which nothing was made is deleted with its change sets', async () => {
  stacks.status = 'REVIEW_IN_PROGRESS';
  expect(await run()).toBe(0);
  expect(stacks.status).toBeUndefined();
});

test('what could not be deleted is said by its name, with the reason', async () => {
  stacks.coming.push({ events: [stacks.event('adjoin', 'DELETE_FAILED')], end: 'DELETE_FAILED' });
  stacks.failed = ['NodePolicy'];
  expect(await run()).toBe(70);
  expect(terminal.written.err).toMatch(/NodePolicy \(NodePolicy\):\s+still\s+in\s+use/);
});

test('who may not read the ledger is told that nothing is known of the directory', async () => {
  gone();
  left = async () => Promise.reject(new AdjoinError('aws-denied', 'dynamodb:Scan'));
  expect(await run()).toBe(0);
  expect(terminal.written.out).toMatch(/not found out: dynamodb:Scan/);
});

test('a stack of something else is left as it is', async () => {
  stacks.outputs.clear();
  expect(await run()).toBe(70);
  expect([stacks.done, terminal.written.err]).toEqual([[], expect.stringContaining('not a stack of adjoin')]);
});
