/**
 * Checks are data: what is looked at, how bad it is when it is not so, and what to do then. One list of them is run in order, over
 * ports; what each one found is said in a `Finding`.
 */
import type { Clock } from '../clock.ts';
import { AdjoinError, asAdjoinError } from '../errors.ts';
import { until } from '../patience.ts';

/** `fatal`: nothing works, or a promise is broken. `warning`: it works, but not for long, or not as it should. */
export type Severity = 'fatal' | 'warning';

/** What one look came to. */
export type Look =
  | { readonly state: 'passed'; readonly text?: string }
  | { readonly state: 'failed'; readonly text: string; readonly todo?: string }
  | { readonly state: 'skipped'; readonly text: string };

export interface CheckFacts {
  /** Lower-case words with hyphens; also the anchor of its section in docs/doctor.md. */
  readonly id: string;
  readonly category: string;
  /** A statement that is true when all is well. */
  readonly title: string;
  readonly severity: Severity;
  /** What to do when it is not so. */
  readonly todo: string;
  /** IAM actions that the look needs; none for what is no call to AWS. */
  readonly actions: readonly string[];
}

export interface Check<Ports> extends CheckFacts {
  /** IDs of earlier checks without which this one says nothing. */
  readonly needs?: readonly string[];
  /** A thrown error is a failure by itself. */
  look(ports: Ports, signal: AbortSignal): Promise<Look>;
}

/** A check with what it found. It is plain data, so that it can be sent. */
export interface Finding {
  readonly id: string;
  readonly category: string;
  readonly title: string;
  readonly severity: Severity;
  readonly state: Look['state'];
  /** What was found; for a passed check a detail, if there is one. */
  readonly text?: string;
  /** What to do, for a failed one. */
  readonly todo?: string;
}

export const passed = (text?: string): Look => ({ state: 'passed', ...(text !== undefined && { text }) });
export const failed = (text: string, todo?: string): Look => ({
  state: 'failed',
  text,
  ...(todo !== undefined && { todo }),
});
export const skipped = (text: string): Look => ({ state: 'skipped', text });

export interface RunOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Milliseconds that one look may take. */
  readonly limitMs: number;
  /**
   * What it is when AWS denies a look: a person may lack a right without anything being wrong (`skipped`); where the rights of a
   * role are what is looked at, it is a failure.
   */
  readonly denied: 'skipped' | 'failed';
  /** Findings of earlier lists, which these checks may need. */
  readonly earlier?: readonly Finding[];
  /** Told each finding as it comes. */
  readonly onFinding?: (finding: Finding) => void;
}

const findingOf = (check: CheckFacts, look: Look): Finding => ({
  id: check.id,
  category: check.category,
  title: check.title,
  severity: check.severity,
  state: look.state,
  ...(look.text !== undefined && { text: look.text }),
  ...(look.state === 'failed' && { todo: look.todo ?? check.todo }),
});

async function lookAt<Ports>(check: Check<Ports>, ports: Ports, options: RunOptions): Promise<Look> {
  const { clock, signal, limitMs, denied } = options;
  const late = (): AdjoinError =>
    new AdjoinError('unexpected', `no answer within ${Math.round(limitMs / 1000)} s`);
  try {
    return await until(clock, clock.now() + limitMs, signal, late, (limited) => check.look(ports, limited));
  } catch (error) {
    signal.throwIfAborted();
    const known = asAdjoinError(error);
    if (known.code === 'aws-denied' && denied === 'skipped')
      return skipped(`not permitted: ${known.message}`);
    // A mistake of ours has no better advice than the check's own.
    return known.code === 'unexpected'
      ? failed(known.message)
      : failed(`${known.code}: ${known.message}`, known.hint);
  }
}

/** Runs the checks one after the other. @throws the signal's reason */
export async function runChecks<Ports>(
  checks: readonly Check<Ports>[],
  ports: Ports,
  options: RunOptions,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const check of checks) {
    options.signal.throwIfAborted();
    const missing = (check.needs ?? []).find((id) =>
      [...(options.earlier ?? []), ...findings].some(
        (earlier) => earlier.id === id && earlier.state !== 'passed',
      ),
    );
    const look =
      missing === undefined ? await lookAt(check, ports, options) : skipped(`because of ${missing}`);
    const finding = findingOf(check, look);
    findings.push(finding);
    options.onFinding?.(finding);
  }
  return findings;
}

export const isFatal = ({ state, severity }: Finding): boolean => state === 'failed' && severity === 'fatal';
