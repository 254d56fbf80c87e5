import {
  CreateSecret$,
  DeleteResourcePolicy$,
  DeleteSecret$,
  DescribeSecret$,
  errorTypeRegistries,
  GetResourcePolicy$,
  GetSecretValue$,
  ListSecrets$,
  PutResourcePolicy$,
  PutSecretValue$,
  RestoreSecret$,
  UpdateSecret$,
  type CreateSecretCommandInput,
  type CreateSecretResponse,
  type DeleteResourcePolicyCommandInput,
  type DeleteResourcePolicyResponse,
  type DeleteSecretCommandInput,
  type DeleteSecretResponse,
  type DescribeSecretCommandInput,
  type DescribeSecretResponse,
  type GetResourcePolicyCommandInput,
  type GetResourcePolicyResponse,
  type GetSecretValueCommandInput,
  type GetSecretValueResponse,
  type ListSecretsCommandInput,
  type ListSecretsResponse,
  type PutResourcePolicyCommandInput,
  type PutResourcePolicyResponse,
  type PutSecretValueCommandInput,
  type PutSecretValueResponse,
  type RestoreSecretCommandInput,
  type RestoreSecretResponse,
  type UpdateSecretCommandInput,
  type UpdateSecretResponse,
} from '@aws-sdk/client-secrets-manager';
import { ServiceFailure } from '../failure.ts';
import type { KeyUse, Keys } from '../kms/keys.ts';
import { page } from '../pages.ts';
import type { Place } from '../place.ts';
import { operation, operationTable, type Requirement, type Resource, type Service } from '../service.ts';
import { checkResourcePolicy } from './resource-policy.ts';
import type { Secret, Secrets, SecretValue } from './secrets.ts';

/** The recovery window of DeleteSecret, in days. */
const recoveryDays = { least: 7, most: 30, otherwise: 30 } as const;

export function secretsManagerService(place: Place, secrets: Secrets, keys: Keys): Service {
  const createSecret = (input: CreateSecretCommandInput): CreateSecretResponse => {
    const secret = secrets.create(input.Name ?? '', {
      description: input.Description,
      kmsKeyId: input.KmsKeyId,
      tags: new Map((input.Tags ?? []).map(({ Key, Value }) => [Key ?? '', Value ?? ''])),
    });
    if (!hasValue(input)) return named(secret);
    const version = secrets.put(secret, valueOf(input), input.ClientRequestToken, ['AWSCURRENT']);
    return { ...named(secret), VersionId: version.id };
  };

  const putValue = (input: PutSecretValueCommandInput): PutSecretValueResponse => {
    const secret = secrets.get(input.SecretId);
    const stages = input.VersionStages ?? ['AWSCURRENT'];
    const version = secrets.put(secret, valueOf(input), input.ClientRequestToken, stages);
    return { ...named(secret), VersionId: version.id, VersionStages: [...version.stages] };
  };

  const updateSecret = (input: UpdateSecretCommandInput): UpdateSecretResponse => {
    const secret = secrets.get(input.SecretId);
    secrets.refuseDeleted(secret);
    secret.description = input.Description ?? secret.description;
    secret.kmsKeyId = input.KmsKeyId ?? secret.kmsKeyId;
    if (!hasValue(input)) return named(secret);
    const version = secrets.put(secret, valueOf(input), input.ClientRequestToken, ['AWSCURRENT']);
    return { ...named(secret), VersionId: version.id };
  };

  const getValue = (input: GetSecretValueCommandInput): GetSecretValueResponse => {
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
  };

  const describeSecret = (input: DescribeSecretCommandInput): DescribeSecretResponse => {
    const secret = secrets.get(input.SecretId);
    return { ...shape(secret), VersionIdsToStages: stagesOf(secret) };
  };

  const listSecrets = (input: ListSecretsCommandInput): ListSecretsResponse => {
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
  };

  const deleteSecret = (input: DeleteSecretCommandInput): DeleteSecretResponse => {
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
  };

  const restoreSecret = (input: RestoreSecretCommandInput): RestoreSecretResponse => {
    const secret = secrets.get(input.SecretId);
    Object.assign(secret, { deletedAt: undefined, goneAt: undefined });
    return named(secret);
  };

  const putPolicy = (input: PutResourcePolicyCommandInput): PutResourcePolicyResponse => {
    const secret = secrets.get(input.SecretId);
    checkResourcePolicy(input.ResourcePolicy ?? '', input.BlockPublicPolicy ?? false);
    secret.policy = input.ResourcePolicy;
    return named(secret);
  };

  const getPolicy = (input: GetResourcePolicyCommandInput): GetResourcePolicyResponse => {
    const secret = secrets.get(input.SecretId);
    return { ...named(secret), ResourcePolicy: secret.policy };
  };

  const deletePolicy = (input: DeleteResourcePolicyCommandInput): DeleteResourcePolicyResponse => {
    const secret = secrets.get(input.SecretId);
    secret.policy = undefined;
    return named(secret);
  };

  const resource = (id: string | undefined): Resource => {
    const secret = secrets.find(id);
    if (!secret) {
      const unknown = id?.startsWith('arn:')
        ? id
        : `arn:aws:secretsmanager:${place.region}:${place.accountId}:secret:${id ?? ''}`;
      return { arn: unknown };
    }
    return { arn: secret.arn, tags: Object.fromEntries(secret.tags) };
  };
  const ofSecret = (input: { SecretId?: string | undefined }): Resource[] => [resource(input.SecretId)];
  const ofRead = (input: GetSecretValueCommandInput): Requirement[] => [
    {
      action: 'secretsmanager:GetSecretValue',
      resources: ofSecret(input),
      context: {
        'secretsmanager:SecretId': resource(input.SecretId).arn,
        'secretsmanager:VersionStage': input.VersionStage ?? 'AWSCURRENT',
        ...(input.VersionId === undefined ? {} : { 'secretsmanager:VersionId': input.VersionId }),
      },
    },
    ...ofKey('read', input.SecretId),
  ];
  /** What the caller needs of the secret's key. */
  const ofKey = (use: KeyUse, id: string | undefined): Requirement[] => {
    const secret = secrets.find(id);
    return keys.uses(use, secret?.kmsKeyId, 'secretsmanager', { SecretARN: secret?.arn ?? '' });
  };
  const ofWrite =
    (action: string) =>
    (input: { SecretId?: string | undefined; SecretString?: string | undefined }): Requirement[] => [
      { action: `secretsmanager:${action}`, resources: ofSecret(input) },
      ...(action === 'PutSecretValue' || input.SecretString !== undefined
        ? ofKey('write', input.SecretId)
        : []),
    ];
  const ofPolicy = (input: PutResourcePolicyCommandInput): Requirement[] => [
    {
      action: 'secretsmanager:PutResourcePolicy',
      resources: ofSecret(input),
      context: { 'secretsmanager:BlockPublicPolicy': String(input.BlockPublicPolicy ?? false) },
    },
  ];

  return {
    name: 'secretsmanager',
    protocol: 'json1.1',
    selector: 'secretsmanager',
    errors: errorTypeRegistries,
    operations: operationTable([
      operation('secretsmanager', CreateSecret$, createSecret, (input) => [resource(input.Name)]),
      operation('secretsmanager', PutSecretValue$, putValue, ofWrite('PutSecretValue')),
      operation('secretsmanager', UpdateSecret$, updateSecret, ofWrite('UpdateSecret')),
      operation('secretsmanager', GetSecretValue$, getValue, ofRead),
      operation('secretsmanager', DescribeSecret$, describeSecret, ofSecret),
      operation('secretsmanager', ListSecrets$, listSecrets),
      operation('secretsmanager', DeleteSecret$, deleteSecret, ofSecret),
      operation('secretsmanager', RestoreSecret$, restoreSecret, ofSecret),
      operation('secretsmanager', PutResourcePolicy$, putPolicy, ofPolicy),
      operation('secretsmanager', GetResourcePolicy$, getPolicy, ofSecret),
      operation('secretsmanager', DeleteResourcePolicy$, deletePolicy, ofSecret),
    ]),
  };
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

function named(secret: Secret): { ARN: string; Name: string } {
  return { ARN: secret.arn, Name: secret.name };
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
