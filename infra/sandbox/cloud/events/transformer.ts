import { isRecord } from '../wire/shape.ts';

/** A target's input: values picked from the event by path, put into a template where `<name>` stands. */
export interface InputTransformer {
  readonly paths: Readonly<Record<string, string>>;
  readonly template: string;
}

/** The body that a target gets: the whole event without a transformer. */
export function transformed(
  transformer: InputTransformer | undefined,
  event: Readonly<Record<string, unknown>>,
  rule: { readonly name: string; readonly arn: string },
): string {
  if (transformer === undefined) return JSON.stringify(event);
  const reserved: Readonly<Record<string, unknown>> = {
    'aws.events.rule-name': rule.name,
    'aws.events.rule-arn': rule.arn,
    'aws.events.event.ingestion-time': event['time'],
    'aws.events.event': event,
    'aws.events.event.json': event,
  };
  return transformer.template.replaceAll(/<([\w.-]+)>/g, (whole, name: string) => {
    const path = transformer.paths[name];
    const value = path === undefined ? reserved[name] : at(event, path);
    if (path === undefined && !(name in reserved)) return whole;
    // What a path does not find becomes empty text; text stands without quotes, as the template brings its own.
    if (value === undefined || value === null) return '';
    return typeof value === 'string' ? JSON.stringify(value).slice(1, -1) : JSON.stringify(value);
  });
}

/** `$.detail.userIdentity.arn`, with `[0]` for a member of a list. */
function at(event: unknown, path: string): unknown {
  const steps = path
    .replace(/^\$\.?/, '')
    .split(/\.|(?=\[)/)
    .filter((step) => step !== '');
  return steps.reduce<unknown>((value, step) => {
    const index = /^\[(\d+)\]$/.exec(step)?.[1];
    if (index !== undefined) return Array.isArray(value) ? value[Number(index)] : undefined;
    return isRecord(value) ? value[step] : undefined;
  }, event);
}
