import { beforeEach, describe, expect, test } from '@jest/globals';
import { oneTimePassword } from '../../agent/directory/one-time-password.ts';
import { AdjoinError } from '../../agent/errors.ts';
import { createLog, describeError, type Log, type LogOptions } from '../../agent/log.ts';
import { createRedactor, type Redactor } from '../../agent/redact.ts';

let lines: string[];
let redactor: Redactor;
let log: Log;

const logOf = (level: LogOptions['level']): Log =>
  createLog({ level, redactor, write: (line) => lines.push(line), now: () => Date.UTC(2026, 0, 1) });

beforeEach(() => {
  lines = [];
  redactor = createRedactor();
  log = logOf('debug');
});

const parsed = (): unknown[] => lines.map((line): unknown => JSON.parse(line));

describe('a log', () => {
  test('is one JSON object a line: time, level, event, fields', () => {
    log.info('account staged', { computerName: 'A1', count: 3, big: 12n, list: [1, 'two', null] });
    log.error('join\nfailed');
    expect(lines.every((line) => line.endsWith('}\n') && !line.slice(0, -1).includes('\n'))).toBe(true);
    expect(parsed()).toEqual([
      {
        time: '2026-01-01T00:00:00.000Z',
        level: 'info',
        event: 'account staged',
        computerName: 'A1',
        count: 3,
        big: '12',
        list: [1, 'two', null],
      },
      { time: '2026-01-01T00:00:00.000Z', level: 'error', event: 'join\nfailed' },
    ]);
  });

  test.each([
    ['error', 1],
    ['warn', 2],
    ['info', 3],
    ['debug', 4],
  ] as const)('of level %s says no less', (level, count) => {
    const quiet = logOf(level);
    quiet.debug('d');
    quiet.info('i');
    quiet.warn('w');
    quiet.error('e');
    expect(lines).toHaveLength(count);
  });

  test('made from another carries the fields of both, its own before the inherited', () => {
    const message = log.with({ messageId: 'm', stage: 'outer' });
    message.with({ correlationId: 'c', stage: 'inner' }).warn('slow', { more: true });
    message.info('still');
    expect(parsed()).toEqual([
      expect.objectContaining({ messageId: 'm', correlationId: 'c', stage: 'inner', more: true }),
      expect.objectContaining({ messageId: 'm', stage: 'outer' }),
    ]);
    expect(lines[1]).not.toContain('correlationId');
  });

  test('shows an error with code and hint, and its cause', () => {
    const cause = new AdjoinError('credential-refused', 'data 52e');
    log.warn('join not done yet', { error: new AdjoinError('join-exhausted', 'No more.', { cause }) });
    expect(parsed()[0]).toMatchObject({
      error: {
        code: 'join-exhausted',
        message: 'No more.',
        hint: expect.stringContaining('last error'),
        cause: { code: 'credential-refused', message: 'data 52e' },
      },
    });
  });

  test('shows the stack of an error without a name only', () => {
    expect(describeError(new AdjoinError('draining', 'stop'))).not.toHaveProperty('stack');
    expect(describeError(new TypeError('x is not a function'))).toMatchObject({
      code: 'unexpected',
      stack: expect.stringContaining('log.test.ts'),
    });
    expect(describeError('text')).toMatchObject({ code: 'unexpected', message: 'text' });
  });

  test('never shows what a field name calls a secret, whatever it holds', () => {
    log.info('e', {
      password: 'hunter2',
      domain_password: { value: 'hunter2' },
      oneTimePasswords: ['hunter2'],
      nested: { clientSecret: 'hunter2', list: [{ privateKey: 'hunter2' }] },
      credential: 'hunter2',
    });
    expect(lines.join('')).not.toContain('hunter2');
  });

  test('shows what only sounds like a secret', () => {
    log.info('e', { secretId: 'adjoin/service-account', credentialPollSeconds: 15, passwordChanged: true });
    expect(parsed()[0]).toMatchObject({
      secretId: 'adjoin/service-account',
      credentialPollSeconds: 15,
      passwordChanged: true,
    });
  });
});

describe('foreign text in a log', () => {
  test.each([
    ['a line feed', 'x\n{"level":"error","event":"forged"}'],
    ['an escape sequence', '\u001b[2J'],
    ['a control sequence of one character', '\u009b2J\u007f'],
    ['line and paragraph separators', 'x\u2028y\u2029z\u0085'],
    ['marks that reverse text', '\u202e\u2066\u200f'],
    ['marks of no width', '\ufeff\u200b\u00ad\u{e0041}'],
    ['half a character', '\ud800'],
  ])('with %s stays on its line, readable and harmless', (_what, text) => {
    log.with({ [text]: text }).warn(text, { error: new Error(text), list: [text] });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
    expect(parsed()).toEqual([expect.objectContaining({ event: text, [text]: text, list: [text] })]);
  });

  test('hides no secret, though it is written otherwise there', () => {
    const secret = 'Pass\u2028word\u009b1';
    redactor.hide(secret);
    log.info('event', { text: secret });
    expect(parsed()).toEqual([expect.objectContaining({ text: '[redacted]' })]);
  });
});

describe('a planted secret', () => {
  let byte = 0;
  const bytes = (size: number): Buffer =>
    Buffer.from(
      Array.from({ length: size }, () => {
        byte = (byte + 37) % 256;
        return byte;
      }),
    );
  const secrets = [
    ['the service password', 'Str0ng "pass\\word" für adjoin! 100%+1'],
    ['a one-time password', oneTimePassword(bytes)],
    ['another one-time password', oneTimePassword(bytes)],
  ] as const;

  describe.each(secrets)('(%s)', (_which, secret) => {
    const json = JSON.stringify(secret);
    const forms: readonly (readonly [string, string])[] = [
      ['as it is', secret],
      ['as JSON', json],
      ['as JSON in JSON', JSON.stringify({ Message: JSON.stringify({ p: secret }) })],
      ['as in a URL', `https://host/?p=${encodeURIComponent(secret)}`],
      ['as in a form', new URLSearchParams({ p: secret }).toString()],
    ];

    test.each(forms)('never comes out %s', (_form, text) => {
      redactor.hide(secret);
      const cause = new AdjoinError('directory-refused', `cause ${text}`, { cause: new Error(text) });
      const error = new AdjoinError('join-exhausted', `message ${text}`, { cause });
      const foreign = new Error(`foreign ${text}`, { cause: error });
      foreign.stack = `Error: ${text}\n    at ${text}`;
      log.info(`event ${text}`);
      log.debug('fields', { text, [text]: 'as a name', list: [text, { deep: { deeper: [text] } }] });
      log.warn('errors', { error, foreign, list: [error, { foreign }] });
      log.error('thrown', { error: text });
      const child = log.with({ inherited: text });
      child.info('child', { more: text });
      child.with({ error }).error('grandchild');

      expect(lines).toHaveLength(6);
      const output = lines.join('');
      expect(output).toContain('[redacted]');
      // Nor any half of it that is long enough to help a guess.
      const half = Math.ceil(secret.length / 2);
      for (const [, form] of forms) expect(output).not.toContain(form);
      for (const part of [secret.slice(0, half), secret.slice(-half)]) {
        for (const shape of [part, JSON.stringify(part).slice(1, -1), encodeURIComponent(part)]) {
          expect(output).not.toContain(shape);
        }
      }
      expect(() => parsed()).not.toThrow();
    });
  });

  test('shows without the redactor: the test can tell', () => {
    log.info('event', { text: secrets[1][1] });
    expect(lines.join('')).toContain(secrets[1][1]);
  });
});
