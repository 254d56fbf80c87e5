import { describe, expect, test } from '@jest/globals';
import { formatStamp, parseStamp, sameStamp } from '../../../agent/directory/stamp.ts';

const stamp = {
  deployment: 'blue',
  accountId: '123456789012',
  region: 'eu-central-1',
  instanceId: 'i-0123456789abcdef0',
};
const text = 'adjoin;deployment=blue;account=123456789012;region=eu-central-1;instance=i-0123456789abcdef0';

describe('the stamp', () => {
  test('is written in one form and read back as the same', () => {
    expect(formatStamp(stamp)).toBe(text);
    expect(parseStamp(text)).toEqual(stamp);
  });

  test.each([
    ['an empty text', ''],
    ['text before it', ` ${text}`],
    ['text after it', `${text};x=y`],
    ['a line feed after it', `${text}\n`],
    [
      'another order',
      'adjoin;account=123456789012;deployment=blue;region=eu-central-1;instance=i-0123456789abcdef0',
    ],
    ['capitals', text.toUpperCase()],
    ['a short instance ID', text.replace('i-0123456789abcdef0', 'i-12345678')],
    ['another product', text.replace('adjoin', 'adjoin2')],
  ])('is not recognised in %s', (_what, other) => {
    expect(parseStamp(other)).toBeUndefined();
  });

  test.each([
    ['deployment', 'a;b'],
    ['deployment', 'a=b'],
    ['deployment', ''],
    ['region', 'eu;x'],
    ['accountId', '1234'],
    ['instanceId', 'i-1'],
  ])('refuses to be written with %s %j', (key, value) => {
    expect(() => formatStamp({ ...stamp, [key]: value })).toThrow(RangeError);
  });

  test.each(['deployment', 'accountId', 'region', 'instanceId'])('differs when %s differs', (key) => {
    expect(sameStamp(stamp, { ...stamp, [key]: 'other' })).toBe(false);
  });

  test('that is missing equals none, not even another missing one', () => {
    expect(sameStamp(stamp, { ...stamp })).toBe(true);
    expect(sameStamp(stamp, undefined)).toBe(false);
    expect(sameStamp(undefined, undefined)).toBe(false);
  });
});
