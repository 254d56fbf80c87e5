/** What a directory server may do wrong, as data. */
import * as fc from 'fast-check';
import { STAMP_ATTRIBUTE } from '../../../../agent/directory/stamp.ts';
import { hostile } from '../fuzz.ts';
import { integer, tlv } from '../../../support/ber.ts';
import { STAMP, type Answer, type Request, type Values } from './model.ts';
import type { Script } from './server.ts';

export interface Misdeed extends Script {
  readonly name: string;
}

const place = fc.record({ at: fc.nat({ max: 11 }), goesOn: fc.boolean() });

const bytes = fc.uint8Array({ maxLength: 24 }).map((array) => Buffer.from(array));
const oddText: fc.Arbitrary<string | Buffer> = fc.oneof(
  hostile,
  bytes,
  fc.string({ unit: 'binary', maxLength: 30 }),
);

/** Values that each attribute should not have. None of them is a sound value that lies: against those nothing helps. */
const oddValues: Readonly<Record<string, fc.Arbitrary<string | Buffer>>> = {
  objectGUID: fc.oneof(
    fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array)),
    hostile,
    fc.constant('00000000-0000-0000-0000-000000000000'),
  ),
  sAMAccountName: oddText,
  pwdLastSet: fc.oneof(
    fc.constantFrom(
      '',
      'never',
      '0',
      '-1',
      '0x7fffffffffffffff',
      '1e30',
      ' 133999999999999999',
      '133999999999999999 ',
      '٣',
      '+5',
      '0b1',
      '1_000',
      '99999999999999999999',
    ),
    bytes.filter((value) => !/^\d+$/.test(value.toString())),
  ),
  userAccountControl: fc.oneof(
    fc.constantFrom('', 'enabled', '0x1000', '4096 ', '1e3', 'NaN', 'Infinity', '4098', '-2147479550'),
    bytes,
  ),
  whenCreated: fc.oneof(
    fc.constantFrom('', '20261331235959.0Z', '0', '20260101000000', '99999999999999.0Z'),
    bytes,
  ),
  dNSHostName: oddText,
  operatingSystem: oddText,
  servicePrincipalName: oddText,
  [STAMP_ATTRIBUTE]: fc.oneof(
    hostile,
    bytes,
    fc.constantFrom(
      STAMP.toUpperCase(),
      ` ${STAMP}`,
      `${STAMP}\n`,
      `${STAMP}0`,
      STAMP.replace('blue', 'blue*'),
      STAMP.slice(0, -1),
      `${STAMP}\0`,
    ),
  ),
  dc: oddText,
  dnsHostName: oddText,
  defaultNamingContext: oddText,
  namingContexts: oddText,
  supportedCapabilities: fc.oneof(oddText, fc.constant('1.2.840.113556.1.4.1920')),
};

/** Attributes that nobody asked for, with names that mean something to a program. */
const uncalled = fc.constantFrom('dn', '__proto__', 'constructor', 'toString', 'objectGUID;binary', '');

function withValues(answer: Answer, type: string, values: Values | undefined, isNew: boolean): Answer {
  return {
    ...answer,
    entries: answer.entries.map(({ dn, attributes }) => {
      const changed = new Map(attributes);
      if (values === undefined) changed.delete(type);
      else if (isNew || changed.has(type)) changed.set(type, values);
      return { dn, attributes: changed };
    }),
  };
}

const oddAttribute: fc.Arbitrary<Misdeed> = fc
  .constantFrom(...Object.entries(oddValues))
  .chain(([type, values]) =>
    fc
      .tuple(
        place,
        fc.option(
          fc.oneof(
            values.map((value) => [value]),
            fc.array(values, { maxLength: 3 }),
          ),
          { nil: undefined },
        ),
      )
      .map(([where, given]): Misdeed => ({
        ...where,
        name: `${type} is ${given === undefined ? 'left out' : JSON.stringify(given.map(String))}`,
        answer: (answer) => withValues(answer, type, given, false),
      })),
  );
const extraAttribute: fc.Arbitrary<Misdeed> = fc
  .tuple(place, uncalled, fc.array(oddText, { maxLength: 3 }))
  .map(([where, type, values]): Misdeed => ({
    ...where,
    name: `more than was asked for: ${type}`,
    answer: (answer) => withValues(answer, type, values, true),
  }));
const sloppy: fc.Arbitrary<Misdeed> = place.map((where) => ({
  ...where,
  name: 'the filter is ignored',
  isSloppy: true,
}));
const results: fc.Arbitrary<Misdeed> = fc
  .tuple(
    place,
    fc.oneof(
      fc.constantFrom(1, 3, 4, 8, 10, 11, 14, 16, 19, 20, 32, 34, 49, 50, 51, 52, 53, 65, 66, 68, 80),
      fc.integer({ min: -5, max: 5_000 }),
    ),
    fc.oneof(
      hostile,
      fc.constantFrom(
        '80090308: LdapErr: DSID-0C09044E, data 775, v4563\0',
        'a successful bind must be completed',
        '000021C7: would cause a conflict',
      ),
    ),
    fc.array(fc.oneof(hostile, fc.constant('ldap://other.example.test/DC=other')), { maxLength: 2 }),
    fc.boolean(),
  )
  .map(([where, code, diagnostic, referrals, isEmpty]): Misdeed => ({
    ...where,
    name: `result ${code}`,
    answer: (answer) => ({ ...answer, code, diagnostic, referrals, entries: isEmpty ? [] : answer.entries }),
  }));
const references: fc.Arbitrary<Misdeed> = fc
  .tuple(place, fc.array(oddText.map(String), { minLength: 1, maxLength: 3 }))
  .map(([where, uris]): Misdeed => ({
    ...where,
    name: 'references',
    answer: (answer, request) => (request.op === 0x63 ? { ...answer, references: uris } : answer),
  }));
const doubled: fc.Arbitrary<Misdeed> = place.map((where): Misdeed => ({
  ...where,
  name: 'each entry twice',
  answer: (answer) => ({ ...answer, entries: [...answer.entries, ...answer.entries] }),
}));
const pages: fc.Arbitrary<Misdeed> = fc
  .tuple(place, fc.constantFrom('more', '\0', 'x'.repeat(200)))
  .map(([where, cookie]): Misdeed => ({
    ...where,
    name: 'always one more page',
    answer: (answer) => ({ ...answer, cookie }),
  }));

/** Well-formed answers that say something odd. */
export const oddAnswers: fc.Arbitrary<Misdeed> = fc.oneof(
  { weight: 10, arbitrary: oddAttribute },
  { weight: 3, arbitrary: extraAttribute },
  { weight: 3, arbitrary: sloppy },
  { weight: 5, arbitrary: results },
  { weight: 1, arbitrary: references },
  { weight: 1, arbitrary: doubled },
);

/** Another message than the one that is owed: with an ID or of a kind of its own. */
const otherMessages: readonly ((request: Request) => Buffer)[] = [
  ({ id }) => tlv(0x30, integer(id + 1_000), tlv(0x65, integer(0, 0x0a), tlv(0x04), tlv(0x04))),
  () =>
    tlv(
      0x30,
      integer(0),
      tlv(0x78, integer(52, 0x0a), tlv(0x04), tlv(0x04), tlv(0x8a, '1.3.6.1.4.1.1466.20036')),
    ),
  ...[0x61, 0x65, 0x67, 0x69, 0x6b, 0x6d, 0x6f, 0x78, 0x79, 0x60, 0x04].map(
    (tag) =>
      ({ id }: Request) =>
        tlv(0x30, integer(id), tlv(tag, integer(0, 0x0a), tlv(0x04), tlv(0x04))),
  ),
  ({ id }) => tlv(0x30, integer(id), tlv(0x64, tlv(0x04, 'CN=A'), tlv(0x30))),
  ({ id }) => tlv(0x30, integer(id), tlv(0x73)),
  ({ id }) => tlv(0x30, integer(-id), tlv(0x65, integer(0, 0x0a), tlv(0x04), tlv(0x04))),
  // Lengths that promise more, or less, than there is, at each depth.
  ({ id }) =>
    tlv(
      0x30,
      integer(id),
      tlv(
        0x64,
        tlv(0x04, 'CN=A'),
        tlv(0x30, tlv(0x30, tlv(0x04, 'cn'), tlv(0x31, Buffer.from([0x04, 0x7f, 0x41])))),
      ),
    ),
  ({ id }) =>
    tlv(
      0x30,
      integer(id),
      tlv(
        0x64,
        tlv(0x04, 'CN=A'),
        tlv(0x30, tlv(0x04, tlv(0x04, 'cn'), tlv(0x31, Buffer.from([0x04, 0x7f])))),
      ),
    ),
  ({ id }) => tlv(0x30, integer(id), tlv(0x73, Buffer.from([0x04, 0x84, 0x7f, 0xff, 0xff, 0xff]))),
  ({ id }) =>
    tlv(
      0x30,
      integer(id),
      tlv(0x65, integer(0, 0x0a), tlv(0x04), tlv(0x04)),
      tlv(0xa0, Buffer.from([0x30, 0x7f, 0x04, 0x01])),
    ),
  ({ id }) =>
    tlv(
      0x30,
      integer(id),
      tlv(0x65, integer(0, 0x0a), tlv(0x04), tlv(0x04)),
      tlv(0xa0, tlv(0x30, tlv(0x04, '1.2.840.113556.1.4.319'), tlv(0x04, Buffer.from([0x30, 0x7f])))),
    ),
  () => Buffer.from([0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]),
  () => Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x02]),
  () => Buffer.from([0x30, 0x80, 0x02, 0x01, 0x01]),
  () => Buffer.from([0x30, 0x00]),
  () => Buffer.from([0x30, 0x02, 0x02, 0x00]),
  () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
  () => Buffer.alloc(100_000, 0x30),
  () => Buffer.alloc(0),
];

const misplaced: fc.Arbitrary<Misdeed> = fc
  .tuple(place, fc.constantFrom(...otherMessages), fc.constantFrom('instead', 'before', 'after'))
  .map(([where, make, how]): Misdeed => ({
    ...where,
    name: `another message ${how}`,
    bytes: (honest, request) => {
      const other = make(request);
      if (how === 'instead') return other;
      return Buffer.concat(how === 'before' ? [other, honest] : [honest, other]);
    },
  }));

const damaged: fc.Arbitrary<Misdeed> = fc
  .tuple(
    place,
    fc.array(
      fc.tuple(
        fc.nat(),
        fc.nat({ max: 4 }),
        fc.oneof(
          fc.constant(Buffer.alloc(0)),
          bytes,
          fc.constantFrom(
            Buffer.from([0x84, 0xff, 0xff, 0xff, 0xff]),
            Buffer.from([0x80]),
            Buffer.from([0x7f]),
          ),
        ),
      ),
      { minLength: 1, maxLength: 3 },
    ),
  )
  .map(([where, edits]): Misdeed => ({
    ...where,
    name: 'damaged bytes',
    bytes: (honest) =>
      edits.reduce((all, [at, length, put]) => {
        const start = at % (all.length + 1);
        return Buffer.concat([all.subarray(0, start), put, all.subarray(start + length)]);
      }, honest),
  }));

const cut: fc.Arbitrary<Misdeed> = fc
  .tuple(place, fc.nat(), fc.boolean())
  .map(([where, at, hangsUp]): Misdeed => ({
    ...where,
    name: `cut, and ${hangsUp ? 'hung up' : 'silent'}`,
    hangsUp,
    bytes: (honest) => honest.subarray(0, at % (honest.length + 1)),
  }));

const huge: fc.Arbitrary<Misdeed> = fc
  .tuple(place, fc.constantFrom(200_000, 2_000_000))
  .map(([where, length]): Misdeed => ({
    ...where,
    name: `a value of ${length} bytes`,
    answer: (answer) => withValues(answer, 'dNSHostName', ['x'.repeat(length)], true),
  }));

/** Answers that are not what LDAP says they must be, or never come. */
export const brokenAnswers: fc.Arbitrary<Misdeed> = fc.oneof(
  { weight: 10, arbitrary: damaged },
  { weight: 10, arbitrary: misplaced },
  { weight: 4, arbitrary: cut },
  { weight: 1, arbitrary: pages },
  { weight: 1, arbitrary: huge },
);
