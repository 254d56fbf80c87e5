/** One package source in the words of deb822. */
export interface Source {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** A keyring's path, or an inline key block. Undefined: apt's trusted keys. */
  readonly signedBy: string | undefined;
  /** Other options as fields, such as `Architectures`. */
  readonly options: ReadonlyMap<string, string>;
}

/** Reads a `.sources` file (deb822). */
export function parseDeb822(text: string): Source[] {
  const sources: Source[] = [];
  for (const block of text.split(/\n\s*\n/)) {
    const fields = new Map<string, string>();
    let name: string | undefined;
    for (const line of block.split('\n')) {
      if (line.startsWith('#') || line.trim() === '') continue;
      const field = /^([A-Za-z][\w-]*):\s*(.*)$/.exec(line);
      if (field !== null) {
        name = (field[1] ?? '').toLowerCase();
        fields.set(name, (field[2] ?? '').trim());
      } else if (name !== undefined) {
        fields.set(name, `${fields.get(name)}\n${line}`);
      }
    }
    const words = (key: string) => (fields.get(key) ?? '').split(/\s+/).filter((word) => word !== '');
    if (!words('types').includes('deb') || fields.get('enabled')?.toLowerCase() === 'no') continue;
    const known = new Set([
      'types',
      'uris',
      'suites',
      'components',
      'signed-by',
      'enabled',
      'x-repolib-name',
    ]);
    sources.push({
      uris: words('uris'),
      suites: words('suites'),
      components: words('components'),
      signedBy: fields.get('signed-by'),
      options: new Map([...fields].filter(([key]) => !known.has(key))),
    });
  }
  return sources;
}

/** Reads a `.list` file (one line a source). */
export function parseList(text: string): Source[] {
  const sources: Source[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (match === null) continue;
    const [, optionText = '', uri = '', suite = '', componentText = ''] = match;
    const options = new Map<string, string>();
    for (const option of optionText.split(/\s+/)) {
      const [key = '', value] = option.split(/=(.*)/s);
      if (value !== undefined) options.set(optionFields.get(key.toLowerCase()) ?? key.toLowerCase(), value);
    }
    const signedBy = options.get('signed-by');
    options.delete('signed-by');
    sources.push({
      uris: [uri],
      suites: [suite],
      components: componentText.split(/\s+/).filter((word) => word !== ''),
      signedBy,
      options,
    });
  }
  return sources;
}

/** The one-line form's names for fields that deb822 spells otherwise. */
const optionFields = new Map([
  ['arch', 'architectures'],
  ['lang', 'languages'],
  ['target', 'targets'],
]);

/**
 * The sources that can belong to the distribution itself: its release, updates and security suites with the component
 * `main`. A third party that uses these very names passes too; its packages are then merely on offer.
 */
export function distributionSources(sources: readonly Source[], codename: string): Source[] {
  const ours = new Set([codename, `${codename}-updates`, `${codename}-security`]);
  return sources
    .map((source) => ({ ...source, suites: source.suites.filter((suite) => ours.has(suite)) }))
    .filter(({ suites, components }) => suites.length > 0 && components.includes('main'));
}

/** The sources as a deb822 file. */
export function formatDeb822(sources: readonly Source[]): string {
  return sources
    .map(({ uris, suites, components, signedBy, options }) =>
      [
        'Types: deb',
        `URIs: ${uris.join(' ')}`,
        `Suites: ${suites.join(' ')}`,
        `Components: ${components.join(' ')}`,
        ...(signedBy === undefined ? [] : [`Signed-By: ${signedBy}`]),
        ...[...options].map(([key, value]) => `${key}: ${value}`),
      ].join('\n'),
    )
    .join('\n\n')
    .concat('\n');
}
