/**
 * Resources that are remembered and do nothing: policies and roles, which the authorizer reads; what belongs to the VPC,
 * which the sandbox's network stands for; what measures and shows. Each answers with names and ARNs as AWS makes them.
 */
import { uniqueId } from '../../cloud/key-ring.ts';
import type { Created } from '../evaluate.ts';
import {
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
function remember(answer: (wanted: Wanted, target: Target) => Created): ResourceType {
  return {
    applied: 'all',
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
const named = (property: string) => remember((wanted) => ({ ref: nameOf(wanted, property), attributes: {} }));

/** A resource with an ID that EC2 makes. */
const numbered = (prefix: string, attribute: string) =>
  remember((_wanted, { hex }) => {
    const id = `${prefix}-${hex(17)}`;
    return { ref: id, attributes: { [attribute]: id } };
  });

/** A global resource of IAM, with its path. */
const iam = (kind: string, property: string) =>
  remember((wanted, { accountId }) => {
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
  });

export const remembered: ResourceTypes = {
  'AWS::IAM::Role': iam('role', 'RoleName'),
  'AWS::IAM::InstanceProfile': iam('instance-profile', 'InstanceProfileName'),
  'AWS::IAM::Policy': named('PolicyName'),
  'AWS::IAM::RolePolicy': named('PolicyName'),
  'AWS::IAM::ManagedPolicy': remember((wanted, { accountId }) => {
    const path = optionalText(wanted, 'Path') ?? '/';
    const policyArn = `arn:aws:iam::${accountId}:policy${path}${nameOf(wanted, 'ManagedPolicyName')}`;
    return { ref: policyArn, attributes: { PolicyArn: policyArn } };
  }),
  'AWS::SNS::TopicPolicy': named('Id'),
  'AWS::SNS::Subscription': named('Id'),
  'AWS::S3::Bucket': remember((wanted, { region }) => {
    const name = optionalText(wanted, 'BucketName') ?? wanted.madeUpName.toLowerCase();
    return {
      ref: name,
      attributes: {
        Arn: `arn:aws:s3:::${name}`,
        DomainName: `${name}.s3.amazonaws.com`,
        RegionalDomainName: `${name}.s3.${region}.amazonaws.com`,
      },
    };
  }),
  'AWS::S3::BucketPolicy': named('Bucket'),
  'AWS::CloudFormation::WaitConditionHandle': remember(({ madeUpName }, { region }) => ({
    ref: `https://cloudformation-waitcondition-${region}.s3.${region}.amazonaws.com/${madeUpName}?Signature=emulated`,
    attributes: {},
  })),
  // Workers of the launch template don't boot here: what waits for one to report waits no time.
  'AWS::CloudFormation::WaitCondition': named('Handle'),
  'AWS::EC2::SecurityGroup': numbered('sg', 'GroupId'),
  'AWS::EC2::SecurityGroupIngress': numbered('sgr', 'Id'),
  'AWS::EC2::SecurityGroupEgress': numbered('sgr', 'Id'),
  'AWS::EC2::VPCEndpoint': remember((wanted, { hex, region }) => {
    const id = `vpce-${hex(17)}`;
    // The zone and the name of an interface endpoint as a whole; the entries of its zones follow.
    const service = optionalText(wanted, 'ServiceName')?.split('.').at(-1) ?? '';
    const name = `${id}-${hex(8)}.${service}.${region}.vpce.amazonaws.com`;
    const isInterface = optionalText(wanted, 'VpcEndpointType') === 'Interface';
    return {
      ref: id,
      attributes: { Id: id },
      lists: { DnsEntries: isInterface ? [`Z${hex(13).toUpperCase()}:${name}`] : [] },
    };
  }),
  'AWS::EC2::LaunchTemplate': remember((_wanted, { hex }) => {
    const id = `lt-${hex(17)}`;
    return {
      ref: id,
      attributes: { LaunchTemplateId: id, LatestVersionNumber: '1', DefaultVersionNumber: '1' },
    };
  }),
  'AWS::AutoScaling::ScalingPolicy': remember((wanted, { region, accountId }) => {
    const policyArn = `arn:aws:autoscaling:${region}:${accountId}:scalingPolicy:${wanted.madeUpName}`;
    return { ref: policyArn, attributes: { Arn: policyArn, PolicyName: wanted.madeUpName } };
  }),
  'AWS::Logs::LogGroup': remember((wanted, { region, accountId }) => {
    const name = nameOf(wanted, 'LogGroupName');
    return { ref: name, attributes: { Arn: `arn:aws:logs:${region}:${accountId}:log-group:${name}:*` } };
  }),
  'AWS::Logs::MetricFilter': named('FilterName'),
  'AWS::CloudWatch::Alarm': remember((wanted, { region, accountId }) => {
    const name = nameOf(wanted, 'AlarmName');
    return { ref: name, attributes: { Arn: `arn:aws:cloudwatch:${region}:${accountId}:alarm:${name}` } };
  }),
  'AWS::CloudWatch::Dashboard': named('DashboardName'),
};
