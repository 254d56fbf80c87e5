import { once } from 'node:events';
import { createServer } from 'node:http';
import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EC2Client } from '@aws-sdk/client-ec2';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SQSClient } from '@aws-sdk/client-sqs';
import { SSMClient } from '@aws-sdk/client-ssm';
import { STSClient } from '@aws-sdk/client-sts';
import {
  createCloud,
  type Authorize,
  type Cloud,
  type Faults,
  type Fleet,
  type ScriptRunner,
  type Witness,
} from '../../../infra/sandbox/cloud/cloud.ts';
import { cloudFormationService } from '../../../infra/sandbox/stack/cloudformation/service.ts';
import type { DeployedResource } from '../../../infra/sandbox/stack/deployed-resource.ts';
import { resourceTypes } from '../../../infra/sandbox/stack/resources/index.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

export const region = 'eu-central-1';
export const accountId = '123456789012';

/** With the secret of RFC 6238's test vectors. */
export const operatorsMfa = {
  serialNumber: `arn:aws:iam::${accountId}:mfa/operator`,
  secret: Buffer.from('12345678901234567890'),
};

export interface Bench extends AsyncDisposable {
  readonly cloud: Cloud;
  readonly clock: VirtualClock;
  readonly endpoint: string;
  /** How many things in the cloud wait for time to pass. */
  readonly sleeping: () => number;
  readonly booted: string[];
  readonly destroyed: string[];
  readonly rebooted: string[];
  /** Stops and starts, in order, with the disk that is started from. */
  readonly halted: string[];
  readonly as: (principal: 'operator' | 'worker') => Clients;
}

export type Clients = ReturnType<typeof clients>;

/** A whole cloud behind a real HTTP server on the loopback, with the SDK's clients, on a clock that the test moves. */
export async function startBench(
  options: {
    boot?: Fleet['boot'];
    runScript?: ScriptRunner['run'];
    authorize?: Authorize;
    faults?: Faults;
    endpointOf?: (service: string) => string | undefined;
    terminateHookAfterAbandon?: boolean;
    witness?: Witness;
    registers?: (instanceId: string) => boolean;
    /** Whether a stack's wait conditions wait. */
    signalled?: boolean;
    /** Told of the resources of stacks. */
    onCreated?: (resource: DeployedResource) => void;
    onDeleted?: (resource: DeployedResource) => void;
  } = {},
): Promise<Bench> {
  const clock = createVirtualClock();
  const booted: string[] = [];
  const destroyed: string[] = [];
  const rebooted: string[] = [];
  const halted: string[] = [];
  const keys = {
    operator: { accessKeyId: 'AKIAOPERATOR', secretAccessKey: 'the operator’s' },
    worker: { accessKeyId: 'AKIAWORKER', secretAccessKey: 'the worker’s' },
  };
  const cloud: Cloud = createCloud({
    region,
    accountId,
    principals: [
      { name: 'operator', ...keys.operator, mfa: operatorsMfa },
      { name: 'worker', ...keys.worker, arn: `arn:aws:iam::${accountId}:role/worker` },
    ],
    fleet: {
      async boot(instanceId, group, launch) {
        const booting = (await options.boot?.(instanceId, group, launch)) ?? {
          privateIpAddress: `10.77.1.${booted.length + 1}`,
          hostName: `host-${booted.length + 1}`,
        };
        booted.push(instanceId);
        return booting;
      },
      async destroy(instanceId) {
        destroyed.push(instanceId);
      },
      async reboot(instanceId) {
        rebooted.push(instanceId);
      },
      async stop(instanceId) {
        halted.push(`stop ${instanceId}`);
      },
      async start(instanceId, disk) {
        halted.push(`start ${instanceId} ${disk}`);
      },
    },
    scripts: {
      run: options.runScript ?? (async () => ({ code: 0, stdout: 'done\n', stderr: '', timedOut: false })),
    },
    clock,
    more: (parts) => [
      cloudFormationService(parts, {
        types: resourceTypes,
        cloud: () => cloud,
        loopback: () => endpoint,
        remembered: new Set(),
        onCreated: options.onCreated ?? (() => undefined),
        onImported: () => undefined,
        onDeleted: options.onDeleted ?? (() => undefined),
        describeWaitsMs: 60_000,
        ...(options.signalled && { rolling: {} }),
      }),
    ],
    ...(options.authorize ? { authorize: options.authorize } : {}),
    ...(options.faults ? { faults: options.faults } : {}),
    ...(options.witness ? { witness: options.witness } : {}),
    ...(options.registers ? { registers: options.registers } : {}),
    ...(options.signalled === undefined ? {} : { signalled: options.signalled }),
    ...(options.endpointOf ? { endpointOf: options.endpointOf } : {}),
    ...(options.terminateHookAfterAbandon === undefined
      ? {}
      : { terminateHookAfterAbandon: options.terminateHookAfterAbandon }),
  });
  const server = createServer(cloud.handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  const endpoint = `http://127.0.0.1:${address.port}`;
  const open: Clients[] = [];
  return {
    cloud,
    clock,
    sleeping: () => clock.sleeping,
    endpoint,
    booted,
    destroyed,
    rebooted,
    halted,
    as(principal) {
      const made = clients(endpoint, keys[principal], clock);
      open.push(made);
      return made;
    },
    async [Symbol.asyncDispose]() {
      cloud.close();
      for (const each of open.flatMap((made) => Object.values(made))) each.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export function clients(
  endpoint: string,
  credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string },
  clock: VirtualClock,
) {
  const configuration = { endpoint, region, credentials, maxAttempts: 1 };
  const made = {
    autoScaling: new AutoScalingClient(configuration),
    cloudFormation: new CloudFormationClient(configuration),
    dynamoDb: new DynamoDBClient(configuration),
    logs: new CloudWatchLogsClient(configuration),
    ec2: new EC2Client(configuration),
    secrets: new SecretsManagerClient(configuration),
    sqs: new SQSClient(configuration),
    ssm: new SSMClient(configuration),
    sts: new STSClient(configuration),
  };
  // Requests are signed with the test's time; the SDK asks for the offset at every request.
  for (const { config } of Object.values(made)) {
    Object.defineProperty(config, 'systemClockOffset', {
      get: () => clock.now() - Date.now(),
      set: () => undefined,
    });
  }
  return made;
}
