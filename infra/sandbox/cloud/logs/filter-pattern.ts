import { isRecord } from '../wire/shape.ts';

/**
 * Reads a metric filter's pattern of JSON events: comparisons of a field with a text, `=` and `!=`, joined by `||` or by `&&`. `*` in a
 * text stands for any characters.
 * Source: Filter pattern syntax for metric filters, Amazon CloudWatch Logs User Guide,
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html
 * @returns whether an event's message fits
 * @throws Error for what it does not know: a filter that silently never fits would look like silence
 */
export function filterPattern(pattern: string): (message: string) => boolean {
  const inner = /^\{(.*)\}$/s.exec(pattern.trim())?.[1];
  if (inner === undefined || (inner.includes('||') && inner.includes('&&'))) throw unknown(pattern);
  const all = inner.includes('&&');
  const comparisons = inner.split(all ? '&&' : '||').map((each) => comparison(each.trim(), pattern));
  return (message) => {
    const event = parsed(message);
    if (!isRecord(event)) return false;
    return all ? comparisons.every((fits) => fits(event)) : comparisons.some((fits) => fits(event));
  };
}

/** The number or text at a path such as `$.seconds.total`. */
export function fieldOf(event: unknown, path: string): unknown {
  return path
    .replace(/^\$\./, '')
    .split('.')
    .reduce<unknown>((value, name) => (isRecord(value) ? value[name] : undefined), event);
}

export function parsed(message: string): unknown {
  try {
    return JSON.parse(message);
  } catch {
    return undefined;
  }
}

function comparison(text: string, pattern: string): (event: unknown) => boolean {
  const [, path = '', operator, wanted] = /^(\$(?:\.\w+)+) (=|!=) "([^"]*)"$/.exec(text) ?? [];
  if (wanted === undefined) throw unknown(pattern);
  const parts = wanted.split('*').map((each) => each.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`));
  const whole = new RegExp(`^${parts.join('.*')}$`, 's');
  return (event) => {
    const value = fieldOf(event, path);
    if (value === undefined) return false;
    return (typeof value === 'string' && whole.test(value)) === (operator === '=');
  };
}

const unknown = (pattern: string): Error => new Error(`The filter pattern ${pattern} is not emulated.`);
