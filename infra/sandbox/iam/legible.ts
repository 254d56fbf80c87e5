import type { PolicyDocument } from './policies.ts';

/** Condition keys with their values. */
export type Context = Readonly<Record<string, string | readonly string[]>>;

/**
 * What the simulator does not read as IAM does, in words that it reads right. Policies and questions go through the
 * same change, so that each means after it what it meant before.
 *
 * - `kms:EncryptionContext:NAME` is dropped from a request, because the simulator knows only keys that end in
 *   `/NAME`; a Deny on it would never apply.
 * - A document of AWS has no account in its ARN, which the simulator takes for a malformed one.
 */
export function legible(text: string): string {
  return text
    .replaceAll(/kms:EncryptionContext:/gi, 'aws:ResourceTag/kms:EncryptionContext:')
    .replaceAll(/(arn:aws:ssm:[^:"]*):(:document\/)/g, '$1:aws$2');
}

/** A policy is asked thousands of times and never changes. */
const legibleDocuments = new WeakMap<PolicyDocument, unknown>();

export function legibleDocument(document: PolicyDocument): unknown {
  const known = legibleDocuments.get(document);
  if (known !== undefined) return known;
  const changed: unknown = JSON.parse(legible(JSON.stringify(document)));
  legibleDocuments.set(document, changed);
  return changed;
}

export function legibleContext(context: Context): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(context).map(([key, value]) => [
      legible(key),
      typeof value === 'string' ? legible(value) : value.map(legible),
    ]),
  );
}
