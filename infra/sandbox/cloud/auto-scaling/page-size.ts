import { ServiceFailure } from '../failure.ts';

/** Page sizes of the describe operations: AWS's defaults and maxima. */
export const groupPage = { otherwise: 50, most: 100 };
export const instancePage = { otherwise: 50, most: 50 };

export function pageSize(asked: number | undefined, bounds: { otherwise: number; most: number }): number {
  if (asked === undefined) return bounds.otherwise;
  if (asked < 1) throw new ServiceFailure('ValidationError', 'MaxRecords must be at least 1');
  return Math.min(asked, bounds.most);
}
