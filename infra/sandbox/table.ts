/**
 * The lines of a table for a terminal: the first column stands to the left, figures to the right.
 * @param widths of the columns, in characters, each with the gap before it
 */
export function tableLines(
  widths: readonly number[],
  rows: readonly (readonly (string | number)[])[],
): string[] {
  return rows.map((cells) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 ? String(cell).padEnd(width) : String(cell).padStart(width);
      })
      .join(''),
  );
}
