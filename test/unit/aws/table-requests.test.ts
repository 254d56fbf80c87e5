/** How the adapters on the ledger's table read and write, and what they make of items of another release. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { describe, expect, test } from '@jest/globals';
import { createMembershipTable, scanMemberships } from '../../../agent/aws/membership-table.ts';
import { createRefusalStore } from '../../../agent/aws/refusal-store.ts';
import { createSweepLeaseStore } from '../../../agent/aws/sweep-lease-store.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import type { MembershipPage } from '../../../agent/ledger/ledger.ts';
import type { Membership } from '../../../agent/ledger/membership.ts';
import { asked, inTurn, startAwsEndpoint, type AwsAnswer } from '../../support/aws-endpoint.ts';

const instanceId = 'i-0123456789abcdef0';
const open = new AbortController().signal;
/** 2026-01-01, milliseconds since the Unix epoch. */
const SINCE = 1_767_225_600_000;

async function start(...answers: readonly AwsAnswer[]) {
  const endpoint = await startAwsEndpoint(inTurn(...answers));
  const client = new DynamoDBClient(endpoint.client);
  return {
    endpoint,
    client,
    table: createMembershipTable(client, 'ledger'),
    sweepLease: createSweepLeaseStore(client, 'ledger'),
    refusals: createRefusalStore(client, 'ledger'),
  };
}

const membership: Membership = { instanceId, autoScalingGroup: 'fleet', state: 'member', fencingToken: 3 };
/** What a scan is read for. */
const listed = { instanceId, state: 'member', fencingToken: 3 };
const item = {
  instanceId: { S: instanceId },
  autoScalingGroup: { S: 'fleet' },
  state: { S: 'member' },
  fencingToken: { N: '3' },
};

const get = (key: string) => ({
  operation: 'GetItem',
  input: { TableName: 'ledger', Key: { instanceId: { S: key } }, ConsistentRead: true },
});

describe('every read', () => {
  test('is strongly consistent: a stale lease would be taken for a free one', async () => {
    const { endpoint, table, sweepLease, refusals } = await start({});
    await using _ = endpoint;
    await table.read(instanceId);
    await sweepLease.read();
    await refusals.read('v1');
    expect(asked(endpoint)).toEqual([get(instanceId), get('sweep-lease'), get('refused-credential/v1')]);
  });

  test.each([
    ['a membership', 'GetItem i-0123456789abcdef0'],
    ["the sweep's lease", 'GetItem sweep-lease'],
    ['a refusal', 'GetItem refused-credential/v1'],
  ])('of %s that fails names the item', async (what, call) => {
    const { endpoint, table, sweepLease, refusals } = await start({ error: 'ThrottlingException' });
    await using _ = endpoint;
    const read =
      what === 'a membership'
        ? table.read(instanceId)
        : what === 'a refusal'
          ? refusals.read('v1')
          : sweepLease.read();
    await expect(read).rejects.toMatchObject({ code: 'aws-throttled' });
    await expect(read).rejects.toThrow(`dynamodb:${call}: ThrottlingException`);
  });
});

describe('a write', () => {
  const failed = { error: 'com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException' };

  test.each([
    [
      'of a first membership',
      undefined,
      undefined,
      { ConditionExpression: 'attribute_not_exists(instanceId)' },
    ],
    [
      'by the holder',
      2,
      undefined,
      {
        ConditionExpression: 'fencingToken = :expected',
        ExpressionAttributeValues: { ':expected': { N: '2' } },
      },
    ],
    [
      'that takes a lease over',
      2,
      { expiresAt: 7 },
      {
        ConditionExpression: 'fencingToken = :expected AND leaseExpiresAt = :lease',
        ExpressionAttributeValues: { ':expected': { N: '2' }, ':lease': { N: '7' } },
      },
    ],
    [
      'that takes a free membership',
      2,
      { expiresAt: undefined },
      {
        ConditionExpression: 'fencingToken = :expected AND attribute_not_exists(leaseExpiresAt)',
        ExpressionAttributeValues: { ':expected': { N: '2' } },
      },
    ],
  ])('%s has one condition, and carries the whole record', async (_what, expected, lease, condition) => {
    const { endpoint, table } = await start({}, failed);
    await using _ = endpoint;
    await expect(table.write(membership, expected, lease)).resolves.toBe(true);
    await expect(table.write(membership, expected, lease)).resolves.toBe(false);
    expect(asked(endpoint)[0]).toEqual({
      operation: 'PutItem',
      input: { TableName: 'ledger', Item: item, ...condition },
    });
  });

  test("of the sweep's lease has one condition, and leaves out what is undefined", async () => {
    const { endpoint, sweepLease } = await start({}, {}, failed);
    await using _ = endpoint;
    await expect(
      sweepLease.write({ fencingToken: 1, leaseOwner: 'w', leaseExpiresAt: 5, endedAt: 4 }, undefined),
    ).resolves.toBe(true);
    await expect(sweepLease.write({ fencingToken: 2 }, 1)).resolves.toBe(true);
    await expect(sweepLease.write({ fencingToken: 2 }, 1)).resolves.toBe(false);
    expect(asked(endpoint).slice(0, 2)).toEqual([
      {
        operation: 'PutItem',
        input: {
          TableName: 'ledger',
          Item: {
            instanceId: { S: 'sweep-lease' },
            fencingToken: { N: '1' },
            leaseOwner: { S: 'w' },
            leaseExpiresAt: { N: '5' },
            endedAt: { N: '4' },
          },
          ConditionExpression: 'attribute_not_exists(instanceId)',
        },
      },
      {
        operation: 'PutItem',
        input: {
          TableName: 'ledger',
          Item: { instanceId: { S: 'sweep-lease' }, fencingToken: { N: '2' } },
          ConditionExpression: 'fencingToken = :expected',
          ExpressionAttributeValues: { ':expected': { N: '1' } },
        },
      },
    ]);
  });

  test('that fails otherwise is an error that names the item', async () => {
    const { endpoint, table, sweepLease, refusals } = await start({ error: 'ThrottlingException' });
    await using _ = endpoint;
    const lost: readonly [write: Promise<unknown>, key: string][] = [
      [table.write(membership, 2), instanceId],
      [sweepLease.write({ fencingToken: 2 }, 1), 'sweep-lease'],
      [
        refusals.write({ versionId: 'v1', code: 'credential-refused', message: 'no' }),
        'refused-credential/v1',
      ],
    ];
    for (const [write, key] of lost) {
      await expect(write).rejects.toMatchObject({ code: 'aws-throttled' });
      await expect(write).rejects.toThrow(`dynamodb:PutItem ${key}: ThrottlingException`);
    }
  });
});

describe('an item of another release', () => {
  test('keeps its numbers as numbers, and its sets as sets', async () => {
    const newer = {
      ...item,
      colours: { SS: ['blue', 'red'] },
      sizes: { NS: ['1', '2'] },
      weight: { N: '9007199254740993' },
    };
    const { endpoint, table } = await start({ Item: newer }, {});
    await using _ = endpoint;
    const read = await table.read(instanceId);
    if (!read) throw new Error('There is no record.');
    expect(read).toMatchObject({ weight: 9_007_199_254_740_992 });
    await table.write(read, 3);
    expect(asked(endpoint)[1]?.input['Item']).toEqual({ ...newer, weight: { N: '9007199254740992' } });
  });

  test.each([
    ['a state that is unknown here', { ...item, state: { S: 'dreaming' } }],
    ['a type that is unknown here', { ...item, colours: { Q: 'blue' } }],
    ['a text for a number', { ...item, leaseExpiresAt: { S: '7' } }],
    ['half a fencing token', { ...item, fencingToken: { N: '1.5' } }],
    ['no state', { instanceId: { S: instanceId }, autoScalingGroup: { S: 'g' }, fencingToken: { N: '1' } }],
    [
      'a step whose time is no number',
      {
        ...item,
        launch: { M: { actionToken: { S: 't' }, hook: { S: 'h' }, times: { M: { received: { S: 'x' } } } } },
      },
    ],
  ])('with %s is an error with the name of the instance, and in a scan unreadable', async (_what, broken) => {
    const { endpoint, table, client } = await start({ Item: broken }, { Items: [broken, item] });
    await using _ = endpoint;
    const read = table.read(instanceId);
    await expect(read).rejects.toMatchObject({ code: 'unexpected' });
    await expect(read).rejects.toThrow(`The ledger's record of ${instanceId} can't be read: `);
    const pages: MembershipPage[] = [];
    for await (const page of scanMemberships(client, 'ledger', SINCE, open)) pages.push(page);
    expect(pages).toEqual([{ memberships: [listed], unreadable: [instanceId] }]);
  });

  test.each([
    ['leaseOwner', { N: '1' }],
    ['leaseExpiresAt', { S: 'x' }],
    ['stagingBegan', { S: 'x' }],
    ['computerName', { N: '1' }],
    ['foundNames', { S: 'x' }],
    ['foundNames', { L: [{ N: '1' }] }],
    ['distinguishedName', { N: '1' }],
    ['objectGuid', { N: '1' }],
    ['domainController', { N: '1' }],
    ['stagedPasswordLastSet', { N: '1' }],
    ['lastError', { M: { code: { S: 'x' }, message: { S: 'x' } } }],
    ['expiresAt', { S: 'x' }],
    ['launch', { M: { hook: { S: 'h' }, times: { M: {} } } }],
    ['launch', { M: { actionToken: { S: 't' }, times: { M: {} } } }],
    ['terminate', { M: { actionToken: { S: 't' }, hook: { S: 'h' } } }],
    ...['received', 'node', 'probe', 'stage', 'join', 'verify', 'match', 'leave', 'remove', 'complete'].map(
      (step) =>
        [
          'launch',
          { M: { actionToken: { S: 't' }, hook: { S: 'h' }, times: { M: { [step]: { S: 'x' } } } } },
        ] as const,
    ),
  ])('whose %s is not what it is here is not taken for one of ours: %j', async (field, value) => {
    const { endpoint, table } = await start({ Item: { ...item, [field]: value } });
    await using _ = endpoint;
    await expect(table.read(instanceId)).rejects.toThrow(field);
  });

  test.each(['joining', 'staged', 'member', 'leaving', 'removed', 'failed', 'owed'])(
    'in the state %s is read',
    async (state) => {
      const { endpoint, table } = await start({ Item: { ...item, state: { S: state } } });
      await using _ = endpoint;
      await expect(table.read(instanceId)).resolves.toEqual({ ...membership, state });
    },
  );

  test("is a free lease of the sweep with nothing in it that isn't understood", async () => {
    const odd = {
      instanceId: { S: 'sweep-lease' },
      fencingToken: { S: 'x' },
      leaseOwner: { N: '1' },
      leaseExpiresAt: { S: '5' },
      endedAt: { BOOL: true },
      more: { S: 'x' },
    };
    const { endpoint, sweepLease } = await start({ Item: odd });
    await using _ = endpoint;
    await expect(sweepLease.read()).resolves.toEqual({ fencingToken: 0 });
  });

  test("is the sweep's lease or a refusal as it was written", async () => {
    const lease = {
      instanceId: { S: 'sweep-lease' },
      fencingToken: { N: '4' },
      leaseOwner: { S: 'w' },
      leaseExpiresAt: { N: '5' },
      endedAt: { N: '3' },
    };
    const refusal = {
      code: { S: 'credential-expired' },
      message: { S: 'Expired.' },
      more: { N: '9007199254740993' },
    };
    const { endpoint, sweepLease, refusals } = await start({ Item: lease }, { Item: refusal }, {});
    await using _ = endpoint;
    await expect(sweepLease.read()).resolves.toEqual({
      fencingToken: 4,
      leaseOwner: 'w',
      leaseExpiresAt: 5,
      endedAt: 3,
    });
    const read = await refusals.read('v1');
    expect(read).toEqual({ versionId: 'v1', code: 'credential-expired', message: 'Expired.' });
    if (!read) throw new Error('There is no refusal.');
    await refusals.write(read);
    expect(asked(endpoint)[2]).toEqual({
      operation: 'PutItem',
      input: {
        TableName: 'ledger',
        Item: {
          instanceId: { S: 'refused-credential/v1' },
          code: { S: 'credential-expired' },
          message: { S: 'Expired.' },
        },
      },
    });
  });

  test('is a refusal, whatever it says', async () => {
    const { endpoint, refusals } = await start({ Item: { code: { N: '1' }, message: { BOOL: true } } });
    await using _ = endpoint;
    await expect(refusals.read('v1')).resolves.toEqual({
      versionId: 'v1',
      code: 'credential-refused',
      message: 'The directory refused the service account.',
    });
  });
});

describe('a look at all memberships', () => {
  test('is consistent, goes on from where a page ended, and passes over what has no instance ID', async () => {
    const from = { instanceId: { S: instanceId } };
    const { endpoint, client } = await start(
      {
        Items: [
          item,
          { instanceId: { S: 'sweep-lease' }, fencingToken: { N: '1' } },
          { ...item, instanceId: { S: `x${instanceId}` } },
          { ...item, instanceId: { S: `${instanceId}x` } },
          {},
        ],
        LastEvaluatedKey: from,
      },
      { LastEvaluatedKey: from },
      { Items: [{ ...item, instanceId: { S: 'i-1' } }] },
    );
    await using _ = endpoint;
    const pages: MembershipPage[] = [];
    for await (const page of scanMemberships(client, 'ledger', SINCE, open)) pages.push(page);
    expect(pages).toEqual([
      { memberships: [listed], unreadable: [] },
      { memberships: [], unreadable: [] },
      { memberships: [{ ...listed, instanceId: 'i-1' }], unreadable: [] },
    ]);
    // Neither consistent, which would cost twice as much, nor with what ended long ago: a month is kept. Of the others, what is looked at.
    const names = [
      'instanceId',
      'state',
      'fencingToken',
      'leaseExpiresAt',
      'stagingBegan',
      'computerName',
      'objectGuid',
      'objectSids',
      'quarantinedAt',
    ];
    const times = ['#launch.#times.#received', '#launch.#times.#complete', '#terminate.#times.#received'];
    const aliased = [...names, 'launch', 'times', 'received', 'complete', 'terminate'];
    const input = {
      TableName: 'ledger',
      ProjectionExpression: [...names.map((name) => `#${name}`), ...times].join(', '),
      ExpressionAttributeNames: Object.fromEntries(aliased.map((name) => [`#${name}`, name])),
      FilterExpression: 'attribute_not_exists(expiresAt) OR expiresAt >= :since',
      ExpressionAttributeValues: { ':since': { N: String(SINCE / 1000 + 30 * 86_400) } },
    };
    expect(asked(endpoint)).toEqual([
      { operation: 'Scan', input },
      { operation: 'Scan', input: { ...input, ExclusiveStartKey: from } },
      { operation: 'Scan', input: { ...input, ExclusiveStartKey: from } },
    ]);
  });

  test('that is stopped is cut off', async () => {
    const { endpoint, client } = await start('silence');
    await using _ = endpoint;
    const given = new AbortController();
    const page = scanMemberships(client, 'ledger', SINCE, given.signal).next();
    const { cut } = await endpoint.asked(0);
    const reason = new AdjoinError('draining', 'stop');
    given.abort(reason);
    await expect(page).rejects.toBe(reason);
    await cut;
  });

  test('that fails names the table', async () => {
    const { endpoint, client } = await start({ error: 'ThrottlingException' });
    await using _ = endpoint;
    const page = scanMemberships(client, 'ledger', SINCE, open).next();
    await expect(page).rejects.toMatchObject({ code: 'aws-throttled' });
    await expect(page).rejects.toThrow('dynamodb:Scan ledger: ThrottlingException');
  });
});
