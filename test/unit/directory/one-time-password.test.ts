import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { oneTimePassword } from '../../../agent/directory/one-time-password.ts';

describe('a one-time password', () => {
  test('has 120 letters and digits, of all three classes', () => {
    const password = oneTimePassword(randomBytes);
    expect(password).toMatch(/^[A-Za-z0-9]{120}$/);
    expect(password).toMatch(/[A-Z]/);
    expect(password).toMatch(/[a-z]/);
    expect(password).toMatch(/[0-9]/);
  });

  test('favours no character', () => {
    const seen = new Map<string, number>();
    for (let round = 0; round < 500; round += 1) {
      for (const character of oneTimePassword(randomBytes))
        seen.set(character, (seen.get(character) ?? 0) + 1);
    }
    expect(seen.size).toBe(62);
    // 60,000 draws, 968 expected of each with a deviation of 31: bytes taken modulo 62 would give eight of them 1,172.
    for (const count of seen.values()) {
      expect(count).toBeGreaterThan(968 - 170);
      expect(count).toBeLessThan(968 + 170);
    }
  });

  test('throws away bytes that would favour the first letters', () => {
    let next = 0;
    const bytes = (size: number): Uint8Array => Uint8Array.from({ length: size }, () => (next++ * 7) % 256);
    const sequence = Array.from({ length: 256 }, (_, index) => (index * 7) % 256).filter(
      (byte) => byte < 248,
    );
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
    const expected = sequence.map((byte) => alphabet.charAt(byte % 62)).join('');
    expect(oneTimePassword(bytes)).toBe(expected.slice(0, 120));
  });

  test('is drawn again until every class is there', () => {
    const draws = [0, 0, 1, 2];
    const bytes = (size: number): Uint8Array => {
      const draw = draws.shift();
      // First only capitals, twice; then everything.
      return Uint8Array.from({ length: size }, (_, index) => (draw === 0 ? index % 26 : (index * 5) % 62));
    };
    expect(oneTimePassword(bytes)).toMatch(/[0-9]/);
    expect(draws).toEqual([2]);
  });
});
