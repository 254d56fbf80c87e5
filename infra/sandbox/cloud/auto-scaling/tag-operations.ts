import {
  CreateOrUpdateTags$,
  DescribeTags$,
  type CreateOrUpdateTagsCommandInput,
  type DescribeTagsCommandInput,
  type Filter,
  type Tag,
  type TagDescription,
  type TagsType,
} from '@aws-sdk/client-auto-scaling';
import { ServiceFailure } from '../failure.ts';
import { operationsOn } from '../operations.ts';
import { page } from '../pages.ts';
import type { Operation, Requirement } from '../service.ts';
import type { GroupTag } from './groups.ts';
import { groupPage, pageSize } from './page-size.ts';
import { groupResource, type AutoScalingParts } from './parts.ts';
import { tagShapes } from './shapes.ts';

export function tagOperations(parts: AutoScalingParts): Operation[] {
  const on = operationsOn('autoscaling', parts);
  return [on(CreateOrUpdateTags$, createOrUpdateTags, ofTags), on(DescribeTags$, describeTags)];
}

function ofTags(parts: AutoScalingParts, { Tags = [] }: CreateOrUpdateTagsCommandInput): Requirement[] {
  return [
    {
      action: 'autoscaling:CreateOrUpdateTags',
      resources: Tags.map((tag) => groupResource(parts, tag.ResourceId)),
      context: { 'aws:TagKeys': Tags.map(({ Key = '' }) => Key) },
    },
  ];
}

function createOrUpdateTags({ groups }: AutoScalingParts, input: CreateOrUpdateTagsCommandInput): void {
  for (const tag of input.Tags ?? []) {
    const [key, value] = tagEntry(tag);
    groups.get(tag.ResourceId).tags.set(key, value);
  }
}

function describeTags({ groups }: AutoScalingParts, input: DescribeTagsCommandInput): TagsType {
  const wanted = groups
    .all()
    .flatMap(tagShapes)
    .filter((tag) => (input.Filters ?? []).every((each) => tagMatches(tag, each)));
  const size = pageSize(input.MaxRecords, groupPage);
  const given = page(wanted, tagKey, input.NextToken, size, 'InvalidNextToken');
  return { Tags: given.items, NextToken: given.next };
}

export function tagEntry(tag: Tag): [string, GroupTag] {
  return [tag.Key ?? '', { value: tag.Value ?? '', propagate: tag.PropagateAtLaunch ?? false }];
}

function tagKey(tag: TagDescription): string {
  return `${tag.ResourceId}/${tag.Key}`;
}

function tagMatches(tag: TagDescription, filter: Filter): boolean {
  const values = filter.Values ?? [];
  switch (filter.Name) {
    case 'auto-scaling-group':
      return values.includes(tag.ResourceId ?? '');
    case 'key':
      return values.includes(tag.Key ?? '');
    case 'value':
      return values.includes(tag.Value ?? '');
    case 'propagate-at-launch':
      return values.includes(String(tag.PropagateAtLaunch));
    case undefined:
    default:
      throw new ServiceFailure(
        'ValidationError',
        `Filter type ${filter.Name} is not correct. Allowed Filter types are: auto-scaling-group key value propagate-at-launch`,
      );
  }
}
