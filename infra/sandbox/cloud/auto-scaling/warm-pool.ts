/** Warm pools: instances that a group keeps ready, beside those that it counts. */

export interface WarmPool {
  readonly least: number;
  /** Instances of group and pool together; undefined for as many as the group may have. */
  readonly prepared: number | undefined;
  readonly state: 'Stopped' | 'Running';
  /** Whether scale-in returns instances to the pool. */
  readonly reuse: boolean;
}

/** How many instances the pool wants (user guide, "Create a warm pool"). */
export const poolSize = (
  { least, prepared }: WarmPool,
  group: { readonly most: number; readonly desired: number },
): number => Math.max(least, (prepared ?? group.most) - group.desired);
