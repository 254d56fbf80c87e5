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
  readonly developerArn: string;
  /** The person at the sandbox, who stands where AWS itself stands: no policy binds this user. */
  readonly operatorArn: string;
  readonly identities: ReadonlyMap<string, Identity & { readonly attached?: RegExp }>;
  /** The developer may assume the two roles. */
  readonly trust: ReadonlyMap<string, Policy>;
}

/** @param deployment the deny policies of this one apply to the developer */
export function account({ accountId }: Pick<Place, 'accountId'>, deployment: string): Account {
  const administratorRoleArn = `arn:aws:iam::${accountId}:role/adjoin-administrator`;
  const breakGlassRoleArn = `arn:aws:iam::${accountId}:role/adjoin-break-glass`;
  const developerArn = `arn:aws:iam::${accountId}:user/developer`;
  const trustsDeveloper = policy('DeveloperMayAssume', {
    Version: '2012-10-17',
    Statement: [
      { Sid: 'Developer', Effect: 'Allow', Principal: { AWS: developerArn }, Action: 'sts:AssumeRole' },
    ],
  });
  return {
    administratorRoleArn,
    breakGlassRoleArn,
    developerArn,
    operatorArn: `arn:aws:iam::${accountId}:user/operator`,
    identities: new Map([
      [administratorRoleArn, { policies: [everything] }],
      [breakGlassRoleArn, { policies: [everything] }],
      [
        developerArn,
        {
          policies: [everything],
          // All there are: what a stack adds to them binds the developer as well.
          attached: new RegExp(`^${deployment}-(?:[a-z0-9-]+-)?deny-[a-z-]+$`),
        },
      ],
    ]),
    trust: new Map([
      [administratorRoleArn, trustsDeveloper],
      [breakGlassRoleArn, trustsDeveloper],
    ]),
  };
}
