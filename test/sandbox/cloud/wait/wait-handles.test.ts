/** What a worker's report does to the stack that waits for it. The words are CloudFormation's. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Timers } from '../../../../infra/sandbox/cloud/timers.ts';
import { WaitHandles } from '../../../../infra/sandbox/cloud/wait/wait-handles.ts';
import { createVirtualClock, type VirtualClock } from '../../../support/virtual-clock.ts';
import { accountId, region } from '../bench.ts';

let clock: VirtualClock;
let timers: Timers;
let handles: WaitHandles;
beforeEach(() => {
  clock = createVirtualClock();
  timers = new Timers(clock);
  handles = make(true);
});
afterEach(() => timers.close());

let bytes = 0;
const make = (signalled: boolean) =>
  new WaitHandles({
    place: { region, accountId },
    timers,
    random: (count) => Buffer.alloc(count, (bytes += 1)),
    signalled,
  });

function put(url: string, body: string, headers: Record<string, string> = {}): void {
  const { host, pathname, search } = new URL(url);
  const request = { method: 'PUT', url: pathname + search, headers: { host, ...headers } };
  expect(handles.keyOf(request)).toContain('arn:aws:cloudformation');
  handles.receive({ ...request, body: Buffer.from(body) });
}
const signal = (Status: string, UniqueId = 'ip-1', Reason = 'because') =>
  JSON.stringify({ Status, Reason, UniqueId, Data: '-' });

test('an address is of CloudFormation’s own bucket, and nothing else is taken for one', () => {
  const url = handles.make('name');
  const { host, pathname, search } = new URL(url);
  expect(host).toBe(`cloudformation-waitcondition-${region}.s3.${region}.amazonaws.com`);
  const at = { method: 'PUT', url: pathname + search, headers: { host } };
  expect(handles.keyOf({ ...at, method: 'GET' })).toBeUndefined();
  expect(handles.keyOf({ ...at, url: `${at.url}0` })).toBeUndefined();
  expect(handles.keyOf({ ...at, headers: { host: 'elsewhere' } })).toBeUndefined();
});

test('a condition holds when as many have succeeded as it counts; one that says so twice is one', async () => {
  const url = handles.make('name');
  const done = handles.wait(url, 2, 600);
  put(url, signal('SUCCESS'));
  put(url, signal('SUCCESS'));
  put(url, 'no signal');
  put(url, JSON.stringify({ Status: 'SUCCESS', UniqueId: 'ip-3' }));
  expect(
    await Promise.race([done, clock.until(clock.sleep(1_000, new AbortController().signal))]),
  ).toBeUndefined();
  put(url, signal('SUCCESS', 'ip-2'));
  expect(await done).toBe('{"ip-1":"-","ip-2":"-"}');
});

test('a signal of failure fails it with what was said, also when it came before anybody waited', async () => {
  const url = handles.make('name');
  put(url, signal('FAILURE', 'ip-9', 'worker ip-9: fetching failed'));
  await expect(handles.wait(url, 1, 600)).rejects.toThrow(
    "WaitCondition received failed message: 'worker ip-9: fetching failed' for uniqueId: ip-9",
  );
});

test('it fails when its time is over', async () => {
  const url = handles.make('name');
  await expect(clock.until(handles.wait(url, 1, 1_800))).rejects.toThrow(
    'WaitCondition timed out. Received 0 conditions when expecting 1',
  );
});

test('S3 refuses a signal with a content type, and one after a day', async () => {
  const url = handles.make('name');
  expect(() => put(url, signal('SUCCESS'), { 'content-type': 'application/x-www-form-urlencoded' })).toThrow(
    'The request signature we calculated does not match',
  );
  await clock.until(clock.sleep(86_400_000, new AbortController().signal));
  expect(() => put(url, signal('SUCCESS'))).toThrow('Request has expired');
});

test('where nothing can send a signal, a condition holds at once', async () => {
  handles = make(false);
  expect(await handles.wait(handles.make('name'), 1, 600)).toBe('{}');
});
