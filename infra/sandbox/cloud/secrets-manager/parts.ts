import { arn, type Place } from '../place.ts';
import type { Keys } from '../kms/keys.ts';
import type { Resource } from '../service.ts';
import type { Secret, Secrets } from './secrets.ts';

/** What all operations of Secrets Manager work on. */
export interface SecretsManagerParts {
  readonly place: Place;
  readonly secrets: Secrets;
  readonly keys: Keys;
}

/** A secret, as policies see it. @param id its name or ARN */
export function secretResource({ place, secrets }: SecretsManagerParts, id: string | undefined): Resource {
  const secret = secrets.find(id);
  if (secret) return { arn: secret.arn, tags: Object.fromEntries(secret.tags) };
  return { arn: id?.startsWith('arn:') ? id : arn(place, 'secretsmanager', `secret:${id ?? ''}`) };
}

/** The secret that the input names. */
export function ofSecret(parts: SecretsManagerParts, input: { SecretId?: string | undefined }): Resource[] {
  return [secretResource(parts, input.SecretId)];
}

/** A secret as each answer names it. */
export function named(secret: Secret): { ARN: string; Name: string } {
  return { ARN: secret.arn, Name: secret.name };
}
