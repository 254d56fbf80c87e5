import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { AdjoinError, asAdjoinError, type ErrorCode, errorCodes, reasonOf } from '../../agent/errors.ts';

const isCode = (text: string): text is ErrorCode => Object.hasOwn(errorCodes, text);
const codes = Object.keys(errorCodes).filter(isCode);
const agent = join(import.meta.dirname, '../../agent');
const source = readdirSync(agent, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && file !== 'errors.ts')
  .map((file) => readFileSync(join(agent, file), 'utf8'))
  .join('\n');

describe('each error code', () => {
  test.each(codes)('%s says in sentences what happened and what to do', (code) => {
    const { meaning, hint } = errorCodes[code];
    for (const text of [meaning, hint]) {
      expect(text).toMatch(/^[A-Z]/);
      expect(text).toMatch(/\.$/);
      expect(text).not.toMatch(/\s\s|\n|\|/);
      expect(text.length).toBeLessThan(250);
    }
    expect(hint).not.toBe(meaning);
  });

  test.each(codes)('%s is written in small letters and hyphens', (code) => {
    expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
  });

  test.each(codes)('%s is one that the agent uses', (code) => {
    expect(source.includes(`'${code}'`) || code === 'unexpected').toBe(true);
  });
});

describe('an error', () => {
  test('knows its disposition and hint by its code', () => {
    const cause = new Error('ECONNREFUSED');
    const error = new AdjoinError('directory-unavailable', 'dc1 does not answer.', { cause });
    expect(error).toMatchObject({
      name: 'AdjoinError',
      code: 'directory-unavailable',
      disposition: 'retry',
      hint: errorCodes['directory-unavailable'].hint,
      message: 'dc1 does not answer.',
      cause,
    });
  });

  test('is one line without anything that moves a cursor, and has an end', () => {
    const text = 'one\r\ntwo\u001b[2J\u009b\u2028three\u202e\u200b four';
    expect(new AdjoinError('join-failed', text).message).toBe('one two [2J three  four');
    const long = new AdjoinError('join-failed', 'x'.repeat(1_000_000)).message;
    expect([long.length, long.at(-1)]).toEqual([4_000, '…']);
    expect(new AdjoinError('config-invalid', 'two problems:\n- a\n- b').message).toContain('\n- b');
  });

  test('that is known stays itself', () => {
    const error = new AdjoinError('draining', 'stop');
    expect(asAdjoinError(error)).toBe(error);
  });

  test('that is foreign becomes unexpected, with name, message and cause', () => {
    const foreign = new TypeError('x is not a function');
    expect(asAdjoinError(foreign)).toMatchObject({
      code: 'unexpected',
      message: 'TypeError: x is not a function',
      cause: foreign,
    });
    expect(asAdjoinError('text')).toMatchObject({ code: 'unexpected', message: 'text' });
    expect(asAdjoinError(undefined).message).toBe('undefined');
  });

  test('gives its reason in its own words', () => {
    expect(reasonOf(new Error('no'))).toBe('no');
    expect(reasonOf(7)).toBe('7');
  });
});
