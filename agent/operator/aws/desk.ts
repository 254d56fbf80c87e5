/** The reads of `adjoin doctor`, each an AWS call as the operator. */
import { paginateDescribeAutoScalingGroups, type AutoScalingGroup } from '@aws-sdk/client-auto-scaling';
import { DescribeTableCommand } from '@aws-sdk/client-dynamodb';
import { DescribeInstancesCommand } from '@aws-sdk/client-ec2';
import { DescribeSecretCommand, GetResourcePolicyCommand } from '@aws-sdk/client-secrets-manager';
import { GetQueueAttributesCommand, GetQueueUrlCommand } from '@aws-sdk/client-sqs';
import {
  DescribeDocumentCommand,
  GetDocumentCommand,
  paginateDescribeInstanceInformation,
} from '@aws-sdk/client-ssm';
import { createHash } from 'node:crypto';
import type { Clients } from '../../aws/clients.ts';
import { awsErrorOf, callAws, pagesOfAws } from '../../aws/errors.ts';
import { createMembershipTable } from '../../aws/membership-table.ts';
import { createRefusalStore } from '../../aws/refusal-store.ts';
import { createSweepLeaseStore } from '../../aws/sweep-lease-store.ts';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../config.ts';
import { NODES_PER_LOOK } from '../../nodes/readiness.ts';
import type { DeskPorts, GroupFacts, GroupInstance, ManagedFacts } from '../doctor/ports.ts';
import type { Caller } from './caller.ts';
import { hooksOf, tagsOf } from './groups.ts';

const templateOf = (template: AutoScalingGroup['LaunchTemplate']): string =>
  template
    ? `${template.LaunchTemplateId ?? template.LaunchTemplateName ?? ''}:${template.Version ?? ''}`
    : '';

const groupOf = (group: AutoScalingGroup): GroupFacts => ({
  name: group.AutoScalingGroupName ?? '',
  desired: group.DesiredCapacity ?? 0,
  template: templateOf(
    group.LaunchTemplate ?? group.MixedInstancesPolicy?.LaunchTemplate?.LaunchTemplateSpecification,
  ),
  instances: (group.Instances ?? []).map((instance): GroupInstance => ({
    instanceId: instance.InstanceId ?? '',
    lifecycleState: instance.LifecycleState ?? '',
    isHealthy: instance.HealthStatus?.toLowerCase() === 'healthy',
    template: templateOf(instance.LaunchTemplate),
  })),
  tags: tagsOf(group),
});

/** What the service says when there is no such thing, in its own words. */
const isMissing = (error: unknown, ...names: readonly string[]): boolean =>
  names.includes(awsErrorOf(error)?.name ?? '');

export interface DeskOptions {
  readonly config: Config;
  readonly clients: Clients;
  readonly caller: Caller;
  readonly clock: Clock;
}

export function createDesk({ config, clients, caller, clock }: DeskOptions): DeskPorts {
  const { autoScaling, dynamodb, ec2, secretsManager, sqs, ssm } = clients;
  const memberships = createMembershipTable(dynamodb, config.table);
  const refusals = createRefusalStore(dynamodb, config.table);
  const sweepLease = createSweepLeaseStore(dynamodb, config.table);

  async function attributes(url: string, signal: AbortSignal): Promise<Partial<Record<string, string>>> {
    const answer = await callAws(`sqs:GetQueueAttributes of ${url}`, signal, () =>
      sqs.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['All'] }), {
        abortSignal: signal,
      }),
    );
    return answer.Attributes ?? {};
  }

  return {
    config,
    identity: (signal) => caller.identity(signal),
    async queue(signal) {
      const found = await attributes(config.queueUrl, signal);
      const redrive: unknown = JSON.parse(found['RedrivePolicy'] ?? '{}');
      const target: unknown =
        typeof redrive === 'object' && redrive !== null
          ? Reflect.get(redrive, 'deadLetterTargetArn')
          : undefined;
      return {
        waiting: Number(found['ApproximateNumberOfMessages'] ?? 0),
        inFlight: Number(found['ApproximateNumberOfMessagesNotVisible'] ?? 0),
        deadLetterQueueArn: typeof target === 'string' ? target : undefined,
        isEncrypted: found['KmsMasterKeyId'] !== undefined || found['SqsManagedSseEnabled'] === 'true',
      };
    },
    async depth(queueArn, signal) {
      const QueueName = queueArn.split(':').at(-1) ?? '';
      const { QueueUrl = '' } = await callAws(`sqs:GetQueueUrl of ${QueueName}`, signal, () =>
        sqs.send(new GetQueueUrlCommand({ QueueName }), { abortSignal: signal }),
      );
      const found = await attributes(QueueUrl, signal);
      return (
        Number(found['ApproximateNumberOfMessages'] ?? 0) +
        Number(found['ApproximateNumberOfMessagesNotVisible'] ?? 0)
      );
    },
    async tableStatus(signal) {
      const { Table } = await callAws(`dynamodb:DescribeTable of ${config.table}`, signal, () =>
        dynamodb.send(new DescribeTableCommand({ TableName: config.table }), { abortSignal: signal }),
      );
      return Table?.TableStatus ?? 'missing';
    },
    async document(name, version, signal) {
      const of = { Name: name, DocumentVersion: version };
      try {
        const { Document } = await ssm.send(new DescribeDocumentCommand(of), { abortSignal: signal });
        const { Content = '' } = await ssm.send(new GetDocumentCommand(of), { abortSignal: signal });
        return {
          status: Document?.Status ?? '',
          sha256: createHash('sha256').update(Content).digest('hex'),
        };
      } catch (error) {
        if (isMissing(error, 'InvalidDocument', 'InvalidDocumentVersion')) return undefined;
        return callAws(`ssm:DescribeDocument of ${name}`, signal, () => Promise.reject(error));
      }
    },
    async secret(signal) {
      const SecretId = config.secretId;
      const described = await callAws(`secretsmanager:DescribeSecret of ${SecretId}`, signal, () =>
        secretsManager.send(new DescribeSecretCommand({ SecretId }), { abortSignal: signal }),
      );
      const current = Object.entries(described.VersionIdsToStages ?? {}).find(([, stages]) =>
        stages.includes('AWSCURRENT'),
      );
      const { ResourcePolicy } = await callAws(
        `secretsmanager:GetResourcePolicy of ${SecretId}`,
        signal,
        () => secretsManager.send(new GetResourcePolicyCommand({ SecretId }), { abortSignal: signal }),
      );
      const policy: unknown = ResourcePolicy === undefined ? undefined : JSON.parse(ResourcePolicy);
      return { currentVersion: current?.[0], policy };
    },
    refusal: (versionId) => refusals.read(versionId),
    sweepEndedAt: async () => (await sweepLease.read())?.endedAt,
    now: () => clock.now(),
    async group(name, signal) {
      const pages = pagesOfAws(
        `autoscaling:DescribeAutoScalingGroups of ${name}`,
        signal,
        paginateDescribeAutoScalingGroups(
          { client: autoScaling },
          { AutoScalingGroupNames: [name] },
          { abortSignal: signal },
        ),
      );
      for await (const { AutoScalingGroups = [] } of pages)
        for (const group of AutoScalingGroups) if (group.AutoScalingGroupName === name) return groupOf(group);
      return undefined;
    },
    hooks: (name, signal) => hooksOf(autoScaling, name, signal),
    async instance(instanceId, signal) {
      const { Reservations = [] } = await callAws(`ec2:DescribeInstances of ${instanceId}`, signal, () =>
        // Named as an instance, an ID that EC2 does not know would fail the call.
        ec2.send(new DescribeInstancesCommand({ Filters: [{ Name: 'instance-id', Values: [instanceId] }] }), {
          abortSignal: signal,
        }),
      );
      const found = Reservations.flatMap(({ Instances = [] }) => Instances)[0];
      if (!found) return undefined;
      const tags = new Map((found.Tags ?? []).map(({ Key = '', Value = '' }) => [Key, Value]));
      return { state: found.State?.Name ?? '', tags, group: tags.get('aws:autoscaling:groupName') };
    },
    async managed(instanceIds, signal) {
      const found = new Map<string, ManagedFacts>();
      for (let start = 0; start < instanceIds.length; start += NODES_PER_LOOK) {
        const Values = instanceIds.slice(start, start + NODES_PER_LOOK);
        const pages = pagesOfAws(
          `ssm:DescribeInstanceInformation of ${Values.length}`,
          signal,
          paginateDescribeInstanceInformation(
            { client: ssm },
            { Filters: [{ Key: 'InstanceIds', Values }] },
            { abortSignal: signal },
          ),
        );
        for await (const { InstanceInformationList = [] } of pages)
          for (const {
            InstanceId = '',
            PingStatus,
            AgentVersion = '',
            PlatformName = '',
            PlatformVersion = '',
          } of InstanceInformationList)
            found.set(InstanceId, {
              isOnline: PingStatus === 'Online',
              agentVersion: AgentVersion,
              platform: `${PlatformName} ${PlatformVersion}`.trim(),
            });
      }
      return found;
    },
    membership: (instanceId) => memberships.read(instanceId),
  };
}
