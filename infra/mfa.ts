import { Aws, type CfnCondition, Fn } from 'aws-cdk-lib';
import type { PolicyDocument } from './policy-file.ts';

const present = 'aws:MultiFactorAuthPresent';

/**
 * A policy with the MFA conditions of its file, or without them. Without them is for organizations with IAM Identity Center or
 * SAML: their sessions never show MFA to AWS, even if the person used it to sign on.
 */
export function demandMfa(policy: PolicyDocument, demanded: boolean | CfnCondition): object {
  if (demanded === true) return policy;
  const Statement = policy.Statement.map((statement) => {
    const { Bool, ...others } = statement.Condition ?? {};
    if (Bool?.[present] === undefined) return statement;
    if (Object.keys(Bool).length > 1) throw new Error(`${statement.Sid}: MFA stands alone under Bool`);
    if (demanded === false) return { ...statement, Condition: others };
    const either = Fn.conditionIf(demanded.logicalId, Bool, Aws.NO_VALUE);
    return { ...statement, Condition: { ...others, Bool: either } };
  });
  return { ...policy, Statement };
}
