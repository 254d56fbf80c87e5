/**
 * Who may do what, under which circumstances: every answer of the deployed policies against the rules in rules.ts; and
 * whether each Deny is needed, by taking it away.
 */
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { Decision, StatementName } from '../../../infra/sandbox/iam/authorizer.ts';
import { wildcardMatches } from '../../../infra/sandbox/iam/policies.ts';
import { sample, slice } from '../../support/slice.ts';
import { expected, mays, nevers } from './rules.ts';
import {
  conditionName,
  conditionsOf,
  denials,
  nameOf,
  spares,
  speaksOf,
  without,
  withoutCondition,
  type Edit,
  type NamedCondition,
} from './edits.ts';
import { decide, expectations, sentenceFor, type Expectation } from './matrix.ts';
import { deployedStack, type Stack } from './stack.ts';
import { synthesized, type Synthesized } from './synthesized.ts';

interface Answer {
  readonly expectation: Expectation;
  readonly decision: Decision;
}

let system: Synthesized;
let stack: Stack;
let answers: readonly Answer[];

beforeAll(async () => {
  system = await synthesized();
  stack = deployedStack(system);
  const asked: Answer[] = [];
  for (const expectation of worthAsking(expectations(stack))) {
    asked.push({ expectation, decision: await decide(stack, expectation) });
  }
  answers = asked;
}, 300_000);

/** All that is allowed, and a case of each rule; of what is denied besides, a run of everything asks for a part. */
function worthAsking(all: readonly Expectation[]): readonly Expectation[] {
  const rules = new Set<string>();
  const kept = all.filter(({ allowed, because }) => {
    const isFirst = because.some((rule) => !rules.has(rule));
    for (const rule of because) rules.add(rule);
    return allowed || isFirst;
  });
  const known = new Set(kept);
  const others = all.filter((each) => !known.has(each));
  return [...kept, ...sample(others, 6)];
}

/** A line for a person about each answer that is not as the rules say. */
function complaints(given: readonly Answer[]): string[] {
  return given
    .filter(({ expectation, decision }) => decision.allowed !== expectation.allowed)
    .map(({ expectation, decision }) => {
      const by = [...(decision.allowed ? decision.allows : decision.denies)].map(nameOf).join(', ');
      return `${sentenceFor(expectation)} It is ${decision.allowed ? 'allowed' : `denied ${decision.reason}`} (${by}).`;
    });
}

describe('the matrix', () => {
  test('asks for every principal, at least 2,000 times, and neither everything nor nothing is allowed', () => {
    expect(answers.length).toBeGreaterThan(2000);
    const names = new Set(answers.map(({ expectation }) => expectation.actor.name));
    expect(names.size).toBeGreaterThanOrEqual(20);
    const allowed = answers.filter(({ expectation }) => expectation.allowed).length;
    expect(allowed).toBeGreaterThan(200);
    expect(answers.length - allowed).toBeGreaterThan(1000);
  });

  test('uses every rule', () => {
    const used = new Set(answers.flatMap(({ expectation }) => expectation.because));
    const idle = [...mays, ...nevers].map(({ sentence }) => sentence).filter((each) => !used.has(each));
    expect(idle).toEqual([]);
  });

  test('answers every question as the rules say', () => {
    expect(complaints(answers)).toEqual([]);
  });
});

test('without RequireMfa, who has none is answered as who has it, and so is everybody else', async () => {
  const lax = deployedStack(system, { RequireMfa: 'false' });
  const concerned = expectations(lax).filter(
    ({ actor, act }) =>
      actor.name.includes('operator') ||
      actor.name === 'worker administrator' ||
      (actor.name === 'secret administrator' &&
        (act.target === 'dead-letter role' || act.target === 'membership role')),
  );
  const asked = [
    ...concerned.filter(({ circumstances }) => circumstances.flaw === 'no MFA'),
    ...sample(
      concerned.filter(({ circumstances }) => circumstances.flaw !== 'no MFA'),
      6,
    ),
  ];
  const wrong: string[] = [];
  let freed = 0;
  for (const expectation of asked) {
    const { flaw, ...circumstances } = expectation.circumstances;
    const { allowed, because } =
      flaw === 'no MFA' ? expected({ ...expectation, circumstances }) : expectation;
    if (flaw === 'no MFA' && allowed && !expectation.allowed) freed += 1;
    const decision = await decide(lax, expectation);
    if (decision.allowed !== allowed) wrong.push(sentenceFor({ ...expectation, allowed, because }));
  }
  expect(wrong).toEqual([]);
  expect(freed).toBeGreaterThan(4);
}, 120_000);

/** The first of these whose answer an edit of the policies turns against the rules. */
async function turned(given: readonly Answer[], edit: Edit): Promise<Expectation | undefined> {
  for (const { expectation } of given) {
    const { allowed } = await decide(stack, expectation, edit);
    if (allowed !== expectation.allowed) return expectation;
  }
  return undefined;
}

/** Whether nothing but this statement denies: only there can its absence change an answer. */
const alone =
  (denial: StatementName) =>
  ({ decision }: Answer): boolean => {
    const [by, ...others] = decision.denies;
    return by !== undefined && others.length === 0 && nameOf(by) === nameOf(denial);
  };

/** Those on which most answers hang are what a run of everything looks at. */
function weighty(all: ReturnType<typeof denials>): ReturnType<typeof denials> {
  const weight = new Map(all.map((denial) => [denial, answers.filter(alone(denial)).length]));
  const chosen = new Set(
    slice(
      all.toSorted((one, other) => (weight.get(other) ?? 0) - (weight.get(one) ?? 0)),
      8,
    ),
  );
  return all.filter((denial) => chosen.has(denial));
}

describe('nothing in a Deny is idle', () => {
  test('without any one of them, something is allowed that a rule forbids', async () => {
    const idle: string[] = [];
    for (const denial of weighty(denials(stack))) {
      if (!(await turned(answers.filter(alone(denial)), without(denial)))) idle.push(nameOf(denial));
    }
    expect(idle).toEqual([]);
  }, 300_000);

  test('without any one of their conditions, something is denied that a rule allows, or the other way round', async () => {
    const idle: NamedCondition[] = [];
    for (const condition of conditionsOf(weighty(denials(stack)))) {
      // A Deny with less of a condition applies to more, so that only what was allowed can change; with less of the
      // values that it is about, it applies to less, and nothing changes that it did not deny by itself.
      const lessApplies = condition.value !== undefined && !spares(condition);
      const asked = lessApplies
        ? answers.filter(alone(condition))
        : answers.filter(({ expectation, decision }) => decision.allowed && concerns(condition, expectation));
      if (!(await turned(asked, withoutCondition(condition)))) idle.push(condition);
    }
    expect(idle.filter((each) => !keptOnPurpose(each)).map(conditionName)).toEqual([]);
  }, 600_000);
});

/**
 * AWS does not say whether a redrive counts as a call of SQS's own. Nothing allows SQS such a call here, so that the
 * condition changes no answer; but should one be needed, a plain Deny would lose dead letters.
 */
function keptOnPurpose({ sid, key }: NamedCondition): boolean {
  return sid === 'NobodySends' && key === 'aws:PrincipalIsAWSService';
}

/** Whether a condition could matter to a question: decides nothing, but spares most of the questions. */
function concerns(condition: NamedCondition, { actor, act, circumstances }: Expectation): boolean {
  const { kind, policy, key, value } = condition;
  const own = actor.identity;
  if (key === 'aws:PrincipalArn' && value !== undefined && !wildcardMatches(value, own?.[0] ?? ''))
    return false;
  if (kind === 'service-control') return circumstances.guard === 'the service control policies';
  if (!speaksOf(condition, act)) return false;
  const names =
    kind === 'resource'
      ? [...stack.resourcePolicies]
          .filter(([arn]) => act.resource.startsWith(arn))
          .map(([, { name }]) => name)
      : [...(own?.[1].policies ?? []), ...stack.denyPolicies].map(({ name }) => name);
  return names.includes(policy);
}
