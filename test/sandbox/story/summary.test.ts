import { expect, test } from '@jest/globals';
import { callLines, summaryLines, systemLines } from '../../../infra/sandbox/story/summary.ts';
import { watched } from './fixtures.ts';

const member = (n: number, offset: number, slow = 1) =>
  watched(n, {
    lifecycleState: 'InService',
    membership: {
      instanceId: watched(n).instanceId,
      state: 'member',
      computerName: 'A00000000000001',
      launch: {
        received: offset,
        node: offset + 1_000,
        probe: offset + 1_500,
        stage: offset + 1_600,
        join: offset + 1_600 + 1_200 * slow,
        verify: offset + 1_700 + 1_200 * slow,
        complete: offset + 1_800 + 1_200 * slow,
      },
      terminate: { received: 0, leave: 500, remove: 700, complete: 800 },
    },
  });

test('each instance has a line with the seconds of each step and their total', () => {
  const lines = summaryLines([member(1, 0), member(2, 50, 2), member(3, 0)]);
  expect(lines[0]).toBe('join (seconds)                       wait probe stage  join verify compl. total');
  expect(lines[1]).toBe('i-00000000000000001 A00000000000001  1.00  0.50  0.10  1.20   0.10   0.10  3.00');
  expect(lines[4]).toMatch(/^median +1\.00 +0\.50 +0\.10 +1\.20 +0\.10 +0\.10 +3\.00$/);
  expect(lines[5]).toMatch(/^longest .* 2\.40 .* 4\.20$/);
  expect(lines).toContain('unjoin (seconds)                    leave remove compl. total');
});

test('no line is wider than 80 columns, however long the steps took', () => {
  for (const line of summaryLines([member(1, 0, 4_000)])) expect(line.length).toBeLessThanOrEqual(80);
});

test('a story without a finished step has no table', () => {
  expect(summaryLines([watched(1)])).toEqual([]);
});

test('a fleet of several systems is counted by system, those that joined and those that were removed', () => {
  const removed = member(3, 0);
  const fleet = [
    member(1, 0),
    watched(2),
    watched(3, { membership: removed.membership && { ...removed.membership, state: 'removed' } }),
  ];
  const systems = new Map([
    [watched(1).instanceId, 'Debian 12'],
    [watched(2).instanceId, 'SUSE Linux Enterprise 15'],
    [watched(3).instanceId, 'Debian 12'],
  ]);
  expect(systemLines(fleet, systems)).toEqual([
    '',
    'nodes by system                      joined  removed',
    'Debian 12                                 2        1',
    'SUSE Linux Enterprise 15                  0        0',
  ]);
  expect(systemLines(fleet, new Map([[watched(1).instanceId, 'Debian 12']]))).toEqual([]);
});

const call = (operation: string, count: number, errors = 0) => ({ operation, count, errors });

test('calls are counted by operation, the most frequent first, with those that were refused', () => {
  const calls = [call('sqs:DeleteMessage', 6), call('ssm:SendCommand', 4, 1), call('sqs:ReceiveMessage', 30)];
  expect(callLines(calls)).toEqual([
    'AWS calls made by the worker: 40',
    '    30 sqs:ReceiveMessage',
    '     6 sqs:DeleteMessage',
    '     4 ssm:SendCommand, 1 refused',
  ]);
});
