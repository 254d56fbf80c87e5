/** The quotas of the simulated AWS, and its clients under them: what the bench of a burst is measured with. */
import { expect, test } from '@jest/globals';
import { createKernel } from '../support/schedule-kernel.ts';
import { createBuckets, createRetries } from '../support/throttle.ts';

const quota = { operations: ['ssm.SendCommand'], perSecond: 2, burst: 4 };

test('a bucket is full at first, and gets back so much each second', () => {
  let now = 0;
  const buckets = createBuckets([quota], () => now);
  const taken = (): number => {
    let count = 0;
    while (buckets.take('ssm.SendCommand', 1)) count += 1;
    return count;
  };
  expect(taken()).toBe(4);
  now = 1_000;
  expect(taken()).toBe(2);
  now = 60_000;
  expect(taken()).toBe(4);
  expect(buckets.take('sqs.ReceiveMessage', 1_000)).toBe(true);
});

test('a refused request is sent again twice, and all of the client’s are sent more slowly from then on', async () => {
  const kernel = createKernel('answer');
  const clock = kernel.clockOf({ name: 'client', dead: false, suspendedUntil: 0 });
  const buckets = createBuckets([quota], () => kernel.now());
  const retries = createRetries(clock, () => 0.5);
  let sent = 0;
  let done = 0;
  let failed = 0;
  const request = async (): Promise<void> => {
    sent += 1;
    await clock.sleep(20);
    if (!buckets.take('ssm.SendCommand', 1)) throw new RangeError('refused');
  };
  const began = kernel.now();
  for (let index = 0; index < 12; index += 1) {
    void retries
      .run(request, (error) => error instanceof RangeError)
      .then(
        () => (done += 1),
        () => (failed += 1),
      );
  }
  await kernel.run(
    () => done + failed === 12,
    600_000,
    () => undefined,
  );
  expect(done).toBeGreaterThan(4);
  expect(sent).toBeGreaterThan(12);
  expect(sent).toBeLessThanOrEqual(36);
  // Eight that are refused at first take four seconds by the quota, and by a client that learns it some more.
  expect(kernel.now() - began).toBeGreaterThan(2_000);
});
