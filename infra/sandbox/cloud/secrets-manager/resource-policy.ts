import { ServiceFailure } from '../failure.ts';
import { enforce } from '../limits/limit.ts';
import { secretPolicy } from '../limits/resource-policies.ts';
import { isRecord } from '../wire/shape.ts';

/** @throws ServiceFailure for what is no policy, or, when asked to block it, for one that lets every principal in */
export function checkResourcePolicy(text: string, blockPublic: boolean): void {
  const malformed = (why: string) =>
    new ServiceFailure(
      'MalformedPolicyDocumentException',
      `This resource policy contains a syntax error: ${why}`,
    );
  enforce(secretPolicy, text);
  let policy: unknown;
  try {
    policy = JSON.parse(text);
  } catch {
    throw malformed('it is not JSON');
  }
  const statements: unknown[] = isRecord(policy) ? [policy['Statement']].flat() : [];
  if (statements.length === 0 || !statements.every(isRecord)) throw malformed('it has no statements');
  if (blockPublic && statements.some(isPublic)) {
    throw new ServiceFailure(
      'PublicPolicyException',
      "The resource policy can't be added because it grants broad access to the secret.",
    );
  }
}

/** An Allow for every principal without any condition. The real check reasons about the conditions, too. */
function isPublic(statement: Record<string, unknown>): boolean {
  const { Effect, Principal, Condition } = statement;
  const everybody = Principal === '*' || (isRecord(Principal) && [Principal['AWS']].flat().includes('*'));
  return Effect === 'Allow' && everybody && Condition === undefined;
}
