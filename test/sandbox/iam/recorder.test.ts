import { expect, test } from '@jest/globals';
import { Authorizer } from '../../../infra/sandbox/iam/authorizer.ts';
import { Recorder } from '../../../infra/sandbox/iam/recorder.ts';
import { allow, deny, deployed, identity, queue, worker, workerRole } from './fixtures.ts';

test('what a policy allows and no call used is found, by statement and action', async () => {
  const own = identity(
    allow('Receive', ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:Get*']),
    allow('Send', 'sqs:SendMessage'),
    deny('Never', 'sqs:DeleteMessage'),
  );
  const authorizer = new Authorizer(deployed({ identities: new Map([[workerRole, own]]) }));
  const recorder = new Recorder();
  for (const action of [
    'sqs:ReceiveMessage',
    'sqs:ReceiveMessage',
    'sqs:GetQueueAttributes',
    'sqs:DeleteMessage',
  ]) {
    recorder.note({ action }, await authorizer.decide({ principal: worker, action, resource: queue }));
  }
  const statement = { kind: 'identity', policy: 'own' };
  expect(recorder.used()).toEqual([
    { ...statement, sid: 'Receive', action: 'sqs:ReceiveMessage', count: 2 },
    { ...statement, sid: 'Receive', action: 'sqs:GetQueueAttributes', count: 1 },
  ]);
  expect(recorder.unused('identity', own.policies)).toEqual([
    { ...statement, sid: 'Receive', action: 'sqs:DeleteMessage' },
    { ...statement, sid: 'Send', action: 'sqs:SendMessage' },
  ]);
});
