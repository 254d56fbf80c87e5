/** A figure of the bench beside its goal. */
export interface Figure {
  readonly section: string;
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The most that it may be; undefined where the figure only explains another. */
  readonly goal?: number;
  /** Whether it is this machine's (a time, a memory), and no count that each machine has alike. */
  readonly onMachine?: boolean;
}

export const isMissed = ({ value, goal }: Figure): boolean => goal !== undefined && value > goal;

/** Whether the figure fails the command: a time or a memory of this machine doesn't, it may have other work. */
export const isFailure = (figure: Figure): boolean => isMissed(figure) && figure.onMachine !== true;

const shown = (value: number): string =>
  Number.isInteger(value) || !Number.isFinite(value)
    ? String(value)
    : value.toPrecision(Math.abs(value) < 0.1 ? 2 : 3);

/** Figures as lines of text, one section after the other. */
export function tableOf(figures: readonly Figure[]): string[] {
  const lines: string[] = [];
  const width = Math.max(...figures.map(({ name }) => name.length));
  for (const section of new Set(figures.map((figure) => figure.section))) {
    lines.push('', section, `  ${'figure'.padEnd(width)}  ${'measured'.padStart(12)}  ${'goal'.padStart(9)}`);
    for (const figure of figures.filter((each) => each.section === section)) {
      const { name, value, unit, goal } = figure;
      const wanted = goal === undefined ? '' : `≤ ${shown(goal)}`;
      const verdict = goal === undefined ? '' : isMissed(figure) ? '✘' : '✔';
      lines.push(
        `  ${name.padEnd(width)}  ${`${shown(value)} ${unit}`.padStart(12)}  ${wanted.padStart(9)}  ${verdict}`.trimEnd(),
      );
    }
  }
  return lines;
}
