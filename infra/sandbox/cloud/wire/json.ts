import type { NormalizedSchema } from '@smithy/core/schema';
import { ServiceFailure } from '../failure.ts';
import { base64Of, isRecord, itemsOf, membersOf, timeOf } from './shape.ts';

/** awsJson 1.0 and 1.1: a request's JSON into the shape that the SDK's types describe. */
export function decodeJson(schema: NormalizedSchema, text: string): unknown {
  let value: unknown;
  try {
    value = text === '' ? {} : JSON.parse(text);
  } catch {
    throw serialization('The body is not JSON.');
  }
  return decode(schema, value, 'input');
}

/** An answer as JSON: times as seconds since the epoch, blobs as base64, absent members left out. */
export function encodeJson(schema: NormalizedSchema, value: unknown): string {
  return schema.isUnitSchema() ? '{}' : JSON.stringify(encode(schema, value ?? {}));
}

function decode(schema: NormalizedSchema, value: unknown, at: string): unknown {
  if (value === null || value === undefined) return undefined;
  if (schema.isUnitSchema()) return {};
  if (schema.isStructSchema()) {
    const source = record(value, at);
    const shape: Record<string, unknown> = {};
    for (const [name, member] of schema.structIterator()) {
      const decoded = decode(member, source[name], name);
      if (decoded !== undefined) shape[name] = decoded;
    }
    return shape;
  }
  if (schema.isListSchema()) {
    if (!Array.isArray(value)) throw mistyped(at, 'a list');
    return value.map((each: unknown) => decode(schema.getValueSchema(), each, at));
  }
  if (schema.isMapSchema()) {
    const entries = Object.entries(record(value, at));
    return Object.fromEntries(
      entries.map(([key, each]) => [key, decode(schema.getValueSchema(), each, key)]),
    );
  }
  if (schema.isBlobSchema()) return Uint8Array.from(Buffer.from(text(value, at), 'base64'));
  if (schema.isTimestampSchema()) {
    if (typeof value !== 'number') throw mistyped(at, 'a time in seconds');
    return new Date(value * 1000);
  }
  if (schema.isStringSchema()) return text(value, at);
  if (schema.isNumericSchema() && typeof value !== 'number') throw mistyped(at, 'a number');
  if (schema.isBooleanSchema() && typeof value !== 'boolean') throw mistyped(at, 'a boolean');
  return value;
}

function encode(schema: NormalizedSchema, value: unknown): unknown {
  if (value === undefined || value === null) return undefined;
  if (schema.isStructSchema()) {
    const source = membersOf(value);
    return Object.fromEntries(
      [...schema.structIterator()].map(([name, member]) => [name, encode(member, source[name])]),
    );
  }
  if (schema.isListSchema()) return itemsOf(value).map((each) => encode(schema.getValueSchema(), each));
  if (schema.isMapSchema()) {
    const entries = Object.entries(membersOf(value));
    return Object.fromEntries(entries.map(([key, each]) => [key, encode(schema.getValueSchema(), each)]));
  }
  if (schema.isBlobSchema()) return base64Of(value);
  if (schema.isTimestampSchema()) return timeOf(value).getTime() / 1000;
  return value;
}

function record(value: unknown, at: string): Record<string, unknown> {
  if (!isRecord(value)) throw mistyped(at, 'an object');
  return value;
}

function text(value: unknown, at: string): string {
  if (typeof value !== 'string') throw mistyped(at, 'a string');
  return value;
}

function mistyped(at: string, expected: string): ServiceFailure {
  return serialization(`${at} must be ${expected}.`);
}

function serialization(message: string): ServiceFailure {
  return new ServiceFailure('SerializationException', message);
}
