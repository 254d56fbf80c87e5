import { AddRequest, Attribute, Change, ModifyRequest } from 'ldapts';
import { describe, expect, test } from '@jest/globals';
import { endpointName, Row, SecretAttribute } from '../../../agent/directory/connection.ts';
import { passwordValue } from '../../../agent/directory/values.ts';

describe('a secret attribute', () => {
  const secret = new SecretAttribute({ type: 'unicodePwd', values: [passwordValue('Sesame77')] });

  test.each([
    ['an add', new AddRequest({ messageId: 1, dn: 'CN=A', attributes: [secret] })],
    [
      'a modify',
      new ModifyRequest({
        messageId: 1,
        dn: 'CN=A',
        changes: [new Change({ operation: 'replace', modification: secret })],
      }),
    ],
  ])('goes out with %s, and is not in what ldapts prints of it', (_what, request) => {
    const bytes = passwordValue('Sesame77');
    expect(request.write().includes(bytes)).toBe(true);
    const printed = JSON.stringify(request);
    expect(printed).toContain('[redacted]');
    expect(printed).not.toContain([...bytes.subarray(0, 8)].join(','));
  });

  test('is the exception: any other attribute is printed', () => {
    const plain = new Attribute({ type: 'unicodePwd', values: [passwordValue('Sesame77')] });
    expect(JSON.stringify(plain)).toContain([...passwordValue('Sesame77').subarray(0, 8)].join(','));
  });
});

describe('a row', () => {
  const row = new Row({
    dn: 'CN=A',
    dNSHostName: 'a.test',
    member: ['x', 'y'],
    empty: [],
    objectGUID: Buffer.from([1]),
  });

  test('knows its attributes in any letters', () => {
    expect(row.text('DNSHOSTNAME')).toBe('a.test');
    expect(row.texts('Member')).toEqual(['x', 'y']);
    expect(row.bytes('objectguid')).toEqual(Buffer.from([1]));
  });

  test('has nothing where the directory gave nothing', () => {
    expect(row.text('empty')).toBeUndefined();
    expect(row.texts('absent')).toEqual([]);
    expect(row.bytes('dNSHostName')).toBeUndefined();
  });
});

test('an endpoint with an IPv6 address is named in brackets', () => {
  expect(endpointName({ host: 'fd00::1', port: 636 })).toBe('[fd00::1]:636');
  expect(endpointName({ host: 'dc1', port: 636 })).toBe('dc1:636');
});
