/**
 * What the services of a stack's resources would refuse. Resources with operations of their own are checked there as well; the
 * others, such as roles, buckets and security groups, only here.
 */
import { groupName, hookLimits } from '../../cloud/limits/auto-scaling.ts';
import { rulesOfGroup, tagKey, tags, tagValue, userData } from '../../cloud/limits/ec2.ts';
import { eventRules } from '../../cloud/limits/events.ts';
import { iamPolicies } from '../../cloud/limits/iam.ts';
import { beyond, type Limit } from '../../cloud/limits/limit.ts';
import { bucketName, secretName, tableName } from '../../cloud/limits/names.ts';
import { principalsOf, shortest, statementsOf } from '../../cloud/limits/policy-parts.ts';
import {
  bucketPolicy,
  endpointPolicy,
  keyPolicy,
  secretPolicy,
  tablePolicy,
  topicPolicy,
} from '../../cloud/limits/resource-policies.ts';
import { brokenBy, scalingPolicies, type Step } from '../../cloud/limits/scaling-policies.ts';
import { checkQueuePolicy, queueName, queueNumbers, sqsPolicy } from '../../cloud/limits/sqs.ts';
import { documentBytes, documentName, documentPrefix } from '../../cloud/limits/ssm.ts';
import { isList, isMap, scalar, type Json, type JsonMap } from '../template.ts';
import { valuesAt } from './property-path.ts';

/** A resource that is to be made, or was. */
export interface Resource {
  readonly type: string;
  readonly properties: JsonMap;
}

interface MadeResource extends Resource {
  readonly ref: string;
}

type Measured = readonly [Limit, string | number];
type Measure = (properties: JsonMap, earlier: readonly MadeResource[]) => readonly Measured[];

/** How much of what is limited a resource of each type has. */
const measures: Readonly<Record<string, Measure>> = {
  'AWS::AutoScaling::AutoScalingGroup': (given) => [
    ...texts(groupName, given, 'AutoScalingGroupName'),
    ...hooks(given, 'LifecycleHookSpecificationList/*/'),
    [hookLimits.ofGroup, listLength(given['LifecycleHookSpecificationList'])],
  ],
  'AWS::AutoScaling::LifecycleHook': (given) => hooks(given, ''),
  'AWS::AutoScaling::ScalingPolicy': (given) => scaling(given),
  'AWS::DynamoDB::Table': (given) => [
    ...texts(tableName, given, 'TableName'),
    ...texts(tablePolicy, given, 'ResourcePolicy/PolicyDocument'),
  ],
  'AWS::EC2::LaunchTemplate': (given) =>
    valuesAt(given, 'LaunchTemplateData/UserData').map(({ value }): Measured => [
      userData,
      Buffer.from(scalar(value, 'UserData'), 'base64').length,
    ]),
  'AWS::EC2::SecurityGroup': (given) =>
    ['SecurityGroupIngress', 'SecurityGroupEgress'].map((direction): Measured => [
      rulesOfGroup,
      listLength(given[direction]),
    ]),
  'AWS::EC2::SecurityGroupEgress': (given, earlier) => [
    [rulesOfGroup, rulesBeside(given, earlier, 'Egress')],
  ],
  'AWS::EC2::SecurityGroupIngress': (given, earlier) => [
    [rulesOfGroup, rulesBeside(given, earlier, 'Ingress')],
  ],
  'AWS::EC2::VPCEndpoint': (given) => texts(endpointPolicy, given, 'PolicyDocument'),
  'AWS::Events::Rule': (given) => [
    ...texts(eventRules.pattern, given, 'EventPattern'),
    [eventRules.targets, listLength(given['Targets'])],
    ...texts(eventRules.template, given, 'Targets/*/InputTransformer/InputTemplate'),
    ...valuesAt(given, 'Targets/*/InputTransformer/InputPathsMap').map(({ value }): Measured => [
      eventRules.paths,
      isMap(value) ? Object.keys(value).length : 0,
    ]),
  ],
  'AWS::IAM::ManagedPolicy': (given, earlier) => [
    ...texts(iamPolicies.managed, given, 'PolicyDocument'),
    ...texts(iamPolicies.alphabet, given, 'PolicyDocument'),
    ...valuesAt(given, 'Roles/*').map(({ value }): Measured => [
      iamPolicies.attached,
      1 + attachedTo(scalar(value, 'a role'), earlier),
    ]),
  ],
  'AWS::IAM::Role': (given) => [
    ...texts(iamPolicies.trust, given, 'AssumeRolePolicyDocument'),
    ...texts(iamPolicies.alphabet, given, 'AssumeRolePolicyDocument'),
    [
      iamPolicies.inline,
      valuesAt(given, 'Policies/*/PolicyDocument').reduce(
        (sum, { value }) => sum + shortest(value).length,
        0,
      ),
    ],
    [iamPolicies.attached, listLength(given['ManagedPolicyArns'])],
  ],
  'AWS::KMS::Key': (given) => texts(keyPolicy, given, 'KeyPolicy'),
  'AWS::S3::Bucket': (given) => texts(bucketName, given, 'BucketName'),
  'AWS::S3::BucketPolicy': (given) => texts(bucketPolicy, given, 'PolicyDocument'),
  'AWS::SNS::TopicPolicy': (given) => [
    ...texts(topicPolicy.bytes, given, 'PolicyDocument'),
    [topicPolicy.statements, statementsOf(given['PolicyDocument']).length],
    [topicPolicy.principals, statementsOf(given['PolicyDocument']).flatMap(principalsOf).length],
  ],
  'AWS::SQS::Queue': (given) => [
    ...texts(queueName, given, 'QueueName'),
    ...Object.entries(queueNumbers).flatMap(([name, limit]) =>
      valuesAt(given, name).map(({ value }): Measured => [limit, Number(value)]),
    ),
  ],
  'AWS::SSM::Document': (given) => [
    ...texts(documentName, given, 'Name'),
    ...texts(documentPrefix, given, 'Name'),
    ...texts(documentBytes, given, 'Content'),
  ],
  'AWS::SecretsManager::ResourcePolicy': (given) => texts(secretPolicy, given, 'ResourcePolicy'),
  'AWS::SecretsManager::Secret': (given) => texts(secretName, given, 'Name'),
};

/** Every limit that a stack's resource can meet. */
export const serviceLimits: readonly Limit[] = [
  ...Object.values(hookLimits),
  ...Object.values(eventRules),
  ...Object.values(iamPolicies),
  ...Object.values(topicPolicy),
  ...Object.values(sqsPolicy),
  ...Object.values(queueNumbers),
  ...Object.values(scalingPolicies),
  groupName,
  tableName,
  tablePolicy,
  userData,
  rulesOfGroup,
  endpointPolicy,
  keyPolicy,
  bucketName,
  bucketPolicy,
  queueName,
  documentName,
  documentPrefix,
  documentBytes,
  secretPolicy,
  secretName,
  tags,
  tagKey,
  tagValue,
];

/**
 * @param earlier what the stack has made by then: a security group's rules and a role's policies are resources of their own
 * @throws ServiceFailure in the words of the service
 */
export function checkServices(resource: Resource, earlier: readonly MadeResource[] = []): void {
  const { type, properties } = resource;
  if (type === 'AWS::SQS::QueuePolicy') checkQueuePolicy(JSON.stringify(properties['PolicyDocument']));
  const measured = [...(measures[type]?.(properties, earlier) ?? []), ...tagsOf(properties)];
  for (const [limit, value] of measured) {
    const failure = beyond(limit, value);
    if (failure) throw failure;
  }
}

function texts(limit: Limit, properties: JsonMap, path: string): Measured[] {
  return valuesAt(properties, path).map(({ value }) => [
    limit,
    typeof value === 'string' ? value : shortest(value),
  ]);
}

function listLength(value: Json | undefined): number {
  return isList(value) ? value.length : 0;
}

function hooks(given: JsonMap, path: string): Measured[] {
  return [
    ...texts(hookLimits.name, given, `${path}LifecycleHookName`),
    ...valuesAt(given, `${path}HeartbeatTimeout`).map(({ value }): Measured => [
      hookLimits.heartbeat,
      Number(value),
    ]),
    ...texts(hookLimits.metadata, given, `${path}NotificationMetadata`),
  ];
}

const bound = (value: Json | undefined): number | undefined =>
  value === undefined ? undefined : Number(value);

function scaling(given: JsonMap): Measured[] {
  const { PolicyType, AdjustmentType, StepAdjustments } = given;
  if (PolicyType === 'TargetTrackingScaling') {
    const metrics = valuesAt(
      given,
      'TargetTrackingConfiguration/CustomizedMetricSpecification/Metrics/*',
    ).map(({ value }) => value);
    // What is not said returns data.
    const returned = metrics.filter(
      (metric) => isMap(metric) && scalar(metric['ReturnData'] ?? true, 'ReturnData') !== 'false',
    );
    return metrics.length > 0 ? [[scalingPolicies.tracked, returned.length]] : [];
  }
  if (PolicyType !== 'StepScaling') return [];
  const steps = (isList(StepAdjustments) ? StepAdjustments : []).filter(isMap).map((step): Step => ({
    lower: bound(step['MetricIntervalLowerBound']),
    upper: bound(step['MetricIntervalUpperBound']),
  }));
  const { joints, unbounded, lowerEnd, upperEnd } = brokenBy(steps);
  return [
    [scalingPolicies.steps, steps.length],
    [scalingPolicies.adjustment, AdjustmentType === undefined ? 0 : 1],
    [scalingPolicies.unbounded, unbounded],
    [scalingPolicies.joints, joints],
    [scalingPolicies.lowerEnd, lowerEnd],
    [scalingPolicies.upperEnd, upperEnd],
  ];
}

/** The rules of the same group and direction that exist, and this one. */
function rulesBeside(
  { GroupId }: JsonMap,
  earlier: readonly MadeResource[],
  direction: 'Egress' | 'Ingress',
): number {
  const group = earlier.find(({ type, ref }) => type === 'AWS::EC2::SecurityGroup' && ref === GroupId);
  const inside = listLength(group?.properties[`SecurityGroup${direction}`]);
  const beside = earlier.filter(
    ({ type, properties }) =>
      type === `AWS::EC2::SecurityGroup${direction}` && properties['GroupId'] === GroupId,
  );
  return inside + beside.length + 1;
}

function attachedTo(role: string, earlier: readonly MadeResource[]): number {
  const own = earlier.find(({ type, ref }) => type === 'AWS::IAM::Role' && ref === role);
  const policies = earlier.filter(
    ({ type, properties }) =>
      type === 'AWS::IAM::ManagedPolicy' && isList(properties['Roles']) && properties['Roles'].includes(role),
  );
  return listLength(own?.properties['ManagedPolicyArns']) + policies.length;
}

function tagsOf(properties: JsonMap): Measured[] {
  return [
    [tags, listLength(properties['Tags'])],
    ...texts(tagKey, properties, 'Tags/*/Key'),
    ...texts(tagValue, properties, 'Tags/*/Value'),
    ...texts(tagKey, properties, 'TagSpecifications/*/Tags/*/Key'),
    ...texts(tagKey, properties, 'LaunchTemplateData/TagSpecifications/*/Tags/*/Key'),
  ];
}
