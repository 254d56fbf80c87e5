import { expect, test } from '@jest/globals';
import { trailEvent } from '../../../../infra/sandbox/cloud/cloudtrail/trail.ts';
import type { AnsweredCall } from '../../../../infra/sandbox/cloud/seams.ts';
import { Timers } from '../../../../infra/sandbox/cloud/timers.ts';
import { createVirtualClock } from '../../../support/virtual-clock.ts';

const ground = {
  place: { region: 'eu-central-1', accountId: '123456789012' },
  timers: new Timers(createVirtualClock()),
  random: (bytes: number) => Buffer.alloc(bytes),
};
const event = (call: Partial<AnsweredCall>) =>
  trailEvent(
    {
      principal: { name: 'operator', arn: 'arn:aws:iam::123456789012:user/operator', accessKeyId: 'AKIA' },
      service: 'secretsmanager',
      operation: 'GetSecretValue',
      input: {},
      requestId: 'r',
      sourceAddress: '127.0.0.1',
      ...call,
    },
    ground,
  );

test('messages and records are data events: no rule hears of them', () => {
  for (const operation of ['SendMessage', 'ReceiveMessage', 'DeleteMessageBatch', 'ChangeMessageVisibility'])
    expect(event({ service: 'sqs', operation })).toBeUndefined();
  for (const operation of ['GetItem', 'PutItem', 'Query', 'Scan', 'BatchWriteItem'])
    expect(event({ service: 'dynamodb', operation })).toBeUndefined();
  expect(event({ service: 'sqs', operation: 'SetQueueAttributes' })).toBeDefined();
  expect(event({ service: 'dynamodb', operation: 'CreateTable' })).toBeDefined();
});

test('parameters are told in the trail’s spelling; what is secret is hidden', () => {
  const { detail } =
    event({ operation: 'PutSecretValue', input: { SecretId: 's', SecretString: 'hunter2' } }) ?? {};
  expect(detail?.['requestParameters']).toEqual({
    secretId: 's',
    secretString: 'HIDDEN_DUE_TO_SECURITY_REASONS',
  });
  const command = event({
    service: 'ssm',
    operation: 'SendCommand',
    input: { Parameters: { entries: ['x'] } },
  });
  expect(JSON.stringify(command)).not.toContain('"x"');
});

test('a denial is told with its code, in EC2’s words for EC2, and a session with its role', () => {
  const error = { code: 'AccessDeniedException', message: 'no' };
  expect(event({ error })?.detail).toMatchObject({ errorCode: 'AccessDenied', readOnly: true });
  const refused = {
    service: 'ec2',
    operation: 'TerminateInstances',
    error: { ...error, code: 'UnauthorizedOperation' },
  };
  expect(event(refused)?.detail).toMatchObject({
    errorCode: 'Client.UnauthorizedOperation',
    readOnly: false,
  });
  const roleArn = 'arn:aws:iam::123456789012:role/worker';
  const principal = {
    name: 'worker',
    arn: 'arn:aws:sts::123456789012:assumed-role/worker/i-1',
    accessKeyId: 'ASIA',
    roleArn,
  };
  expect(event({ principal, endpoint: 'vpce-1' })?.detail).toMatchObject({
    vpcEndpointId: 'vpce-1',
    userIdentity: {
      type: 'AssumedRole',
      sessionContext: { sessionIssuer: { arn: roleArn, userName: 'worker' } },
    },
  });
});
