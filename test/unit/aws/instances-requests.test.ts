/** What is asked before an instance counts as gone, and which answers prove it. */
import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { EC2Client } from '@aws-sdk/client-ec2';
import { describe, expect, test } from '@jest/globals';
import { readInstanceTag } from '../../../agent/aws/instance-tags.ts';
import { createInstances } from '../../../agent/aws/instances.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import { asked, inTurn, startAwsEndpoint, xmlError, type AwsAnswer } from '../../support/aws-endpoint.ts';

const open = new AbortController().signal;
const accountId = '123456789012';
const region = 'eu-central-1';

async function start(...answers: readonly AwsAnswer[]) {
  const endpoint = await startAwsEndpoint(inTurn(...answers));
  const ec2 = new EC2Client(endpoint.client);
  const autoScaling = new AutoScalingClient(endpoint.client);
  return { endpoint, ec2, instances: createInstances({ ec2, autoScaling, accountId, region }) };
}

const reservation = (
  ownerId: string,
  ...instances: readonly (readonly [id: string, state?: string | undefined])[]
): string =>
  `<item><ownerId>${ownerId}</ownerId><instancesSet>${instances
    .map(
      ([id, state]) =>
        `<item><instanceId>${id}</instanceId>${state ? `<instanceState><name>${state}</name></instanceState>` : ''}</item>`,
    )
    .join('')}</instancesSet></item>`;

const instancesPage = (reservations: readonly string[], next = ''): string =>
  `<DescribeInstancesResponse><reservationSet>${reservations.join('')}</reservationSet>${next && `<nextToken>${next}</nextToken>`}</DescribeInstancesResponse>`;

const groupsPage = (arn?: string): string =>
  `<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult><AutoScalingGroups>${arn ? `<member><AutoScalingGroupARN>${arn}</AutoScalingGroupARN></member>` : ''}</AutoScalingGroups></DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>`;

describe('whether an instance exists', () => {
  test.each(['pending', 'running', 'shutting-down', 'stopping', 'stopped', 'a state of tomorrow', undefined])(
    'one that is %s is living: it may still be seen by its domain',
    async (state) => {
      const { endpoint, instances } = await start(instancesPage([reservation(accountId, ['i-1', state])]));
      await using _ = endpoint;
      await expect(instances.look(['i-1'], open)).resolves.toEqual(new Map([['i-1', 'living']]));
    },
  );

  test('one that is terminated is told from one that is in no answer, which may be too new', async () => {
    const { endpoint, instances } = await start(
      instancesPage([reservation(accountId, ['i-1', 'terminated'], ['i-2', 'running'])]),
    );
    await using _ = endpoint;
    await expect(instances.look(['i-1', 'i-2', 'i-3'], open)).resolves.toEqual(
      new Map([
        ['i-1', 'terminated'],
        ['i-2', 'living'],
        ['i-3', 'unknown'],
      ]),
    );
  });

  test('is asked as a filter, page by page, and read from all of them', async () => {
    const { endpoint, instances } = await start(
      instancesPage([], 'page 2'),
      instancesPage([reservation(accountId, ['i-1', 'running'])], 'page 3'),
      instancesPage([reservation(accountId, ['i-2', 'running'])]),
    );
    await using _ = endpoint;
    await expect(instances.look(['i-1', 'i-2'], open)).resolves.toEqual(
      new Map([
        ['i-1', 'living'],
        ['i-2', 'living'],
      ]),
    );
    const input = { 'Filter.1.Name': 'instance-id', 'Filter.1.Value.1': 'i-1', 'Filter.1.Value.2': 'i-2' };
    expect(asked(endpoint)).toEqual([
      { operation: 'DescribeInstances', input },
      { operation: 'DescribeInstances', input: { ...input, NextToken: 'page 2' } },
      { operation: 'DescribeInstances', input: { ...input, NextToken: 'page 3' } },
    ]);
  });

  test('is not decided by pages of which one is about another account', async () => {
    const { endpoint, instances } = await start(
      instancesPage([reservation(accountId, ['i-1', 'running'])], 'page 2'),
      instancesPage([reservation('999999999999', ['i-2', 'terminated'])]),
    );
    await using _ = endpoint;
    const look = instances.look(['i-1', 'i-2'], open);
    await expect(look).rejects.toMatchObject({ code: 'account-unproven' });
    await expect(look).rejects.toThrow('EC2 shows instances of account 999999999999');
  });

  test('is not decided by half an answer', async () => {
    const { endpoint, instances } = await start(
      instancesPage([reservation(accountId, ['i-1', 'running'])], 'page 2'),
      '<ErrorResponse><Errors><Error><Code>RequestLimitExceeded</Code><Message>no</Message></Error></Errors></ErrorResponse>',
    );
    await using _ = endpoint;
    await expect(instances.look(['i-1', 'i-2'], open)).rejects.toBeInstanceOf(AdjoinError);
    expect(endpoint.requests).toHaveLength(2);
  });

  test.each(['look', 'proveAccount'] as const)(
    'is no longer asked by %s when the sweep stops',
    async (call) => {
      const { endpoint, instances } = await start('silence');
      await using _ = endpoint;
      const given = new AbortController();
      const sent =
        call === 'look' ? instances.look(['i-1'], given.signal) : instances.proveAccount(given.signal);
      const { cut } = await endpoint.asked(0);
      const reason = new AdjoinError('draining', 'stop');
      given.abort(reason);
      await expect(sent).rejects.toBe(reason);
      await cut;
    },
  );
});

describe('the account', () => {
  test('is proven by the owner of instances, and one foreign owner is enough against it', async () => {
    const own = await start(instancesPage([reservation(accountId, ['i-1', 'running'])]));
    await using _ = own.endpoint;
    await expect(own.instances.proveAccount(open)).resolves.toBeUndefined();
    expect(asked(own.endpoint)).toEqual([{ operation: 'DescribeInstances', input: { MaxResults: '5' } }]);

    const mixed = await start(
      instancesPage([
        reservation(accountId, ['i-1', 'running']),
        reservation('999999999999', ['i-2', 'running']),
      ]),
    );
    await using __ = mixed.endpoint;
    await expect(mixed.instances.proveAccount(open)).rejects.toMatchObject({ code: 'account-unproven' });
  });

  test('without an instance is proven by the ARN of a group', async () => {
    const { endpoint, instances } = await start(
      instancesPage([]),
      groupsPage(`arn:aws:autoscaling:${region}:${accountId}:autoScalingGroup:u:autoScalingGroupName/fleet`),
    );
    await using _ = endpoint;
    await expect(instances.proveAccount(open)).resolves.toBeUndefined();
    expect(asked(endpoint)[1]).toEqual({
      operation: 'DescribeAutoScalingGroups',
      input: { MaxRecords: '1', IncludeInstances: 'false' },
    });
  });

  test.each([
    ['no group', undefined, 'There is neither an instance nor an Auto Scaling group'],
    [
      'a group of another account',
      `arn:aws:autoscaling:${region}:999999999999:x`,
      'Auto Scaling shows arn:aws',
    ],
    [
      'a group of another Region',
      `arn:aws:autoscaling:eu-west-1:${accountId}:x`,
      'Auto Scaling shows arn:aws',
    ],
    ['something that is no group', `arn:aws:ec2:${region}:${accountId}:x`, 'Auto Scaling shows arn:aws'],
  ])('without an instance is not proven by %s', async (_what, arn, message) => {
    const { endpoint, instances } = await start(instancesPage([]), groupsPage(arn));
    await using _ = endpoint;
    const proof = instances.proveAccount(open);
    await expect(proof).rejects.toMatchObject({ code: 'account-unproven' });
    await expect(proof).rejects.toThrow(message);
  });

  test('is not proven when a call fails, which the error names', async () => {
    const failure = xmlError('AccessDenied', 'no');
    const first = await start(failure);
    await using _ = first.endpoint;
    await expect(first.instances.proveAccount(open)).rejects.toThrow('ec2:DescribeInstances: ');
    // An answer without any list is one without instances.
    const second = await start('<DescribeInstancesResponse></DescribeInstancesResponse>', failure);
    await using __ = second.endpoint;
    await expect(second.instances.proveAccount(open)).rejects.toThrow(
      'autoscaling:DescribeAutoScalingGroups: AccessDenied',
    );
  });

  test('is not proven by instances that name no owner', async () => {
    const { endpoint, instances } = await start(
      '<DescribeInstancesResponse><reservationSet><item></item></reservationSet></DescribeInstancesResponse>',
    );
    await using _ = endpoint;
    await expect(instances.proveAccount(open)).rejects.toThrow('EC2 shows instances of account (none)');
  });

  test('is no longer asked of Auto Scaling when the sweep stops', async () => {
    const { endpoint, instances } = await start(instancesPage([]), 'silence');
    await using _ = endpoint;
    const given = new AbortController();
    const proof = instances.proveAccount(given.signal);
    const { cut } = await endpoint.asked(1);
    const reason = new AdjoinError('draining', 'stop');
    given.abort(reason);
    await expect(proof).rejects.toBe(reason);
    await cut;
  });
});

const tags = (inner: string): string =>
  `<DescribeTagsResponse><tagSet>${inner}</tagSet></DescribeTagsResponse>`;

describe('a tag of an instance', () => {
  test('is asked for by instance and key', async () => {
    const { endpoint, ec2 } = await start(
      tags('<item><key>JoinAD</key><value>true</value></item>'),
      tags(''),
    );
    await using _ = endpoint;
    await expect(readInstanceTag(ec2, 'i-1', 'JoinAD', open)).resolves.toBe('true');
    await expect(readInstanceTag(ec2, 'i-1', 'JoinAD', open)).resolves.toBeUndefined();
    expect(asked(endpoint)[0]).toEqual({
      operation: 'DescribeTags',
      input: {
        'Filter.1.Name': 'resource-id',
        'Filter.1.Value.1': 'i-1',
        'Filter.2.Name': 'key',
        'Filter.2.Value.1': 'JoinAD',
      },
    });
  });

  test('that is given up is cut off', async () => {
    const { endpoint, ec2 } = await start('silence');
    await using _ = endpoint;
    const given = new AbortController();
    const sent = readInstanceTag(ec2, 'i-1', 'JoinAD', given.signal);
    const { cut } = await endpoint.asked(0);
    const reason = new AdjoinError('draining', 'stop');
    given.abort(reason);
    await expect(sent).rejects.toBe(reason);
    await cut;
  });
});
