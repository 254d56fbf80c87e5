import { describe, expect, test } from '@jest/globals';
import { assert, property, uint8Array } from 'fast-check';
import {
  generalizedTimeToDate,
  guidToBytes,
  guidToString,
  passwordValue,
} from '../../../agent/directory/values.ts';

describe('values of Active Directory', () => {
  test('a GUID has its first three fields the other way around on the wire', () => {
    const bytes = Buffer.from('8d5db508c34dae4b9bcfce7016561750', 'hex');
    expect(guidToString(bytes)).toBe('08b55d8d-4dc3-4bae-9bcf-ce7016561750');
    expect(guidToBytes('08B55D8D-4dc3-4bae-9bcf-ce7016561750')).toEqual(bytes);
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
