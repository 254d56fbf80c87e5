import type { ResourceTypes } from '../resource-type.ts';
import { autoScaling } from './auto-scaling.ts';
import { cloudWatch } from './cloudwatch.ts';
import { dynamoDb } from './dynamodb.ts';
import { ec2 } from './ec2.ts';
import { events } from './events.ts';
import { kms } from './kms.ts';
import { logs } from './logs.ts';
import { remembered } from './remembered.ts';
import { s3 } from './s3.ts';
import { secretsManager } from './secrets-manager.ts';
import { sns } from './sns.ts';
import { sqs } from './sqs.ts';
import { ssm } from './ssm.ts';
import { waiting } from './waiting.ts';

/** Every type of resource that the sandbox can make. */
export const resourceTypes: ResourceTypes = {
  ...autoScaling,
  ...cloudWatch,
  ...dynamoDb,
  ...ec2,
  ...events,
  ...kms,
  ...logs,
  ...remembered,
  ...s3,
  ...secretsManager,
  ...sns,
  ...sqs,
  ...ssm,
  ...waiting,
};
