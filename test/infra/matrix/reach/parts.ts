/** The parts that work: queues, ledger, credential, documents, files, roles. */
import { accountId, deployment, region, roleArn, type Arns } from '../stack.ts';
import { looking, ours, own, type Asset } from './asset.ts';

export const parts = (arns: Arns): Asset[] => [
  {
    name: 'queues',
    arns: { 'sqs:queue': arns.queue },
    allowed: [looking('sqs')],
  },
  { name: 'dead letters', arns: { 'sqs:queue': arns.deadLetters }, allowed: [looking('sqs')] },
  {
    name: 'memberships',
    arns: {
      'dynamodb:table': arns.table,
      'dynamodb:index': `${arns.table}/index/any`,
      'dynamodb:stream': `${arns.table}/stream/2026-01-01T00:00:00.000`,
      'dynamodb:backup': `${arns.table}/backup/01489602797149-73d8d5bc`,
    },
    tags: ours,
    allowed: [
      {
        actions: ['Describe*', 'List*', 'GetItem', 'Query', 'Scan'].map((action) => `dynamodb:${action}`),
        because: 'It looks, and the ledger holds no secret.',
      },
    ],
  },
  {
    name: 'secret',
    arns: { 'secretsmanager:Secret': arns.secret },
    tags: ours,
    allowed: [
      {
        actions: [
          'secretsmanager:DescribeSecret',
          'secretsmanager:GetResourcePolicy',
          'secretsmanager:List*',
        ],
        because: 'It shows what surrounds the value, not the value.',
      },
    ],
  },
  ...[
    { name: "secret's key", arn: arns.secretKey },
    { name: 'system key', arn: arns.systemKey },
    { name: 'session key', arn: arns.sessionKey },
  ].map(({ name, arn }) => ({
    name,
    arns: { 'kms:key': arn },
    tags: ours,
    allowed: [
      looking('kms'),
      {
        actions: ['Encrypt', 'Decrypt', 'ReEncrypt*', 'GenerateDataKey*'].map((action) => `kms:${action}`),
        because: "The key's own policy says who uses it, and with the session key people do.",
      },
    ],
  })),
  {
    name: 'command documents',
    arns: { 'ssm:document': arns.joinDocument },
    allowed: [
      looking('ssm'),
      {
        actions: ['ssm:StartSession'],
        because: 'Operators start sessions with the session documents; a command document is none.',
      },
    ],
  },
  {
    name: 'session documents',
    arns: { 'ssm:document': arns.sessionDocument },
    allowed: [
      looking('ssm'),
      { actions: ['ssm:StartSession'], because: 'Operators start sessions with it, on nodes.' },
    ],
  },
  {
    name: "another person's session on a worker",
    arns: { 'ssm:session': own('ssm', 'session/another-1') },
    context: { 'ssm:resourceTag/aws:ssmmessages:session-id': 'AROAEXAMPLE:another' },
    allowed: [
      { actions: ['ssm:TerminateSession'], because: 'It ends a shell and opens none.' },
      looking('ssm'),
    ],
  },
  {
    name: 'State Manager, Automation and maintenance windows, which run commands for others',
    arns: {
      'ssm:association': own('ssm', 'association/0123'),
      'ssm:automation-definition': own('ssm', 'automation-definition/any:1'),
      'ssm:automation-execution': own('ssm', 'automation-execution/0123'),
      'ssm:maintenancewindow': own('ssm', 'maintenancewindow/mw-0123'),
      'ssm:windowtarget': own('ssm', 'windowtarget/0123'),
      'ssm:windowtask': own('ssm', 'windowtask/0123'),
      'ssm:servicesetting': own('ssm', 'servicesetting/ssm/managed-instance/any'),
    },
    allowed: [
      looking('ssm'),
      {
        actions: [
          'ssm:DeleteAssociation',
          'ssm:DeregisterT*FromMaintenanceWindow',
          'ssm:CancelMaintenanceWindowExecution',
          'ssm:DeleteMaintenanceWindow',
          'ssm:StopAutomationExecution',
          'ssm:*Tags*Resource',
        ],
        because: 'It ends or names something that runs, and starts nothing.',
      },
      {
        actions: ['ssm:UpdateMaintenanceWindow', 'ssm:SendAutomationSignal'],
        because: 'It changes when something runs that an administrator set up, not what and where.',
      },
      {
        actions: ['ssm:UpdateInstanceAssociationStatus'],
        because: 'Agents report by it what they have done.',
      },
      {
        actions: ['ssm:ResetServiceSetting', 'ssm:UpdateServiceSetting'],
        because: 'A worker has no agent; with WorkerShell, its agent uses the role of its own profile.',
      },
    ],
  },
  {
    name: "agent's file",
    arns: { 's3:object': arns.agentFile },
    allowed: [looking('s3')],
  },
  {
    name: "bucket of the agent's file",
    arns: { 's3:bucket': arns.agentFile.split('/')[0] ?? '' },
    allowed: [looking('s3')],
  },
  {
    name: 'session records',
    arns: { 's3:object': `${arns.sessionBucket}/record`, 's3:bucket': arns.sessionBucket },
    allowed: [
      looking('s3'),
      {
        actions: ['s3:PutObject', 's3:AbortMultipartUpload'],
        because: 'Nodes write their records; versions keep what is overwritten.',
      },
    ],
  },
  ...[
    { name: "worker's role", role: arns.workerRole },
    { name: "publisher's role", role: arns.publisherRole },
    { name: "dead-letter operator's role", role: arns.deadLetterOperatorRole },
    { name: "membership operator's role", role: arns.membershipOperatorRole },
  ].map(({ name, role }) => ({
    name,
    arns: { 'iam:role': role, 'sts:role': role },
    allowed: [looking('iam')],
  })),
  {
    name: 'policies, profile and groups of the deployment',
    arns: {
      'iam:policy': `arn:aws:iam::${accountId}:policy/${deployment}-${region}-deny-tampering`,
      'iam:instance-profile': `arn:aws:iam::${accountId}:instance-profile/${deployment}-${region}-worker`,
      'iam:group': `arn:aws:iam::${accountId}:group/${deployment}-developers`,
    },
    allowed: [looking('iam')],
  },
  {
    name: 'a principal that a deny policy is attached to',
    arns: { 'iam:role': roleArn('somebody'), 'iam:group': `arn:aws:iam::${accountId}:group/developers` },
    context: { 'iam:PolicyARN': `arn:aws:iam::${accountId}:policy/${deployment}-${region}-deny-tampering` },
    allowed: [
      {
        actions: ['iam:*'],
        but: ['iam:DetachRolePolicy', 'iam:DetachGroupPolicy'],
        because:
          'Whoever manages principals can make one without the policies: give them to people who may not, or use service control policies.',
      },
    ],
  },
];
