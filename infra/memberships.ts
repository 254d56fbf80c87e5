import { RemovalPolicy } from 'aws-cdk-lib';
import { CfnTable } from 'aws-cdk-lib/aws-dynamodb';
import type { Construct } from 'constructs';
import type { Site } from './site.ts';

/**
 * The ledger's table. It outlives the stack: it says what the directory is still owed.
 *
 * Sealed with DynamoDB's key of this account, not one of ours: records hold no secret, and the worker needs no right to
 * any key for them.
 *
 * What a failed first deployment made goes again, so that the next try finds its names free; but this table does not
 * without a hand: its deletion protection has to be turned off first.
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
