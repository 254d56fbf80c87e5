import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { createRedactor } from '../../agent/redact.ts';

const json = (text: string): string => JSON.stringify(text).slice(1, -1);

describe('the redactor', () => {
  test('hides a value wherever it stands, as often as it stands there', () => {
    const redactor = createRedactor();
    redactor.hide('s3cret');
    expect(redactor.clean('a s3cret, as3cretb and s3cret')).toBe('a [redacted], a[redacted]b and [redacted]');
  });

  test('takes the signs of a pattern for what they are', () => {
    const redactor = createRedactor();
    redactor.hide('a.*b$&');
    expect(redactor.clean('axxb a.*b$&')).toBe('axxb [redacted]');
  });

  test('does not hide what is so short that ordinary text would go', () => {
    const redactor = createRedactor();
    redactor.hide('');
    redactor.hide('abc');
    expect(redactor.clean('abc')).toBe('abc');
  });

  test('leaves no rest where one secret begins with another, whichever came first', () => {
    for (const secrets of [
      ['Winter2026', 'Winter2026!more'],
      ['Winter2026!more', 'Winter2026'],
    ]) {
      const redactor = createRedactor();
      for (const secret of secrets) redactor.hide(secret);
      expect(redactor.clean('Winter2026!more Winter2026')).toBe('[redacted] [redacted]');
    }
  });

  test('forgets a value when its last owner does', () => {
    const redactor = createRedactor();
    redactor.hide('s3cret');
    redactor.hide('s3cret');
    redactor.forget('s3cret');
    expect(redactor.clean('s3cret')).toBe('[redacted]');
    redactor.forget('s3cret');
    expect(redactor.clean('s3cret')).toBe('s3cret');
    redactor.forget('never hidden');
  });

  test('hides whatever the secret is, in whatever form it is written (2,000 secrets)', () => {
    const forms: readonly ((secret: string) => string)[] = [
      (secret) => secret,
      json,
      (secret) => json(json(secret)),
      (secret) => encodeURIComponent(secret.toWellFormed()),
      (secret) => new URLSearchParams([['key', secret]]).toString().slice('key='.length),
      // As AWS signs a URL.
      (secret) =>
        encodeURIComponent(secret.toWellFormed()).replaceAll(
          /[!'()*]/g,
          (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
        ),
    ];
    const secret = fc.oneof(
      fc.string({ unit: 'binary', minLength: 4, maxLength: 30 }),
      fc.string({ minLength: 4, maxLength: 30 }),
      fc.string({
        unit: fc.constantFrom('"', '\\', "'", '%', '+', ' ', '!', '\n', 'ä', '\ud83d'),
        minLength: 4,
      }),
    );
    expect(() =>
      fc.assert(
        fc.property(secret, fc.constantFrom(...forms), (value, form) => {
          const redactor = createRedactor();
          redactor.hide(value);
          return redactor.clean(`<${form(value)}>`) === '<[redacted]>';
        }),
        { numRuns: 2_000, seed: 20260101 },
      ),
    ).not.toThrow();
  });
});
