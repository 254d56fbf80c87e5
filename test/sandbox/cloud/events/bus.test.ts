import { describe, expect, test } from '@jest/globals';
import { Bus, type BusEvent, type Rule } from '../../../../infra/sandbox/cloud/events/bus.ts';
import { fits } from '../../../../infra/sandbox/cloud/events/pattern.ts';
import { Timers } from '../../../../infra/sandbox/cloud/timers.ts';
import { createVirtualClock } from '../../../support/virtual-clock.ts';

const event = {
  source: 'aws.ssm',
  account: '1',
  detail: { eventName: 'SendCommand', who: { arn: 'arn:aws:iam::1:role/a' }, tags: ['x', 'y'], gone: null },
};

describe('a pattern', () => {
  test.each([
    ['a listed value', { source: ['aws.sqs', 'aws.ssm'] }],
    ['a nested value', { detail: { eventName: ['SendCommand'] } }],
    ['one member of a list', { detail: { tags: ['y'] } }],
    ['null', { detail: { gone: [null] } }],
    ['a prefix', { detail: { eventName: [{ prefix: 'Send' }] } }],
    ['a suffix', { detail: { eventName: [{ suffix: 'Command' }] } }],
    ['a wildcard', { detail: { who: { arn: [{ wildcard: '*:role/*' }] } } }],
    ['case aside', { detail: { eventName: [{ 'equals-ignore-case': 'sendcommand' }] } }],
    ['anything but', { detail: { eventName: [{ 'anything-but': ['StartSession'] }] } }],
    ['anything but a prefix', { detail: { eventName: [{ 'anything-but': { prefix: 'Start' } }] } }],
    ['presence', { detail: { eventName: [{ exists: true }] } }],
    ['absence, also below what is not there', { detail: { session: { issuer: [{ exists: false }] } } }],
    ['one of several', { $or: [{ source: ['aws.sqs'] }, { account: ['1'] }] }],
  ])('fits %s', (_what, pattern) => {
    expect(fits(pattern, event)).toBe(true);
  });

  test.each([
    ['another value', { source: ['aws.sqs'] }],
    ['one field of two', { source: ['aws.ssm'], account: ['2'] }],
    ['what is there, when it must not be', { detail: { eventName: [{ exists: false }] } }],
    ['what is not there, though it is anything but', { detail: { other: [{ 'anything-but': ['x'] }] } }],
    ['a wildcard in the middle', { detail: { eventName: [{ wildcard: 'Command*' }] } }],
    ['none of several', { $or: [{ source: ['aws.sqs'] }, { account: ['2'] }] }],
  ])('does not fit %s', (_what, pattern) => {
    expect(fits(pattern, event)).toBe(false);
  });

  test('with an unknown filter is an error, not silence', () => {
    expect(() => fits({ source: [{ cidr: '10.0.0.0/8' }] }, event)).toThrow('cidr');
  });
});

describe('a rule', () => {
  const delivered = (rule: Partial<Rule>, happened: Partial<BusEvent> = {}) => {
    const bodies: string[] = [];
    const bus = new Bus({
      place: { region: 'eu-central-1', accountId: '1' },
      timers: new Timers(createVirtualClock()),
      random: (bytes) => Buffer.alloc(bytes),
      deliver: (_target, body) => void bodies.push(body),
    });
    bus.addRule({
      name: 'rule',
      arn: 'arn:rule',
      pattern: { account: ['1'] },
      state: 'ENABLED',
      targets: [{ arn: 'arn:topic' }],
      ...rule,
    });
    bus.put({ source: 'aws.ssm', detailType: 'AWS API Call via CloudTrail', detail: {}, ...happened });
    return bodies;
  };

  test('hears of reads in the audit trail only when it asks for all of them', () => {
    const read = { detail: { readOnly: true } };
    expect(delivered({ state: 'ENABLED' }, read)).toEqual([]);
    expect(delivered({ state: 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS' }, read)).toHaveLength(1);
    expect(delivered({ state: 'ENABLED' }, { detail: { readOnly: false } })).toHaveLength(1);
    expect(delivered({ state: 'DISABLED' })).toEqual([]);
  });

  test('puts what its paths find into its template: text without quotes, but escaped; nothing where there is nothing', () => {
    const transformer = {
      paths: { who: '$.detail.who', list: '$.detail.list[1]', none: '$.detail.none' },
      template: '{"who":"<who>","n":<list>,"none":"<none>","rule":"<aws.events.rule-name>","odd":"<odd>"}',
    };
    const [body] = delivered(
      { targets: [{ arn: 'arn:topic', transformer }] },
      { detail: { who: 'a "b"', list: [1, 2] } },
    );
    expect(JSON.parse(body ?? '')).toEqual({ who: 'a "b"', n: 2, none: '', rule: 'rule', odd: '<odd>' });
  });
});
