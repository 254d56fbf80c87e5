/** Entries and attribute values, between ldapts and this room. */
import { Attribute, type Entry } from 'ldapts';

/** An entry of a search, with attribute names in any case. */
export class Row {
  readonly dn: string;
  readonly #values = new Map<string, readonly (string | Buffer)[]>();

  constructor(entry: Entry) {
    this.dn = entry.dn;
    for (const [name, value] of Object.entries(entry)) {
      if (name !== 'dn') this.#values.set(name.toLowerCase(), Array.isArray(value) ? value : [value]);
    }
  }

  texts(name: string): string[] {
    return (this.#values.get(name.toLowerCase()) ?? []).map((value) => value.toString());
  }

  text(name: string): string | undefined {
    return this.texts(name)[0];
  }

  bytes(name: string): Buffer | undefined {
    const value = this.#values.get(name.toLowerCase())?.[0];
    return Buffer.isBuffer(value) ? value : undefined;
  }
}

/** A value that must not appear where ldapts prints its requests (`NODE_DEBUG=ldapts`). */
export class SecretAttribute extends Attribute {
  toJSON(): object {
    return { type: this.type, values: ['[redacted]'] };
  }
}

export type AttributeValues = Readonly<
  Record<string, readonly string[] | readonly Buffer[] | SecretAttribute>
>;

const isBytes = (values: readonly string[] | readonly Buffer[]): values is readonly Buffer[] =>
  Buffer.isBuffer(values[0]);

/** Of one kind: an attribute's values are all text or all bytes. */
const copyOf = (values: readonly string[] | readonly Buffer[]): string[] | Buffer[] =>
  isBytes(values) ? [...values] : [...values];

export function attributes(values: AttributeValues): Attribute[] {
  return Object.entries(values).map(([type, value]) =>
    value instanceof SecretAttribute ? value : new Attribute({ type, values: copyOf(value) }),
  );
}
