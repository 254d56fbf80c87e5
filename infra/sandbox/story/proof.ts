/** A claim about the system, whether it was found true, and by what figures. */
export interface Proof {
  readonly claim: string;
  readonly proven: boolean;
  readonly figures: string;
  /** What contradicts the claim, one sentence each. Empty when it was proven. */
  readonly failures: readonly string[];
}

/** The proof of a claim about each of several things: `failures` holds one sentence for each that does not bear it out. */
export function proofOf(claim: string, total: number, failures: readonly string[], detail = ''): Proof {
  const figures = `${total - Math.min(total, failures.length)} of ${total}`;
  return {
    claim,
    proven: failures.length === 0,
    figures: detail ? `${figures}, ${detail}` : figures,
    failures,
  };
}

/** A claim that something is absent: `found` names what is there all the same. */
export function absence(claim: string, found: readonly string[], detail = ''): Proof {
  const figures = found.length === 0 ? 'none' : `${found.length} left`;
  return {
    claim,
    proven: found.length === 0,
    figures: detail ? `${figures}, ${detail}` : figures,
    failures: found,
  };
}

/** How many contradictions are worth reading; the report has them all. */
const shownFailures = 8;

/** The proof as lines of at most 80 columns. */
export function proofLines(proof: Proof): string[] {
  const head = `${proof.proven ? '✔' : '✘'} ${proof.claim}`;
  const lines =
    head.length + 2 + proof.figures.length <= 80
      ? [`${head}: ${proof.figures}`]
      : [head, `    ${proof.figures}`];
  for (const failure of proof.failures.slice(0, shownFailures)) lines.push(`    ${failure}`);
  const more = proof.failures.length - shownFailures;
  if (more > 0) lines.push(`    … and ${more} more`);
  return lines;
}
