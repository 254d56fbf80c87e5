/** What a sweep found and did. */
import type { AdjoinError } from '../errors.ts';

/**
 * - `debt`: a removal is owed: the ledger says that an account may be left.
 * - `orphan`: an account with our stamp; its instance is gone.
 * - `ended`: a membership without an account; its instance is gone.
 * - `record`: a membership that had ended; its computer has DNS records again.
 * - `vanished`: a living member without an account.
 * - `moved`: a living member with an account outside of the organizational unit.
 * - `twin`: a living member with more accounts than the one that it joined as.
 */
export type FindingKind = 'debt' | 'orphan' | 'ended' | 'record' | 'vanished' | 'moved' | 'twin';

/**
 * Why something was left as it is:
 * - `too-young`: younger than the age guard, or of unknown age.
 * - `in-auto-scaling`: its group still counts the instance; the hook, or its time-out, comes first.
 * - `in-work`: a worker holds the lease on it, or has changed it since it was read.
 * - `unproven`: EC2 or Auto Scaling gave no complete answer, or the ledger's record can't be read.
 * - `cap`: this run has removed as many as it may.
 * - `denied`: the account is gone, and the DNS record may not be removed: nothing but a right is missing.
 * - `failed`: the removal failed; the error is in the report.
 * - `stopped`: the run ended before this was reached.
 */
export type KeptReason =
  'too-young' | 'in-auto-scaling' | 'in-work' | 'unproven' | 'cap' | 'denied' | 'failed' | 'stopped';

export type Outcome =
  | { readonly result: 'removed' | 'would-remove' | 'reported' }
  | { readonly result: 'kept'; readonly reason: KeptReason };

export interface Finding {
  readonly kind: FindingKind;
  readonly instanceId: string;
  /** The account's, or the one that the ledger remembers. */
  readonly computerName: string | undefined;
  /** Milliseconds since the Unix epoch: when the account was made, or the membership last changed. */
  readonly since: number | undefined;
  readonly outcome: Outcome;
}

export interface SweepError {
  /** None when it is the run's own. */
  readonly instanceId?: string;
  readonly error: AdjoinError;
}

export interface SweepReport {
  /** Nothing was changed, not even a lease. */
  readonly dryRun: boolean;
  /** Everything was looked at. A run that was stopped, or that an outage ended, is not complete. */
  readonly complete: boolean;
  readonly accounts: number;
  readonly memberships: number;
  readonly findings: readonly Finding[];
  readonly errors: readonly SweepError[];
}

/** Instance IDs of one kind in the log's line: enough to look for, not enough to flood it. */
const NAMED = 50;

/** The report as the one line that the log gets. */
export function summaryOf(report: SweepReport): Record<string, unknown> {
  const { findings, errors } = report;
  const kinds = (kind: FindingKind): readonly Finding[] =>
    findings.filter((finding) => finding.kind === kind);
  const done = findings.filter(({ outcome }) => outcome.result !== 'kept' && outcome.result !== 'reported');
  const kept: Record<string, number> = {};
  for (const { outcome } of findings) {
    if (outcome.result === 'kept') kept[outcome.reason] = (kept[outcome.reason] ?? 0) + 1;
  }
  const names = (some: readonly Finding[]): string[] =>
    some.slice(0, NAMED).map(({ instanceId }) => instanceId);
  return {
    dryRun: report.dryRun,
    complete: report.complete,
    examined: { accounts: report.accounts, memberships: report.memberships },
    orphans: kinds('orphan').length,
    removed: done.filter(({ kind }) => kind === 'orphan').length,
    owedPaid: done.filter(({ kind }) => kind === 'debt').length,
    reconciled: done.filter(({ kind }) => kind === 'ended').length,
    records: done.filter(({ kind }) => kind === 'record').length,
    twins: kinds('twin').length,
    vanished: names(kinds('vanished')),
    moved: names(kinds('moved')),
    instances: names(done),
    kept,
    errors: errors
      .slice(0, NAMED)
      .map(({ instanceId, error }) => ({ instanceId, code: error.code, message: error.message })),
  };
}
