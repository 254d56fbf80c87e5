import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { seal } from '../../../agent/directory/seal.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import { facts } from '../../../agent/nodes/contract.ts';
import { broken, fuzz, hostile, LIMIT_MS, textLike } from './fuzz.ts';
import { honestProbe } from '../../support/node-facts.ts';

const der = (key: ReturnType<typeof createPublicKey>): Buffer => key.export({ format: 'der', type: 'spki' });

const NODE = 'i-0123456789abcdef0';
const purposes = ['probe', 'join', 'leave'] as const;
type Purpose = (typeof purposes)[number];

const honest: Readonly<Record<Purpose, Readonly<Record<string, unknown>>>> = {
  probe: { ...honestProbe, missing: ['adcli'] },
  join: {
    adjoin: 1,
    document: 'join',
    result: 'joined',
    code: '',
    domain: 'corp.example.test',
    computerName: 'A00000000000001',
    detail: 'all is well',
  },
  leave: { adjoin: 1, document: 'leave', result: 'left', detail: '' },
};

/** One line that a node might print, and what it is worth to a reader of one purpose. */
interface Line {
  readonly text: string;
  /** `facts` is read; `bad` claims to be facts and is not; `chatter` is passed over. */
  readonly kind: 'facts' | 'bad' | 'chatter';
}

/** Members that must be there, with values that must not. */
const wrong: Readonly<Record<Purpose, readonly (readonly [key: string, value: fc.Arbitrary<unknown>])[]>> =
  (() => {
    const noText = fc.oneof(
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(fc.string(), { maxLength: 2 }),
      fc.object(),
    );
    const long = (length: number) => fc.constant('x'.repeat(length + 1));
    return {
      probe: [
        ['family', fc.oneof(noText, long(32))],
        ...['os', 'osVersion', 'hostName', 'domain', 'computerName', 'system', 'renamedBy'].map(
          (key) => [key, fc.oneof(noText, long(255))] as const,
        ),
        ['ready', fc.oneof(fc.constantFrom('true', 'false', 1, 0, null, 'yes'), fc.object())],
        [
          'missing',
          fc.oneof(
            fc.constantFrom<unknown>('adcli', null, 7, {}, [7], [null], [['a']]),
            fc.constant(Array.from({ length: 51 }, () => 'a')),
          ),
        ],
        ['key', fc.oneof(noText, long(1_024))],
      ],
      join: [
        [
          'result',
          fc.oneof(
            noText,
            textLike('joined').filter((text) => !/^(joined|already|failed)$/.test(text)),
          ),
        ],
        ['code', fc.oneof(noText, long(64))],
        ...['domain', 'computerName'].map((key) => [key, fc.oneof(noText, long(255))] as const),
        ['detail', fc.oneof(noText, long(1_000))],
      ],
      leave: [
        [
          'result',
          fc.oneof(
            noText,
            textLike('left').filter((text) => !/^(left|not-joined|foreign-domain|late|failed)$/.test(text)),
          ),
        ],
        ['detail', fc.oneof(noText, long(1_000))],
      ],
    };
  })();

/** What a line of facts may leave out, or what is no mistake to leave out: a line without the mark is chatter. */
const optional = new Set(['adjoin', 'code', 'detail', 'system', 'renamedBy']);

const write = (purpose: Purpose, changes: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ ...honest[purpose], ...changes });

/** Text on one line that does not begin as facts do. */
const chatter: fc.Arbitrary<string> = fc
  .oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    hostile,
    fc.constantFrom(
      '{"adjoin":2,"document":"leave","result":"left"}',
      '{"adjoin": 1,',
      '$ {"adjoin":1,',
      '\u001b[2J',
      '{',
    ),
  )
  .map((text) => text.replaceAll('\n', ' '))
  .filter((text) => !text.trim().startsWith('{"adjoin":1,'));

function lineFor(purpose: Purpose): fc.Arbitrary<Line> {
  const good = fc
    .dictionary(
      fc
        .string({ maxLength: 8 })
        .filter((key) => !(key in honest[purpose]) && !/^(__proto__|\d+)$/.test(key)),
      fc.jsonValue(),
      { maxKeys: 2 },
    )
    .map((extra): Line => ({ text: write(purpose, extra), kind: 'facts' }));
  const padded = fc
    .tuple(good, fc.constantFrom('', ' ', '\t', '\r', '\uFEFF'), fc.constantFrom('', ' ', '\r'))
    .map(([{ text }, before, after]): Line => ({ text: before + text + after, kind: 'facts' }));
  const mistaken = fc
    .constantFrom(...wrong[purpose])
    .chain(([key, values]) =>
      values.map((value): Line => ({ text: write(purpose, { [key]: value }), kind: 'bad' })),
    );
  const foreign = fc
    .constantFrom(...purposes.filter((other) => other !== purpose))
    .map((other): Line => ({ text: write(other, {}), kind: 'bad' }));
  const other = fc
    .constantFrom('Probe', '', null, 7)
    .map((document): Line => ({ text: write(purpose, { document }), kind: 'bad' }));
  const missing = fc
    .constantFrom(...Object.keys(honest[purpose]).filter((key) => !optional.has(key)))
    .map((key): Line => ({ text: write(purpose, { [key]: undefined }), kind: 'bad' }));
  const twice = fc
    .constantFrom('"bad"', '7', 'null')
    .map((text): Line => ({ text: `${write(purpose, {}).slice(0, -1)},"document":${text}}`, kind: 'bad' }));
  const cut = fc
    .tuple(good, fc.nat())
    // Cut behind the mark and before the brace that closes it.
    .map(([{ text }, at]): Line => ({ text: text.slice(0, 12 + (at % (text.length - 12))), kind: 'bad' }));
  const pierced = fc
    .tuple(fc.nat(), fc.constantFrom('\u0000', '\u0007', '\u001b', '\t', '\u0008'))
    .map(([at, control]): Line => {
      const text = write(purpose, {});
      // Inside the value of `document`, where JSON allows no control character.
      const start = text.indexOf(`"${purpose}"`) + 1 + (at % (purpose.length + 1));
      return { text: text.slice(0, start) + control + text.slice(start), kind: 'bad' };
    });
  return fc.oneof(
    good,
    padded,
    mistaken,
    foreign,
    other,
    missing,
    twice,
    cut,
    pierced,
    chatter.map((text): Line => ({ text, kind: 'chatter' })),
  );
}

/** The characters of an output that ListCommandInvocations gives. */
const SHOWN = 2_500;

interface Output {
  readonly purpose: Purpose;
  readonly text: string;
  readonly readable: boolean;
}

const outputs: fc.Arbitrary<Output> = fc.constantFrom(...purposes).chain((purpose) =>
  fc
    .tuple(fc.array(lineFor(purpose), { maxLength: 4 }), fc.nat({ max: 3_000 }), fc.boolean())
    .map(([lines, noise, long]): Output => {
      const all = long ? [{ text: 'x'.repeat(noise), kind: 'chatter' } as const, ...lines] : lines;
      const text = all
        .map((line) => line.text)
        .join('\n')
        .slice(0, SHOWN);
      // What of the last claim to be facts is left decides: its lines begin where the ones before it end.
      let start = 0;
      let readable = false;
      for (const { text: line, kind } of all) {
        if (kind !== 'chatter' && start + line.trimStart().length <= SHOWN && start + line.length <= SHOWN)
          readable = kind === 'facts';
        else if (kind !== 'chatter' && start < SHOWN)
          return { purpose, text, readable: cutReadable(line, SHOWN - start, kind, readable) };
        start += line.length + 1;
      }
      return { purpose, text, readable };
    }),
);

/** A line that is cut within its facts is bad; one that lost no more than blanks behind them is whole. */
function cutReadable(line: string, length: number, kind: Line['kind'], before: boolean): boolean {
  const rest = line.slice(0, length).trim();
  if (!rest.startsWith('{"adjoin":1,')) return before;
  return kind === 'facts' && rest === line.trim();
}

describe('what a node prints', () => {
  test(
    'is facts where its last claim to be facts is whole and right, and an error that names the node where not',
    async () => {
      const played = await fuzz('outputs of nodes', outputs, ({ purpose, text, readable }) => {
        try {
          const found = facts[purpose](NODE, text);
          if (!readable || found.document !== purpose) throw broken('It was read', { purpose, text });
        } catch (error) {
          if (!(error instanceof AdjoinError)) throw error;
          const named = error.code === 'node-facts-invalid' && error.message.startsWith(`${NODE} `);
          if (readable || !named)
            throw broken('It was refused', { purpose, text, code: error.code, message: error.message });
        }
      });
      expect(played).toBe(true);
    },
    LIMIT_MS,
  );

  test(
    'is sealed to only where it is an RSA key of 2,048 to 3,072 bits with an exponent that protects',
    async () => {
      const rsa = (modulusLength: number, publicExponent = 65_537): Buffer =>
        der(generateKeyPairSync('rsa', { modulusLength, publicExponent }).publicKey);
      const good = rsa(2_048);
      // A modulus of 8,192 bits takes seconds to make; the length is all that counts here, so one is made up.
      const huge = der(
        createPublicKey({
          key: { kty: 'RSA', e: 'AQAB', n: Buffer.alloc(1_024, 0xab).toString('base64url') },
          format: 'jwk',
        }),
      );
      const useless: readonly Buffer[] = [
        rsa(1_024),
        rsa(2_047),
        rsa(2_048, 3),
        huge,
        der(
          createPublicKey({
            key: { kty: 'RSA', e: 'AQ', n: Buffer.alloc(256, 0xab).toString('base64url') },
            format: 'jwk',
          }),
        ),
        der(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey),
        der(generateKeyPairSync('ed25519').publicKey),
        der(generateKeyPairSync('x25519').publicKey),
        der(generateKeyPairSync('rsa-pss', { modulusLength: 2_048 }).publicKey),
        generateKeyPairSync('rsa', { modulusLength: 2_048 }).publicKey.export({
          format: 'der',
          type: 'pkcs1',
        }),
        generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey.export({
          format: 'der',
          type: 'pkcs8',
        }),
      ];
      const keys = fc.oneof(
        fc.constant({ text: good.toString('base64'), fine: true }),
        fc.constantFrom(...useless).map((bytes) => ({ text: bytes.toString('base64'), fine: false })),
        // In lengths and type: a changed modulus is another key, as good as any that a node might make.
        fc.tuple(fc.nat({ max: 16 }), fc.integer({ min: 1, max: 255 })).map(([at, change]) => {
          const bytes = Buffer.from(good);
          bytes.writeUInt8(bytes.readUInt8(at) ^ change, at);
          return { text: bytes.toString('base64'), fine: false };
        }),
        fc
          .nat({ max: good.length - 1 })
          .map((length) => ({ text: good.subarray(0, length).toString('base64'), fine: false })),
        fc.oneof(hostile, fc.string({ unit: 'binary' })).map((text) => ({ text, fine: false })),
        fc
          .constantFrom('-----BEGIN PUBLIC KEY-----\n', ' ', '\n', '-', '_')
          .map((piece) => ({ text: piece + good.toString('base64'), fine: false })),
      );
      const played = await fuzz('public keys', keys, ({ text, fine }) => {
        try {
          const sealed = seal(text, 'one-time password');
          if (!fine || !/^[A-Za-z0-9+/]{342}==$/.test(sealed)) throw broken('It was sealed to', text);
        } catch (error) {
          if (!(error instanceof AdjoinError) || error.code !== 'node-key-refused' || fine) throw error;
        }
      });
      expect(played).toBe(true);
    },
    LIMIT_MS,
  );
});
