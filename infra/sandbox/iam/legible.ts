import {
  createValidatedPolicy,
  validateEndpointPolicy,
  validateIdentityPolicy,
  validateResourceControlPolicy,
  validateResourcePolicy,
  validateServiceControlPolicy,
  type ValidatedPolicy,
} from '@cloud-copilot/iam-policy';
import type { PolicyDocument, PolicyKind } from './policies.ts';

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

/** What a kind of policy may say: an organization's names no principal, a resource's must. */
const validators = {
  identity: validateIdentityPolicy,
  boundary: validateIdentityPolicy,
  'service-control': validateServiceControlPolicy,
  'resource-control': validateResourceControlPolicy,
  resource: validateResourcePolicy,
  endpoint: validateEndpointPolicy,
} as const satisfies Readonly<Record<PolicyKind, unknown>>;

/** A policy is asked thousands of times and never changes: reading it again takes most of the time of a decision. */
const known = new WeakMap<PolicyDocument, Map<PolicyKind, ValidatedPolicy>>();

/** A policy as the simulator reads it, with what it finds wrong in one of that kind. */
export function legibleDocument(kind: PolicyKind, document: PolicyDocument): ValidatedPolicy {
  const kinds = known.get(document) ?? new Map<PolicyKind, ValidatedPolicy>();
  known.set(document, kinds);
  const read = kinds.get(kind) ?? readDocument(kind, document);
  kinds.set(kind, read);
  return read;
}

function readDocument(kind: PolicyKind, document: PolicyDocument): ValidatedPolicy {
  const changed: unknown = JSON.parse(legible(JSON.stringify(document)));
  return createValidatedPolicy(changed, validators[kind]);
}

export function legibleContext(context: Context): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(context).map(([key, value]) => [
      legible(key),
      typeof value === 'string' ? legible(value) : value.map(legible),
    ]),
  );
}
