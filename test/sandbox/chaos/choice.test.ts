import { describe, expect, test } from '@jest/globals';
import { chosen, messageToRepeat } from '../../../infra/sandbox/chaos/choice.ts';
import { createRecord } from '../../../infra/sandbox/chaos/record.ts';

test('each item has its share of the fractions', () => {
  expect([0, 0.3, 0.34, 0.67, 0.99].map((fraction) => chosen(['a', 'b', 'c'], fraction))).toEqual([
    'a',
    'a',
    'b',
    'c',
    'c',
  ]);
  expect(chosen([], 0.5)).toBeUndefined();
});

describe('a message that is repeated', () => {
  /** Of ten actions, the last `open` are under way. */
  const repeated = (open: number, delivered = true) => {
    const record = createRecord(() => 7);
    for (let number = 0; number < 10; number += 1) {
      const token = `t${number}`;
      const [queue, messageId] = ['actions', `m${number}`];
      const transition = 'autoscaling:EC2_INSTANCE_LAUNCHING';
      const begun = {
        group: 'fleet',
        instanceId: `i-${number}`,
        transition,
        destination: 'AutoScalingGroup',
      } as const;
      record.note({ kind: 'action-begun', ...begun, token });
      const body = JSON.stringify({ LifecycleActionToken: token });
      record.note({ kind: 'message-sent', queue, messageId, body });
      if (delivered) record.note({ kind: 'message-received', queue, messageId });
      if (number < 10 - open) record.note({ kind: 'action-ended', token, end: 'void' });
    }
    const choices = Array.from({ length: 1_000 }, (_, index) => index / 1_000);
    return choices.map((choice) => messageToRepeat(record, choice)?.messageId);
  };

  test('is one whose action is under way, in three cases of four at least', () => {
    const all = repeated(1);
    expect(all.filter((messageId) => messageId === 'm9').length).toBeGreaterThanOrEqual(750);
    expect(new Set(all).size).toBe(10);
  });

  test('waits for an action in those cases, and for a delivery in all', () => {
    expect(repeated(0).filter((messageId) => messageId === undefined)).toHaveLength(750);
    expect(new Set(repeated(5, false))).toEqual(new Set([undefined]));
  });
});
