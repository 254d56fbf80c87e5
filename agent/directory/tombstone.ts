/**
 * The tombstone of a DNS name, by which the DNS servers of a domain tell each other that its records are gone ([MS-DNSP]
 * 2.2.2.2.4.23, 3.1.1.1.1). A Windows server keeps a zone in memory and looks for changed objects every few minutes: a tombstone it
 * sees, an object that was deleted it does not, and serves the name until it loads the zone again. The servers delete tombstones
 * after some days.
 */
import type { AttributeValues } from './entries.ts';

/** Header: length and type of the data, version and rank, flags, serial, time to live, reserved, time stamp. */
const HEADER_BYTES = 24;
const SERIAL_AT = 8;
const VERSION = 5;
/** ZERO: the data is the time of the entombment. */
const TYPE = 0;
const DATA_BYTES = 8;

/** Milliseconds from 1601, where a FILETIME begins, to 1970; and its units in a millisecond. */
const FILETIME_EPOCH_MS = 11_644_473_600_000n;
const PER_MS = 10_000n;

/**
 * What makes a name a tombstone.
 * @param former a record of the name as it was: the tombstone keeps its serial number, as the servers' own do
 * @param now milliseconds since the Unix epoch
 */
export function tombstone(former: Uint8Array | undefined, now: number): AttributeValues {
  const record = Buffer.alloc(HEADER_BYTES + DATA_BYTES);
  record.writeUInt16LE(DATA_BYTES, 0);
  record.writeUInt16LE(TYPE, 2);
  record.writeUInt8(VERSION, 4);
  if (former && former.length >= HEADER_BYTES)
    record.set(former.subarray(SERIAL_AT, SERIAL_AT + 4), SERIAL_AT);
  record.writeBigUInt64LE((BigInt(Math.round(now)) + FILETIME_EPOCH_MS) * PER_MS, HEADER_BYTES);
  return { dnsRecord: [record], dNSTombstoned: ['TRUE'] };
}
