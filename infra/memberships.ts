import { Aws, RemovalPolicy } from 'aws-cdk-lib';
import { CfnTable } from 'aws-cdk-lib/aws-dynamodb';
import type { Construct } from 'constructs';
import { fillPolicy } from './policy-file.ts';
import type { Site } from './site.ts';

/**
 * The ledger's table. It is kept when the stack is deleted, because it says which removals are still owed.
 *
 * It is encrypted with the AWS managed key of DynamoDB, not with a key of this stack: records contain no secret, and the worker
 * needs no rights on a key.
 *
 * Its own policy keeps everyone but administrators from deleting it. DynamoDB's deletion protection would keep CloudFormation
 * from it as well: when the first deployment fails, the rollback could not delete the table, and its name would be taken at
 * the next try. Should an administrator delete it, point-in-time recovery keeps a backup of the last state for 35 days.
 */
export function memberships(scope: Construct, id: string, site: Site): CfnTable {
  const tableName = `${site.deployment}-memberships`;
  // A table's own policy can't refer to its attribute: it is part of the table.
  const TableArn = `arn:${Aws.PARTITION}:dynamodb:${Aws.REGION}:${Aws.ACCOUNT_ID}:table/${tableName}`;
  const table = new CfnTable(scope, id, {
    tableName,
    attributeDefinitions: [{ attributeName: 'instanceId', attributeType: 'S' }],
    keySchema: [{ attributeName: 'instanceId', keyType: 'HASH' }],
    billingMode: 'PAY_PER_REQUEST',
    resourcePolicy: { policyDocument: fillPolicy('memberships', { ...site.policyValues, TableArn }) },
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    sseSpecification: { sseEnabled: true, sseType: 'KMS' },
    timeToLiveSpecification: { attributeName: 'expiresAt', enabled: true },
  });
  table.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);
  return table;
}
