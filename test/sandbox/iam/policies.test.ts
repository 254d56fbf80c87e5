import { describe, expect, test } from '@jest/globals';
import {
  wildcardMatches,
  policy,
  PolicyProblem,
  withoutStatement,
} from '../../../infra/sandbox/iam/policies.ts';
import { allow, deny, document, named } from './fixtures.ts';

describe('a policy is refused', () => {
  test.each([
    ['without a Sid on each statement', { ...allow('A', '*'), Sid: undefined }, 'no Sid'],
    [
      'with a placeholder left',
      deny('A', '*', { Condition: { ArnNotLike: { 'aws:PrincipalArn': '${WorkerRoleArn}' } } }),
      '${WorkerRoleArn}',
    ],
    [
      'with an operator that IAM does not know',
      deny('A', '*', { Condition: { StringEqual: { 'aws:PrincipalArn': 'x' } } }),
      'StringEqual',
    ],
    ['with NotPrincipal', deny('A', '*', { NotPrincipal: { AWS: '*' } }), 'NotPrincipal'],
  ])('%s', (_, statement, words) => {
    const refused = () => policy('p', document(statement));
    expect(refused).toThrow(PolicyProblem);
    expect(refused).toThrow(words);
  });

  test('with one Sid twice, and for every problem at once', () => {
    expect(() =>
      policy('p', { ...document(allow('A', '*'), allow('A', '*', { NotPrincipal: '*' })), Version: 'x' }),
    ).toThrow('p: its Version is not 2012-10-17, A stands in it twice, A uses NotPrincipal.');
  });
});

test("IAM's own variables and operators are no problem", () => {
  const Condition = {
    StringEquals: { 'ssm:resourceTag/aws:ssmmessages:session-id': '${aws:userid}' },
    'ForAnyValue:StringLikeIfExists': { 'aws:TagKeys': '${*}' },
    Null: { 'aws:SourceVpce': 'true' },
    NumericLessThan: { 'ec2:RoleDelivery': '2.0' },
    DateGreaterThanEquals: { 'aws:CurrentTime': '2026-01-01T00:00:00Z' },
    BoolIfExists: { 'aws:MultiFactorAuthPresent': 'false' },
    NotIpAddress: { 'aws:SourceIp': '10.0.0.0/8' },
  };
  expect(() => policy('p', document(deny('A', '*', { Condition })))).not.toThrow();
});

test('a statement can be taken out, and the last one leaves no policy', () => {
  const both = named('p', allow('A', '*'), deny('B', '*'));
  expect(withoutStatement(both, 'B')).toEqual(named('p', allow('A', '*')));
  expect(withoutStatement(named('p', deny('B', '*')), 'B')).toBeUndefined();
});

test('an action pattern means what IAM means by it', () => {
  expect(wildcardMatches('ssm:Get*', 'SSM:getDocument')).toBe(true);
  expect(wildcardMatches('*', 'ssm:GetDocument')).toBe(true);
  expect(wildcardMatches('ssm:Get', 'ssm:GetDocument')).toBe(false);
});
