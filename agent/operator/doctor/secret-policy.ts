/** Who may read the secret, by its resource policy: those that its denials except. */
import * as z from 'zod';

const texts = z.union([z.string().transform((text) => [text]), z.array(z.string())]);

const statement = z.object({
  Effect: z.string(),
  Principal: z.unknown(),
  Action: texts.optional(),
  Condition: z.record(z.string(), z.record(z.string(), texts)).optional(),
});

const policyShape = z.object({ Statement: z.array(z.unknown()) });

const READ = 'secretsmanager:GetSecretValue';

const concernsReading = (actions: readonly string[]): boolean =>
  actions.some((action) => action === '*' || action === 'secretsmanager:*' || action === READ);

/** Denies to everybody but those that one condition names, and nothing else narrows it. */
function exceptions(stated: z.infer<typeof statement>, operator: string, key: string): string[] | undefined {
  const { Effect, Principal, Action = [], Condition = {} } = stated;
  if (Effect !== 'Deny' || Principal !== '*' || !concernsReading(Action)) return undefined;
  const operators = Object.keys(Condition);
  if (operators.length !== 1 || operators[0] !== operator) return undefined;
  const keys = Object.keys(Condition[operator] ?? {});
  return keys.length === 1 && keys[0] === key ? Condition[operator]?.[key] : undefined;
}

export interface Readers {
  /** ARNs of those that no statement denies reading; nothing when the policy denies it to nobody. */
  readonly readers: readonly string[] | undefined;
  /** The VPC endpoint that reading must come through. */
  readonly endpoint: string | undefined;
}

export function readersOf(policy: unknown): Readers {
  const parsed = policyShape.safeParse(policy);
  const statements = (parsed.success ? parsed.data.Statement : []).flatMap((each) => {
    const one = statement.safeParse(each);
    return one.success ? [one.data] : [];
  });
  const find = (operator: string, key: string): string[] | undefined =>
    statements.map((each) => exceptions(each, operator, key)).find((found) => found !== undefined);
  return {
    readers: find('ArnNotEquals', 'aws:PrincipalArn'),
    endpoint: find('StringNotEquals', 'aws:SourceVpce')?.join(', '),
  };
}
