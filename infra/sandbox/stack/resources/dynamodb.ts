import {
  CreateTableCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  ResourceInUseException,
  UpdateTableCommand,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import type { Created } from '../evaluate.ts';
import {
  asBefore,
  maps,
  optionalText,
  text,
  type ResourceTypes,
  type Target,
  type Wanted,
} from '../resource-type.ts';
import { scalar, TemplateError } from '../template.ts';

const keyType = (value: unknown): 'HASH' | 'RANGE' => (value === 'RANGE' ? 'RANGE' : 'HASH');
const attributeType = (value: unknown): 'S' | 'N' | 'B' => (value === 'N' || value === 'B' ? value : 'S');

function madeOf(name: string, { region, accountId }: Target): Created {
  return { ref: name, attributes: { Arn: `arn:aws:dynamodb:${region}:${accountId}:table/${name}` } };
}

function tableOf(wanted: Wanted) {
  return {
    TableName: optionalText(wanted, 'TableName') ?? wanted.madeUpName,
    KeySchema: maps(wanted, 'KeySchema').map((each) => ({
      AttributeName: scalar(each['AttributeName'], 'AttributeName'),
      KeyType: keyType(each['KeyType']),
    })),
    AttributeDefinitions: maps(wanted, 'AttributeDefinitions').map((each) => ({
      AttributeName: scalar(each['AttributeName'], 'AttributeName'),
      AttributeType: attributeType(each['AttributeType']),
    })),
  };
}

export const dynamoDb: ResourceTypes = {
  'AWS::DynamoDB::Table': {
    applied: [
      'TableName',
      'KeySchema',
      'AttributeDefinitions',
      'BillingMode',
      'DeletionProtectionEnabled',
      // The authorizer reads it.
      'ResourcePolicy',
    ],
    // A table here lives in memory, for as long as the sandbox: nothing to seal, to restore or to let expire.
    inert: ['PointInTimeRecoverySpecification', 'SSESpecification', 'Tags', 'TimeToLiveSpecification'],
    fixed: ['TableName', 'KeySchema', 'AttributeDefinitions', 'BillingMode'],
    async update(made, wanted, { clients }) {
      await clients.dynamoDb.send(
        new UpdateTableCommand({
          TableName: made.ref,
          DeletionProtectionEnabled: optionalText(wanted, 'DeletionProtectionEnabled') === 'true',
        }),
      );
      return asBefore(made);
    },
    async create(wanted, target) {
      const { clients } = target;
      if (text(wanted, 'BillingMode') !== 'PAY_PER_REQUEST')
        throw new Error('Only PAY_PER_REQUEST is emulated.');
      const table = tableOf(wanted);
      await clients.dynamoDb
        .send(
          new CreateTableCommand({
            ...table,
            BillingMode: 'PAY_PER_REQUEST',
            DeletionProtectionEnabled: optionalText(wanted, 'DeletionProtectionEnabled') === 'true',
          }),
        )
        .catch((error: unknown) => {
          // dynalite says no more than that.
          if (error instanceof ResourceInUseException)
            throw new TemplateError(
              `Resource of type '${wanted.type}' with identifier '${table.TableName}' already exists.`,
            );
          throw error;
        });
      const waiting = { client: clients.dynamoDb, maxWaitTime: 20, minDelay: 1, maxDelay: 1 };
      await waitUntilTableExists(waiting, { TableName: table.TableName });
      return madeOf(table.TableName, target);
    },
    import: {
      by: 'TableName',
      async find(TableName, target) {
        await target.clients.dynamoDb.send(new DescribeTableCommand({ TableName }));
        return madeOf(TableName, target);
      },
    },
    delete: ({ ref }, { clients }) => clients.dynamoDb.send(new DeleteTableCommand({ TableName: ref })),
  },
};
