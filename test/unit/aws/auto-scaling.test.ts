/** Auto Scaling through the real SDK, against the sandbox's own endpoints. */
import { CreateAutoScalingGroupCommand, PutLifecycleHookCommand } from '@aws-sdk/client-auto-scaling';
import { expect, test } from '@jest/globals';
import { createAutoScaling } from '../../../agent/aws/auto-scaling.ts';
import { startBench } from '../../sandbox/cloud/bench.ts';

test('a group is looked at once for all that ask together, and a hook attached since is seen after five seconds', async () => {
  await using bench = await startBench();
  const operator = bench.as('operator').autoScaling;
  await operator.send(
    new CreateAutoScalingGroupCommand({ AutoScalingGroupName: 'fleet', MinSize: 0, MaxSize: 1 }),
  );
  const autoScaling = createAutoScaling(bench.as('worker').autoScaling, bench.clock);
  const before = bench.cloud.calls().length;
  const looks = await Promise.all([1, 2, 3].map(() => autoScaling.group('fleet')));
  expect(looks.map((group) => group?.hooks)).toEqual([[], [], []]);
  expect(bench.cloud.calls().length - before).toBe(2);

  await operator.send(
    new PutLifecycleHookCommand({
      AutoScalingGroupName: 'fleet',
      LifecycleHookName: 'hook',
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
      HeartbeatTimeout: 60,
    }),
  );
  await bench.clock.advance(4_999);
  expect((await autoScaling.group('fleet'))?.hooks).toEqual([]);
  await bench.clock.advance(1);
  expect((await autoScaling.group('fleet'))?.hooks).toEqual([
    {
      name: 'hook',
      transition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
      heartbeatMs: 60_000,
      globalMs: 6_000_000,
    },
  ]);
});

test('a group that does not exist is none, and is looked for again at once', async () => {
  await using bench = await startBench();
  const autoScaling = createAutoScaling(bench.as('worker').autoScaling, bench.clock);
  await expect(autoScaling.group('fleet')).resolves.toBeUndefined();
  await bench
    .as('operator')
    .autoScaling.send(
      new CreateAutoScalingGroupCommand({ AutoScalingGroupName: 'fleet', MinSize: 0, MaxSize: 1 }),
    );
  await expect(autoScaling.group('fleet')).resolves.toMatchObject({ hooks: [] });
});
