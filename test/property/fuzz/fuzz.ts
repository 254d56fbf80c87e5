/**
 * One place for all fuzzing: how much of what, from which seed. The seed is fixed, so that a run of the tests says the
 * same each time, and fast-check names it with the path to the shrunk case when something breaks. To look further:
 * `FUZZ_SEED=7 FUZZ_FACTOR=10 npm test -- test/property/fuzz`.
 */
import * as fc from 'fast-check';

const seed = Number(process.env['FUZZ_SEED'] ?? 20_260_101);
const factor = Number(process.env['FUZZ_FACTOR'] ?? 1);

/** How many cases each part plays at least, with a factor of 1. */
export const parts = {
  'changed messages': 15_000,
  'damaged messages': 15_000,
  'messages that never were one': 4_000,
  'messages for the wrong wait state': 200,
  tags: 25_000,
  'outputs of nodes': 30_000,
  'public keys': 1_500,
  'values of the directory': 6_000,
  'answers of the directory': 2_500,
  'texts in requests': 2_000,
  'texts in commands': 10_000,
  'DNS answers': 10_000,
  'netlogon answers': 10_000,
} as const;

export type Part = keyof typeof parts;

/** Milliseconds. The slowest part takes twenty seconds on a machine with nothing else to do. */
export const LIMIT_MS = 600_000 * Math.max(1, factor);

/**
 * Plays a part to its end.
 * @returns whether every case that is owed was played
 * @throws the shrunk case that broke, with seed and path
 */
export async function fuzz<T>(
  part: Part,
  cases: fc.Arbitrary<T>,
  check: (value: T) => Promise<void> | void,
): Promise<boolean> {
  const numRuns = Math.ceil(parts[part] * factor);
  let played = 0;
  // Every refusal is an error, and its stack costs more than the case that it belongs to.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    await fc.assert(
      fc.asyncProperty(cases, async (value) => {
        played += 1;
        await check(value);
      }),
      { numRuns, seed },
    );
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  return played >= numRuns;
}

/** Where bytes are changed, how many are taken out there, and what is put in. */
type Edit = readonly [at: number, length: number, put: Buffer];

/** What may happen to bytes on their way. @param puts what is put in */
export const editsOf = (puts: fc.Arbitrary<Buffer>): fc.Arbitrary<Edit[]> =>
  fc.array(fc.tuple(fc.nat(), fc.nat({ max: 6 }), puts), { minLength: 1, maxLength: 4 });

/** These bytes after one edit after the other. */
export const edited = (honest: Buffer, edits: readonly Edit[]): Buffer =>
  edits.reduce((bytes, [at, length, put]) => {
    const start = at % (bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, start), put, bytes.subarray(start + length)]);
  }, honest);

/** Something that is not what it should be. */
export function broken(what: string, found: unknown): Error {
  return new Error(
    `${what}: ${JSON.stringify(found, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value))?.slice(0, 2_000)}`,
  );
}

/** Whether it is a RangeError, of whichever realm: Node's own are not those of a test. */
export function isRangeError(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'name' in error && error.name === 'RangeError';
}

/** Texts that some reader, shell or filter takes for more than text. */
export const hostile = fc.constantFrom(
  '',
  ' ',
  '*',
  '(',
  ')',
  '\\',
  '\0',
  '\\2a',
  '*)(objectClass=*',
  '*)(|(objectClass=*))',
  ')(|(cn=*',
  'A,OU=Other',
  'A,DC=corp,DC=example,DC=test',
  'A+CN=B',
  '"A"',
  '<GUID=00000000-0000-0000-0000-000000000000>',
  ';',
  '#A',
  '=',
  ' A',
  'A ',
  'A\n',
  '\nA',
  'A\r\nB',
  '$(reboot)',
  '`reboot`',
  "';reboot;'",
  '${IFS}',
  '{{ domain }}',
  '{{ssm:parameter}}',
  '&& reboot',
  '| reboot',
  '../..',
  '__proto__',
  'constructor',
  'toString',
  '\uFEFFA',
  '\u202EA',
  '\uD800',
  'i\u0307',
  'Ａ',
  '0x10',
  '1e3',
  '-1',
  '9'.repeat(400),
  'A'.repeat(300),
);

/** Any text: hostile, random, or a hostile piece inside a good one. */
export function textLike(good: string): fc.Arbitrary<string> {
  return fc.oneof(
    hostile,
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc
      .tuple(hostile, fc.nat({ max: good.length }))
      .map(([piece, at]) => good.slice(0, at) + piece + good.slice(at)),
    fc.constant(good.toUpperCase()),
    fc.constant(good.slice(0, -1)),
  );
}
