import { isRecord } from '../wire/shape.ts';

/**
 * Whether an event fits a rule's pattern: every field of the pattern must be in the event with one of the listed values.
 * Knows values, null, `prefix`, `suffix`, `wildcard`, `exists`, `anything-but` (of values, or with `prefix`),
 * `equals-ignore-case` and `$or`.
 * @throws Error for a filter that it does not know: a rule that silently never fits would look like silence
 */
export function fits(pattern: unknown, event: unknown): boolean {
  if (!isRecord(pattern)) throw new Error('A pattern is a map.');
  return Object.entries(pattern).every(([name, wanted]) => {
    if (name === '$or' && Array.isArray(wanted)) return wanted.some((each) => fits(each, event));
    const value = isRecord(event) ? event[name] : undefined;
    if (isRecord(wanted)) {
      // An array in the event fits when one of its members does.
      return Array.isArray(value) ? value.some((each) => fits(wanted, each)) : fits(wanted, value ?? {});
    }
    if (!Array.isArray(wanted)) throw new Error(`The pattern's field ${name} is neither a map nor a list.`);
    const values: unknown[] = Array.isArray(value) ? value : [value];
    return wanted.some((filter) => values.some((each) => passes(filter, each)));
  });
}

function passes(filter: unknown, value: unknown): boolean {
  if (!isRecord(filter)) return filter === value;
  return Object.entries(filter).every(([kind, argument]) => {
    switch (kind) {
      case 'exists':
        return (value !== undefined) === argument;
      case 'anything-but':
        if (value === undefined) return false;
        if (isRecord(argument)) return !passes(argument, value);
        return ![argument].flat().includes(value);
      default:
        return (
          typeof value === 'string' && [argument].flat().some((each) => passesText(kind, String(each), value))
        );
    }
  });
}

function passesText(kind: string, argument: string, text: string): boolean {
  switch (kind) {
    case 'prefix':
      return text.startsWith(argument);
    case 'suffix':
      return text.endsWith(argument);
    case 'equals-ignore-case':
      return text.toLowerCase() === argument.toLowerCase();
    case 'wildcard': {
      const parts = argument.split('*').map((each) => each.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`));
      return new RegExp(`^${parts.join('.*')}$`, 's').test(text);
    }
    default:
      throw new Error(`The filter ${kind} is not known.`);
  }
}
