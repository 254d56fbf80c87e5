/**
 * The one place where AWS clients are made. Credentials come from the SDK's own chain (the worker's instance profile), once for all;
 * endpoints from its own settings (`AWS_ENDPOINT_URL`, or the VPC's private DNS), so nothing here knows where it runs.
 */
import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EC2Client } from '@aws-sdk/client-ec2';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SQSClient } from '@aws-sdk/client-sqs';
import { SSMClient } from '@aws-sdk/client-ssm';
import { defaultProvider } from '@aws-sdk/credential-provider-node';

export interface Clients {
  readonly autoScaling: AutoScalingClient;
  readonly dynamodb: DynamoDBClient;
  readonly ec2: EC2Client;
  readonly secretsManager: SecretsManagerClient;
  readonly sqs: SQSClient;
  readonly ssm: SSMClient;
}

/** Milliseconds. A connection inside a VPC opens in single digits; if it takes longer, the endpoint is not there. */
const CONNECTION_TIMEOUT = 5_000;
/** Milliseconds for which a connection may be silent before it is cut and the call is tried on another one. */
const LIMITS = {
  /** No service takes this long to answer, and with the default settings a renewal still has time for another connection. */
  answerMs: 15_000,
  /** Above SQS's longest poll of 20 s. What a cut ReceiveMessage had picked comes back when its visibility ends. */
  pollMs: 35_000,
} as const;

/**
 * Milliseconds for an answer of the instance metadata service. The SDK gives it one second, and a client whose first question a busy worker
 * asks late has no credentials then.
 */
const METADATA = { timeout: 5_000 } as const;

export function createClients(
  region: string,
  limits: Readonly<Record<keyof typeof LIMITS, number>> = LIMITS,
): Clients {
  const handler = (silenceMs: number) => ({
    connectionTimeout: CONNECTION_TIMEOUT,
    requestTimeout: silenceMs,
    // Without this the SDK only writes a warning, and goes on waiting.
    throwOnRequestTimeout: true,
    // The request's time-out ends when the answer begins; this one cuts a connection that goes silent in the middle of an answer.
    socketTimeout: silenceMs,
  });
  const common = {
    region,
    // `adaptive` slows all calls of a client down when one is throttled. A third attempt covers a lost packet; longer
    // outages are left to the retries of the action, which keeps its lease meanwhile.
    retryMode: 'adaptive',
    maxAttempts: 3,
    requestHandler: handler(limits.answerMs),
    // One for all: each client would ask for its own, and could be the one that gets none.
    credentials: defaultProvider(METADATA),
  };
  return {
    // Of calls that wait here, the SDK would not know which is to go first: agent/aws/turns.ts slows them down.
    autoScaling: new AutoScalingClient({ ...common, retryMode: 'standard' }),
    dynamodb: new DynamoDBClient(common),
    ec2: new EC2Client(common),
    secretsManager: new SecretsManagerClient(common),
    // The queue's URL is the queue's name, not its address: the endpoint is found like any other service's.
    sqs: new SQSClient({ ...common, requestHandler: handler(limits.pollMs), useQueueUrlAsEndpoint: false }),
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
