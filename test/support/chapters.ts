/** The commands of a page, chapter by chapter, as a reader types them. */

export interface Block {
  /** The text of the heading that it is below, of the second level. */
  readonly chapter: string;
  readonly language: string;
  readonly lines: readonly string[];
  /** Why it is not run, as a comment before it says: `<!-- not run: … -->`. */
  readonly notRun?: string;
}

const shells: ReadonlySet<string> = new Set(['bash', 'sh', 'console', 'bat', 'powershell']);

/** The blocks of a shell, in the order of the page. */
export function shellBlocks(page: string): Block[] {
  const blocks: Block[] = [];
  let chapter = '';
  let notRun: string | undefined;
  let open: { language: string; lines: string[] } | undefined;
  for (const line of page.split('\n')) {
    if (open !== undefined) {
      if (line !== '```') {
        open.lines.push(line);
        continue;
      }
      if (shells.has(open.language))
        blocks.push({ chapter, ...open, ...(notRun !== undefined && { notRun }) });
      open = undefined;
      notRun = undefined;
      continue;
    }
    const [, language] = /^```(\w*)$/.exec(line) ?? [];
    if (language !== undefined) open = { language, lines: [] };
    const [, heading] = /^## (.*)$/.exec(line) ?? [];
    if (heading !== undefined) chapter = heading;
    const [, reason] = /^<!-- not run: (.*) -->$/.exec(line) ?? [];
    if (reason !== undefined) notRun = reason;
  }
  return blocks;
}

/** What stands on the page for what only a reader knows, and what it is here. */
export type Values = ReadonlyMap<string, string>;

/** A block's lines with the reader's values in them; `used` is told which there were. */
export function filledIn({ lines }: Block, values: Values, used: Set<string>): string[] {
  return lines.map((line) => {
    let filled = line;
    for (const [written, value] of values) {
      if (!filled.includes(written)) continue;
      used.add(written);
      filled = filled.replaceAll(written, () => value);
    }
    return filled;
  });
}
