import type { NormalizedSchema } from '@smithy/core/schema';
import { ServiceFailure } from '../failure.ts';

/** The two form-encoded dialects: they differ in how a member is called and in how a list counts its items. */
export type Dialect = 'query' | 'ec2';

/** A form's parameters (`Tags.member.1.Key=…`) into the shape that the SDK's types describe. */
export function decodeQuery(dialect: Dialect, schema: NormalizedSchema, form: URLSearchParams): unknown {
  return schema.isUnitSchema() ? {} : (decode(dialect, schema, form, '') ?? {});
}

function decode(dialect: Dialect, schema: NormalizedSchema, form: URLSearchParams, at: string): unknown {
  if (schema.isStructSchema()) {
    const shape: Record<string, unknown> = {};
    for (const [name, member] of schema.structIterator()) {
      const key = join(at, keyOf(dialect, name, member));
      if (!present(form, key)) continue;
      shape[name] = decode(dialect, member, form, key);
    }
    return shape;
  }
  if (schema.isListSchema()) {
    const items = [];
    const base = flattened(dialect, schema) ? at : join(at, nameOf(schema.getValueSchema(), 'member'));
    for (let index = 1; present(form, `${base}.${index}`); index++) {
      items.push(decode(dialect, schema.getValueSchema(), form, `${base}.${index}`));
    }
    return items;
  }
  if (schema.isMapSchema()) {
    const map: Record<string, unknown> = {};
    const base = flattened(dialect, schema) ? at : join(at, 'entry');
    const key = nameOf(schema.getKeySchema(), 'key');
    const value = nameOf(schema.getValueSchema(), 'value');
    for (let index = 1; present(form, `${base}.${index}`); index++) {
      const name = form.get(`${base}.${index}.${key}`) ?? '';
      map[name] = decode(dialect, schema.getValueSchema(), form, `${base}.${index}.${value}`);
    }
    return map;
  }
  const text = form.get(at) ?? '';
  if (schema.isBlobSchema()) return Uint8Array.from(Buffer.from(text, 'base64'));
  if (schema.isTimestampSchema()) return time(text, at);
  if (schema.isBooleanSchema()) return text.toLowerCase() === 'true';
  if (schema.isNumericSchema()) return number(text, at);
  return text;
}

function keyOf(dialect: Dialect, name: string, member: NormalizedSchema): string {
  const traits = member.getMergedTraits();
  if (dialect === 'query') return traits.xmlName ?? name;
  const own: unknown = traits['ec2QueryName'];
  return typeof own === 'string' ? own : capitalised(traits.xmlName ?? name);
}

function nameOf(schema: NormalizedSchema, otherwise: string): string {
  return schema.getMergedTraits().xmlName ?? otherwise;
}

function flattened(dialect: Dialect, schema: NormalizedSchema): boolean {
  return dialect === 'ec2' || schema.getMergedTraits().xmlFlattened === 1;
}

function present(form: URLSearchParams, key: string): boolean {
  if (form.has(key)) return true;
  return [...form.keys()].some((each) => each.startsWith(`${key}.`));
}

function number(text: string, at: string): number {
  const value = Number(text);
  if (text === '' || Number.isNaN(value)) throw malformed(at, 'a number');
  return value;
}

function time(text: string, at: string): Date {
  const value = new Date(text);
  if (Number.isNaN(value.getTime())) throw malformed(at, 'a time');
  return value;
}

function malformed(at: string, expected: string): ServiceFailure {
  return new ServiceFailure('MalformedInput', `${at} must be ${expected}.`);
}

function join(at: string, name: string): string {
  return at === '' ? name : `${at}.${name}`;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
