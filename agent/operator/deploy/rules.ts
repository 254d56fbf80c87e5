/** The template's `Rules`: contradictions between parameters, which CloudFormation refuses once everything is uploaded. */
import { z } from 'zod';

type Expression = { readonly [operator: string]: unknown } | string;

const expression: z.ZodType<Expression> = z.union([z.string(), z.record(z.string(), z.unknown())]);

const rules = z.object({
  Rules: z
    .record(
      z.string(),
      z.object({
        RuleCondition: expression.optional(),
        Assertions: z.array(z.object({ Assert: expression, AssertDescription: z.string().default('') })),
      }),
    )
    .default({}),
});

const operands = (given: unknown): Expression[] => z.array(expression).parse(given);

/** @throws Error for an operator that the template does not use today: what it says would not be known */
function holds(asked: Expression, valueOf: (parameter: string) => string): boolean {
  const textOf = (each: Expression): string =>
    typeof each === 'string' ? each : valueOf(z.object({ Ref: z.string() }).parse(each).Ref);
  const [[operator, given] = ['', undefined]] = typeof asked === 'string' ? [] : Object.entries(asked);
  switch (operator) {
    case 'Fn::And':
      return operands(given).every((each) => holds(each, valueOf));
    case 'Fn::Or':
      return operands(given).some((each) => holds(each, valueOf));
    case 'Fn::Not':
      return operands(given).every((each) => !holds(each, valueOf));
    case 'Fn::Equals': {
      const [left = '', right = ''] = operands(given).map(textOf);
      return left === right;
    }
    case 'Fn::EachMemberEquals': {
      const [list = '', value = ''] = operands(given).map(textOf);
      return list.split(',').every((member) => member.trim() === value);
    }
    default:
      throw new Error(`A rule of the template has ${operator || 'no operator'}, which is not known here.`);
  }
}

/**
 * @param template its text
 * @param valueOf the value that a parameter will have
 * @returns what the rules say that do not hold
 */
export function contradictions(template: string, valueOf: (parameter: string) => string): string[] {
  const { Rules } = rules.parse(JSON.parse(template));
  return Object.values(Rules).flatMap(({ RuleCondition, Assertions }) =>
    RuleCondition !== undefined && !holds(RuleCondition, valueOf)
      ? []
      : Assertions.filter(({ Assert }) => !holds(Assert, valueOf)).map((each) => each.AssertDescription),
  );
}
