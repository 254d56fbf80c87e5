import { RunInstancesCommand, StopInstancesCommand } from '@aws-sdk/client-ec2';
import { expect, test } from '@jest/globals';
import { createEc2Instances } from '../../../agent/aws/ec2-instance.ts';
import { systemClock } from '../../../agent/clock.ts';
import { accountId, startBench } from '../../sandbox/cloud/bench.ts';

const unknown = 'i-0ffffffffffffffff';

test('instances are shown with state and tags, those that are asked for together in one call; others are not shown', async () => {
  await using bench = await startBench();
  const { ec2 } = bench.as('worker');
  let calls = 0;
  const { Instances = [] } = await ec2.send(
    new RunInstancesCommand({
      ImageId: 'ami-0123456789abcdef0',
      MinCount: 2,
      MaxCount: 2,
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'JoinAD', Value: 'true' }] }],
    }),
  );
  const [first = '', second = ''] = Instances.map(({ InstanceId = '' }) => InstanceId);
  await bench.clock.advance(5_000);
  await ec2.send(new StopInstancesCommand({ InstanceIds: [second] }));
  await bench.clock.advance(5_000);
  ec2.middlewareStack.add(
    (next) => async (input) => {
      calls += 1;
      return next(input);
    },
    { step: 'initialize' },
  );
  const look = createEc2Instances({ ec2, clock: systemClock, accountId });
  const tags = new Map([['JoinAD', 'true']]);
  await expect(Promise.all([first, second, unknown].map((id) => look(id)))).resolves.toEqual([
    { state: 'running', tags },
    { state: 'stopped', tags },
    undefined,
  ]);
  expect(calls).toBe(1);
});

test('what another account shows is not believed', async () => {
  await using bench = await startBench();
  const { ec2 } = bench.as('worker');
  const request = { ImageId: 'ami-0123456789abcdef0', MinCount: 1, MaxCount: 1 };
  const { Instances = [] } = await ec2.send(new RunInstancesCommand(request));
  const look = createEc2Instances({ ec2, clock: systemClock, accountId: '999999999999' });
  await expect(look(Instances[0]?.InstanceId ?? '')).rejects.toMatchObject({ code: 'account-unproven' });
});
