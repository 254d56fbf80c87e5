/** What a deployment will make, and what it will cost, for people. */
import { table, wrap } from '../../cli/table.ts';
import { costs, total } from './cost.ts';
import type { Change } from './ports.ts';

/** A change of these loses what they hold, or what others refer to. */
const KEPT: ReadonlySet<string> = new Set([
  'AWS::DynamoDB::Table',
  'AWS::KMS::Key',
  'AWS::SecretsManager::Secret',
  'AWS::S3::Bucket',
  'AWS::SQS::Queue',
]);

export interface KindOfChange {
  readonly type: string;
  readonly added: number;
  readonly changed: number;
  readonly replaced: number;
  readonly removed: number;
}

export function byKind(changes: readonly Change[]): KindOfChange[] {
  const types = [...new Set(changes.map(({ type }) => type))].toSorted();
  return types.map((type) => {
    const of = changes.filter((each) => each.type === type);
    const count = (is: (change: Change) => boolean): number => of.filter(is).length;
    return {
      type,
      added: count(({ action }) => action === 'Add'),
      changed: count(({ action, replaced }) => action === 'Modify' && !replaced),
      replaced: count(({ action, replaced }) => action === 'Modify' && replaced),
      removed: count(({ action }) => action === 'Remove'),
    };
  });
}

/** Resources with contents that are replaced or removed. */
export const losses = (changes: readonly Change[]): Change[] =>
  changes.filter(({ type, action, replaced }) => KEPT.has(type) && (action === 'Remove' || replaced));

const cell = (count: number): string => (count === 0 ? '' : String(count));

export function showChanges(changes: readonly Change[]): string {
  const rows = byKind(changes).map(({ type, added, changed, replaced, removed }) => [
    cell(added),
    cell(changed),
    cell(replaced),
    cell(removed),
    type,
  ]);
  const lost = losses(changes);
  const warning =
    lost.length === 0
      ? ''
      : wrap(
          `Look at these first, what they hold is not taken along: ${lost.map(({ logicalId, type }) => `${logicalId} (${type})`).join(', ')}.`,
        );
  return table(['made', 'changed', 'replaced', 'removed', 'kind'], rows) + warning;
}

export function showCost(valueOf: (parameter: string) => string): string {
  const all = costs(valueOf);
  const rows = all.map(({ what, usd }) => [usd?.toFixed(2) ?? 'not known', what]);
  const sum = [total(all).toFixed(2), 'all that is known'];
  return table(['USD/month', 'about, in us-east-1 (docs/cost.md)'], [...rows, sum]);
}
