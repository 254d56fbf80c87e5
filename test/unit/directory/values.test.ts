import { describe, expect, test } from '@jest/globals';
import { assert, property, uint8Array } from 'fast-check';
import {
  deniesDeletion,
  generalizedTimeToDate,
  guidToBytes,
  guidToString,
  ownerOf,
  passwordValue,
  sidToBytes,
  sidToString,
} from '../../../agent/directory/values.ts';
import { descriptorOf, SERVICE_ACCOUNT, sidBytes } from '../../support/security.ts';

describe('values of Active Directory', () => {
  test('a GUID has its first three fields the other way around on the wire', () => {
    const bytes = Buffer.from('8d5db508c34dae4b9bcfce7016561750', 'hex');
    expect(guidToString(bytes)).toBe('08b55d8d-4dc3-4bae-9bcf-ce7016561750');
    expect(guidToBytes('08B55D8D-4dc3-4bae-9bcf-ce7016561750')).toEqual(bytes);
  });

  test('a security identifier has its parts with the least byte first, and its authority with the last', () => {
    const bytes = Buffer.from('010500000000000515000000a065cf7e784b9b5fe77c8770091c0100', 'hex');
    expect(sidToString(bytes)).toBe('S-1-5-21-2127521184-1604012920-1887927527-72713');
    expect(sidToString(Buffer.concat([bytes, Buffer.from('more')]))).toBe(sidToString(bytes));
    expect(sidToString(sidBytes('S-1-5-18'))).toBe('S-1-5-18');
  });

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['another revision', Buffer.from('020100000000000512000000', 'hex')],
    ['too many parts', Buffer.concat([Buffer.from([1, 16]), Buffer.alloc(70)])],
    ['fewer bytes than parts', sidBytes('S-1-5-18').subarray(0, 11)],
  ])('%s is no security identifier, and no owner', (_what, bytes) => {
    expect(sidToString(bytes)).toBeUndefined();
    const header = descriptorOf('S-1-5-18').subarray(0, 20);
    expect(ownerOf(Buffer.concat([header, bytes]))).toBeUndefined();
  });

  test('a descriptor names its owner, or none', () => {
    const descriptor = descriptorOf(SERVICE_ACCOUNT);
    expect(ownerOf(descriptor)).toBe(SERVICE_ACCOUNT);
    const without = Buffer.from(descriptor);
    without.writeUInt32LE(0, 4);
    const beyond = Buffer.from(descriptor);
    beyond.writeUInt32LE(descriptor.length, 4);
    for (const each of [without, beyond, descriptor.subarray(0, 19)]) expect(ownerOf(each)).toBeUndefined();
  });

  test.each(['S-1-5-18', 'S-1-1-0', 'S-1-5-21-2127521184-1604012920-1887927527-72713'])(
    '%s survives the way there and back',
    (text) => {
      expect(sidToBytes(text)).toEqual(sidBytes(text));
      expect(sidToString(sidToBytes(text))).toBe(text);
    },
  );

  test.each(['', 'S-1-5', 'S-2-5-18', 'S-1-5-18)', 'WD'])('%j is no security identifier', (text) => {
    expect(() => sidToBytes(text)).toThrow(RangeError);
  });

  describe('protection from deletion', () => {
    const [ALLOWED, DENIED, INHERIT_ONLY] = [0, 1, 0x08];
    const [DELETE, DELETE_TREE, WRITE] = [0x10000, 0x40, 0x20];
    const EVERYONE = 'S-1-1-0';
    const entry = (type: number, mask: number, sid: string, flags = 0): Buffer => {
      const head = Buffer.from([type, flags, 0, 0, 0, 0, 0, 0]);
      const bytes = Buffer.concat([head, sidBytes(sid)]);
      bytes.writeUInt16LE(bytes.length, 2);
      bytes.writeUInt32LE(mask, 4);
      return bytes;
    };
    const listed = (...entries: Buffer[]): Buffer => {
      const owner = descriptorOf(SERVICE_ACCOUNT);
      const list = Buffer.concat([Buffer.from([4, 0, 0, 0, entries.length, 0, 0, 0]), ...entries]);
      owner.writeUInt32LE(owner.length, 16);
      return Buffer.concat([owner, list]);
    };
    const other = entry(ALLOWED, DELETE, EVERYONE);

    test.each([DELETE, DELETE_TREE, DELETE | WRITE])('is a denial to everybody (%d)', (mask) => {
      expect(deniesDeletion(listed(other, entry(DENIED, mask, EVERYONE)))).toBe(true);
    });

    test.each([
      ['no list', descriptorOf(SERVICE_ACCOUNT)],
      ['an empty one', listed()],
      ['a permission', listed(other)],
      ['a denial of other things', listed(entry(DENIED, WRITE, EVERYONE))],
      ['a denial to one account', listed(entry(DENIED, DELETE, SERVICE_ACCOUNT))],
      ['what only children inherit', listed(entry(DENIED, DELETE, EVERYONE, INHERIT_ONLY))],
      ['a list that is cut', listed(entry(DENIED, DELETE, EVERYONE)).subarray(0, -8)],
      ['an entry without an end', listed(Buffer.from([1, 0, 0, 0, 0, 0, 1, 0]))],
      ['nothing', Buffer.alloc(0)],
    ])('is not %s', (_what, descriptor) => {
      expect(deniesDeletion(descriptor)).toBe(false);
    });
  });

  test('every GUID survives the way there and back', () => {
    assert(
      property(uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        expect([...guidToBytes(guidToString(bytes))]).toEqual([...bytes]);
      }),
    );
  });

  test.each(['', '08b55d8d', '08b55d8d-4dc3-4bae-9bcf-ce701656175>', '*'])('%j is no GUID', (text) => {
    expect(() => guidToBytes(text)).toThrow(RangeError);
  });

  test('a GUID of the wrong length is refused', () => {
    expect(() => guidToString(new Uint8Array(15))).toThrow(RangeError);
  });

  test('a generalized time is read in UTC, and nothing else is', () => {
    expect(generalizedTimeToDate('20260131235958.0Z')?.toISOString()).toBe('2026-01-31T23:59:58.000Z');
    expect(generalizedTimeToDate('20261331235958.0Z')).toBeUndefined();
    expect(generalizedTimeToDate('20260131235958+0100')).toBeUndefined();
    expect(generalizedTimeToDate('')).toBeUndefined();
  });

  test('a password is quoted and in UTF-16LE', () => {
    expect(passwordValue('a1').toString('hex')).toBe('2200610031002200');
  });
});
