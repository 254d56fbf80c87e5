import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { clientSite } from '../../../agent/directory/netlogon.ts';
import { broken, edited, editsOf, fuzz, LIMIT_MS } from './fuzz.ts';

const pointer = (at: number): Buffer => Buffer.from([0xc0 + ((at >> 8) & 0x3f), at & 0xff]);
const nameOf = (name: string): Buffer =>
  Buffer.concat([
    ...name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]),
    Buffer.from([0]),
  ]);

/** An honest answer: forest, domain as a pointer to it, host, NetBIOS names, no user, the controller's site and the client's. */
const honest = Buffer.concat([
  Buffer.from('17000000fdf30700000102030405060708090a0b0c0d0e0f', 'hex'),
  nameOf('corp.example.test'),
  pointer(24),
  Buffer.from([3]),
  Buffer.from('DC1'),
  pointer(24),
  ...['CORP', 'DC1'].map(nameOf),
  Buffer.from([0]),
  ...['Hub', 'Branch'].map(nameOf),
  Buffer.from('05000000ffffffff', 'hex'),
]);

test('an honest answer is read', () => {
  expect(clientSite(honest)).toBe('Branch');
});

test(
  'a damaged netlogon answer names a site that DNS can be asked for, or none, and is read to an end',
  async () => {
    const edits = editsOf(
      fc.oneof(
        fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
        // Pointers: to themselves, to each other, past the end.
        fc.nat({ max: honest.length + 40 }).map(pointer),
        fc.string({ maxLength: 70 }).map((text) => Buffer.from(`\u0007${text}`)),
        fc.constantFrom(Buffer.from('ffff', 'hex'), Buffer.from([0x3f]), Buffer.from([0]), Buffer.alloc(0)),
      ),
    );
    const played = await fuzz('netlogon answers', edits, (changes) => {
      const bytes = edited(honest, changes);
      const site = clientSite(bytes);
      if (site !== undefined && !/^[A-Za-z0-9_-]{1,63}$/.test(site)) throw broken('It was read', site);
    });
    expect(played).toBe(true);
  },
  LIMIT_MS,
);
