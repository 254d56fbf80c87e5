import { expect, test } from '@jest/globals';
import { tombstone } from '../../../agent/directory/tombstone.ts';

/** An A record of Samba 4.17, serial 110. */
const record = Buffer.from('0400010005f000006e0000000000012c00000000d2f738000a4d0101', 'hex');
/** What the same server makes of it when its computer deletes the record: 2026-11-29 18:33:13 UTC. */
const entombed = '08000000050000006e000000000000000000000000000000';

test('a tombstone is what the DNS server itself writes: type 0, the serial of the record, and the time', () => {
  const { dnsRecord, dNSTombstoned } = tombstone(record, Date.UTC(2026, 10, 29, 18, 33, 13));
  expect(dNSTombstoned).toEqual(['TRUE']);
  const [value] = Array.isArray(dnsRecord) ? dnsRecord : [];
  if (!Buffer.isBuffer(value)) throw new Error('There is no record.');
  expect(value.subarray(0, 24).toString('hex')).toBe(entombed);
  // 100 ns since 1601.
  expect(value.readBigUInt64LE(24)).toBe(134_404_507_930_000_000n);
  expect(value).toHaveLength(32);
});

test.each([undefined, Buffer.alloc(0), record.subarray(0, 23)])(
  'of no whole record it has the serial 0',
  (former) => {
    const { dnsRecord } = tombstone(former, 0);
    const [value] = Array.isArray(dnsRecord) ? dnsRecord : [];
    expect(Buffer.isBuffer(value) && value.readUInt32LE(8)).toBe(0);
  },
);
