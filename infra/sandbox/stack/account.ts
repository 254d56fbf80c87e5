/** Who is in the account before the stack is deployed, as a company has them. */
import type { Place } from '../cloud/place.ts';
import { policy, type Identity, type Policy } from '../iam/policies.ts';

const everything = policy('AdministratorAccess', {
  Version: '2012-10-17',
  Statement: [{ Sid: 'Everything', Effect: 'Allow', Action: '*', Resource: '*' }],
});

export interface Account {
  /** Deploys the stack, puts the credential, looks after dead letters: the one of the stack's AdministratorArns. */
  readonly administratorRoleArn: string;
  readonly breakGlassRoleArn: string;
  /** Has every right in the account, less what the stack's deny policies take away. */
  readonly operatorArn: string;
  /** The person at the sandbox, who stands where AWS itself stands: no policy binds this user. */
  readonly ownerArn: string;
  readonly identities: ReadonlyMap<string, Identity & { readonly attached?: readonly string[] }>;
  /** The operator may assume the two roles. */
  readonly trust: ReadonlyMap<string, Policy>;
}

/** @param deployment whose deny policies the operator has */
export function account({ accountId }: Pick<Place, 'accountId'>, deployment: string): Account {
  const administratorRoleArn = `arn:aws:iam::${accountId}:role/administrator`;
  const breakGlassRoleArn = `arn:aws:iam::${accountId}:role/break-glass`;
  const operatorArn = `arn:aws:iam::${accountId}:user/operator`;
  const trustsOperator = policy('OperatorMayAssume', {
    Version: '2012-10-17',
    Statement: [
      { Sid: 'Operator', Effect: 'Allow', Principal: { AWS: operatorArn }, Action: 'sts:AssumeRole' },
    ],
  });
  return {
    administratorRoleArn,
    breakGlassRoleArn,
    operatorArn,
    ownerArn: `arn:aws:iam::${accountId}:user/owner`,
    identities: new Map([
      [administratorRoleArn, { policies: [everything] }],
      [breakGlassRoleArn, { policies: [everything] }],
      [
        operatorArn,
        {
          policies: [everything],
          attached: ['worker-access', 'tampering', 'disarming'].map((what) => `${deployment}-deny-${what}`),
        },
      ],
    ]),
    trust: new Map([
      [administratorRoleArn, trustsOperator],
      [breakGlassRoleArn, trustsOperator],
    ]),
  };
}
