/** What `adjoin sweep` prints. */
import type { Finding, KeptReason, SweepReport } from '../sweep/report.ts';
import { table, wrap } from './table.ts';

const reasons: Readonly<Record<KeptReason, string>> = {
  'too-young': 'kept: too young',
  'in-auto-scaling': 'kept: its group',
  'in-work': 'kept: in work',
  unproven: 'kept: no proof',
  cap: 'kept: cap reached',
  denied: 'kept: DNS denied',
  failed: 'kept: failed',
  stopped: 'kept: stopped',
};

function outcomeOf({ outcome }: Finding): string {
  if (outcome.result === 'kept') return reasons[outcome.reason];
  return outcome.result === 'would-remove' ? 'would be removed' : outcome.result;
}

function age(since: number | undefined, now: number): string {
  if (since === undefined) return '?';
  const minutes = Math.max(0, Math.floor((now - since) / 60_000));
  if (minutes < 120) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h`;
  return `${Math.floor(minutes / 1440)} d`;
}

const many = (count: number, one: string, more = `${one}s`): string => `${count} ${count === 1 ? one : more}`;

/** The report for a person. @param now milliseconds since the Unix epoch */
export function renderSweep(report: SweepReport, now: number): string {
  const { findings, errors } = report;
  const rows = findings.map((finding) => [
    finding.instanceId,
    finding.computerName ?? '?',
    finding.kind,
    age(finding.since, now),
    outcomeOf(finding),
  ]);
  const count = (result: Finding['outcome']['result']): number =>
    findings.filter(({ outcome }) => outcome.result === result).length;
  const done = report.dryRun ? `${count('would-remove')} would be removed` : `${count('removed')} removed`;
  const examined = `${many(report.accounts, 'account')} and ${many(report.memberships, 'membership')} examined`;
  const said = `${examined}: ${done}, ${count('kept')} kept, ${count('reported')} reported, ${many(errors.length, 'error')}.`;
  return [
    rows.length === 0 ? '' : `${table(['instance', 'computer', 'kind', 'age', 'outcome'], rows)}\n`,
    wrap(said),
    report.complete ? '' : wrap('The sweep did not come to its end.'),
    report.dryRun ? wrap('This was a dry run: nothing was changed.') : '',
    ...errors.map(({ instanceId, error }) =>
      [
        wrap(`${error.code}${instanceId ? ` (${instanceId})` : ''}: ${error.message}`),
        wrap(error.hint, '  '),
      ].join(''),
    ),
  ].join('');
}
