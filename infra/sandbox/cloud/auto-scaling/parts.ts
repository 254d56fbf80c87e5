import type { Place } from '../place.ts';
import type { Resource } from '../service.ts';
import type { Groups } from './groups.ts';

/** What all operations of Auto Scaling work on. */
export interface AutoScalingParts {
  readonly place: Place;
  readonly groups: Groups;
}

/** In the place of the ID of a group that is not made yet: policies can only name such a group by its name. */
const unmade = '00000000-0000-0000-0000-000000000000';

/** A group, as policies see it. */
export function groupResource({ place, groups }: AutoScalingParts, name: string | undefined): Resource {
  const group = groups.find(name ?? '');
  if (!group) {
    const unknown = `arn:aws:autoscaling:${place.region}:${place.accountId}:autoScalingGroup:${unmade}:autoScalingGroupName/${name ?? ''}`;
    return { arn: unknown };
  }
  return {
    arn: group.arn,
    tags: Object.fromEntries([...group.tags].map(([key, tag]) => [key, tag.value])),
  };
}

/** The group that the input names. */
export function ofGroup(
  parts: AutoScalingParts,
  input: { AutoScalingGroupName?: string | undefined },
): Resource[] {
  return [groupResource(parts, input.AutoScalingGroupName)];
}
