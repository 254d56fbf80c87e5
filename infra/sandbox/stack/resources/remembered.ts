/**
 * Resources that are remembered and do nothing: policies and roles, which the authorizer reads; what belongs to the VPC,
 * which the sandbox's network stands for; what measures and shows. Each answers with names and ARNs as AWS makes them.
 */
import { uniqueId } from '../../cloud/key-ring.ts';
import type { Created } from '../evaluate.ts';
import {
  asBefore,
  optionalText,
  type Target,
  type ResourceType,
  type ResourceTypes,
  type Wanted,
} from '../resource-type.ts';
import { TemplateError } from '../template.ts';

function entry({ type }: Wanted, ref: string): string {
  return `${type} ${ref}`;
}

/** CloudFormation makes none whose name another has; the handlers of resource types answer so with `AlreadyExists`. */
function remember(
  answer: (wanted: Wanted, target: Target) => Created,
  fixed: ResourceType['fixed'] = [],
  update: ResourceType['update'] = asBefore,
): ResourceType {
  return {
    applied: 'all',
    fixed,
    update,
    create(wanted, target) {
      const created = answer(wanted, target);
      if (target.remembered.has(entry(wanted, created.ref)))
        throw new TemplateError(
          `Resource of type '${wanted.type}' with identifier '${created.ref}' already exists.`,
        );
      target.remembered.add(entry(wanted, created.ref));
      return created;
    },
    delete(made, target) {
      target.remembered.delete(entry(made, made.ref));
    },
  };
}

/** Its name, from a property or made up. */
function nameOf(wanted: Wanted, property: string): string {
  return optionalText(wanted, property) ?? wanted.madeUpName;
}

/** A resource that nothing refers to by more than its name. */
const named = (property: string, fixed: ResourceType['fixed'] = [property]) =>
  remember((wanted) => ({ ref: nameOf(wanted, property), attributes: {} }), fixed);

/** A resource with an ID that EC2 makes. */
const numbered = (prefix: string, attribute: string, fixed: ResourceType['fixed']) =>
  remember((_wanted, { hex }) => {
    const id = `${prefix}-${hex(17)}`;
    return { ref: id, attributes: { [attribute]: id } };
  }, fixed);

/** A global resource of IAM, with its path. */
const iam = (kind: string, property: string) =>
  remember(
    (wanted, { accountId }) => {
      const name = nameOf(wanted, property);
      const path = optionalText(wanted, 'Path') ?? '/';
      const roleArn = `arn:aws:iam::${accountId}:${kind}${path}${name}`;
      return {
        ref: name,
        attributes: {
          Arn: roleArn,
          RoleId: uniqueId('AROA', roleArn),
        },
      };
    },
    [property, 'Path'],
  );

export const remembered: ResourceTypes = {
  'AWS::IAM::Role': iam('role', 'RoleName'),
  'AWS::IAM::InstanceProfile': iam('instance-profile', 'InstanceProfileName'),
  'AWS::IAM::Policy': named('PolicyName'),
  'AWS::IAM::RolePolicy': named('PolicyName'),
  'AWS::IAM::ManagedPolicy': remember(
    (wanted, { accountId }) => {
      const path = optionalText(wanted, 'Path') ?? '/';
      const policyArn = `arn:aws:iam::${accountId}:policy${path}${nameOf(wanted, 'ManagedPolicyName')}`;
      return { ref: policyArn, attributes: { PolicyArn: policyArn } };
    },
    ['ManagedPolicyName', 'Path', 'Description'],
  ),
  'AWS::SNS::TopicPolicy': named('Id'),
  'AWS::SNS::Subscription': named('Id', ['Endpoint', 'Protocol', 'TopicArn']),
  'AWS::EC2::SecurityGroup': numbered('sg', 'GroupId', ['GroupDescription', 'GroupName', 'VpcId']),
  'AWS::EC2::SecurityGroupIngress': numbered('sgr', 'Id', 'all'),
  'AWS::EC2::SecurityGroupEgress': numbered('sgr', 'Id', 'all'),
  'AWS::AutoScaling::ScalingPolicy': remember(
    (wanted, { region, accountId }) => {
      const policyArn = `arn:aws:autoscaling:${region}:${accountId}:scalingPolicy:${wanted.madeUpName}`;
      return { ref: policyArn, attributes: { Arn: policyArn, PolicyName: wanted.madeUpName } };
    },
    ['AutoScalingGroupName'],
  ),
  'AWS::CloudWatch::Dashboard': named('DashboardName'),
};
