/** What the pages and the JSON schema show of the code, as pure functions. */
import type { CheckFacts } from '../agent/checks/check.ts';
import type { Disposition } from '../agent/errors.ts';

/** What the agent does about an error, in words for an operator. */
const conduct: Readonly<Record<Disposition, string>> = {
  retry: 'Keeps the action waiting with heartbeats and tries again.',
  abandon: "Gives the launch up: removes what it staged, and answers as the group's policy says.",
  acknowledge: 'Deletes the message.',
  'dead-letter': 'Leaves the message, so that SQS moves it to the dead-letter queue.',
  yield: 'Makes the message visible again, for another worker or a later try.',
  report: 'Reports it in the log and in the report of the sweep; the next sweep looks again.',
  fatal: 'Exits with a code other than 0.',
};

interface ErrorEntry {
  readonly disposition: Disposition;
  readonly meaning: string;
  readonly hint: string;
}

/** A line feed or a bar would end the cell. */
const cell = (text: string): string => text.replaceAll('|', String.raw`\|`).replaceAll(/\s*\n\s*/g, ' ');

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** The troubleshooting table, in the order of the codes. */
export function renderErrors(codes: Readonly<Record<string, ErrorEntry>>): string {
  return table(
    ['Code', 'What it means', 'What to do', 'What adjoin does'],
    Object.entries(codes).map(([code, { meaning, hint, disposition }]) => [
      `\`${code}\``,
      meaning,
      hint,
      conduct[disposition],
    ]),
  );
}

/** A section for each check, with its ID as the heading, so that a link can lead there; categories are headings above. */
export function renderChecks(checks: readonly CheckFacts[]): string {
  let category = '';
  const sections = checks.map((check) => {
    const heading =
      check.category === category
        ? ''
        : `## ${check.category[0]?.toUpperCase()}${check.category.slice(1)}\n\n`;
    category = check.category;
    const actions = check.actions.map((action) => `\`${action}\``).join(', ');
    const lines = [
      `Should be: ${check.title}. ${check.severity === 'fatal' ? 'Fatal.' : 'A warning.'}`,
      `What to do: ${check.todo}`,
      ...(actions === '' ? [] : [`Needs: ${actions}.`]),
    ];
    return `${heading}### ${check.id}\n\n${lines.join('\n\n')}`;
  });
  return sections.join('\n\n');
}

interface SettingOverride {
  readonly variable: string;
  readonly path: readonly string[];
}

function objectAt(node: unknown, key: string): unknown {
  return typeof node === 'object' && node !== null ? Reflect.get(node, key) : undefined;
}

function defaultOf(node: unknown, isRequired: boolean): string {
  const value = objectAt(node, 'default');
  if (value !== undefined) return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
  return isRequired ? 'required' : '';
}

/** The configuration reference: one row a setting, from the JSON schema of the file. */
export function renderSettings(schema: unknown, overrides: readonly SettingOverride[]): string {
  const rows = overrides.map(({ variable, path }) => {
    let node: unknown = schema;
    let isRequired = true;
    for (const key of path) {
      const required = objectAt(node, 'required');
      isRequired &&= Array.isArray(required) && required.includes(key);
      node = objectAt(objectAt(node, 'properties'), key);
    }
    const description = objectAt(node, 'description');
    return [
      `\`${path.join('.')}\``,
      defaultOf(node, isRequired),
      `\`${variable}\``,
      typeof description === 'string' ? description : '',
    ];
  });
  return table(['Setting', 'Default', 'Variable', 'Meaning'], rows);
}

/**
 * The document with the text between `<!-- NAME:begin -->` and `<!-- NAME:end -->` replaced.
 * @throws Error when the markers are not there, once each and in this order
 */
export function between(document: string, name: string, text: string): string {
  const begin = `<!-- ${name}:begin -->`;
  const end = `<!-- ${name}:end -->`;
  const [before, rest, ...more] = document.split(begin);
  const [, after, ...further] = rest?.split(end) ?? [];
  const isUnique = more.length === 0 && further.length === 0 && !before?.includes(end);
  if (before === undefined || after === undefined || !isUnique) {
    throw new Error(`The document must have ${begin} and, after it, ${end}, once each.`);
  }
  return `${before}${begin}\n\n${text}\n\n${end}${after}`;
}
