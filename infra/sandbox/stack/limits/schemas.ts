/**
 * What CloudFormation itself asks of properties before it calls a service: the constraints in the schema of each resource type, as
 * its page in the Template Reference has them. Only types and properties that the stacks here use.
 */
import type { Source } from '../../cloud/limits/limit.ts';

/** Keywords of JSON Schema. */
export interface Constraint {
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: RegExp;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly enum?: readonly (string | number)[];
  readonly minItems?: number;
  readonly maxItems?: number;
}

/** By path: members are separated by a slash, and an asterisk stands for every item of a list. */
export type Constraints = Readonly<Record<string, Constraint>>;

export function schemaSource(type: string): Source {
  const [, service = '', name = ''] = type.toLowerCase().split('::');
  return {
    title: `${type}, AWS CloudFormation Template Reference`,
    url: `https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-${service}-${name}.html`,
  };
}

const groupName = { minLength: 1, maxLength: 255 };
const port = { minimum: -1, maximum: 65_535 };
const logGroupName = { minLength: 1, maxLength: 512, pattern: /^[.\-_/#A-Za-z0-9]{1,512}$/ };

/** One list for each type. */
export const schemas: Readonly<Record<string, Constraints>> = {
  'AWS::AutoScaling::AutoScalingGroup': {
    AutoScalingGroupName: groupName,
    HealthCheckType: { minLength: 1, maxLength: 32 },
    MaxSize: { pattern: /^\d+$/ },
    MinSize: { pattern: /^\d+$/ },
  },
  'AWS::AutoScaling::LifecycleHook': {
    AutoScalingGroupName: groupName,
    DefaultResult: { enum: ['ABANDON', 'CONTINUE'] },
    LifecycleHookName: { minLength: 1, maxLength: 255, pattern: /^[A-Za-z0-9\-_/]+$/ },
    LifecycleTransition: {
      enum: ['autoscaling:EC2_INSTANCE_LAUNCHING', 'autoscaling:EC2_INSTANCE_TERMINATING'],
    },
    NotificationTargetARN: { maxLength: 255 },
    RoleARN: { minLength: 1, maxLength: 255 },
  },
  'AWS::AutoScaling::ScalingPolicy': {
    PolicyType: { enum: ['PredictiveScaling', 'SimpleScaling', 'StepScaling', 'TargetTrackingScaling'] },
    AdjustmentType: { enum: ['ChangeInCapacity', 'ExactCapacity', 'PercentChangeInCapacity'] },
    MetricAggregationType: { enum: ['Minimum', 'Maximum', 'Average'] },
  },
  'AWS::CloudWatch::Alarm': {
    AlarmDescription: { maxLength: 1024 },
    AlarmName: { minLength: 1, maxLength: 255 },
    AlarmActions: { maxItems: 5 },
    OKActions: { maxItems: 5 },
    DatapointsToAlarm: { minimum: 1 },
    EvaluationPeriods: { minimum: 1 },
    TreatMissingData: { enum: ['breaching', 'ignore', 'missing', 'notBreaching'] },
    'Metrics/*/Id': { minLength: 1, maxLength: 255, pattern: /^[a-z][A-Za-z0-9_]*$/ },
    'Metrics/*/Expression': { minLength: 1, maxLength: 2048 },
  },
  'AWS::DynamoDB::Table': {
    TableName: { minLength: 1, maxLength: 1024 },
    KeySchema: { minItems: 1, maxItems: 2 },
    BillingMode: { enum: ['PAY_PER_REQUEST', 'PROVISIONED'] },
  },
  'AWS::EC2::SecurityGroup': {
    GroupDescription: { maxLength: 255, pattern: /^[A-Za-z0-9. _\-:/()#,@[\]+=&;{}!$*]*$/ },
    'SecurityGroupEgress/*/Description': {
      maxLength: 255,
      pattern: /^[A-Za-z0-9. _\-:/()#,@[\]+=&;{}!$*]*$/,
    },
  },
  'AWS::EC2::SecurityGroupEgress': {
    Description: { maxLength: 255, pattern: /^[A-Za-z0-9. _\-:/()#,@[\]+=&;{}!$*]*$/ },
    FromPort: port,
    ToPort: port,
  },
  'AWS::EC2::SecurityGroupIngress': {
    Description: { maxLength: 255, pattern: /^[A-Za-z0-9. _\-:/()#,@[\]+=&;{}!$*]*$/ },
    FromPort: port,
    ToPort: port,
  },
  'AWS::EC2::VPCEndpoint': {
    VpcEndpointType: { enum: ['Interface', 'Gateway', 'GatewayLoadBalancer', 'ServiceNetwork', 'Resource'] },
  },
  'AWS::Events::Rule': {
    Name: { minLength: 1, maxLength: 64, pattern: /^[.\-_A-Za-z0-9]+$/ },
    Description: { maxLength: 512 },
    State: { enum: ['DISABLED', 'ENABLED', 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS'] },
    'Targets/*/Id': { minLength: 1, maxLength: 64, pattern: /^[.\-_A-Za-z0-9]+$/ },
    'Targets/*/Arn': { minLength: 1, maxLength: 1600 },
  },
  'AWS::IAM::InstanceProfile': {
    InstanceProfileName: { maxLength: 128, pattern: /^[\w+=,.@-]*$/ },
    Roles: { minItems: 1, maxItems: 1 },
  },
  'AWS::IAM::ManagedPolicy': {
    ManagedPolicyName: { minLength: 1, maxLength: 128, pattern: /^[\w+=,.@-]+$/ },
    Description: { maxLength: 1000 },
  },
  'AWS::IAM::Role': {
    RoleName: { minLength: 1, maxLength: 64, pattern: /^[\w+=,.@-]+$/ },
    Description: { maxLength: 1000, pattern: /^[\t\n\r\u0020-\u007E\u00A1-\u00FF]*$/ },
    MaxSessionDuration: { minimum: 3600, maximum: 43_200 },
  },
  'AWS::KMS::Alias': {
    AliasName: { minLength: 1, maxLength: 256, pattern: /^(?!alias\/aws\/)alias\/[A-Za-z0-9:/_-]+$/ },
  },
  'AWS::KMS::Key': {
    Description: { maxLength: 8192 },
    PendingWindowInDays: { minimum: 7, maximum: 30 },
  },
  'AWS::Logs::LogGroup': {
    LogGroupName: logGroupName,
    RetentionInDays: {
      enum: [
        1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288,
        3653,
      ],
    },
  },
  'AWS::Logs::MetricFilter': {
    LogGroupName: logGroupName,
    FilterPattern: { maxLength: 1024 },
    MetricTransformations: { minItems: 1, maxItems: 1 },
  },
  'AWS::S3::Bucket': {
    BucketName: { minLength: 3, maxLength: 63 },
  },
  'AWS::SNS::Topic': {
    TopicName: { maxLength: 256, pattern: /^[\w-]+$/ },
    DisplayName: { maxLength: 100 },
  },
  'AWS::SQS::Queue': {
    DelaySeconds: { minimum: 0, maximum: 900 },
    KmsDataKeyReusePeriodSeconds: { minimum: 60, maximum: 86_400 },
    MaximumMessageSize: { minimum: 1024, maximum: 1_048_576 },
    MessageRetentionPeriod: { minimum: 60, maximum: 1_209_600 },
    QueueName: { maxLength: 80 },
    ReceiveMessageWaitTimeSeconds: { minimum: 0, maximum: 20 },
    'RedrivePolicy/maxReceiveCount': { minimum: 1, maximum: 1000 },
    VisibilityTimeout: { minimum: 0, maximum: 43_200 },
  },
  'AWS::SSM::Document': {
    DocumentFormat: { enum: ['YAML', 'JSON', 'TEXT'] },
    Name: { pattern: /^[\w.-]{3,128}$/ },
    TargetType: { maxLength: 200, pattern: /^\/[\w.\-:/]*$/ },
    UpdateMethod: { enum: ['Replace', 'NewVersion'] },
  },
  'AWS::SecretsManager::ResourcePolicy': {
    SecretId: { minLength: 1, maxLength: 2048 },
  },
  'AWS::SecretsManager::Secret': {
    Name: { minLength: 1, maxLength: 512 },
    Description: { maxLength: 2048 },
    KmsKeyId: { maxLength: 2048 },
  },
};
