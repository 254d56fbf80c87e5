import { expect, test } from '@jest/globals';
import { filterPattern } from '../../../../infra/sandbox/cloud/logs/filter-pattern.ts';

test.each([
  ['{ $.event = "join timed" }', { event: 'join timed' }, true],
  ['{ $.event = "join timed" }', { event: 'join' }, false],
  ['{ $.event = "join timed" }', { other: 'join timed' }, false],
  ['{ $.event = "*owed to the sweep" }', { event: 'removal is owed to the sweep' }, true],
  ['{ $.event = "*owed to the sweep" }', { event: 'owed to the sweep, later' }, false],
  ['{ $.error.code = "action-not-opted-in" }', { error: { code: 'action-not-opted-in' } }, true],
  ['{ $.ending = "abandoned" || $.ending = "held" }', { ending: 'held' }, true],
  ['{ $.ending = "abandoned" || $.ending = "held" }', { ending: 'member' }, false],
  ['{ $.a = "1" && $.b != "2" }', { a: '1', b: '3' }, true],
  ['{ $.a = "1" && $.b != "2" }', { a: '1', b: '2' }, false],
])('%s and %j: %s', (pattern, event, fits) => {
  expect(filterPattern(pattern)(JSON.stringify(event))).toBe(fits);
});

test('a line that is no JSON fits no pattern of JSON', () => {
  expect(filterPattern('{ $.event = "*" }')('event')).toBe(false);
});

test.each(['ERROR', '{ $.latency > 5 }', '{ $.a = "1" && $.b = "2" || $.c = "3" }', '[ip, user]'])(
  '%s is refused',
  (pattern) => {
    expect(() => filterPattern(pattern)).toThrow(`The filter pattern ${pattern} is not emulated.`);
  },
);
