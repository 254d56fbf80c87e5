import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  SetQueueAttributesCommand,
} from '@aws-sdk/client-sqs';
import { expect, test } from '@jest/globals';
import { startBench } from '../bench.ts';

const policyOf = (...statements: object[]) =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: statements.map((each, index) => ({
      Sid: `Statement${index}`,
      Effect: 'Deny',
      Principal: '*',
      Action: 'sqs:*',
      Resource: '*',
      ...each,
    })),
  });
const many = <Value>(count: number, make: (index: number) => Value) =>
  Array.from({ length: count }, (_, index) => make(index));
const compared = (count: number) => ({
  Bool: Object.fromEntries(many(count, (index) => [`aws:Key${index}`, 'true'])),
});

test.each([
  [
    'actions',
    policyOf({ NotAction: many(7, String) }, { Action: many(8, String) }),
    '8 actions were found in a statement from the submitted policy, max allowed is 7',
  ],
  ['statements', policyOf(...many(21, () => ({}))), '21 statements'],
  ['principals', policyOf({ Principal: { AWS: many(50, String) } }, {}), '51 principals'],
  ['conditions', policyOf({ Condition: compared(6) }, { Condition: compared(5) }), '11 conditions'],
  ['bytes', policyOf({ Resource: 'é'.repeat(4050) }), 'Submitted policy is over max allowed size.'],
])(
  'a policy with too many %s is refused as SQS refuses it, when a queue is made and later',
  async (_, Policy, words) => {
    await using bench = await startBench();
    const { sqs } = bench.as('operator');
    const refusal = {
      name: 'OverLimit',
      message: expect.stringContaining(words),
      $metadata: { httpStatusCode: 403 },
    };
    const make = (QueueName: string, Attributes: Record<string, string>) =>
      sqs.send(new CreateQueueCommand({ QueueName, Attributes }));
    await expect(make('made', { Policy })).rejects.toMatchObject(refusal);
    const { QueueUrl } = await make('changed', {});
    const change = sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy } }));
    await expect(change).rejects.toMatchObject(refusal);
  },
);

test('a policy that is just within every limit is taken, and taken away again', async () => {
  await using bench = await startBench();
  const { sqs } = bench.as('operator');
  const statements = [
    { Action: many(7, String), Condition: compared(10), Principal: { AWS: many(31, String) } },
    ...many(19, () => ({})),
  ];
  const Policy = policyOf(...statements).padEnd(8192);
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'q', Attributes: { Policy } }));
  const policy = async () => {
    const look = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['Policy'] });
    return (await sqs.send(look)).Attributes?.['Policy'];
  };
  expect(await policy()).toBe(Policy);
  await sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy: '' } }));
  expect(await policy()).toBeUndefined();
});

test.each([
  ['VisibilityTimeout', '43201'],
  ['MessageRetentionPeriod', '59'],
  ['MessageRetentionPeriod', '1209601'],
  ['ReceiveMessageWaitTimeSeconds', '21'],
  ['KmsDataKeyReusePeriodSeconds', '59'],
  ['MaximumMessageSize', '1048577'],
  ['DelaySeconds', '901'],
  ['VisibilityTimeout', 'soon'],
])('%s of %s is refused', async (name, value) => {
  await using bench = await startBench();
  const { sqs } = bench.as('operator');
  const make = sqs.send(new CreateQueueCommand({ QueueName: 'q', Attributes: { [name]: value } }));
  await expect(make).rejects.toMatchObject({
    name: 'InvalidAttributeValue',
    message: `Invalid value for the parameter ${name}.`,
  });
});

test('the name of a deleted queue is taken for a minute', async () => {
  await using bench = await startBench();
  const { sqs } = bench.as('operator');
  const make = () => sqs.send(new CreateQueueCommand({ QueueName: 'q' }));
  const { QueueUrl } = await make();
  await sqs.send(new DeleteQueueCommand({ QueueUrl }));
  await bench.clock.advance(59_999);
  await expect(make()).rejects.toMatchObject({
    name: 'QueueDeletedRecently',
    message:
      'You must wait 60 seconds after deleting a queue before you can create another with the same name.',
  });
  await bench.clock.advance(1);
  expect(await make()).toMatchObject({ QueueUrl });
});
