import { describe, expect, test } from '@jest/globals';
import { assert, property, uint8Array } from 'fast-check';
import {
  generalizedTimeToDate,
  guidToBytes,
  guidToString,
  ownerOf,
  passwordValue,
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
