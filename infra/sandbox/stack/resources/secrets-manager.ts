import {
  CreateSecretCommand,
  DeleteResourcePolicyCommand,
  DeleteSecretCommand,
  PutResourcePolicyCommand,
  UpdateSecretCommand,
} from '@aws-sdk/client-secrets-manager';
import {
  asBefore,
  maps,
  optionalText,
  present,
  text,
  type ResourceTypes,
  type Target,
  type Wanted,
} from '../resource-type.ts';
import { scalar } from '../template.ts';

export const secretsManager: ResourceTypes = {
  // No value: what a template holds is no secret.
  'AWS::SecretsManager::Secret': {
    applied: ['Name', 'Description', 'KmsKeyId', 'Tags'],
    fixed: ['Name'],
    async update(made, wanted, { clients }) {
      await clients.secrets.send(
        new UpdateSecretCommand({
          SecretId: made.ref,
          ...present({
            Description: optionalText(wanted, 'Description'),
            KmsKeyId: optionalText(wanted, 'KmsKeyId'),
          }),
        }),
      );
      return asBefore(made);
    },
    async create(wanted, { clients }) {
      const { ARN = '' } = await clients.secrets.send(
        new CreateSecretCommand({
          Name: optionalText(wanted, 'Name') ?? wanted.madeUpName,
          ...present({
            Description: optionalText(wanted, 'Description'),
            KmsKeyId: optionalText(wanted, 'KmsKeyId'),
          }),
          Tags: maps(wanted, 'Tags').map(({ Key, Value }) => ({
            Key: scalar(Key, 'Key'),
            Value: scalar(Value, 'Value'),
          })),
        }),
      );
      return { ref: ARN, attributes: { Id: ARN } };
    },
    // Without a recovery window, so that the name is free at once: aws-cloudformation/cloudformation-coverage-roadmap, issue 1999.
    delete: ({ ref }, { clients }) =>
      clients.secrets.send(new DeleteSecretCommand({ SecretId: ref, ForceDeleteWithoutRecovery: true })),
  },
  'AWS::SecretsManager::ResourcePolicy': {
    applied: ['SecretId', 'ResourcePolicy', 'BlockPublicPolicy'],
    fixed: ['SecretId'],
    async create(wanted, target) {
      const SecretId = await putPolicy(wanted, target);
      return { ref: SecretId, attributes: { Id: SecretId } };
    },
    async update(made, wanted, target) {
      await putPolicy(wanted, target);
      return asBefore(made);
    },
    delete: ({ ref }, { clients }) =>
      clients.secrets.send(new DeleteResourcePolicyCommand({ SecretId: ref })),
  },
};

/** The secret's ID. */
async function putPolicy(wanted: Wanted, { clients }: Target): Promise<string> {
  const SecretId = text(wanted, 'SecretId');
  await clients.secrets.send(
    new PutResourcePolicyCommand({
      SecretId,
      ResourcePolicy: JSON.stringify(wanted.properties['ResourcePolicy']),
      BlockPublicPolicy: optionalText(wanted, 'BlockPublicPolicy') === 'true',
    }),
  );
  return SecretId;
}
