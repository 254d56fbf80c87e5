import type { Parameters, ParameterDefinition } from '../document.ts';

type Definitions = Readonly<Record<string, ParameterDefinition>>;

/**
 * Puts parameters where `{{ name }}` stands, as the agent does: as text, quotes and all. A StringList inside a longer
 * string becomes its JSON; one that is the whole string becomes the list itself.
 */
export function substitute(value: unknown, definitions: Definitions, parameters: Parameters): unknown {
  if (typeof value === 'string') return inText(value, definitions, parameters);
  if (Array.isArray(value))
    return value.flatMap((each: unknown) => substitute(each, definitions, parameters));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => [key, substitute(each, definitions, parameters)]),
    );
  }
  return value;
}

function inText(text: string, definitions: Definitions, parameters: Parameters): string | readonly string[] {
  const whole = /^\{\{\s*([A-Za-z0-9]+)\s*\}\}$/.exec(text)?.[1];
  if (whole !== undefined && definitions[whole]?.type === 'StringList') return parameters[whole] ?? [];
  return text.replaceAll(/\{\{\s*([A-Za-z0-9]+)\s*\}\}/g, (reference, name: string) => {
    const values = parameters[name];
    if (values === undefined) return reference;
    return definitions[name]?.type === 'StringList' ? JSON.stringify(values) : (values[0] ?? '');
  });
}
