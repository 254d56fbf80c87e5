/** Security identifiers and descriptors as Active Directory puts them on the wire (MS-DTYP 2.4.2 and 2.4.6). */

export const DOMAIN_SID = 'S-1-5-21-1004336348-1177238915-682003330';
export const SERVICE_ACCOUNT = `${DOMAIN_SID}-1105`;

/** @param text `S-1-…` */
export function sidBytes(text: string): Buffer {
  const [authority = 0, ...parts] = text.split('-').slice(2).map(Number);
  const bytes = Buffer.alloc(8 + 4 * parts.length);
  bytes[0] = 1;
  bytes[1] = parts.length;
  bytes.writeUIntBE(authority, 2, 6);
  for (const [index, part] of parts.entries()) bytes.writeUInt32LE(part, 8 + 4 * index);
  return bytes;
}

/** A self-relative descriptor that holds an owner and nothing else. */
export function descriptorOf(owner: string): Buffer {
  const header = Buffer.alloc(20);
  header[0] = 1;
  header.writeUInt16LE(0x8000, 2);
  header.writeUInt32LE(header.length, 4);
  return Buffer.concat([header, sidBytes(owner)]);
}
