import { expect, test } from '@jest/globals';
import { deployedPolicies, type DeployedResource } from '../../../infra/sandbox/iam/from-template.ts';
import { accountId, allow, document, key, queue, secret } from './fixtures.ts';

function resource(
  type: string,
  ref: string,
  properties: Record<string, unknown>,
  arn?: string,
): DeployedResource {
  return {
    logicalId: `${type.split('::').at(-1)}Of${ref}`,
    type,
    ref,
    properties,
    attributes: arn ? { Arn: arn } : {},
  };
}

const roleArn = `arn:aws:iam::${accountId}:role/worker`;
const boundaryArn = `arn:aws:iam::${accountId}:policy/boundary`;
const PolicyDocument = document(allow('A', '*'));
const guard = document(allow('G', '*', { Principal: '*' }));
const role = resource(
  'AWS::IAM::Role',
  'worker',
  {
    AssumeRolePolicyDocument: guard,
    Policies: [{ PolicyName: 'inline', PolicyDocument }],
    ManagedPolicyArns: [boundaryArn],
    PermissionsBoundary: boundaryArn,
  },
  roleArn,
);
const boundary = resource('AWS::IAM::ManagedPolicy', boundaryArn, { PolicyDocument });

test('a role has its inline, attached and managed policies, its boundary and its trust policy', () => {
  const attached = resource('AWS::IAM::Policy', 'x', {
    PolicyDocument,
    PolicyName: 'attached',
    Roles: ['worker'],
  });
  const other = resource('AWS::IAM::Policy', 'y', { PolicyDocument, Roles: ['operator'] });
  const { identities, resourcePolicies } = deployedPolicies([role, boundary, attached, other], accountId);
  expect(identities.get(roleArn)?.policies.map(({ name }) => name)).toEqual([
    'RoleOfworker inline',
    'attached',
    `ManagedPolicyOf${boundaryArn}`,
  ]);
  expect(identities.get(roleArn)?.boundary?.name).toBe(`ManagedPolicyOf${boundaryArn}`);
  expect(resourcePolicies.get(roleArn)?.document).toEqual(guard);
});

test('each kind of resource policy is found under the ARN of what it protects', () => {
  const url = 'http://127.0.0.1:4566/123456789012/lifecycle';
  const topic = `arn:aws:sns:eu-central-1:${accountId}:audit`;
  const { resourcePolicies, endpoints } = deployedPolicies(
    [
      resource('AWS::SQS::Queue', url, {}, queue),
      resource('AWS::SQS::QueuePolicy', 'q', { Queues: [url], PolicyDocument: guard }),
      resource('AWS::SecretsManager::ResourcePolicy', 's', { SecretId: secret, ResourcePolicy: guard }),
      resource('AWS::KMS::Key', 'k', { KeyPolicy: guard }, key),
      resource('AWS::SNS::TopicPolicy', 't', { Topics: [topic], PolicyDocument: guard }),
      resource('AWS::S3::BucketPolicy', 'b', { Bucket: 'logs', PolicyDocument: guard }),
      resource('AWS::EC2::VPCEndpoint', 'vpce-1', { VpcId: 'vpc-1', PolicyDocument: guard }),
      resource('AWS::EC2::VPCEndpoint', 'vpce-2', { VpcId: 'vpc-1' }),
    ],
    accountId,
  );
  expect([...resourcePolicies.keys()]).toEqual([queue, secret, key, topic, 'arn:aws:s3:::logs']);
  expect(endpoints.get('vpce-1')).toMatchObject({ vpcId: 'vpc-1', policy: { document: guard } });
  expect(endpoints.get('vpce-2')).toEqual({ vpcId: 'vpc-1' });
});

test('a managed policy that the stack does not have is a problem, not an empty policy', () => {
  expect(() => deployedPolicies([role], accountId)).toThrow(boundaryArn);
});
