/**
 * The one place where AWS clients are made. Credentials come from the SDK's own chain (the worker's instance profile);
 * endpoints from its own settings (`AWS_ENDPOINT_URL`, or the VPC's private DNS), so nothing here knows where it runs.
 */
import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EC2Client } from '@aws-sdk/client-ec2';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SQSClient } from '@aws-sdk/client-sqs';
import { SSMClient } from '@aws-sdk/client-ssm';

export interface Clients {
  readonly autoScaling: AutoScalingClient;
  readonly dynamodb: DynamoDBClient;
  readonly ec2: EC2Client;
  readonly secretsManager: SecretsManagerClient;
  readonly sqs: SQSClient;
  readonly ssm: SSMClient;
}

/** Milliseconds. A connection inside a VPC opens in single digits; longer means that the endpoint is not there. */
const CONNECTION_TIMEOUT = 5_000;
/** Milliseconds. Above SQS's longest poll of 20 s, so that only a dead connection is cut. */
const REQUEST_TIMEOUT = 35_000;

export function createClients(region: string): Clients {
  const common = {
    region,
    // `adaptive` slows all calls of a client down when one is throttled; a third attempt covers a lost packet,
    // anything longer is the retry loop of the action, which holds its lease meanwhile.
    retryMode: 'adaptive',
    maxAttempts: 3,
    requestHandler: { connectionTimeout: CONNECTION_TIMEOUT, requestTimeout: REQUEST_TIMEOUT },
  };
  return {
    autoScaling: new AutoScalingClient(common),
    dynamodb: new DynamoDBClient(common),
    ec2: new EC2Client(common),
    secretsManager: new SecretsManagerClient(common),
    // The queue's URL is the queue's name, not its address: the endpoint is found like any other service's.
    sqs: new SQSClient({ ...common, useQueueUrlAsEndpoint: false }),
    ssm: new SSMClient(common),
  };
}

export function destroyClients(clients: Clients): void {
  clients.autoScaling.destroy();
  clients.dynamodb.destroy();
  clients.ec2.destroy();
  clients.secretsManager.destroy();
  clients.sqs.destroy();
  clients.ssm.destroy();
}
