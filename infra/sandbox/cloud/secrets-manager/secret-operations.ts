import {
  CreateSecret$,
  DeleteSecret$,
  DescribeSecret$,
  GetSecretValue$,
  ListSecrets$,
  PutSecretValue$,
  RestoreSecret$,
  UpdateSecret$,
  type CreateSecretCommandInput,
  type CreateSecretResponse,
  type DeleteSecretCommandInput,
  type DeleteSecretResponse,
  type DescribeSecretCommandInput,
  type DescribeSecretResponse,
  type GetSecretValueCommandInput,
  type GetSecretValueResponse,
  type ListSecretsCommandInput,
  type ListSecretsResponse,
  type PutSecretValueCommandInput,
  type PutSecretValueResponse,
  type RestoreSecretCommandInput,
  type RestoreSecretResponse,
  type UpdateSecretCommandInput,
  type UpdateSecretResponse,
} from '@aws-sdk/client-secrets-manager';
import { ServiceFailure } from '../failure.ts';
import type { KeyUse } from '../kms/keys.ts';
import { operationsOn } from '../operations.ts';
import { page } from '../pages.ts';
import type { Operation, Requirement, Resource } from '../service.ts';
import { named, ofSecret, secretResource, type SecretsManagerParts } from './parts.ts';
import type { Secret, SecretValue } from './secrets.ts';

/** The recovery window of DeleteSecret, in days. */
const recoveryDays = { least: 7, most: 30, otherwise: 30 } as const;

export function secretOperations(parts: SecretsManagerParts): Operation[] {
  const on = operationsOn('secretsmanager', parts);
  return [
    on(CreateSecret$, createSecret, ofName),
    on(PutSecretValue$, putValue, ofPut),
    on(UpdateSecret$, updateSecret, ofUpdate),
    on(GetSecretValue$, getValue, ofRead),
    on(DescribeSecret$, describeSecret, ofSecret),
    on(ListSecrets$, listSecrets),
    on(DeleteSecret$, deleteSecret, ofSecret),
    on(RestoreSecret$, restoreSecret, ofSecret),
  ];
}

function ofName(parts: SecretsManagerParts, input: CreateSecretCommandInput): Resource[] {
  return [secretResource(parts, input.Name)];
}

function ofPut(parts: SecretsManagerParts, input: PutSecretValueCommandInput): Requirement[] {
  return [
    { action: 'secretsmanager:PutSecretValue', resources: ofSecret(parts, input) },
    ...ofKey(parts, 'write', input.SecretId),
  ];
}

function ofUpdate(parts: SecretsManagerParts, input: UpdateSecretCommandInput): Requirement[] {
  return [
    { action: 'secretsmanager:UpdateSecret', resources: ofSecret(parts, input) },
    ...(input.SecretString === undefined ? [] : ofKey(parts, 'write', input.SecretId)),
  ];
}

function ofRead(parts: SecretsManagerParts, input: GetSecretValueCommandInput): Requirement[] {
  return [
    {
      action: 'secretsmanager:GetSecretValue',
      resources: ofSecret(parts, input),
      context: {
        'secretsmanager:SecretId': secretResource(parts, input.SecretId).arn,
        'secretsmanager:VersionStage': input.VersionStage ?? 'AWSCURRENT',
        ...(input.VersionId === undefined ? {} : { 'secretsmanager:VersionId': input.VersionId }),
      },
    },
    ...ofKey(parts, 'read', input.SecretId),
  ];
}

/** What the caller needs of the secret's key. */
function ofKey({ secrets, keys }: SecretsManagerParts, use: KeyUse, id: string | undefined): Requirement[] {
  const secret = secrets.find(id);
  return keys.uses(use, secret?.kmsKeyId, 'secretsmanager', { SecretARN: secret?.arn ?? '' });
}

function createSecret(
  { secrets }: SecretsManagerParts,
  input: CreateSecretCommandInput,
): CreateSecretResponse {
  const secret = secrets.create(input.Name ?? '', {
    description: input.Description,
    kmsKeyId: input.KmsKeyId,
    tags: new Map((input.Tags ?? []).map(({ Key, Value }) => [Key ?? '', Value ?? ''])),
  });
  if (!hasValue(input)) return named(secret);
  const version = secrets.put(secret, valueOf(input), input.ClientRequestToken, ['AWSCURRENT']);
  return { ...named(secret), VersionId: version.id };
}

function putValue(
  { secrets }: SecretsManagerParts,
  input: PutSecretValueCommandInput,
): PutSecretValueResponse {
  const secret = secrets.get(input.SecretId);
  const stages = input.VersionStages ?? ['AWSCURRENT'];
  const version = secrets.put(secret, valueOf(input), input.ClientRequestToken, stages);
  return { ...named(secret), VersionId: version.id, VersionStages: [...version.stages] };
}

function updateSecret(
  { secrets }: SecretsManagerParts,
  input: UpdateSecretCommandInput,
): UpdateSecretResponse {
  const secret = secrets.get(input.SecretId);
  secrets.refuseDeleted(secret);
  secret.description = input.Description ?? secret.description;
  secret.kmsKeyId = input.KmsKeyId ?? secret.kmsKeyId;
  if (!hasValue(input)) return named(secret);
  const version = secrets.put(secret, valueOf(input), input.ClientRequestToken, ['AWSCURRENT']);
  return { ...named(secret), VersionId: version.id };
}

function getValue(
  { secrets }: SecretsManagerParts,
  input: GetSecretValueCommandInput,
): GetSecretValueResponse {
  const secret = secrets.get(input.SecretId);
  const version = secrets.version(secret, input.VersionId, input.VersionStage);
  return {
    ...named(secret),
    VersionId: version.id,
    SecretString: version.text,
    SecretBinary: version.bytes,
    VersionStages: [...version.stages],
    CreatedDate: version.createdAt,
  };
}

function describeSecret(
  { secrets }: SecretsManagerParts,
  input: DescribeSecretCommandInput,
): DescribeSecretResponse {
  const secret = secrets.get(input.SecretId);
  return { ...shape(secret), VersionIdsToStages: stagesOf(secret) };
}

function listSecrets({ secrets }: SecretsManagerParts, input: ListSecretsCommandInput): ListSecretsResponse {
  const wanted = secrets
    .all()
    .filter((each) => input.IncludePlannedDeletion || !each.deletedAt)
    .filter((each) =>
      (input.Filters ?? []).every(({ Key, Values }) =>
        Key === 'name' ? (Values ?? []).some((value) => each.name.startsWith(value)) : true,
      ),
    );
  const given = page(
    wanted,
    (each) => each.name,
    input.NextToken,
    input.MaxResults ?? 100,
    'InvalidNextTokenException',
  );
  return {
    SecretList: given.items.map((each) => ({ ...shape(each), SecretVersionsToStages: stagesOf(each) })),
    NextToken: given.next,
  };
}

function deleteSecret(
  { secrets }: SecretsManagerParts,
  input: DeleteSecretCommandInput,
): DeleteSecretResponse {
  const secret = secrets.get(input.SecretId);
  const days = input.RecoveryWindowInDays ?? recoveryDays.otherwise;
  if (days < recoveryDays.least || days > recoveryDays.most) {
    throw new ServiceFailure(
      'InvalidParameterException',
      `The RecoveryWindowInDays value must be between ${recoveryDays.least} and ${recoveryDays.most} days (inclusive).`,
    );
  }
  secrets.delete(secret, input.ForceDeleteWithoutRecovery ? 0 : days * 86_400_000);
  return { ARN: secret.arn, Name: secret.name, DeletionDate: new Date(secret.goneAt ?? 0) };
}

function restoreSecret(
  { secrets }: SecretsManagerParts,
  input: RestoreSecretCommandInput,
): RestoreSecretResponse {
  const secret = secrets.get(input.SecretId);
  Object.assign(secret, { deletedAt: undefined, goneAt: undefined });
  return named(secret);
}

interface Valued {
  SecretString?: string | undefined;
  SecretBinary?: Uint8Array | undefined;
}

function hasValue(input: Valued): boolean {
  return input.SecretString !== undefined || input.SecretBinary !== undefined;
}

function valueOf(input: Valued): SecretValue {
  return { text: input.SecretString, bytes: input.SecretBinary };
}

function stagesOf(secret: Secret): Record<string, string[]> {
  const labelled = [...secret.versions.values()].filter((each) => each.stages.size > 0);
  return Object.fromEntries(labelled.map((each) => [each.id, [...each.stages]]));
}

function shape(secret: Secret) {
  return {
    ...named(secret),
    Description: secret.description,
    KmsKeyId: secret.kmsKeyId,
    CreatedDate: secret.createdAt,
    LastChangedDate: secret.changedAt,
    DeletedDate: secret.deletedAt,
    Tags: [...secret.tags].map(([Key, Value]) => ({ Key, Value })),
  };
}
