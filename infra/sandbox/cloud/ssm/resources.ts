import type { Instances } from '../ec2/instances.ts';
import { arn, type Place } from '../place.ts';
import type { Requirement, Resource } from '../service.ts';
import type { Documents } from './documents.ts';

/** A document, as policies see it: those of Amazon belong to no account. */
export function documentResource(
  { place, documents }: { place: Place; documents: Documents },
  name: string | undefined,
): Resource {
  const owned = documents.all().find((each) => each.name === name)?.owner !== 'Amazon';
  const path = `document/${name ?? ''}`;
  return { arn: owned ? arn(place, 'ssm', path) : `arn:aws:ssm:${place.region}::${path}` };
}

/** What an action on an instance needs. A target's tags are condition keys of Systems Manager as well. */
export function onInstance(
  { place, instances }: { place: Place; instances: Instances },
  action: string,
  id: string,
): Requirement {
  const tags = Object.fromEntries(instances.find(id)?.tags ?? []);
  const context = Object.entries(tags).map(([key, value]) => [`ssm:resourceTag/${key}`, value]);
  return {
    action,
    resources: [{ arn: arn(place, 'ec2', `instance/${id}`), tags }],
    context: Object.fromEntries(context),
  };
}
