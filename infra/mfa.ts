import { Aws, type CfnCondition, Fn } from 'aws-cdk-lib';
import type { PolicyDocument } from './policy-file.ts';

const present = 'aws:MultiFactorAuthPresent';

/**
 * A policy with the demands for MFA that its file makes; or without them, for those whose sessions never say that there was
 * MFA, however they signed on: IAM Identity Center and SAML.
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
