import { CfnRule } from 'aws-cdk-lib/aws-events';
import type { CfnKey } from 'aws-cdk-lib/aws-kms';
import { CfnTopic, CfnTopicPolicy } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { auditedChanges, denied, type Owned } from './audited-changes.ts';
import { fillPolicy } from './policy-file.ts';
import type { Site } from './site.ts';

export interface AuditProps {
  readonly site: Site;
  readonly key: CfnKey;
  /** What belongs to this deployment, besides what its name says. */
  readonly owned: Omit<Owned, 'deployment'>;
}

/**
 * Rules that send security-relevant CloudTrail events to a topic for chat, SIEM or ticketing. They need a trail that records
 * management events in this Region. IAM's own events exist in us-east-1 only: forward them from there.
 *
 * A message says who did what, when and from where. It contains neither the request nor the response.
 */
export class Audit extends Construct {
  readonly topic: CfnTopic;
  /** Names of the rules. */
  readonly ruleNames: readonly string[];

  constructor(scope: Construct, id: string, { site, key, ...props }: AuditProps) {
    super(scope, id);
    const owned = { ...props.owned, deployment: site.deployment };
    this.topic = topic(this, 'Topic', site, key, 'audit');
    const ruleNames: string[] = [];
    const rule = (name: string, description: string, detail: Record<string, unknown>): void => {
      const made = new CfnRule(this, name, {
        name: `${site.deployment}-audit-${name}`,
        description: `adjoin: ${description}`,
        // The plain ENABLED leaves out read calls, and reads of the secret matter most.
        state: 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS',
        eventPattern: { 'detail-type': ['AWS API Call via CloudTrail'], detail },
        targets: [
          {
            id: 'topic',
            arn: this.topic.ref,
            inputTransformer: {
              inputPathsMap: {
                account: '$.account',
                region: '$.region',
                time: '$.detail.eventTime',
                who: '$.detail.userIdentity.arn',
                service: '$.detail.eventSource',
                action: '$.detail.eventName',
                error: '$.detail.errorCode',
                from: '$.detail.sourceIPAddress',
                id: '$.detail.eventID',
              },
              inputTemplate: `{"adjoin":"${site.deployment}","rule":"${name}","time":"<time>","account":"<account>","region":"<region>","who":"<who>","service":"<service>","action":"<action>","error":"<error>","from":"<from>","eventId":"<id>"}`,
            },
          },
        ],
      });
      ruleNames.push(made.ref);
    };
    const workerRoleArn = site.policyValues['WorkerRoleArn'];
    const byOthers = [issuer([{ 'anything-but': [workerRoleArn] }]), issuer([{ exists: false }])];
    const theSecret = {
      requestParameters: { secretId: [{ wildcard: `*${site.deployment}/service-account*` }] },
    };

    // The event of a denied call may lack the parameters, but its error message names the secret.
    rule('secret-read', 'a denied or unusual read of the secret', {
      eventSource: ['secretsmanager.amazonaws.com'],
      eventName: ['GetSecretValue', 'BatchGetSecretValue'],
      $or: [
        { errorCode: denied, errorMessage: [{ wildcard: `*${site.deployment}/service-account*` }] },
        { errorCode: denied, ...theSecret },
        ...byOthers.map((who) => ({ ...theSecret, ...who })),
        { ...theSecret, vpcEndpointId: [{ exists: false }] },
      ],
    });
    // A data event: it exists if a trail selects the objects of this bucket.
    rule('record-read', 'a record of a session was read', {
      eventSource: ['s3.amazonaws.com'],
      eventName: ['GetObject'],
      requestParameters: { bucketName: [{ prefix: `${site.deployment}-sessions-` }] },
    });
    rule('session', 'a session or an ECS Exec was started', {
      eventSource: ['ssm.amazonaws.com', 'ecs.amazonaws.com'],
      eventName: ['StartSession', 'ResumeSession', 'ExecuteCommand'],
    });
    // A rule cannot know which instances are workers. So it matches every command that the worker did not send.
    rule('command', 'a command that the worker did not send, on the worker or elsewhere', {
      eventSource: ['ssm.amazonaws.com'],
      eventName: ['SendCommand', 'CreateAssociation', 'StartAutomationExecution'],
      $or: byOthers,
    });
    for (const { name, description, detail } of auditedChanges(owned)) rule(name, description, detail);
    // Who runs an instance of his own as the worker has the credential. Auto Scaling runs the workers themselves.
    const byPeople = [
      issuer([{ 'anything-but': { wildcard: '*/AWSServiceRoleForAutoScaling*' } }]),
      issuer([{ exists: false }]),
    ];
    const asWorker = [{ wildcard: `*${site.workerRoleName}*` }];
    // A launch template brings the profile without a word in the request: the answer has it.
    const runsAsWorker = { instancesSet: { items: { iamInstanceProfile: { arn: asWorker } } } };
    rule('worker-role', "an instance was given the worker's role", {
      eventSource: ['ec2.amazonaws.com', 'iam.amazonaws.com'],
      $or: [
        { eventName: ['AssociateIamInstanceProfile', 'ReplaceIamInstanceProfileAssociation'] },
        { eventName: ['AddRoleToInstanceProfile'], requestParameters: { roleName: [site.workerRoleName] } },
        ...byPeople.flatMap((who) => [
          ...['arn', 'name'].map((by) => ({
            eventName: ['RunInstances'],
            requestParameters: { iamInstanceProfile: { [by]: asWorker } },
            ...who,
          })),
          { eventName: ['RunInstances'], responseElements: runsAsWorker, ...who },
        ]),
      ],
    });
    rule('worker-template', "a launch template or configuration has the worker's role", {
      eventSource: ['ec2.amazonaws.com', 'autoscaling.amazonaws.com'],
      $or: [
        names('CreateLaunchConfiguration', { iamInstanceProfile: asWorker }),
        ...['Arn', 'Name'].flatMap((by) => {
          const request = { LaunchTemplateData: { IamInstanceProfile: { [by]: asWorker } } };
          return ['CreateLaunchTemplate', 'CreateLaunchTemplateVersion'].map((call) =>
            names(call, { [`${call}Request`]: request }),
          );
        }),
      ],
    });
    this.ruleNames = ruleNames;
  }
}

const names = (call: string, request: object) => ({ eventName: [call], requestParameters: request });

/** Matches the role behind a session. */
function issuer(match: readonly unknown[]) {
  return { userIdentity: { sessionContext: { sessionIssuer: { arn: match } } } };
}

/** An encrypted topic that only one service may publish to; its policy is `<name>-topic.json`. */
export function topic(
  scope: Construct,
  id: string,
  site: Site,
  key: CfnKey,
  name: 'audit' | 'alarm',
): CfnTopic {
  const made = new CfnTopic(scope, id, {
    topicName: `${site.deployment}-${name}`,
    displayName: `adjoin ${name}`,
    kmsMasterKeyId: key.attrKeyId,
  });
  new CfnTopicPolicy(scope, `${id}Policy`, {
    topics: [made.ref],
    policyDocument: fillPolicy(`${name}-topic`, { ...site.policyValues, TopicArn: made.ref }),
  });
  return made;
}
