/** An entry of the directory: the values of each attribute, by its name as the directory spells it. */
export interface Entry {
  readonly dn: string;
  readonly attributes: ReadonlyMap<string, readonly string[]>;
}

/** Reads LDIF as Samba's tools print it (RFC 2849): folded lines, comments, base64 values decoded as UTF-8. */
export function parseLdif(text: string): Entry[] {
  const unfolded = text.replaceAll(/\r?\n /g, '');
  const entries: Entry[] = [];
  for (const block of unfolded.split(/\n{2,}/)) {
    let dn: string | undefined;
    const attributes = new Map<string, string[]>();
    for (const line of block.split('\n')) {
      const match = /^([A-Za-z][\w;-]*):(:?) ?(.*)$/.exec(line);
      if (match === null) continue;
      const [, name = '', encoded, raw = ''] = match;
      const value = encoded === ':' ? Buffer.from(raw, 'base64').toString() : raw;
      if (name === 'dn') dn = value;
      else attributes.set(name, [...(attributes.get(name) ?? []), value]);
    }
    // `ref:` blocks name other partitions; they have no dn
    if (dn !== undefined) entries.push({ dn, attributes });
  }
  return entries;
}
