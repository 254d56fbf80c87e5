/** Calls that change permissions, behaviour or records of one deployment, as patterns of CloudTrail's events. */

/** What a deployment owns, as far as it does not follow from its name. */
export interface Owned {
  readonly deployment: string;
  /** IDs of the KMS keys. */
  readonly keyIds: readonly string[];
  /** Security groups that a rule could open: of the workers, and of the secret's endpoint. */
  readonly securityGroupIds: readonly string[];
  /** The endpoint through which the secret is read. */
  readonly secretEndpointId: string;
  readonly launchTemplateId: string;
  readonly agentBucketName: string;
}

interface AuditedChanges {
  /** End of the rule's name. */
  readonly name: string;
  readonly description: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

type Pattern = Readonly<Record<string, unknown>>;

interface Change {
  readonly service: string;
  /** Names of the calls, with spaces. */
  readonly calls: string;
  /** Parameters of which one at least must fit. */
  readonly of: readonly Pattern[];
}

/** Error codes of a denied call. Which one it is depends on the service's protocol. */
export const denied = [
  'AccessDenied',
  'AccessDeniedException',
  'UnauthorizedOperation',
  'Client.UnauthorizedOperation',
];

/**
 * Several rules, because a pattern has 2,048 characters at most. Each call counts only where a parameter names something of this
 * deployment, since an account changes its other alarms, security groups and roles all day. A denied call may come without
 * parameters: there the error message names the resource.
 *
 * CreateGrant is left out on purpose: the keys' policies allow it to no one, so that an attacker needs PutKeyPolicy first.
 * Groups that are joined have names of their own. Their hooks and tags are known by adjoin's names for them; other changes of
 * such a group are its owner's business.
 */
export function auditedChanges(owned: Owned): readonly AuditedChanges[] {
  const { deployment } = owned;
  const named = [{ prefix: `${deployment}-` }];
  const inArn = (...before: string[]) => before.map((each) => ({ wildcard: `*${each}${deployment}-*` }));
  return [
    {
      name: 'policy',
      description: 'a change of roles, policies, keys or the secret',
      detail: patternOf(
        [
          {
            service: 'iam',
            calls: `AttachGroupPolicy AttachRolePolicy AttachUserPolicy CreatePolicyVersion DeleteRolePolicy DetachGroupPolicy
              DetachRolePolicy DetachUserPolicy PutRolePolicy SetDefaultPolicyVersion UpdateAssumeRolePolicy`,
            // The ARN contains the path, if there is one.
            of: [{ roleName: named }, { policyArn: inArn('/') }],
          },
          {
            service: 'secretsmanager',
            calls: 'DeleteResourcePolicy DeleteSecret PutResourcePolicy PutSecretValue UpdateSecret',
            of: [{ secretId: [{ wildcard: `*${deployment}/service-account*` }] }],
          },
          {
            service: 'kms',
            calls: 'DisableKey PutKeyPolicy ScheduleKeyDeletion',
            of: [{ keyId: owned.keyIds.map((suffix) => ({ suffix })) }],
          },
        ],
        [
          ...inArn('/'),
          { wildcard: `*:${deployment}/*` },
          ...owned.keyIds.map((id) => ({ wildcard: `*key/${id}*` })),
        ],
      ),
    },
    {
      name: 'parts',
      description: 'a change of queues, ledger, documents, hooks, tags, workers, or their way to the secret',
      detail: patternOf(
        [
          {
            service: 'sqs',
            calls: 'DeleteQueue PurgeQueue SetQueueAttributes',
            of: [{ queueUrl: [{ wildcard: `*/${deployment}-lifecycle*` }] }],
          },
          {
            service: 'dynamodb',
            calls: 'DeleteTable UpdateContinuousBackups UpdateTable',
            of: [{ tableName: [...named, ...inArn('/')] }],
          },
          {
            service: 'ssm',
            calls: 'DeleteDocument ModifyDocumentPermission UpdateDocument UpdateDocumentDefaultVersion',
            of: [{ name: [...named, ...inArn('/')] }],
          },
          {
            service: 'autoscaling',
            calls:
              'CreateOrUpdateTags DeleteLifecycleHook DeleteTags PutLifecycleHook UpdateAutoScalingGroup',
            of: [
              { lifecycleHookName: [{ prefix: 'adjoin-' }] },
              { autoScalingGroupName: named },
              { tags: { key: [{ 'equals-ignore-case': 'JoinAD' }, { prefix: 'adjoin:' }] } },
            ],
          },
          {
            service: 'ec2',
            calls:
              'AuthorizeSecurityGroupIngress CreateLaunchTemplateVersion DeleteVpcEndpoints ModifyVpcEndpoint',
            // EC2's newer calls are recorded with the name of the request around the parameters.
            of: [
              { groupId: owned.securityGroupIds },
              { CreateLaunchTemplateVersionRequest: { LaunchTemplateId: [owned.launchTemplateId] } },
              { DeleteVpcEndpointsRequest: { VpcEndpointId: { content: [owned.secretEndpointId] } } },
              { ModifyVpcEndpointRequest: { VpcEndpointId: [owned.secretEndpointId] } },
            ],
          },
        ],
        inArn('/', ':'),
      ),
    },
    {
      name: 'records',
      description: 'a change of logs, alarms, notices or records',
      detail: patternOf(
        [
          {
            service: 'sns',
            calls: 'DeleteTopic SetTopicAttributes Unsubscribe',
            of: [{ topicArn: inArn(':') }, { subscriptionArn: inArn(':') }],
          },
          {
            service: 's3',
            calls: `DeleteBucketLifecycle DeleteBucketPolicy PutBucketLifecycle PutBucketPolicy PutBucketVersioning`,
            of: [{ bucketName: [{ prefix: `${deployment}-sessions-` }, owned.agentBucketName] }],
          },
          {
            service: 'logs',
            calls: 'DeleteLogGroup DeleteMetricFilter PutMetricFilter PutRetentionPolicy',
            of: [{ logGroupName: [{ prefix: `/adjoin/${deployment}/` }] }],
          },
          {
            service: 'events',
            calls: 'DeleteRule DisableRule PutRule PutTargets RemoveTargets',
            of: [{ name: named }, { rule: named }],
          },
          {
            service: 'monitoring',
            calls: 'DeleteAlarms DisableAlarmActions PutMetricAlarm',
            of: [{ alarmNames: named }, { alarmName: named }],
          },
        ],
        [...inArn('/', ':'), { wildcard: `*:/adjoin/${deployment}/*` }],
      ),
    },
    {
      name: 'trail',
      description: 'a change of a trail; without one, no rule sees anything',
      detail: {
        eventSource: ['cloudtrail.amazonaws.com'],
        eventName: ['DeleteTrail', 'PutEventSelectors', 'StopLogging', 'UpdateTrail'],
      },
    },
  ];
}

function patternOf(changes: readonly Change[], inMessage: readonly Pattern[]): Pattern {
  return {
    eventSource: changes.map(({ service }) => `${service}.amazonaws.com`),
    eventName: changes.flatMap(({ calls }) => calls.split(/\s+/)),
    $or: [
      ...changes.flatMap(({ of }) => of.map((requestParameters) => ({ requestParameters }))),
      { errorCode: denied, errorMessage: inMessage },
    ],
  };
}
