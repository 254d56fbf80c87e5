import { RemovalPolicy } from 'aws-cdk-lib';
import { CfnTable } from 'aws-cdk-lib/aws-dynamodb';
import type { Construct } from 'constructs';
import type { Site } from './site.ts';

/**
 * The ledger's table. It is kept when the stack is deleted, because it says which removals are still owed.
 *
 * It is encrypted with the AWS managed key of DynamoDB, not with a key of this stack: records contain no secret, and the worker
 * needs no rights on a key.
 *
 * A failed first deployment removes what it made, so that the names are free for the next try. This table is the exception:
 * its deletion protection has to be turned off by hand first.
 */
export function memberships(scope: Construct, id: string, site: Site): CfnTable {
  const table = new CfnTable(scope, id, {
    tableName: `${site.deployment}-memberships`,
    attributeDefinitions: [{ attributeName: 'instanceId', attributeType: 'S' }],
    keySchema: [{ attributeName: 'instanceId', keyType: 'HASH' }],
    billingMode: 'PAY_PER_REQUEST',
    deletionProtectionEnabled: true,
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    sseSpecification: { sseEnabled: true, sseType: 'KMS' },
    timeToLiveSpecification: { attributeName: 'expiresAt', enabled: true },
  });
  table.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);
  return table;
}
