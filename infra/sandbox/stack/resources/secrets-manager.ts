import {
  CreateSecretCommand,
  DeleteResourcePolicyCommand,
  DeleteSecretCommand,
  PutResourcePolicyCommand,
} from '@aws-sdk/client-secrets-manager';
import { maps, optionalText, present, text, type ResourceTypes } from '../resource-type.ts';
import { scalar } from '../template.ts';

export const secretsManager: ResourceTypes = {
  // No value: what a template holds is no secret.
  'AWS::SecretsManager::Secret': {
    applied: ['Name', 'Description', 'KmsKeyId', 'Tags'],
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
    async create(wanted, { clients }) {
      const SecretId = text(wanted, 'SecretId');
      await clients.secrets.send(
        new PutResourcePolicyCommand({
          SecretId,
          ResourcePolicy: JSON.stringify(wanted.properties['ResourcePolicy']),
          BlockPublicPolicy: optionalText(wanted, 'BlockPublicPolicy') === 'true',
        }),
      );
      return { ref: SecretId, attributes: { Id: SecretId } };
    },
    delete: ({ ref }, { clients }) =>
      clients.secrets.send(new DeleteResourcePolicyCommand({ SecretId: ref })),
  },
};
