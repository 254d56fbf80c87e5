import { expect, test } from '@jest/globals';
import type { CloudEvent } from '../../../infra/sandbox/cloud/cloud.ts';
import { createLives } from '../../../infra/sandbox/inside/lives.ts';

const instanceId = 'i-00000000000000001';
const group = 'fleet';

const step = (name: Extract<CloudEvent, { kind: 'instance' }>['step']): CloudEvent => ({
  kind: 'instance',
  instanceId,
  group,
  step: name,
});
const begun = (token: string, way: 'LAUNCHING' | 'TERMINATING'): CloudEvent => ({
  kind: 'action-begun',
  group,
  transition: `autoscaling:EC2_INSTANCE_${way}`,
  destination: 'EC2',
  instanceId,
  token,
});

/** The life after these events, one every second. */
function lifeOf(events: readonly CloudEvent[]) {
  let now = 0;
  const lives = createLives(() => now);
  for (const event of events) {
    now += 1_000;
    lives.note(event);
  }
  return lives.all.get(instanceId);
}

test('a life has the times of launch, registration, answers, service and end', () => {
  expect(
    lifeOf([
      step('launched'),
      begun('one', 'LAUNCHING'),
      { kind: 'node-registered', instanceId },
      { kind: 'action-ended', token: 'one', end: 'answer', result: 'CONTINUE' },
      step('in-service'),
      step('leaving'),
      begun('two', 'TERMINATING'),
      { kind: 'action-ended', token: 'two', end: 'answer', result: 'CONTINUE' },
      step('gone'),
    ]),
  ).toEqual({
    instanceId,
    group,
    launchedAt: 1_000,
    onlineAt: 3_000,
    continuedAt: 4_000,
    inServiceAt: 5_000,
    leavingAt: 6_000,
    releasedAt: 8_000,
    goneAt: 9_000,
  });
});

test('neither a launch that is abandoned nor one whose time is up was continued', () => {
  const launched = [step('launched'), begun('one', 'LAUNCHING')];
  for (const end of [
    { kind: 'action-ended', token: 'one', end: 'answer', result: 'ABANDON' },
    { kind: 'action-ended', token: 'one', end: 'deadline', result: 'CONTINUE' },
  ] as const)
    expect(lifeOf([...launched, end])).toEqual({ instanceId, group, launchedAt: 1_000 });
});

test('an instance that goes back to the pool is out of service, and a node of no group has no life', () => {
  const pooled = lifeOf([step('launched'), step('in-service'), step('pooled')]);
  expect(pooled).toEqual({ instanceId, group, launchedAt: 1_000 });
  expect(lifeOf([{ kind: 'node-registered', instanceId }])).toBeUndefined();
});
