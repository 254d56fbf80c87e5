/**
 * What a caller has to acknowledge: a template that makes users, roles or policies, and more so with names of its choice.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html
 */
import type { Capability } from '@aws-sdk/client-cloudformation';
import { ServiceFailure } from '../../cloud/failure.ts';
import type { Template } from '../template.ts';

const naming: Readonly<Record<string, string | undefined>> = {
  'AWS::IAM::AccessKey': undefined,
  'AWS::IAM::Group': 'GroupName',
  'AWS::IAM::InstanceProfile': 'InstanceProfileName',
  'AWS::IAM::ManagedPolicy': 'ManagedPolicyName',
  'AWS::IAM::Policy': undefined,
  'AWS::IAM::Role': 'RoleName',
  'AWS::IAM::User': 'UserName',
  'AWS::IAM::UserToGroupAddition': undefined,
};

export interface Needed {
  readonly capabilities: readonly Capability[];
  readonly reason: string | undefined;
}

export function capabilitiesOf({ resources }: Template): Needed {
  const acknowledged = [...resources.values()].filter(({ type }) => type in naming);
  if (acknowledged.length === 0) return { capabilities: [], reason: undefined };
  const isNamed = acknowledged.some(({ type, properties }) => {
    const name = naming[type];
    return name !== undefined && properties[name] !== undefined;
  });
  const types = [...new Set(acknowledged.map(({ type }) => type))];
  return {
    capabilities: [isNamed ? 'CAPABILITY_NAMED_IAM' : 'CAPABILITY_IAM'],
    reason: `The following resource(s) require capabilities: [${types.join(', ')}]`,
  };
}

/** @throws ServiceFailure when one is missing; the capability for names includes the other */
export function requireCapabilities(template: Template, given: readonly Capability[]): void {
  const missing = capabilitiesOf(template).capabilities.filter(
    (needed) =>
      !given.includes(needed) && !(needed === 'CAPABILITY_IAM' && given.includes('CAPABILITY_NAMED_IAM')),
  );
  if (missing.length === 0) return;
  throw new ServiceFailure(
    'InsufficientCapabilitiesException',
    `Requires capabilities : [${missing.join(', ')}]`,
  );
}
