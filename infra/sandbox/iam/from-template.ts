import {
  listOf,
  policy,
  PolicyProblem,
  type DeployedPolicies,
  type Endpoint,
  type Identity,
  type Policy,
} from './policies.ts';

/** A resource of a template once it is deployed: every intrinsic function resolved. */
export interface DeployedResource {
  readonly logicalId: string;
  readonly type: string;
  readonly properties: Readonly<Record<string, unknown>>;
  /** What `Ref` answers. */
  readonly ref: string;
  /** What `Fn::GetAtt` answers, by attribute. */
  readonly attributes: Readonly<Record<string, string>>;
}

/**
 * The policies among a stack's resources, each under its own name, or its logical ID where it has none.
 *
 * @throws PolicyProblem where one cannot be decided on, or is attached to something that the stack does not have
 */
export function deployedPolicies(
  resources: readonly DeployedResource[],
  accountId: string,
): Omit<DeployedPolicies, 'serviceControlPolicies'> {
  return {
    accountId,
    identities: new Map(
      ofType(resources, 'AWS::IAM::Role').map((role) => [arnOf(role), identityOf(role, resources)]),
    ),
    resourcePolicies: new Map(resources.flatMap((each) => protectedBy(each, resources))),
    endpoints: new Map(
      ofType(resources, 'AWS::EC2::VPCEndpoint').map((each): [string, Endpoint] => [
        each.ref,
        {
          vpcId: text(each, 'VpcId'),
          ...('PolicyDocument' in each.properties && {
            policy: policy(each.logicalId, each.properties['PolicyDocument']),
          }),
        },
      ]),
    ),
  };
}

function identityOf(role: DeployedResource, resources: readonly DeployedResource[]): Identity {
  const inline = listOf(role.properties['Policies']).map((each) => {
    const { PolicyName, PolicyDocument } = record(each);
    return policy(`${role.logicalId} ${String(PolicyName)}`, PolicyDocument);
  });
  const attached = resources
    .filter((each) => attachable.has(each.type) && attachedTo(each).includes(role.ref))
    .map((each) => policy(nameOf(each), each.properties['PolicyDocument']));
  const managed = listOf(role.properties['ManagedPolicyArns']).map((each) =>
    managedPolicy(String(each), resources),
  );
  const boundary = role.properties['PermissionsBoundary'];
  return {
    policies: [...inline, ...attached, ...managed],
    ...(typeof boundary === 'string' && { boundary: managedPolicy(boundary, resources) }),
  };
}

const attachable = new Set(['AWS::IAM::Policy', 'AWS::IAM::RolePolicy', 'AWS::IAM::ManagedPolicy']);

/** Role names. */
function attachedTo({ properties }: DeployedResource): unknown[] {
  return [...listOf(properties['Roles']), ...listOf(properties['RoleName'])];
}

function managedPolicy(arn: string, resources: readonly DeployedResource[]): Policy {
  const own = ofType(resources, 'AWS::IAM::ManagedPolicy').find((each) => each.ref === arn);
  if (!own) throw new PolicyProblem(`The stack does not say what the managed policy ${arn} allows.`);
  return policy(nameOf(own), own.properties['PolicyDocument']);
}

/** The resources that a policy of the stack protects. A role is protected by its trust policy. */
function protectedBy(resource: DeployedResource, resources: readonly DeployedResource[]): [string, Policy][] {
  const { logicalId, properties } = resource;
  const each = (arns: readonly string[], property: string) =>
    arns.map((arn): [string, Policy] => [arn, policy(logicalId, properties[property])]);
  switch (resource.type) {
    case 'AWS::IAM::Role':
      return each([arnOf(resource)], 'AssumeRolePolicyDocument');
    case 'AWS::KMS::Key':
      return each([arnOf(resource)], 'KeyPolicy');
    case 'AWS::DynamoDB::Table': {
      const given = properties['ResourcePolicy'];
      if (given === undefined) return [];
      return [[arnOf(resource), policy(logicalId, record(given)['PolicyDocument'])]];
    }
    case 'AWS::SQS::QueuePolicy': {
      const urls = listOf(properties['Queues']);
      const queues = ofType(resources, 'AWS::SQS::Queue').filter(({ ref }) => urls.includes(ref));
      if (queues.length !== urls.length)
        throw new PolicyProblem(`${logicalId} is for a queue of another stack.`);
      return each(queues.map(arnOf), 'PolicyDocument');
    }
    case 'AWS::SecretsManager::ResourcePolicy':
      return each([text(resource, 'SecretId')], 'ResourcePolicy');
    case 'AWS::SNS::TopicPolicy':
      return each(listOf(properties['Topics']).map(String), 'PolicyDocument');
    case 'AWS::S3::BucketPolicy':
      return each([`arn:aws:s3:::${text(resource, 'Bucket')}`], 'PolicyDocument');
    default:
      return [];
  }
}

function nameOf({ logicalId, properties }: DeployedResource): string {
  const name = properties['ManagedPolicyName'] ?? properties['PolicyName'];
  return typeof name === 'string' ? name : logicalId;
}

function ofType(resources: readonly DeployedResource[], type: string): DeployedResource[] {
  return resources.filter((each) => each.type === type);
}

function arnOf({ logicalId, attributes }: DeployedResource): string {
  const arn = attributes['Arn'];
  if (arn === undefined) throw new PolicyProblem(`${logicalId} has no ARN.`);
  return arn;
}

function text({ logicalId, properties }: DeployedResource, name: string): string {
  const value = properties[name];
  if (typeof value !== 'string') throw new PolicyProblem(`${logicalId} has no ${name}.`);
  return value;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
