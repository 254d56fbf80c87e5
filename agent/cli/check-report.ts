/** What checks have found, for people: 80 columns, categories with their own heading, what to do below what failed. */
import { styleText } from 'node:util';
import type { Finding } from '../checks/check.ts';
import { wrap } from './table.ts';

/** Where each check has its section, in the clone and on the web. */
const PAGE = 'docs/doctor.md';

type Style = 'green' | 'red' | 'yellow' | 'dim' | 'bold';
type Paint = (style: Style, text: string) => string;

/** @param colors whether the reader is a terminal that shows them, and nobody said NO_COLOR */
const painter =
  (colors: boolean): Paint =>
  (style, text) =>
    colors ? styleText(style, text, { validateStream: false }) : text;

function markOf({ state, severity }: Finding): { readonly mark: string; readonly style: Style } {
  if (state === 'passed') return { mark: '✔', style: 'green' };
  if (state === 'skipped') return { mark: '-', style: 'dim' };
  return severity === 'fatal' ? { mark: '✘', style: 'red' } : { mark: '‼', style: 'yellow' };
}

const INDENT = '    ';

export interface Report {
  /** The lines of one finding, below the heading of its category if that is a new one. */
  show(finding: Finding): string;
  /** The last line. */
  sum(findings: readonly Finding[]): string;
}

export function createReport(colors: boolean): Report {
  const paint = painter(colors);
  let category: string | undefined;
  /** Why the one before was not looked at: what goes for many is said once. */
  let reason: string | undefined;
  return {
    show(finding) {
      const { title, state, text, todo, id } = finding;
      const heading =
        finding.category === category
          ? ''
          : `${category === undefined ? '' : '\n'}${paint('bold', finding.category)}\n`;
      category = finding.category;
      const isSaid = heading === '' && state === 'skipped' && text === reason;
      reason = state === 'skipped' ? text : undefined;
      const { mark, style } = markOf(finding);
      const detail = text !== undefined && state !== 'failed' && !isSaid ? ` (${text})` : '';
      // The mark is one column wide, whatever its colour needs.
      const lines = wrap(`${title}${detail}`, '  ').slice(2);
      const why = state === 'failed' && text !== undefined ? wrap(text, INDENT) : '';
      const then = todo === undefined ? '' : wrap(todo, INDENT) + wrap(`${PAGE}#${id}`, INDENT);
      return `${heading}${paint(style, mark)} ${lines}${why}${then}`;
    },
    sum(findings) {
      const count = (wanted: (finding: Finding) => boolean): number => findings.filter(wanted).length;
      const parts = [
        `${count(({ state }) => state === 'passed')} passed`,
        `${count(({ state, severity }) => state === 'failed' && severity === 'fatal')} failed`,
        `${count(({ state, severity }) => state === 'failed' && severity === 'warning')} warned`,
        `${count(({ state }) => state === 'skipped')} not looked at`,
      ];
      return `\n${parts.join(', ')}\n`;
    },
  };
}
