/** The parts that watch: logs, trail, notices, alarms, and the stack itself. */
import { deployment, type Arns } from '../stack.ts';
import { looking, ours, own, type Asset } from './asset.ts';

export const guards = (arns: Arns): Asset[] => [
  {
    name: 'logs',
    arns: {
      'logs:log-group': `${arns.workerLog}:log-stream:`,
      'logs:log-stream': `${arns.sessionLog}:log-stream:somebody-1`,
    },
    allowed: [
      looking('logs', 'FilterLogEvents', 'StartLiveTail', 'StartQuery'),
      {
        actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        because: "Nodes record sessions; the worker's own log is denied to all others.",
      },
    ],
  },
  {
    name: 'trail',
    arns: { 'cloudtrail:trail': own('cloudtrail', 'trail/main') },
    allowed: [
      looking('cloudtrail'),
      { actions: ['cloudtrail:CreateTrail'], because: 'Another trail takes nothing from this one.' },
      {
        actions: ['cloudtrail:StartLogging', 'cloudtrail:*Tags'],
        because: 'It switches on or names, and takes nothing away.',
      },
    ],
  },
  {
    name: 'audit rule',
    arns: { 'events:rule-on-default-event-bus': own('events', `rule/${deployment}-audit-secret`) },
    tags: ours,
    allowed: [looking('events')],
  },
  ...[
    { name: 'audit topic', arn: arns.auditTopic },
    { name: 'alarm topic', arn: arns.alarmTopic },
  ].map(({ name, arn }) => ({ name, arns: { 'sns:topic': arn }, tags: ours, allowed: [looking('sns')] })),
  {
    name: 'alarm',
    arns: { 'cloudwatch:alarm': own('cloudwatch', `alarm:${deployment}-no-healthy-worker`) },
    tags: ours,
    allowed: [looking('cloudwatch')],
  },
  {
    name: 'stack',
    arns: {
      'cloudformation:stack': own(
        'cloudformation',
        `stack/${deployment}/01234567-0123-0123-0123-0123456789ab`,
      ),
    },
    allowed: [looking('cloudformation', 'Detect*')],
  },
];
