/*
 * The wire walks values whose shape only the schema knows. These look before they believe; what they refuse is a defect
 * of an operation's answer, never the caller's fault.
 */

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function membersOf(value: unknown): Record<string, unknown> {
  if (isRecord(value)) return value;
  throw new TypeError(`A structure or map is ${typeof value}.`);
}

export function itemsOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw new TypeError(`A list is ${typeof value}.`);
}

export function base64Of(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  throw new TypeError(`A blob is ${typeof value}.`);
}

export function timeOf(value: unknown): Date {
  if (value instanceof Date) return value;
  throw new TypeError(`A time is ${typeof value}.`);
}
