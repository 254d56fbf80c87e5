/** The throw-away group of `adjoin test`, as Auto Scaling makes, shows and forgets it. */
import {
  CreateAutoScalingGroupCommand,
  DeleteAutoScalingGroupCommand,
  DescribeScalingActivitiesCommand,
  paginateDescribeAutoScalingGroups,
  PutScheduledUpdateGroupActionCommand,
  SetDesiredCapacityCommand,
  type AutoScalingClient,
  type AutoScalingGroup,
  type CreateAutoScalingGroupCommandInput,
  type DescribeAutoScalingGroupsCommandInput,
} from '@aws-sdk/client-auto-scaling';
import { awsErrorOf, callAws, pagesOfAws } from '../../aws/errors.ts';
import { AdjoinError } from '../../errors.ts';
import type { TestPorts } from '../test/ports.ts';
import { hookShape, hooksOf, tagsOf } from './groups.ts';

type Launch = Pick<
  CreateAutoScalingGroupCommandInput,
  | 'AvailabilityZones'
  | 'LaunchConfigurationName'
  | 'LaunchTemplate'
  | 'MixedInstancesPolicy'
  | 'ServiceLinkedRoleARN'
  | 'VPCZoneIdentifier'
>;

/** The service-linked role that every group has which names none; another one may be what opens the keys of its volumes. */
const USUAL_ROLE = '/AWSServiceRoleForAutoScaling';

/**
 * What a group launches, and into which subnets, as the creation of another one takes it. Nothing of what leads traffic to its
 * instances, and none of their number. Undefined when the group says nothing of it.
 */
export function launchOf(group: AutoScalingGroup): Launch | undefined {
  const { LaunchConfigurationName, LaunchTemplate, MixedInstancesPolicy, ServiceLinkedRoleARN } = group;
  // Auto Scaling takes a template by its ID or by its name, and shows both.
  const specification = LaunchTemplate && {
    ...(LaunchTemplate.LaunchTemplateId === undefined
      ? { LaunchTemplateName: LaunchTemplate.LaunchTemplateName }
      : { LaunchTemplateId: LaunchTemplate.LaunchTemplateId }),
    ...(LaunchTemplate.Version !== undefined && { Version: LaunchTemplate.Version }),
  };
  const what = MixedInstancesPolicy
    ? { MixedInstancesPolicy: mixedOf(MixedInstancesPolicy) }
    : specification
      ? { LaunchTemplate: specification }
      : LaunchConfigurationName === undefined
        ? undefined
        : { LaunchConfigurationName };
  if (!what) return undefined;
  const { VPCZoneIdentifier: subnets = '', AvailabilityZones } = group;
  return {
    ...what,
    ...(subnets === '' ? { AvailabilityZones } : { VPCZoneIdentifier: subnets }),
    ...(ServiceLinkedRoleARN !== undefined &&
      !ServiceLinkedRoleARN.endsWith(USUAL_ROLE) && { ServiceLinkedRoleARN }),
  };
}

const withoutName = <T extends { LaunchTemplateId?: string | undefined }>(specification: T): T =>
  specification.LaunchTemplateId === undefined
    ? specification
    : { ...specification, LaunchTemplateName: undefined };

function mixedOf(
  policy: NonNullable<AutoScalingGroup['MixedInstancesPolicy']>,
): NonNullable<AutoScalingGroup['MixedInstancesPolicy']> {
  const { LaunchTemplate } = policy;
  if (!LaunchTemplate) return policy;
  const { LaunchTemplateSpecification: main, Overrides } = LaunchTemplate;
  return {
    ...policy,
    LaunchTemplate: {
      ...LaunchTemplate,
      ...(main && { LaunchTemplateSpecification: withoutName(main) }),
      ...(Overrides && {
        Overrides: Overrides.map((each) => ({
          ...each,
          ...(each.LaunchTemplateSpecification && {
            LaunchTemplateSpecification: withoutName(each.LaunchTemplateSpecification),
          }),
        })),
      }),
    },
  };
}

export function createTestGroups(
  client: AutoScalingClient,
): Omit<TestPorts, 'membership' | 'newId' | 'insist'> {
  async function* groups(
    input: DescribeAutoScalingGroupsCommandInput,
    signal?: AbortSignal,
  ): AsyncGenerator<AutoScalingGroup> {
    const pages = pagesOfAws(
      `autoscaling:DescribeAutoScalingGroups${input.AutoScalingGroupNames ? ` of ${input.AutoScalingGroupNames.join()}` : ''}`,
      signal,
      paginateDescribeAutoScalingGroups({ client }, input, { ...(signal && { abortSignal: signal }) }),
    );
    for await (const { AutoScalingGroups = [] } of pages) yield* AutoScalingGroups;
  }

  async function named(name: string, signal?: AbortSignal): Promise<AutoScalingGroup | undefined> {
    for await (const group of groups({ AutoScalingGroupNames: [name] }, signal))
      if (group.AutoScalingGroupName === name) return group;
    return undefined;
  }

  return {
    async model(name, signal) {
      const group = await named(name, signal);
      return (
        group && {
          tags: tagsOf(group),
          hooks: await hooksOf(client, name, signal),
          hasTemplate: launchOf(group) !== undefined,
        }
      );
    },
    async make({ name, tags, hooks }, model) {
      const like = await named(model);
      const launch = like && launchOf(like);
      if (!launch)
        throw new AdjoinError('unexpected', `${model} is gone, or has no launch template any more.`);
      const command = new CreateAutoScalingGroupCommand({
        ...launch,
        AutoScalingGroupName: name,
        MinSize: 0,
        MaxSize: 1,
        DesiredCapacity: 0,
        Tags: [...tags].map(([Key, Value]) => ({ Key, Value, PropagateAtLaunch: true })),
        LifecycleHookSpecificationList: hooks.map(hookShape),
      });
      try {
        await callAws(`autoscaling:CreateAutoScalingGroup ${name}`, undefined, () => client.send(command));
      } catch (error) {
        // The answer to an earlier try was lost: nobody else has this name.
        if (!(error instanceof AdjoinError) || !/: AlreadyExists/.test(error.message)) throw error;
      }
    },
    async emptyAt(name, at) {
      await callAws(`autoscaling:PutScheduledUpdateGroupAction of ${name}`, undefined, () =>
        client.send(
          new PutScheduledUpdateGroupActionCommand({
            AutoScalingGroupName: name,
            ScheduledActionName: 'adjoin-test-ends',
            StartTime: new Date(at),
            MinSize: 0,
            MaxSize: 0,
            DesiredCapacity: 0,
          }),
        ),
      );
    },
    async scale(name, size) {
      await callAws(`autoscaling:SetDesiredCapacity of ${name}`, undefined, () =>
        client.send(new SetDesiredCapacityCommand({ AutoScalingGroupName: name, DesiredCapacity: size })),
      );
    },
    async look(name, signal) {
      const group = await named(name, signal);
      return (
        group && {
          desired: group.DesiredCapacity ?? 0,
          instances: (group.Instances ?? []).map(({ InstanceId = '', LifecycleState = '' }) => ({
            id: InstanceId,
            state: LifecycleState,
          })),
        }
      );
    },
    async failures(name, signal) {
      const { Activities = [] } = await callAws(
        `autoscaling:DescribeScalingActivities of ${name}`,
        signal,
        () =>
          client.send(new DescribeScalingActivitiesCommand({ AutoScalingGroupName: name }), {
            abortSignal: signal,
          }),
      );
      return Activities.filter(({ StatusCode }) => StatusCode === 'Failed').map(
        ({ StatusMessage, Description = '' }) => StatusMessage ?? Description,
      );
    },
    async remove(name) {
      try {
        // Never by force: that would end an instance past its hook.
        await client.send(new DeleteAutoScalingGroupCommand({ AutoScalingGroupName: name }));
        return true;
      } catch (error) {
        const { name: code = '' } = awsErrorOf(error) ?? {};
        if (/^(ResourceInUse|ScalingActivityInProgress)/.test(code)) return false;
        return callAws(`autoscaling:DeleteAutoScalingGroup ${name}`, undefined, () => Promise.reject(error));
      }
    },
    async marked(tag, signal) {
      const found: { readonly name: string; readonly mark: string }[] = [];
      for await (const group of groups({ Filters: [{ Name: 'tag-key', Values: [tag] }] }, signal))
        found.push({
          name: group.AutoScalingGroupName ?? '',
          mark: tagsOf(group).get(tag)?.value ?? '',
        });
      return found;
    },
  };
}
