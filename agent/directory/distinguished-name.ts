/**
 * Distinguished names (RFC 4514), read as leniently as Active Directory reads them: spaces around commas and equals signs,
 * types and values in any case, values in quotation marks (RFC 2253, section 4). Written and compared in one normal form.
 */

interface Part {
  /** In capitals. */
  readonly type: string;
  /** Without escapes. */
  readonly value: string;
}

/** From the top of the tree downwards it is read from right to left: the first part is the entry's own. */
export type DistinguishedName = readonly Part[];

const TYPE = /^(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)/;
/** What may follow a backslash as it is (RFC 4514, section 3). */
const ESCAPABLE = '"+,;<>\\ #=';
/** What is written with a backslash wherever it stands. */
const ESCAPED = '"+,;<>\\=';
/** What no value has without a backslash. The `+` would begin a second type; Active Directory knows none. */
const RESERVED = '"+;<>';

/** How Unicode names a character, for texts that can't show it. */
export function codePointOf(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** Reads from the front of a text. */
class Reader {
  #rest: string;

  constructor(text: string) {
    this.#rest = text;
  }

  peek(): string {
    return this.#rest === '' ? '' : String.fromCodePoint(this.#rest.codePointAt(0) ?? 0);
  }

  skip(characters: string): void {
    this.#rest = this.#rest.slice(characters.length);
  }

  skipSpaces(): void {
    this.#rest = this.#rest.replace(/^ +/, '');
  }

  match(pattern: RegExp): string | undefined {
    const found = pattern.exec(this.#rest)?.[0];
    if (found !== undefined) this.skip(found);
    return found;
  }
}

/** One character of a value, escaped or not, as UTF-8. @throws SyntaxError */
function valueBytes(reader: Reader): Buffer {
  const character = reader.peek();
  reader.skip(character);
  if (character !== '\\') return Buffer.from(character, 'utf8');
  const hex = reader.match(/^[0-9A-Fa-f]{2}/);
  if (hex !== undefined) return Buffer.from(hex, 'hex');
  const escaped = reader.peek();
  if (escaped === '' || !ESCAPABLE.includes(escaped))
    throw new SyntaxError('has a backslash that escapes nothing');
  reader.skip(escaped);
  return Buffer.from(escaped, 'utf8');
}

/** @throws SyntaxError */
function textOf(bytes: readonly Buffer[]): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(bytes));
  } catch {
    throw new SyntaxError('has escapes that are no UTF-8');
  }
}

/** @throws SyntaxError */
function readQuoted(reader: Reader): string {
  reader.skip('"');
  const bytes: Buffer[] = [];
  while (reader.peek() !== '"') {
    if (reader.peek() === '') throw new SyntaxError('has a quotation mark without its end');
    bytes.push(valueBytes(reader));
  }
  reader.skip('"');
  return textOf(bytes);
}

/** @throws SyntaxError */
function readPlain(reader: Reader): string {
  if (reader.peek() === '#') throw new SyntaxError('has a value in hexadecimal digits');
  const bytes: Buffer[] = [];
  /** How many of them there are without the spaces at the end. */
  let kept = 0;
  while (reader.peek() !== '' && reader.peek() !== ',') {
    const character = reader.peek();
    if (RESERVED.includes(character))
      throw new SyntaxError(`has ${codePointOf(character)} without a backslash`);
    bytes.push(valueBytes(reader));
    if (character !== ' ') kept = bytes.length;
  }
  return textOf(bytes.slice(0, kept));
}

/** @throws SyntaxError */
function readPart(reader: Reader): Part {
  reader.skipSpaces();
  const type = reader.match(TYPE);
  if (type === undefined) {
    throw new SyntaxError(
      reader.peek() === '' ? 'ends too early' : `has ${codePointOf(reader.peek())} where a type begins`,
    );
  }
  reader.skipSpaces();
  if (reader.peek() !== '=') throw new SyntaxError('has a part without an equals sign');
  reader.skip('=');
  reader.skipSpaces();
  const value = reader.peek() === '"' ? readQuoted(reader) : readPlain(reader);
  if (value === '') throw new SyntaxError(`has an empty ${type.toUpperCase()}`);
  reader.skipSpaces();
  return { type: type.toUpperCase(), value };
}

/** @throws SyntaxError that says what is wrong, after "it", and shows no value */
export function parseDistinguishedName(text: string): DistinguishedName {
  const reader = new Reader(text);
  const parts = [readPart(reader)];
  while (reader.peek() !== '') {
    if (reader.peek() !== ',')
      throw new SyntaxError(`has ${codePointOf(reader.peek())} where a comma belongs`);
    reader.skip(',');
    parts.push(readPart(reader));
  }
  return parts;
}

function escaped(value: string): string {
  const characters = Array.from(value);
  const last = characters.length - 1;
  return characters
    .map((character, index) => {
      if (/\p{Cc}/u.test(character)) {
        const bytes = [...Buffer.from(character, 'utf8')];
        return bytes.map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');
      }
      const atAnEnd =
        (character === ' ' && (index === 0 || index === last)) || (character === '#' && index === 0);
      return atAnEnd || ESCAPED.includes(character) ? `\\${character}` : character;
    })
    .join('');
}

/** The name as RFC 4514 writes it, without spaces around it. */
export function formatDistinguishedName(name: DistinguishedName): string {
  return name.map(({ type, value }) => `${type}=${escaped(value)}`).join(',');
}

/** The name of a domain's root, from its DNS name. */
export function domainName(domain: string): DistinguishedName {
  return domain.split('.').map((value) => ({ type: 'DC', value }));
}

const comparable = (name: DistinguishedName): string => formatDistinguishedName(name).toLowerCase();

/** Whether both name the same entry. */
export function isSameName(one: DistinguishedName, other: DistinguishedName): boolean {
  return comparable(one) === comparable(other);
}

/** Whether the entry is below the other one. */
export function isBelow(name: DistinguishedName, other: DistinguishedName): boolean {
  return name.length > other.length && isSameName(name.slice(-other.length), other);
}
