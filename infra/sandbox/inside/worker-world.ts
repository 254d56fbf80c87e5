/**
 * What an instance of the worker's launch template finds around it: AWS's names and TLS, which lead to the VPC's endpoints, the
 * instance metadata service, and the distribution's packages in their bucket.
 */
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer } from 'node:https';
import type { Buckets } from '../cloud/s3/buckets.ts';
import { metadataAddress } from '../cloud/metadata/service.ts';
import { nameOf } from '../cloud/names.ts';
import { waitBucket } from '../cloud/wait/wait-handles.ts';
import { makeAmazonLinux, runUserData, type Supplies } from '../machine/amazon/amazon-linux.ts';
import type { Machine } from '../machine/machine.ts';
import { ensureBridge, network } from '../machine/network.ts';
import { mustRun } from '../machine/process.ts';
import { packagesBucket } from '../stack/aws-buckets.ts';
import type { WorkerImage } from './fleet.ts';

export interface WorkerWorldOptions {
  /** What lies over the image: curl, logrotate and the AWS CLI. */
  readonly layer: string;
  readonly region: string;
  readonly supplies: Supplies;
  readonly cloud: () => {
    readonly vpcHandler: RequestListener;
    readonly buckets: Buckets;
  };
  readonly metadata: RequestListener;
  /** Names that the VPC's endpoints have for themselves. */
  readonly endpointNames: () => readonly string[];
  /** The bucket of the agent's file. */
  readonly agentBucket: string;
  /** Called for each machine before it runs its user data; what it changes is like a part of the image. */
  readonly prepare?: ((machine: Machine) => Promise<void>) | undefined;
}

export interface WorkerWorld extends WorkerImage {
  close(): Promise<void>;
}

/** Of the VPC's endpoints. Below the machines' addresses. */
const endpointAddress = '10.77.0.2';
const services = ['autoscaling', 'dynamodb', 'ec2', 'logs', 's3', 'secretsmanager', 'sqs', 'ssm'];

/** Where the repository lies in its bucket. The distribution's mirror list names it. */
const folder = 'core/guids/sandbox';

export async function openWorkerWorld(options: WorkerWorldOptions): Promise<WorkerWorld> {
  const { region } = options;
  await ensureBridge();
  for (const address of [endpointAddress, metadataAddress])
    await mustRun(['ip', 'address', 'replace', `${address}/32`, 'dev', network.bridge]);
  const { repository, certificate } = options.supplies;
  const { buckets } = options.cloud();
  const bucket = packagesBucket(region);
  const packages = `${bucket}.s3.dualstack.${region}.amazonaws.com`;
  buckets.create(bucket);
  for (const [path, file] of repository)
    buckets.put(bucket, `${folder}/${path}`, file, 'binary/octet-stream');
  const list = `https://${packages}/${folder}/\n`;
  for (const architecture of ['x86_64', 'aarch64'])
    buckets.put(bucket, `core/mirrors/latest/${architecture}/mirror.list`, Buffer.from(list), 'text/plain');

  const endpoints = createServer(
    { key: certificate.key, cert: certificate.certificate },
    (request, response) => options.cloud().vpcHandler(request, response),
  );
  const metadata = createHttpServer(options.metadata);
  await Promise.all([listen(endpoints, 443, endpointAddress), listen(metadata, 80, metadataAddress)]);
  const s3 = nameOf('s3', region);
  const names = [
    ...services.map((service) => nameOf(service, region)),
    `${options.agentBucket}.${s3}`,
    `${waitBucket(region)}.${s3}`,
    packages,
  ];
  return {
    layer: options.layer,
    async begin(machine) {
      await makeAmazonLinux(machine, {
        region,
        endpointAddress,
        names: [...names, ...options.endpointNames()],
        certificate: certificate.certificate,
      });
      await options.prepare?.(machine);
      await runUserData(machine);
    },
    async close() {
      await Promise.all([endpoints, metadata].map(close));
    },
  };
}

async function listen(server: Server, port: number, address: string): Promise<void> {
  server.listen(port, address);
  await once(server, 'listening');
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}
