import { describe, expect, test } from '@jest/globals';
import { Row } from '../../../agent/directory/entries.ts';
import { ControllerFailure, LdapResult } from '../../../agent/directory/failures.ts';
import { clientSite, readSite } from '../../../agent/directory/netlogon.ts';

const signal = new AbortController().signal;
const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');
const label = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
const END = Buffer.from([0]);
const pointer = (at: number): Buffer => Buffer.from([0xc0 + (at >> 8), at & 0xff]);

/** Response, flags and GUID, as a Windows domain controller sends them. */
const FIXED = bytes('1700 0000 fdf30700 5ceb7668c6b2ca4bb69cfeda682e8211');
/** Version 5 with sites, and the two tokens at the end. */
const TAIL = bytes('05000000 ffff ffff');
/** Forest, domain, host, NetBIOS names and no user; what is said twice is a pointer to byte 24, as Windows writes it. */
const NAMES = Buffer.concat([
  label('corp'),
  label('test'),
  END,
  pointer(24),
  label('DC3'),
  pointer(24),
  label('CORP'),
  END,
  label('DC3'),
  END,
  END,
]);
const answer = (...names: Buffer[]): Buffer => Buffer.concat([FIXED, NAMES, ...names, TAIL]);
/** Where the controller's site begins. */
const SITE = FIXED.length + NAMES.length;

describe('a netlogon answer', () => {
  // As Samba 4.17 sent them: before and after the client's subnet was made part of a site.
  test.each([
    ['without a site', '00', undefined],
    ['with one', '06 4272616e6368 00', 'Branch'],
  ])('that was recorded %s is read', (_what, site, name) => {
    const recorded = `
      17000000 7d130000 a2ba110b113760489bebb02c3c4fba22
      04636f7270 076578616d706c65 0474657374 00 c018 03646331 c018
      04434f5250 00 03444331 00 00 1744656661756c742d46697273742d536974652d4e616d65 00
      ${site} 05000000 ffff ffff`;
    expect(clientSite(bytes(recorded))).toBe(name);
  });

  test('names the client’s site, and not the controller’s', () => {
    expect(clientSite(answer(label('Hub'), END, label('Branch-1'), END))).toBe('Branch-1');
  });

  test('names it by a pointer when both are the same', () => {
    expect(clientSite(answer(label('Default-First-Site-Name'), END, pointer(SITE)))).toBe(
      'Default-First-Site-Name',
    );
  });

  test.each([
    ['no site, for a subnet that belongs to none', answer(label('Hub'), END, END)],
    ['a name of several labels', answer(label('Hub'), END, label('a'), label('b'), END)],
    ['a name that DNS is not asked for', answer(label('Hub'), END, label('Café'), END)],
    ['a name that ends in a hyphen', answer(label('Hub'), END, label('a-'), END)],
    ['a pointer to itself', answer(label('Hub'), END, pointer(SITE + 5))],
    ['a pointer forwards', answer(label('Hub'), END, pointer(SITE + 7), label('a'), END)],
    ['two pointers round and round', answer(label('Hub'), pointer(SITE + 6), pointer(SITE))],
    ['half a pointer', Buffer.concat([FIXED, NAMES, label('Hub'), END, Buffer.from([0xc0])])],
    ['a label that is cut off', Buffer.concat([FIXED, NAMES, label('Hub'), END, bytes('0642')])],
    ['a label of a kind that there is not', answer(label('Hub'), END, Buffer.alloc(66, 65), END)],
    [
      'too long a name ahead of it',
      answer(...Array<Buffer>(5).fill(label('a'.repeat(63))), END, label('b'), END),
    ],
    ['no names', FIXED],
    ['no bytes', Buffer.alloc(0)],
    [
      'another kind of response',
      Buffer.concat([bytes('1900'), answer(label('Hub'), END, label('a'), END).subarray(2)]),
    ],
  ])('that has %s names none', (_what, malformed) => {
    expect(clientSite(malformed)).toBeUndefined();
  });
});

describe('asking a controller for the own site', () => {
  const ask = (search: (query: object) => Promise<Row[]>) => readSite({ search }, 'corp.test', signal);

  test('is a search of the root entry for the domain, in the version that has sites', async () => {
    const queries: object[] = [];
    const found = await ask(async (query) => {
      queries.push(query);
      return [new Row({ dn: '', Netlogon: answer(label('Hub'), END, label('Branch'), END) })];
    });
    expect(found).toBe('Branch');
    expect(queries).toMatchObject([{ base: '', scope: 'base', attributes: ['netlogon'] }]);
    expect(String(Object(queries[0]).filter)).toBe('(&(DnsDomain=corp.test)(NtVer=\\06\\00\\00\\00))');
  });

  test.each([
    ['no entry', []],
    ['an entry without the attribute', [new Row({ dn: '' })]],
    ['text', [new Row({ dn: '', netlogon: 'Branch' })]],
  ])('finds none in %s', async (_what, rows) => {
    expect(await ask(async () => rows)).toBeUndefined();
  });

  test('finds none where the controller refuses, and fails where it does not answer', async () => {
    expect(await ask(() => Promise.reject(new LdapResult('search', 1, 'no')))).toBeUndefined();
    const lost = new ControllerFailure('lost', 'dc1', 'closed');
    await expect(ask(() => Promise.reject(lost))).rejects.toBe(lost);
  });
});
