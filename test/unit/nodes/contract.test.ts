import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { AdjoinError } from '../../../agent/errors.ts';
import { entryText, facts } from '../../../agent/nodes/contract.ts';
import { honestProbe } from '../../support/node-facts.ts';

const NODE = 'i-0123456789abcdef0';
const probe = honestProbe;
const join = {
  adjoin: 1,
  document: 'join',
  result: 'joined',
  code: '',
  domain: 'corp.example.test',
  computerName: 'A00000000000001',
  detail: '',
};
const leave = { adjoin: 1, document: 'leave', result: 'left', detail: '' };
const all = { probe, join, leave };
const purposes = ['probe', 'join', 'leave'] as const;

function refusal(read: () => unknown): AdjoinError {
  try {
    read();
  } catch (error) {
    if (error instanceof AdjoinError) return error;
    throw error;
  }
  throw new Error('It was accepted.');
}

/** What ListCommandInvocations shows of an output. */
const shown = (text: string): string => text.slice(0, 2_500);

describe('a line of facts', () => {
  test.each(purposes)('of a %s is read', (purpose) => {
    expect(facts[purpose](NODE, JSON.stringify(all[purpose]))).toEqual(all[purpose]);
  });

  test('is found among chatter, with Windows line ends and a byte order mark', () => {
    const output = `Welcome\r\n\uFEFF${JSON.stringify(leave)}\r\n{"adjoin":2,"document":"leave"}\r\nbye\r\n`;
    expect(facts.leave(NODE, output)).toEqual(leave);
  });

  test('is the last one, should there be two', () => {
    const output = `${JSON.stringify({ ...leave, result: 'failed' })}\n${JSON.stringify(leave)}`;
    expect(facts.leave(NODE, output).result).toBe('left');
  });

  test('may say more than this release knows; that is dropped', () => {
    expect(facts.leave(NODE, JSON.stringify({ ...leave, colour: 'blue' }))).toEqual(leave);
  });

  test('of a join or a leave may leave code and detail out', () => {
    const { code: _code, detail: _detail, ...bare } = join;
    expect(facts.join(NODE, JSON.stringify(bare))).toEqual(join);
  });

  test.each([
    ['missing', ''],
    ['of another contract', '{"adjoin":2,"document":"leave","result":"left"}'],
    ['behind a prompt', `$ ${JSON.stringify(leave)}`],
    ['cut off', JSON.stringify(leave).slice(0, -3)],
    ['spread over lines', JSON.stringify(leave, null, 1)],
  ])('that is %s is invalid', (_which, output) => {
    expect(refusal(() => facts.leave(NODE, output)).code).toBe('node-facts-invalid');
  });

  test.each(purposes)('of another document than the %s that was asked for is invalid', (purpose) => {
    for (const other of purposes) {
      if (other === purpose) continue;
      expect(refusal(() => facts[purpose](NODE, JSON.stringify(all[other]))).code).toBe('node-facts-invalid');
    }
  });

  test.each(purposes.flatMap((purpose) => Object.keys(all[purpose]).map((key) => [purpose, key] as const)))(
    'of a %s with a %s of the wrong kind is invalid',
    (purpose, key) => {
      const wrong = key === 'adjoin' ? '1' : { odd: true };
      const text = JSON.stringify({ ...all[purpose], [key]: wrong }).replace('"adjoin":"1"', '"adjoin":1.5');
      expect(refusal(() => facts[purpose](NODE, text)).code).toBe('node-facts-invalid');
    },
  );

  test('with a result that does not exist, or a text without end, is invalid', () => {
    const texts = [
      { ...join, result: 'maybe' },
      { ...join, detail: 'x'.repeat(1_001) },
      { ...join, computerName: 'x'.repeat(256) },
    ];
    for (const text of texts) {
      expect(refusal(() => facts.join(NODE, JSON.stringify(text))).code).toBe('node-facts-invalid');
    }
    expect(
      refusal(() => facts.probe(NODE, JSON.stringify({ ...probe, key: 'x'.repeat(1_025) }))).message,
    ).toContain('key');
  });

  /** What a terminal, a log, a table or a page would make something of. */
  const hostile = [
    ['a line feed', 'x\n{"level":"error"}'],
    ['a carriage return', 'x\rjoined'],
    ['an escape sequence', '\u001b[2J\u001b]0;x\u0007'],
    ['a control sequence of one character', '\u009b2J'],
    ['a null', 'x\u0000y'],
    ['a line separator', 'x\u2028y'],
    ['a mark that reverses text', '\u202egnp.exe'],
    ['a character of no width', 'adcli\u200b'],
    ['half a character', '\ud800'],
    ['a letter that looks like another', '\u0430dcli'],
  ] as const;
  const fields = [
    ...['family', 'os', 'osVersion', 'hostName', 'domain', 'computerName', 'key', 'proof'].map(
      (field) => ['probe', field] as const,
    ),
    ...['code', 'domain', 'computerName', 'detail'].map((field) => ['join', field] as const),
    ['leave', 'detail'] as const,
  ];
  test.each(hostile)('with %s in any text is invalid, and nothing of it is repeated', (_what, text) => {
    for (const [purpose, field] of fields) {
      const { code, message } = refusal(() =>
        facts[purpose](NODE, JSON.stringify({ ...all[purpose], [field]: text })),
      );
      expect([purpose, field, code]).toEqual([purpose, field, 'node-facts-invalid']);
      expect(message).toBe(`${NODE} answered with unusable facts. ${field}: is not printable ASCII`);
    }
    const listed = refusal(() => facts.probe(NODE, JSON.stringify({ ...probe, missing: ['adcli', text] })));
    expect(listed.message).toContain('missing.1: is not printable ASCII');
  });

  test('that is buried in more than Run Command keeps, or is cut by it, is invalid', () => {
    for (const noise of ['\u0000\uffff\ufffd'.repeat(1_000_000), `${JSON.stringify(probe)} `.repeat(9_000)]) {
      expect(refusal(() => facts.probe(NODE, shown(`${noise}\n${JSON.stringify(probe)}`))).code).toBe(
        'node-facts-invalid',
      );
    }
    const wide = JSON.stringify({ ...probe, more: 'x'.repeat(3_000) });
    expect(refusal(() => facts.probe(NODE, shown(wide))).code).toBe('node-facts-invalid');
  });

  test('names the node and every problem, but repeats nothing that the node said', () => {
    const { message } = refusal(() =>
      facts.join(NODE, JSON.stringify({ ...join, result: 'SPOKEN', domain: { said: 'SPOKEN' } })),
    );
    expect(message).toContain(NODE);
    expect(message).toContain('result');
    expect(message).toContain('domain');
    expect(message).not.toContain('SPOKEN');
  });

  // A quick look: test/property/fuzz/outputs.test.ts plays 30,000 of them.
  test('whatever a node prints is facts or invalid (1,000 outputs)', () => {
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom('joined', 'left', 'failed', '__proto__'));
    const line = fc
      .tuple(fc.constantFrom(...purposes), fc.dictionary(fc.string(), value), fc.nat({ max: 300 }))
      .chain(([purpose, extra, cut]) =>
        fc
          .subarray(Object.keys(all[purpose]))
          .chain((keys) => fc.tuple(...keys.map((key) => fc.tuple(fc.constant(key), value))))
          .map((changes) => {
            const text = JSON.stringify({
              ...all[purpose],
              ...extra,
              ...Object.fromEntries(changes),
              adjoin: 1,
            });
            return cut > 200 ? text.slice(0, cut) : text;
          }),
      );
    expect(() =>
      fc.assert(
        fc.property(
          fc.constantFrom(...purposes),
          fc.array(fc.oneof(fc.string(), line), { maxLength: 4 }),
          (purpose, lines) => {
            try {
              const found = facts[purpose](NODE, lines.join('\n'));
              return found.document === purpose;
            } catch (error) {
              return error instanceof AdjoinError && error.code === 'node-facts-invalid';
            }
          },
        ),
        { numRuns: 1_000, seed: 20260101 },
      ),
    ).not.toThrow();
  });
});

describe('a join entry', () => {
  const sealed = 'A'.repeat(342).concat('==');
  const entry = { instanceId: NODE, computerName: 'A00000000000001', sealed };

  test('is node, name and ciphertext', () => {
    expect(entryText(entry)).toBe(`${NODE}:A00000000000001:${sealed}`);
  });

  test.each([
    ['instance ID', { ...entry, instanceId: 'i-1' }],
    ['computer name that is too long', { ...entry, computerName: 'A000000000000012' }],
    ['computer name in small letters', { ...entry, computerName: 'a1' }],
    ['ciphertext that is none', { ...entry, sealed: 'plain' }],
    ['ciphertext with a quote', { ...entry, sealed: `${sealed}'` }],
    ['ciphertext with a line feed', { ...entry, sealed: `${sealed}\n` }],
  ])('with a bad %s never leaves, and the error does not show it', (_what, bad) => {
    expect(() => entryText(bad)).toThrow(RangeError);
    expect(() => entryText({ ...bad, sealed: `${bad.sealed}"` })).not.toThrow(/plain|AAAA/);
  });
});
