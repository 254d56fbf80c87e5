/** How Active Directory writes identifiers, times and passwords. */

/**
 * The canonical string of an objectGUID: its first three fields are little-endian on the wire.
 * @throws RangeError when it has not 16 bytes
 */
export function guidToString(bytes: Uint8Array): string {
  if (bytes.length !== 16) throw new RangeError(`A GUID of ${bytes.length} bytes`);
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  const hex = Buffer.from(order.map((index) => bytes[index] ?? 0)).toString('hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
  // Joined, it is a text of its own; a template would keep all the parts, and a sweep keeps tens of thousands.
  return parts.join('-');
}

/**
 * The bytes of a GUID as a filter needs them.
 * @throws RangeError when it is not a GUID's canonical string
 */
export function guidToBytes(text: string): Buffer {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    throw new RangeError(`Not a GUID: ${JSON.stringify(text.slice(0, 40))}`);
  }
  const plain = Buffer.from(text.replaceAll('-', ''), 'hex');
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  return Buffer.from(order.map((index) => plain[index] ?? 0));
}

/**
 * The string of a security identifier (MS-DTYP 2.4.2.1), from its bytes or from what follows them.
 * @returns nothing when it is none
 */
export function sidToString(bytes: Uint8Array): string | undefined {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = data[1];
  if (data[0] !== 1 || count === undefined || count > 15 || data.length < 8 + 4 * count) return undefined;
  const parts = Array.from({ length: count }, (_, index) => data.readUInt32LE(8 + 4 * index));
  return ['S', 1, data.readUIntBE(2, 6), ...parts].join('-');
}

/**
 * The bytes of a security identifier as a filter needs them.
 * @throws RangeError when it is none
 */
export function sidToBytes(text: string): Buffer {
  if (!/^S-1(-\d{1,15}){2,16}$/.test(text))
    throw new RangeError(`Not a SID: ${JSON.stringify(text.slice(0, 40))}`);
  const [authority = 0, ...parts] = text.split('-').slice(2).map(Number);
  const bytes = Buffer.alloc(8 + 4 * parts.length);
  bytes.writeUInt8(1, 0);
  bytes.writeUInt8(parts.length, 1);
  bytes.writeUIntBE(authority, 2, 6);
  for (const [index, part] of parts.entries()) bytes.writeUInt32LE(part, 8 + 4 * index);
  return bytes;
}

/** The owner that a self-relative security descriptor names (MS-DTYP 2.4.6); nothing when it names none. */
export function ownerOf(descriptor: Uint8Array): string | undefined {
  const data = Buffer.from(descriptor.buffer, descriptor.byteOffset, descriptor.byteLength);
  if (data.length < 20) return undefined;
  const offset = data.readUInt32LE(4);
  return offset === 0 || offset >= data.length ? undefined : sidToString(data.subarray(offset));
}

const ACCESS_DENIED_ACE = 1;
const INHERIT_ONLY = 0x08;
/** RIGHT_DS_DELETE_TREE and DELETE (MS-ADTS 5.1.3.2). */
const DELETION = 0x40 | 0x10000;
const EVERYONE = 'S-1-1-0';

/**
 * Whether a self-relative security descriptor denies everybody the deletion of its object: what the administrators' tools call
 * protection from accidental deletion (MS-DTYP 2.4.4, 2.4.5).
 */
export function deniesDeletion(descriptor: Uint8Array): boolean {
  const data = Buffer.from(descriptor.buffer, descriptor.byteOffset, descriptor.byteLength);
  if (data.length < 20) return false;
  const list = data.readUInt32LE(16);
  if (list === 0 || list + 8 > data.length) return false;
  const count = data.readUInt16LE(list + 4);
  for (let at = list + 8, index = 0; index < count && at + 8 <= data.length; index += 1) {
    const size = data.readUInt16LE(at + 2);
    if (size < 8) return false;
    const isDenial = data[at] === ACCESS_DENIED_ACE && ((data[at + 1] ?? 0) & INHERIT_ONLY) === 0;
    const isOfDeletion = (data.readUInt32LE(at + 4) & DELETION) !== 0;
    if (isDenial && isOfDeletion && sidToString(data.subarray(at + 8, at + size)) === EVERYONE) return true;
    at += size;
  }
  return false;
}

/** Reads an INTEGER (RFC 4517, section 3.3.16) of 64 bits, which AD also uses for times. */
export function toInteger(text: string): bigint | undefined {
  return /^(0|-?[1-9]\d{0,18})$/.test(text) ? BigInt(text) : undefined;
}

/** Reads a GeneralizedTime in UTC, as in `20260131235959.0Z`. */
export function generalizedTimeToDate(text: string): Date | undefined {
  const parts = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(?:\.\d+)?Z$/.exec(text);
  if (!parts) return undefined;
  const [, year, month, day, hour, minute, second] = parts;
  const date = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** The value of `unicodePwd` that sets a password: UTF-16LE of the quoted text. */
export function passwordValue(password: string): Buffer {
  return Buffer.from(`"${password}"`, 'utf16le');
}
