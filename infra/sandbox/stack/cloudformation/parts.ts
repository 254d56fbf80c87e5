import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SQSClient } from '@aws-sdk/client-sqs';
import { SSMClient } from '@aws-sdk/client-ssm';
import { HttpRequest } from '@smithy/core/protocols';
import type { MiddlewareStack } from '@smithy/types';
import type { ServiceParts } from '../../cloud/cloud.ts';
import { ServiceFailure } from '../../cloud/failure.ts';
import { isAwsName, nameOf } from '../../cloud/names.ts';
import { hexDigits } from '../../cloud/random.ts';
import type { Call, Requirement } from '../../cloud/service.ts';
import type { DeployedResource } from '../deployed-resource.ts';
import { prepare, type Prepared } from '../prepare.ts';
import type { ResourceTypes, Target } from '../resource-type.ts';
import { TemplateError } from '../template.ts';
import { addressOf, type TemplateSource } from './template-source.ts';
import type { Stacks } from './stacks.ts';

/** What stacks are made with, and who is told. */
export interface Engine {
  readonly types: ResourceTypes;
  /** Services that take no calls here. */
  readonly cloud: () => Target['cloud'];
  /** Resources of all stacks that are only remembered. */
  readonly remembered: Set<string>;
  /** The address of the sandbox for its own calls. */
  readonly loopback: () => string;
  readonly onCreated: (resource: DeployedResource) => void;
  readonly onImported: (resource: DeployedResource) => void;
  readonly onDeleted: (resource: DeployedResource) => void;
  /**
   * How long DescribeStacks may wait for a stack in progress to come to its end, in milliseconds. AWS waits not at all;
   * but the CLI asks every 30 seconds only, while a stack here takes one.
   */
  readonly describeWaitsMs?: number;
  /** Whether an update replaces the instances of a group by its update policy, and what is waited for in place of its pause. Default: it doesn't. */
  readonly rolling?: { readonly instead?: (() => Promise<unknown>) | undefined };
}

export interface CloudFormationParts extends ServiceParts {
  readonly engine: Engine;
  readonly stacks: Stacks;
}

/** @throws ServiceFailure in the words of a template's or a parameter's problem */
export function prepared(
  { engine, place }: CloudFormationParts,
  stack: { readonly name: string; readonly id?: string },
  wanted: { readonly template: string; readonly parameters: Readonly<Record<string, string>> },
): Prepared {
  return orValidationError(() =>
    prepare({
      name: stack.name,
      ...(stack.id === undefined ? {} : { stackId: stack.id }),
      ...wanted,
      place,
      types: engine.types,
    }),
  );
}

export function orValidationError<Answer>(ask: () => Answer): Answer {
  try {
    return ask();
  } catch (error) {
    if (error instanceof TemplateError) throw new ServiceFailure('ValidationError', error.message);
    throw error;
  }
}

/** A template in a bucket is read by the caller, who needs the right to. */
export function toRead(source: TemplateSource): Requirement[] {
  if (source.TemplateURL === undefined) return [];
  // The sandbox's own address fits as well as that of S3: only the names in it count here.
  const origin = URL.canParse(source.TemplateURL) ? new URL(source.TemplateURL).origin : '';
  const { bucket, key } = addressOf(source.TemplateURL, origin);
  return [
    { action: 's3:GetObject', resources: [{ arn: `arn:aws:s3:::${bucket}/${key}` }], via: 'cloudformation' },
  ];
}

/** Before it is signed, a request gets the name that it is to be answered under. */
export function askByName<Input extends object, Output extends object>(
  { middlewareStack }: { readonly middlewareStack: MiddlewareStack<Input, Output> },
  name: string,
): void {
  middlewareStack.add(
    (next) => (args) => {
      if (HttpRequest.isInstance(args.request)) args.request.headers['host'] = name;
      return next(args);
    },
    { step: 'build', name: 'askByName' },
  );
}

/** Where a caller's stacks are made; its clients sign with the caller's key. To be closed at the end of the operation. */
export function targetOf(parts: CloudFormationParts, call: Call): Target & { readonly close: () => void } {
  const { place, timers, random, engine, keys } = parts;
  const holder = keys.find(call.principal.accessKeyId);
  if (holder === undefined) throw new ServiceFailure('InvalidClientTokenId', 'The key is not known.', 403);
  const { accessKeyId, secretAccessKey, sessionToken } = holder;
  // AWS's names lead nowhere from here: the calls go by another way, and are answered as if they had come by the name.
  const isNamed = isAwsName(new URL(call.origin).host);
  const configuration = {
    endpoint: isNamed ? engine.loopback() : call.origin,
    region: place.region,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
    // The clock of the cloud may be a test's.
    systemClockOffset: timers.now() - Date.now(),
  };
  const clients = {
    autoScaling: new AutoScalingClient(configuration),
    dynamoDb: new DynamoDBClient(configuration),
    secrets: new SecretsManagerClient(configuration),
    sqs: new SQSClient(configuration),
    ssm: new SSMClient(configuration),
  };
  if (isNamed) {
    askByName(clients.autoScaling, nameOf('autoscaling', place.region));
    askByName(clients.dynamoDb, nameOf('dynamodb', place.region));
    askByName(clients.secrets, nameOf('secretsmanager', place.region));
    askByName(clients.sqs, nameOf('sqs', place.region));
    askByName(clients.ssm, nameOf('ssm', place.region));
  }
  return {
    ...place,
    clients,
    cloud: engine.cloud(),
    remembered: engine.remembered,
    ...(engine.rolling && {
      rolling: { instead: engine.rolling.instead, pause: (ms: number) => timers.pause(ms) },
    }),
    hex: (digits) => hexDigits(random, digits),
    close() {
      for (const client of Object.values(clients)) client.destroy();
    },
  };
}
