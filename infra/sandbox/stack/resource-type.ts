import { isDeepStrictEqual } from 'node:util';
import type { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { SQSClient } from '@aws-sdk/client-sqs';
import type { SSMClient } from '@aws-sdk/client-ssm';
import type { Cloud } from '../cloud/cloud.ts';
import type { Created } from './evaluate.ts';
import type { Roller } from './rolling-update.ts';
import { isList, isMap, scalar, TemplateError, type Json, type JsonMap } from './template.ts';

/** The clients of a deployment, which sign as its deployer. */
export interface DeployerClients {
  readonly autoScaling: AutoScalingClient;
  readonly dynamoDb: DynamoDBClient;
  readonly secrets: SecretsManagerClient;
  readonly sqs: SQSClient;
  readonly ssm: SSMClient;
}

/** Where a stack is built. */
export interface Target {
  readonly region: string;
  readonly accountId: string;
  readonly clients: DeployerClients;
  /** Services that take no calls here. */
  readonly cloud: Pick<
    Cloud,
    | 'alarms'
    | 'keys'
    | 'topics'
    | 'bus'
    | 'buckets'
    | 'launchTemplates'
    | 'logGroups'
    | 'metricFilters'
    | 'networks'
    | 'waitHandles'
  >;
  /** Resources that are only remembered, by type and name. */
  readonly remembered: Set<string>;
  /** How an update replaces instances; undefined where none boots, and all stay as they are. */
  readonly rolling?: Pick<Roller, 'pause' | 'instead'> | undefined;
  /** Lower-case hexadecimal digits, as IDs end in. */
  readonly hex: (digits: number) => string;
}

/** One resource to be made, with its properties resolved. */
export interface Wanted {
  readonly logicalId: string;
  readonly type: string;
  readonly properties: JsonMap;
  /** How its update goes about it, where its type has a choice. */
  readonly updatePolicy?: JsonMap | undefined;
  /** A name for a resource that the template gives none. */
  readonly madeUpName: string;
}

/** Writes an event of the resource's update, which goes on. */
export type Report = (reason: string) => void;

/** A resource that was made. */
export interface Made extends Wanted, Created {}

/** How a resource that is there already is taken into a stack. */
export interface Import {
  /** The property that identifies it: the primary identifier of the type's schema. */
  readonly by: string;
  /**
   * What `Ref` and `Fn::GetAtt` answer of the one with this identifier. Nothing of it changes.
   * @throws Error where there is none
   */
  find(identifier: string, target: Target): Created | Promise<Created>;
}

export interface ResourceType {
  /** Properties that are carried out; `all` for a type that is only remembered: policies and tests look at it. */
  readonly applied: readonly string[] | 'all';
  /** Properties that change nothing in the sandbox. */
  readonly inert?: readonly string[];
  create(wanted: Wanted, target: Target): Created | Promise<Created>;
  /** Properties that only a creation can set: when one changes, another resource is made. `all`: any of them. */
  readonly fixed?: readonly string[] | 'all';
  /** Absent where it can't be changed. @throws Error where the service refuses */
  update?(made: Made, wanted: Wanted, target: Target, report: Report): Created | Promise<Created>;
  /** Absent where the sandbox takes none in. */
  readonly import?: Import;
  /** @throws Error where the service keeps it */
  delete(made: Made, target: Target): void | Promise<unknown>;
}

/** Whether another resource has to be made in its place. */
export function replacesIt({ fixed = [] }: ResourceType, made: Made, wanted: Wanted): boolean {
  if (fixed === 'all') return true;
  return fixed.some((name) => !isDeepStrictEqual(made.properties[name], wanted.properties[name]));
}

/** An update that leaves to `Ref` and `Fn::GetAtt` what they answer. */
export function asBefore({ ref, attributes, lists }: Made): Created {
  return { ref, attributes, ...(lists && { lists }) };
}

export type ResourceTypes = Readonly<Record<string, ResourceType>>;

/** @throws TemplateError */
export function text({ logicalId, properties }: Wanted, name: string): string {
  return scalar(properties[name], `${logicalId}'s ${name}`);
}

export function optionalText(wanted: Wanted, name: string): string | undefined {
  return wanted.properties[name] === undefined ? undefined : text(wanted, name);
}

export function maps({ logicalId, properties }: Wanted, name: string): readonly JsonMap[] {
  const value: Json = properties[name] ?? [];
  if (isList(value) && value.every(isMap)) return value;
  throw new TemplateError(`${logicalId}'s ${name} must be a list of maps.`);
}

export function texts({ logicalId, properties }: Wanted, name: string): string[] {
  const value: Json = properties[name] ?? [];
  if (isList(value)) return value.map((each) => scalar(each, `${logicalId}'s ${name}`));
  throw new TemplateError(`${logicalId}'s ${name} must be a list.`);
}

/** Only the given members, and only those that are there. */
export function present<Key extends string, Value>(
  members: Readonly<Record<Key, Value | undefined>>,
): Partial<Record<Key, Value>> {
  const result: Partial<Record<Key, Value>> = {};
  for (const key in members) if (members[key] !== undefined) result[key] = members[key];
  return result;
}
