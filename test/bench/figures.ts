/** A figure of the bench beside its goal. */
export interface Figure {
  readonly section: string;
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The most that it may be; undefined where the figure only explains another. */
  readonly goal?: number;
  /** The least that it may be. */
  readonly least?: number;
  /** Whether it is this machine's (a time, a memory), and no count that each machine has alike. */
  readonly onMachine?: boolean;
}

const hasGoal = ({ goal, least }: Figure): boolean => goal !== undefined || least !== undefined;

export const isMissed = ({ value, goal = Infinity, least = -Infinity }: Figure): boolean =>
  !(value <= goal && value >= least);

/** Whether the figure fails the command: a time or a memory of this machine doesn't, it may have other work. */
export const isFailure = (figure: Figure): boolean => isMissed(figure) && figure.onMachine !== true;

const shown = (value: number): string => {
  if (!Number.isFinite(value)) return value === Infinity ? '∞' : '-';
  return Number.isInteger(value) ? String(value) : value.toPrecision(Math.abs(value) < 0.1 ? 2 : 3);
};

export const valueOf = ({ value, unit }: Figure): string => `${shown(value)} ${unit}`.trim();

const limit = (sign: string, value: number | undefined): string[] =>
  value === undefined ? [] : [`${sign} ${Math.round(value * 1000) / 1000}`];

export const goalOf = ({ goal, least }: Figure): string =>
  [...limit('≥', least), ...limit('≤', goal)].join(' ');

export const verdictOf = (figure: Figure): string => (hasGoal(figure) ? (isMissed(figure) ? '✘' : '✔') : '');

/** Columns of a terminal, and of what stands beside the figure's name. */
const COLUMNS = 80;
const [MEASURED, GOAL, VERDICT] = [12, 11, 2];
const NAME = COLUMNS - MEASURED - GOAL - VERDICT - 4;

/** Figures as lines of text of at most 80 columns, one section after the other. */
export function tableOf(figures: readonly Figure[]): string[] {
  const lines: string[] = [];
  const row = (name: string, measured: string, goal: string, verdict: string): string =>
    `  ${name.padEnd(NAME)}${measured.padStart(MEASURED)}${goal.padStart(GOAL)}  ${verdict}`.trimEnd();
  for (const section of new Set(figures.map((figure) => figure.section))) {
    lines.push('', section, row('figure', 'measured', 'goal', ''));
    for (const figure of figures.filter((each) => each.section === section)) {
      const { name } = figure;
      if (name.length > NAME) lines.push(`  ${name}`);
      lines.push(row(name.length > NAME ? '' : name, valueOf(figure), goalOf(figure), verdictOf(figure)));
    }
  }
  return lines;
}

/** The same as a table in Markdown: each figure that has a goal. */
export function markdownOf(figures: readonly Figure[]): string[] {
  const rows = figures.filter(hasGoal).map((figure) => {
    const { section, name } = figure;
    return `| ${section}: ${name.trim()} | ${valueOf(figure)} | ${goalOf(figure)} | ${verdictOf(figure)} |`;
  });
  return ['| figure | measured | goal | |', '| --- | ---: | ---: | --- |', ...rows];
}

const [BEGIN, END] = ['<!-- made by npm run bench -->', '<!-- end of what npm run bench made -->'];

/** The page with the table in the place of the one that it has; at its end, if it has none. */
export function withTable(page: string, figures: readonly Figure[]): string {
  const [before = '', rest] = page.split(BEGIN);
  const after = rest?.split(END)[1]?.trimStart();
  const parts = [
    before.trimEnd(),
    '',
    BEGIN,
    '',
    ...markdownOf(figures),
    '',
    END,
    ...(after ? ['', after] : []),
  ];
  return `${parts.join('\n').trimEnd()}\n`;
}
