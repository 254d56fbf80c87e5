/** What forwards IAM's events from us-east-1, the only Region that has them. */
import { expect, test } from '@jest/globals';
import { fits } from '../../../infra/sandbox/cloud/events/pattern.ts';
import { Authorizer } from '../../../infra/sandbox/iam/authorizer.ts';
import { deployedPolicies } from '../../../infra/sandbox/iam/from-template.ts';
import { prepare, type Prepared } from '../../../infra/sandbox/stack/prepare.ts';
import { resourceTypes } from '../../../infra/sandbox/stack/resources/index.ts';
import { synthesis } from '../../../infra/sandbox/stack/synthesis.ts';

const { iamEventsTemplate: template } = await synthesis();
const accountId = '123456789012';
const bus = (region: string) => `arn:aws:events:${region}:${accountId}:event-bus/default`;
const ruleArn = `arn:aws:events:us-east-1:${accountId}:rule/adjoin-eu-central-1-iam-events`;
const roleArn = `arn:aws:iam::${accountId}:role/adjoin-eu-central-1-iam-events`;

const prepared = (region: string, TargetRegion: string): Prepared =>
  prepare({
    name: 'adjoin-iam-events',
    template,
    parameters: { TargetRegion },
    place: { region, accountId },
    types: {
      ...resourceTypes,
      // The sandbox has one Region, and no bus as a target.
      'AWS::Events::Rule': {
        applied: 'all',
        create: () => ({ ref: '', attributes: {} }),
        delete: () => undefined,
      },
    },
  });

test('is refused where there is nothing to forward', () => {
  expect(() => prepared('eu-central-1', 'eu-west-1')).toThrow("IAM's events are in us-east-1");
  expect(() => prepared('us-east-1', 'us-east-1')).toThrow("has IAM's events already");
});

test('forwards each of IAM’s calls to the bus of the system’s Region, as a role that may put events there and nowhere else', async () => {
  const stack = prepared('us-east-1', 'eu-central-1');
  const role = { ref: 'adjoin-eu-central-1-iam-events', attributes: { Arn: roleArn, RoleId: 'AROA' } };
  const made = stack.properties('Role', new Map());
  const rule = stack.properties('Rule', new Map([['Role', role]]));
  expect(rule).toMatchObject({
    Name: ruleArn.split('/')[1],
    Targets: [{ Arn: bus('eu-central-1'), RoleArn: roleArn }],
  });
  const call = {
    'detail-type': 'AWS API Call via CloudTrail',
    source: 'aws.iam',
    detail: { eventName: 'AddRoleToInstanceProfile' },
  };
  expect(fits(rule['EventPattern'], call)).toBe(true);
  expect(fits(rule['EventPattern'], { ...call, source: 'aws.ec2' })).toBe(false);

  const policies = deployedPolicies(
    [{ logicalId: 'Role', type: 'AWS::IAM::Role', properties: made, ...role }],
    accountId,
  );
  const authorizer = new Authorizer({ ...policies, serviceControlPolicies: [] });
  const puts = async (region: string) =>
    (
      await authorizer.decide({
        principal: `arn:aws:sts::${accountId}:assumed-role/adjoin-eu-central-1-iam-events/x`,
        action: 'events:PutEvents',
        resource: bus(region),
      })
    ).allowed;
  expect([await puts('eu-central-1'), await puts('eu-west-1')]).toEqual([true, false]);
  const takes = async (source: string) =>
    (
      await authorizer.decide({
        principal: 'events.amazonaws.com',
        action: 'sts:AssumeRole',
        resource: roleArn,
        context: { 'aws:SourceArn': source, 'aws:SourceAccount': accountId },
      })
    ).allowed;
  expect([await takes(ruleArn), await takes(`${ruleArn}-of-others`)]).toEqual([true, false]);
});
