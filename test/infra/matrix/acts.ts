/** What somebody might want to do to the system: each action on each thing that it can hurt. */
import { accountId, deployment, region, roleArn, sessionTag, vpcId, type Arns } from './stack.ts';

export interface Act {
  readonly action: string;
  readonly target: Target;
  readonly resource: string;
  /** Condition keys that the request has whoever makes it: the resource's tags, what is passed. */
  readonly context: Readonly<Record<string, string | readonly string[]>>;
}

interface Thing {
  readonly arn: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly context?: Readonly<Record<string, string | readonly string[]>>;
  /** Without the service where all are of the ARN's service. */
  readonly actions: readonly string[];
}

const own = (service: string, resource: string) => `arn:aws:${service}:${region}:${accountId}:${resource}`;
const worker = { 'adjoin:worker': deployment, 'adjoin:deployment': deployment };
const ours = { 'adjoin:deployment': deployment };
const group = (name: string) =>
  own('autoscaling', `autoScalingGroup:930d940e-891e-4781-a11a-7b0acd480f03:autoScalingGroupName/${name}`);
/** IAM compares actions on a log group with the ARN of a stream without a name, those on a stream with its ARN. */
const log = (arn: string, stream = '') => `${arn}:log-stream:${stream}`;
const viaSqs = { 'kms:ViaService': `sqs.${region}.amazonaws.com`, 'aws:ViaAWSService': 'true' };
const viaSecrets = {
  'kms:ViaService': `secretsmanager.${region}.amazonaws.com`,
  'aws:ViaAWSService': 'true',
};
/** Of this account, and no business of ours. */
export const otherKey = own('kms', 'key/99999999-9999-9999-9999-999999999999');
/** The ID of the role session of every actor that has one. */
export const userId = 'AROAEXAMPLE:somebody';

const keyActions = ['PutKeyPolicy', 'ScheduleKeyDeletion', 'DisableKey', 'TagResource', 'UpdateAlias'];
const roleActions = [
  'PutRolePolicy',
  'AttachRolePolicy',
  'DeleteRolePolicy',
  'UpdateAssumeRolePolicy',
  'DeleteRole',
  'PutRolePermissionsBoundary',
];
const shell = ['ssm:StartSession', 'ssm:SendCommand'];

const things = (arns: Arns) =>
  ({
    secret: {
      arn: arns.secret,
      tags: ours,
      actions: [
        'GetSecretValue',
        'DescribeSecret',
        'GetResourcePolicy',
        'PutSecretValue',
        'UpdateSecret',
        'UpdateSecretVersionStage',
        'PutResourcePolicy',
        'DeleteResourcePolicy',
        'DeleteSecret',
        'RotateSecret',
        'ReplicateSecretToRegions',
        'TagResource',
      ],
    },
    queue: {
      arn: arns.queue,
      actions: [
        'SendMessage',
        'ReceiveMessage',
        'DeleteMessage',
        'ChangeMessageVisibility',
        'GetQueueAttributes',
        'PurgeQueue',
        'SetQueueAttributes',
        'AddPermission',
        'RemovePermission',
        'DeleteQueue',
        'TagQueue',
      ],
    },
    'dead letters': {
      arn: arns.deadLetters,
      actions: [
        'SendMessage',
        'ReceiveMessage',
        'DeleteMessage',
        'ChangeMessageVisibility',
        'GetQueueAttributes',
        'StartMessageMoveTask',
        'PurgeQueue',
        'SetQueueAttributes',
        'DeleteQueue',
      ],
    },
    memberships: {
      arn: arns.table,
      tags: ours,
      actions: [
        'GetItem',
        'PutItem',
        'UpdateItem',
        'DeleteItem',
        'Query',
        'Scan',
        'DeleteTable',
        'UpdateTable',
        'UpdateContinuousBackups',
        'PutResourcePolicy',
        'DescribeTable',
      ],
    },
    'join document': {
      arn: arns.joinDocument,
      actions: [
        'SendCommand',
        'GetDocument',
        'UpdateDocument',
        'UpdateDocumentDefaultVersion',
        'DeleteDocument',
        'ModifyDocumentPermission',
      ],
    },
    // Of the agent that ran before the update, and runs on until it is replaced.
    'earlier join document': {
      arn: own('ssm', `document/${deployment}-join-0123456789ab`),
      actions: ['SendCommand', 'CreateDocument', 'DeleteDocument'],
    },
    'document of a like name': {
      arn: own('ssm', `document/${deployment}-join-the-club`),
      actions: ['SendCommand'],
    },
    "customer's own document": {
      arn: own('ssm', `document/${deployment}-own-harden`),
      actions: ['SendCommand', 'GetDocument', 'CreateDocument', 'UpdateDocument', 'DeleteDocument'],
    },
    "Amazon's shell document": {
      arn: `arn:aws:ssm:${region}::document/AWS-RunShellScript`,
      actions: ['SendCommand'],
    },
    'session document': { arn: arns.sessionDocument, actions: ['StartSession'] },
    'RDP document': { arn: arns.rdpDocument, actions: ['StartSession'] },
    "Amazon's SSH document": {
      arn: `arn:aws:ssm:${region}::document/AWS-StartSSHSession`,
      actions: ['StartSession'],
    },
    'opted-in node': {
      arn: own('ec2', 'instance/i-0000000000000000a'),
      tags: { JoinAD: 'true', 'adjoin:sessions': sessionTag },
      actions: shell,
    },
    'opted-in hybrid node': {
      arn: own('ssm', 'managed-instance/mi-0000000000000000a'),
      tags: { JoinAD: 'true' },
      actions: ['ssm:SendCommand'],
    },
    'other hybrid node': {
      arn: own('ssm', 'managed-instance/mi-0000000000000000b'),
      actions: ['ssm:SendCommand'],
    },
    'other instance': {
      arn: own('ec2', 'instance/i-0000000000000000b'),
      actions: [...shell, 'StopInstances'],
    },
    'other launch template': {
      arn: own('ec2', 'launch-template/lt-0000000000000000b'),
      actions: ['ModifyLaunchTemplate'],
    },
    'other security group': {
      arn: own('ec2', 'security-group/sg-0000000000000000b'),
      actions: ['AuthorizeSecurityGroupIngress'],
    },
    'other key': { arn: otherKey, actions: ['PutKeyPolicy'] },
    'other attached policy': {
      arn: roleArn('somebody'),
      context: { 'iam:PolicyARN': `arn:aws:iam::${accountId}:policy/theirs` },
      actions: ['DetachRolePolicy'],
    },
    'worker instance': {
      arn: own('ec2', 'instance/i-0000000000000000c'),
      tags: worker,
      actions: [
        ...shell,
        'ssm:CreateAssociation',
        'ec2-instance-connect:SendSSHPublicKey',
        'ec2-instance-connect:SendSerialConsoleSSHPublicKey',
        'StartInstances',
        'StopInstances',
        'RebootInstances',
        'TerminateInstances',
        'GetConsoleOutput',
        'GetConsoleScreenshot',
        'GetPasswordData',
        'DescribeInstanceAttribute',
        'ModifyInstanceAttribute',
        'ModifyInstanceMetadataOptions',
        'ReplaceIamInstanceProfileAssociation',
        'AttachVolume',
        'CreateImage',
        'CreateSnapshots',
        'CreateTags',
        'DeleteTags',
      ],
    },
    'worker volume': {
      arn: own('ec2', 'volume/vol-0000000000000000c'),
      tags: worker,
      actions: ['CreateSnapshot', 'DetachVolume'],
    },
    'worker launch template': {
      arn: own('ec2', 'launch-template/lt-0000000000000000c'),
      tags: worker,
      actions: ['CreateLaunchTemplateVersion', 'ModifyLaunchTemplate', 'DeleteLaunchTemplate'],
    },
    'worker group': {
      arn: group(`${deployment}-worker`),
      tags: worker,
      actions: [
        'UpdateAutoScalingGroup',
        'SetDesiredCapacity',
        'TerminateInstanceInAutoScalingGroup',
        'DeleteAutoScalingGroup',
        'SuspendProcesses',
        'StartInstanceRefresh',
        'DetachInstances',
        'EnterStandby',
      ],
    },
    'fleet group': {
      arn: group('fleet'),
      tags: { JoinAD: 'true' },
      actions: [
        'SetDesiredCapacity',
        'DetachInstances',
        'DeleteAutoScalingGroup',
        'PutLifecycleHook',
        'DeleteLifecycleHook',
        'RecordLifecycleActionHeartbeat',
        'CompleteLifecycleAction',
      ],
    },
    "fleet group's membership, among other tags": {
      arn: group('fleet'),
      tags: { JoinAD: 'true' },
      context: { 'aws:TagKeys': ['cost-centre', 'JoinAD'] },
      actions: ['CreateOrUpdateTags', 'DeleteTags'],
    },
    "fleet group's answer to a failed join": {
      arn: group('fleet'),
      tags: { JoinAD: 'true' },
      context: { 'aws:TagKeys': ['adjoin:OnJoinFailure'] },
      actions: ['CreateOrUpdateTags', 'DeleteTags'],
    },
    "fleet group's scripts": {
      arn: group('fleet'),
      tags: { JoinAD: 'true' },
      context: { 'aws:TagKeys': ['adjoin:JoinDocument'] },
      actions: ['CreateOrUpdateTags', 'DeleteTags'],
    },
    "fleet group's script to leave": {
      arn: group('fleet'),
      tags: { JoinAD: 'true' },
      context: { 'aws:TagKeys': ['adjoin:LeaveDocument'] },
      actions: ['CreateOrUpdateTags', 'DeleteTags'],
    },
    "fleet group's script after the join": {
      arn: group('fleet'),
      tags: { JoinAD: 'true' },
      context: { 'aws:TagKeys': ['adjoin:PostJoinDocument'] },
      actions: ['CreateOrUpdateTags', 'DeleteTags'],
    },
    "fleet group's answer to that script's failure": {
      arn: group('fleet'),
      tags: { JoinAD: 'true' },
      context: { 'aws:TagKeys': ['adjoin:OnPostJoinFailure'] },
      actions: ['CreateOrUpdateTags', 'DeleteTags'],
    },
    "fleet group's people who use sudo": {
      arn: group('fleet'),
      tags: { JoinAD: 'true' },
      context: { 'aws:TagKeys': ['adjoin:SudoGroups'] },
      actions: ['CreateOrUpdateTags', 'DeleteTags'],
    },
    "fleet group's people who log in": {
      arn: group('fleet'),
      tags: { JoinAD: 'true' },
      context: { 'aws:TagKeys': ['adjoin:LogInGroups'] },
      actions: ['CreateOrUpdateTags', 'DeleteTags'],
    },
    "fleet group's operating system": {
      arn: group('fleet'),
      tags: { JoinAD: 'true' },
      context: { 'aws:TagKeys': ['Operating_System'] },
      actions: ['CreateOrUpdateTags', 'DeleteTags'],
    },
    "fleet group's leave to remove accounts of others": {
      arn: group('fleet'),
      tags: { JoinAD: 'true' },
      context: { 'aws:TagKeys': ['adjoin:UnjoinOnly'] },
      actions: ['CreateOrUpdateTags', 'DeleteTags'],
    },
    // AWS takes it for another tag, and people for the same.
    "fleet group's membership, in another spelling": {
      arn: group('fleet'),
      tags: { JoinAD: 'true' },
      context: { 'aws:TagKeys': ['joinad'] },
      actions: ['CreateOrUpdateTags', 'DeleteTags'],
    },
    "fleet group's sessions": {
      arn: group('fleet'),
      tags: { JoinAD: 'true' },
      context: { 'aws:TagKeys': ['adjoin:sessions'] },
      actions: ['CreateOrUpdateTags'],
    },
    "opted-in node's membership, in another spelling": {
      arn: own('ec2', 'instance/i-0000000000000000a'),
      tags: { JoinAD: 'true' },
      context: { 'aws:TagKeys': ['joinad'] },
      actions: ['CreateTags', 'DeleteTags'],
    },
    "opted-in node's other tags": {
      arn: own('ec2', 'instance/i-0000000000000000a'),
      tags: { JoinAD: 'true' },
      context: { 'aws:TagKeys': ['cost-centre'] },
      actions: ['CreateTags', 'DeleteTags'],
    },
    // A request that names no tags deletes all.
    "opted-in node's tags, all of them": {
      arn: own('ec2', 'instance/i-0000000000000000a'),
      tags: { JoinAD: 'true' },
      actions: ['DeleteTags'],
    },
    "other instance's tags, all of them": {
      arn: own('ec2', 'instance/i-0000000000000000b'),
      actions: ['DeleteTags'],
    },
    "fleet group's other tags": {
      arn: group('fleet'),
      tags: { JoinAD: 'true' },
      context: { 'aws:TagKeys': ['cost-centre', 'team'] },
      actions: ['CreateOrUpdateTags', 'DeleteTags'],
    },
    'foreign group': {
      arn: group('theirs'),
      actions: ['RecordLifecycleActionHeartbeat', 'CompleteLifecycleAction', 'DeleteAutoScalingGroup'],
    },
    "foreign group's membership": {
      arn: group('theirs'),
      context: { 'aws:TagKeys': ['JoinAD'] },
      actions: ['CreateOrUpdateTags'],
    },
    'all groups': {
      arn: '*',
      actions: [
        'autoscaling:DescribeAutoScalingInstances',
        'autoscaling:DescribeAutoScalingGroups',
        'autoscaling:DescribeLifecycleHooks',
        'ec2:DescribeTags',
        'ec2:DescribeInstances',
        'ssm:ListCommandInvocations',
        'ssm:DescribeInstanceInformation',
      ],
    },
    'worker role': {
      arn: arns.workerRole,
      context: { 'iam:PassedToService': 'ec2.amazonaws.com' },
      actions: ['PassRole', 'sts:AssumeRole', ...roleActions],
    },
    'publisher role': {
      arn: arns.publisherRole,
      context: { 'iam:PassedToService': 'autoscaling.amazonaws.com' },
      actions: ['PassRole', 'sts:AssumeRole', ...roleActions],
    },
    'dead-letter role': {
      arn: arns.deadLetterOperatorRole,
      context: { 'iam:PassedToService': 'ec2.amazonaws.com' },
      actions: ['PassRole', 'sts:AssumeRole', ...roleActions],
    },
    'membership role': {
      arn: arns.membershipOperatorRole,
      context: { 'iam:PassedToService': 'ec2.amazonaws.com' },
      actions: ['PassRole', 'sts:AssumeRole', ...roleActions],
    },
    'deny policy': {
      arn: `arn:aws:iam::${accountId}:policy/${deployment}-${region}-deny-tampering`,
      actions: ['CreatePolicyVersion', 'DeletePolicyVersion', 'SetDefaultPolicyVersion', 'DeletePolicy'],
    },
    'attached deny policy': {
      arn: roleArn('somebody'),
      context: { 'iam:PolicyARN': `arn:aws:iam::${accountId}:policy/${deployment}-${region}-deny-tampering` },
      actions: ['DetachRolePolicy'],
    },
    'secret key': { arn: arns.secretKey, tags: ours, actions: ['Decrypt', ...keyActions] },
    'secret key, asked by Secrets Manager': {
      arn: arns.secretKey,
      tags: ours,
      context: viaSecrets,
      actions: ['Decrypt', 'GenerateDataKey'],
    },
    'system key': { arn: arns.systemKey, tags: ours, actions: ['Decrypt', ...keyActions] },
    'system key, asked by SQS': {
      arn: arns.systemKey,
      tags: ours,
      context: viaSqs,
      actions: ['Decrypt', 'GenerateDataKey'],
    },
    'session key': {
      arn: arns.sessionKey,
      tags: ours,
      actions: ['Decrypt', 'GenerateDataKey', ...keyActions],
    },
    'worker log': {
      arn: log(arns.workerLog),
      actions: ['DeleteLogGroup', 'PutRetentionPolicy', 'PutSubscriptionFilter', 'DisassociateKmsKey'],
    },
    'worker log stream': {
      arn: log(arns.workerLog, 'i-0000000000000000c'),
      actions: ['CreateLogStream', 'PutLogEvents', 'DeleteLogStream'],
    },
    'session log': { arn: log(arns.sessionLog), actions: ['DeleteLogGroup', 'DeleteRetentionPolicy'] },
    'session log stream': {
      arn: log(arns.sessionLog, 'somebody-1'),
      actions: ['PutLogEvents', 'DeleteLogStream'],
    },
    trail: {
      arn: own('cloudtrail', 'trail/main'),
      actions: ['StopLogging', 'DeleteTrail', 'UpdateTrail', 'PutEventSelectors'],
    },
    'audit rule': {
      arn: own('events', 'rule/adjoin-audit-secret'),
      actions: ['PutRule', 'DisableRule', 'DeleteRule', 'PutTargets', 'RemoveTargets'],
    },
    'audit topic': {
      arn: arns.auditTopic,
      actions: ['Publish', 'SetTopicAttributes', 'AddPermission', 'DeleteTopic'],
    },
    'alarm topic': { arn: arns.alarmTopic, actions: ['Publish', 'SetTopicAttributes', 'DeleteTopic'] },
    alarm: {
      arn: own('cloudwatch', 'alarm:adjoin-no-healthy-worker'),
      actions: ['PutMetricAlarm', 'DeleteAlarms', 'DisableAlarmActions', 'SetAlarmState'],
    },
    'security group': {
      arn: own('ec2', 'security-group/sg-0000000000000000c'),
      tags: ours,
      actions: ['AuthorizeSecurityGroupIngress', 'AuthorizeSecurityGroupEgress', 'DeleteSecurityGroup'],
    },
    endpoint: {
      arn: own('ec2', 'vpc-endpoint/vpce-0000000000000000c'),
      tags: ours,
      actions: ['ModifyVpcEndpoint', 'DeleteVpcEndpoints', 'DeleteTags'],
    },
    'session bucket': {
      arn: arns.sessionBucket,
      actions: [
        'PutBucketPolicy',
        'PutLifecycleConfiguration',
        'PutReplicationConfiguration',
        'DeleteBucket',
        'GetEncryptionConfiguration',
      ],
    },
    'session record': {
      arn: `${arns.sessionBucket}/record`,
      context: {
        's3:x-amz-server-side-encryption': 'aws:kms',
        's3:x-amz-server-side-encryption-aws-kms-key-id': arns.sessionKey,
      },
      actions: ['PutObject', 'DeleteObject', 'DeleteObjectVersion'],
    },
    // The bucket seals it with the session key.
    'session record without a word about its seal': {
      arn: `${arns.sessionBucket}/record`,
      actions: ['PutObject'],
    },
    "session record under Amazon's KMS key": {
      arn: `${arns.sessionBucket}/record`,
      context: { 's3:x-amz-server-side-encryption': 'aws:kms' },
      actions: ['PutObject'],
    },
    "session record under S3's own key": {
      arn: `${arns.sessionBucket}/record`,
      context: { 's3:x-amz-server-side-encryption': 'AES256' },
      actions: ['PutObject'],
    },
    'session record under another key': {
      arn: `${arns.sessionBucket}/record`,
      context: {
        's3:x-amz-server-side-encryption': 'aws:kms',
        's3:x-amz-server-side-encryption-aws-kms-key-id': own(
          'kms',
          'key/ffffffff-ffff-ffff-ffff-ffffffffffff',
        ),
      },
      actions: ['PutObject'],
    },
    'agent file': { arn: arns.agentFile, actions: ['GetObject', 'PutObject', 'DeleteObject'] },
    "agent file's bucket": { arn: arns.agentFile.split('/')[0] ?? '', actions: ['PutBucketPolicy'] },
    'other file in its bucket': {
      arn: `${arns.agentFile.split('/')[0] ?? ''}/theirs`,
      actions: ['PutObject'],
    },
    'maintenance window': {
      arn: own('ssm', 'maintenancewindow/mw-0123456789abcdef0'),
      actions: ['RegisterTaskWithMaintenanceWindow'],
    },
    'command that runs': { arn: '*', actions: ['ssm:CancelCommand'] },
    VPC: { arn: own('ec2', `vpc/${vpcId}`), actions: ['AssociateDhcpOptions', 'CreateSecurityGroup'] },
    'route table of the VPC': {
      arn: own('ec2', 'route-table/rtb-0000000000000000c'),
      context: { 'ec2:Vpc': own('ec2', `vpc/${vpcId}`) },
      actions: ['ReplaceRoute'],
    },
    'other route table': {
      arn: own('ec2', 'route-table/rtb-0000000000000000b'),
      context: { 'ec2:Vpc': own('ec2', 'vpc/vpc-0bbbbbbbbbbbbbbbb') },
      actions: ['ReplaceRoute'],
    },
    'any route table, for an endpoint': {
      arn: own('ec2', 'route-table/rtb-0000000000000000c'),
      actions: ['ModifyVpcEndpoint'],
    },
    'resolver rule': {
      arn: own('route53resolver', 'resolver-rule/rslvr-rr-0123456789abcdef0'),
      actions: ['AssociateResolverRule'],
    },
    'private zone for the VPC': {
      arn: 'arn:aws:route53:::hostedzone/Z0123456789',
      context: { 'route53:VPCs': [`VPCId=${vpcId},VPCRegion=${region}`] },
      actions: ['AssociateVPCWithHostedZone'],
    },
    'private zone for another VPC': {
      arn: 'arn:aws:route53:::hostedzone/Z0123456789',
      context: { 'route53:VPCs': [`VPCId=vpc-0bbbbbbbbbbbbbbbb,VPCRegion=${region}`] },
      actions: ['AssociateVPCWithHostedZone'],
    },
    'all logs': { arn: '*', actions: ['logs:PutAccountPolicy'] },
    stack: {
      arn: own('cloudformation', 'stack/adjoin/00000000-0000-0000-0000-000000000000'),
      actions: ['UpdateStack', 'DeleteStack'],
    },
    'own session': {
      arn: own('ssm', 'session/somebody-1'),
      context: { 'ssm:resourceTag/aws:ssmmessages:session-id': userId },
      actions: ['TerminateSession', 'ResumeSession'],
    },
    "another's session": {
      arn: own('ssm', 'session/another-1'),
      context: { 'ssm:resourceTag/aws:ssmmessages:session-id': 'AROAEXAMPLE:another' },
      actions: ['TerminateSession', 'ResumeSession'],
    },
    task: {
      arn: own('ecs', 'task/fleet/0123456789abcdef'),
      tags: { 'adjoin:sessions': sessionTag },
      actions: ['ExecuteCommand', 'ssm:StartSession'],
    },
    'other task': { arn: own('ecs', 'task/fleet/fedcba9876543210'), actions: ['ExecuteCommand'] },
    'node itself': { arn: '*', actions: ['ssmmessages:OpenDataChannel', 'ssmmessages:CreateControlChannel'] },
  }) as const satisfies Readonly<Record<string, Thing>>;

export type Target = keyof ReturnType<typeof things>;

/** Services that show a resource's tags under a key of their own as well. */
const withOwnTagKey = new Set(['ssm', 'ec2', 'autoscaling', 'ecs']);

export function actsOn(arns: Arns): Act[] {
  const all: Readonly<Record<Target, Thing>> = things(arns);
  return entriesOf(all).flatMap(([target, { arn, tags = {}, context = {}, actions }]) => {
    const service = arn.split(':')[2] ?? '';
    return actions.map((each) => {
      const action = each.includes(':') ? each : `${service}:${each}`;
      const prefix = action.split(':')[0] ?? '';
      const keys = ['aws:ResourceTag', ...(withOwnTagKey.has(prefix) ? [`${prefix}:resourceTag`] : [])];
      const tagged = keys.flatMap((key) =>
        Object.entries(tags).map(([tag, value]) => [`${key}/${tag}`, value]),
      );
      return { action, target, resource: arn, context: { ...Object.fromEntries(tagged), ...context } };
    });
  });
}

function entriesOf<Key extends string, Value>(map: Readonly<Record<Key, Value>>): [Key, Value][] {
  const entries: [Key, Value][] = [];
  for (const key in map) entries.push([key, map[key]]);
  return entries;
}
