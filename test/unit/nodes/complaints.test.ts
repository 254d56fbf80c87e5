/** Which error a node's reason is, by what adcli, Kerberos and Windows say; the fixture names where each text is from. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { errorCodes } from '../../../agent/errors.ts';
import { complaintCode } from '../../../agent/nodes/complaints.ts';

const recorded: { code: string; text: string; source: string }[] = JSON.parse(
  readFileSync('test/fixtures/join-complaints.json', 'utf8'),
);

describe('a reason that a node gives', () => {
  test.each(recorded)('is $code: $text', ({ code, text, source }) => {
    expect(complaintCode(text)).toBe(code);
    expect(Object.keys(errorCodes)).toContain(code);
    expect(source).not.toBe('');
  });

  test('is each of what people meet', () => {
    const met =
      'error 1326,error 1355,error 1909,error 2224,error 2691,error 2732,0xaac,KB5020276,Preauthentication failed,Clock skew,' +
      'Cannot contact any KDC,No LDAP SRV records,Message stream modified,organizational unit does not exist';
    for (const words of met.split(','))
      expect([words, recorded.some(({ text }) => text.includes(words))]).toEqual([words, true]);
  });

  test.each([
    ' ! Something new went wrong',
    'NetJoinDomain: error 13260, see the Windows error codes.',
    'netsetup.log: NetpDoDomainJoin: status: 0x52ef',
    'NetJoinDomain: error 5, access is denied.',
    '',
  ])('that nothing is known of stays as it is: %j', (text) => {
    expect(complaintCode(text)).toBeUndefined();
  });

  test('is its cause, where the tools name what followed as well', () => {
    const both =
      'NetJoinDomain: error 1326, x. netsetup.log: NetpJoinDomainOnDs: Function exits with status of: 0x0, status: 0xaac';
    expect(complaintCode(both)).toBe('node-account-reuse-blocked');
  });
});
