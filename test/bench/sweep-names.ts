/** What the process that sweeps and the one that answers it agree on. */
import { candidateNames } from '../../agent/directory/names.ts';

export interface SweepCost {
  readonly ms: number;
  readonly peakBytes: number;
  /** As the sweep itself reports them. */
  readonly accounts: number;
  readonly memberships: number;
  readonly errors: number;
  readonly findings: number;
  /** Pages that the controller was asked for. */
  readonly directoryPages: number;
  /** Looks for DNS records that ended memberships left. */
  readonly strayLooks: number;
}

/** Account that the simulated AWS belongs to. */
export const OWNER_ID = '123456789012';
export const idOf = (index: number): string => `i-${index.toString(16).padStart(17, '0')}`;
/** The name of an instance's account. */
export const nameOf = (index: number): string => candidateNames(idOf(index), ['A']).join('');
export const guidOf = (index: number): string =>
  `00000000-0000-0000-0000-${index.toString(16).padStart(12, '0')}`;
