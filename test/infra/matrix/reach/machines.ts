/** Workers, and the groups and nodes that join. */
import { deployment } from '../stack.ts';
import { ec2, looking, ours, own, type Asset } from './asset.ts';

const worker = { ...ours, 'adjoin:worker': deployment };
const group = (name: string) =>
  own('autoscaling', `autoScalingGroup:930d940e-891e-4781-a11a-7b0acd480f03:autoScalingGroupName/${name}`);

export const machines = (): Asset[] => [
  {
    name: 'worker',
    arns: {
      'ec2:instance': ec2('instance/i-0000000000000000c'),
      'ec2:volume': ec2('volume/vol-0000000000000000c'),
      'ec2:network-interface': ec2('network-interface/eni-0000000000000000c'),
      'ec2:launch-template': ec2('launch-template/lt-0000000000000000c'),
      'ec2-instance-connect:instance': ec2('instance/i-0000000000000000c'),
      'ssm:instance': ec2('instance/i-0000000000000000c'),
    },
    tags: worker,
    allowed: [
      looking('ssm'),
      {
        actions: [
          ...['instance', 'volume', 'network-interface'].map((type) => `ec2:RunInstances on ${type}`),
          ...['instance', 'volume'].map((type) => `ec2:CreateFleet on ${type}`),
          'ec2:CreateVolume',
          'ec2:CreateReplaceRootVolumeTask on volume',
          'ec2:CreateNetworkInterface',
          'ec2:CreateLaunchTemplate',
        ],
        because: "What it is about is the new one, which is not a worker's.",
      },
      {
        actions: ['ec2:CopyVolumes'],
        because:
          'The reference knows no tag of the source. A disk holds agent, settings and log, and no secret.',
      },
    ],
  },
  {
    name: "worker's group",
    arns: { 'autoscaling:autoScalingGroup': group(`${deployment}-worker`) },
    tags: worker,
    allowed: [],
  },
  {
    name: 'joined group',
    arns: { 'autoscaling:autoScalingGroup': group('fleet') },
    tags: { JoinAD: 'true' },
    // The tag is the group's, whatever the case of the key in the request.
    context: { 'aws:TagKeys': ['joinad'] },
    allowed: [
      looking('autoscaling'),
      {
        actions: [
          'UpdateAutoScalingGroup',
          'SetDesiredCapacity',
          'TerminateInstanceInAutoScalingGroup',
          'LaunchInstances',
          'StartInstanceRefresh',
          'CancelInstanceRefresh',
          'RollbackInstanceRefresh',
          'SetInstanceHealth',
          'SetInstanceProtection',
          'SuspendProcesses',
          'ResumeProcesses',
          'PutWarmPool',
          '*Policy',
          '*ScheduledAction',
          'BatchPutScheduledUpdateGroupAction',
          'PutScheduledUpdateGroupAction',
        ].map((action) => `autoscaling:${action}`),
        because: "The group is its owner's; instances that come and go by it pass the hooks.",
      },
      {
        actions: ['autoscaling:EnterStandby', 'autoscaling:ExitStandby'],
        because: 'The instance stays in its group and in the domain, and passes the hook when it ends.',
      },
      {
        actions: [
          'autoscaling:AttachLoadBalancer*',
          'autoscaling:AttachTrafficSources',
          'autoscaling:DetachLoadBalancer*',
          'autoscaling:DetachTrafficSources',
          'autoscaling:*NotificationConfiguration',
          'autoscaling:*MetricsCollection',
        ],
        because: 'It is about traffic, notices or metrics of the group, and about no membership.',
      },
      {
        actions: ['autoscaling:CreateAutoScalingGroup'],
        because: 'It makes another group; a joined group exists already.',
      },
    ],
  },
  {
    name: 'joined node',
    arns: { 'ec2:instance': ec2('instance/i-0000000000000000a') },
    tags: { JoinAD: 'true' },
    context: { 'aws:TagKeys': ['joinad'] },
    allowed: [
      {
        actions: ['ec2:*'],
        but: ['ec2:CreateTags', 'ec2:DeleteTags'],
        because:
          "The node is its owner's, who is root there anyway; the tags that say whether it is a member are not.",
      },
    ],
  },
];
