/** BER as LDAP uses it (RFC 4511, section 5.1): writing answers, reading requests. */

export function tlv(tag: number, ...contents: readonly (Buffer | string)[]): Buffer {
  const content = Buffer.concat(
    contents.map((part) => (typeof part === 'string' ? Buffer.from(part, 'utf8') : part)),
  );
  const header =
    content.length < 0x80
      ? Buffer.from([tag, content.length])
      : Buffer.from([tag, 0x84, ...[24, 16, 8, 0].map((shift) => (content.length >> shift) & 0xff)]);
  return Buffer.concat([header, content]);
}

export function integer(value: number, tag = 0x02): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return tlv(tag, bytes);
}

export interface Element {
  readonly tag: number;
  readonly content: Buffer;
  readonly size: number;
}

/** The first element, or nothing while it is not whole. */
export function first(bytes: Buffer): Element | undefined {
  const [tag, short] = bytes;
  if (tag === undefined || short === undefined) return undefined;
  const digits = short < 0x80 ? 0 : short - 0x80;
  if (bytes.length < 2 + digits) return undefined;
  const length = digits === 0 ? short : bytes.readUIntBE(2, digits);
  const start = 2 + digits;
  if (bytes.length < start + length) return undefined;
  return { tag, content: bytes.subarray(start, start + length), size: start + length };
}

export function all(bytes: Buffer): Element[] {
  const found: Element[] = [];
  for (let rest = bytes; rest.length > 0;) {
    const element = first(rest);
    if (!element) throw new RangeError('A request that does not add up');
    found.push(element);
    rest = rest.subarray(element.size);
  }
  return found;
}

export const text = (element: Element | undefined): string => element?.content.toString('utf8') ?? '';
export const number = (element: Element | undefined): number =>
  element && element.content.length > 0 ? element.content.readIntBE(0, element.content.length) : 0;
