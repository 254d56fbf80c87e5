import {
  CreateSecretCommand,
  DeleteResourcePolicyCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetResourcePolicyCommand,
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
    import: {
      by: 'Id',
      async find(id, { clients }) {
        const { ARN = '' } = await clients.secrets.send(new DescribeSecretCommand({ SecretId: id }));
        return { ref: ARN, attributes: { Id: ARN } };
      },
    },
    // Without a recovery window, so that the name is free at once: aws-cloudformation/cloudformation-coverage-roadmap, issue 1999.
    delete: ({ ref }, { clients }) =>
      clients.secrets.send(new DeleteSecretCommand({ SecretId: ref, ForceDeleteWithoutRecovery: true })),
  },
  'AWS::SecretsManager::ResourcePolicy': {
    applied: ['SecretId', 'ResourcePolicy', 'BlockPublicPolicy'],
    fixed: ['SecretId'],
    import: {
      by: 'Id',
      async find(id, target) {
        if (!(await hasPolicy(id, target))) throw new Error(`The secret ${id} has no resource policy.`);
        return { ref: id, attributes: { Id: id } };
      },
    },
    async create(wanted, target) {
      // "If a secret already has a resource policy attached, you must first remove it":
      // https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-resourcepolicy.html
      if (await hasPolicy(text(wanted, 'SecretId'), target))
        throw new Error(`The secret ${text(wanted, 'SecretId')} already has a resource policy.`);
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

async function hasPolicy(SecretId: string, { clients }: Target): Promise<boolean> {
  const { ResourcePolicy } = await clients.secrets.send(new GetResourcePolicyCommand({ SecretId }));
  return ResourcePolicy !== undefined;
}

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
