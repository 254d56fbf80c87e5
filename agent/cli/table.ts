/** Tables for a terminal of 80 columns, a pipe or a file: plain text, no colour, no line longer than `WIDTH`. */
export const WIDTH = 80;
const GAP = '  ';

const cut = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;

/** What is foreign in a cell must not move the cursor, and a cell is one line. */
const printable = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();

/** A table whose last column takes the width that the others leave. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const clean = rows.map((row) => row.map(printable));
  const widths = head.map((title, column) =>
    Math.max(title.length, ...clean.map((row) => (row[column] ?? '').length)),
  );
  const before = widths.slice(0, -1).reduce((sum, width) => sum + width + GAP.length, 0);
  widths[widths.length - 1] = Math.max(0, WIDTH - before);
  const line = (cells: readonly string[]): string =>
    cut(
      widths.map((width, column) => cut(cells[column] ?? '', width).padEnd(width)).join(GAP),
      WIDTH,
    ).trimEnd();
  return [line(head), ...clean.map(line)].map((text) => `${text}\n`).join('');
}

/** A paragraph with lines of at most `WIDTH`. */
export function wrap(text: string, indent = ''): string {
  const lines: string[] = [];
  let line = '';
  for (const word of printable(text).split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((each) => `${indent}${each}\n`).join('');
}
