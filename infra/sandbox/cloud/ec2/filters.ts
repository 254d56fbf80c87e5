import type { Filter } from '@aws-sdk/client-ec2';
import { ServiceFailure } from '../failure.ts';

/** What an item has that a filter may ask for, by the filter's name. */
export type Filterable<Item> = Readonly<Record<string, (item: Item) => readonly string[]>>;

/**
 * Whether an item fits all filters: of each, one of its values.
 * @throws ServiceFailure for a filter that is not known: EC2 refuses it, even if there is nothing to filter
 */
export function fitting<Item>(
  items: readonly Item[],
  filters: readonly Filter[] | undefined,
  known: Filterable<Item>,
): Item[] {
  const tests = (filters ?? []).map(({ Name = '', Values = [] }) => {
    const of = Object.hasOwn(known, Name) ? known[Name] : undefined;
    if (of === undefined)
      throw new ServiceFailure('InvalidParameterValue', `The filter '${Name}' is invalid`);
    const patterns = Values.map(wildcard);
    return (item: Item): boolean => of(item).some((value) => patterns.some((each) => each.test(value)));
  });
  return items.filter((item) => tests.every((test) => test(item)));
}

/** EC2's filter values know `*` and `?`. */
export function wildcard(pattern: string): RegExp {
  const escaped = pattern.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's');
}
