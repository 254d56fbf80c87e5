import { beforeEach, expect, test } from '@jest/globals';
import type { QueueMessage } from '../../../agent/lifecycle/delivery.ts';
import { createLoadReport, type LoadReport } from '../../../agent/lifecycle/load.ts';
import type { Load } from '../../../agent/lifecycle/slots.ts';
import { createMemoryLog, type MemoryLog } from '../../support/memory-log.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

const idle: Load = { working: 0, waiting: 0, here: 0, busy: 0, waitingSince: undefined };

let clock: VirtualClock;
let log: MemoryLog;
let load: Load;
let report: LoadReport;
let messages: QueueMessage[];
beforeEach(() => {
  clock = createVirtualClock();
  log = createMemoryLog();
  load = idle;
  report = createLoadReport({ slots: { load: () => load }, clock, log });
  messages = [];
});

const queue = () =>
  report.watch({
    receive: () => Promise.resolve(messages),
    remove: () => Promise.resolve(),
    hide: () => Promise.resolve(),
  });

/** What the next line says. */
async function nextLine(): Promise<unknown> {
  const stop = new AbortController();
  const telling = report.tell(stop.signal);
  await clock.advance(60_000);
  stop.abort();
  await telling;
  const { event, fields } = log.lines.at(-1) ?? {};
  return { event, ...fields };
}

test('a worker with nothing to do says so, too: no line would mean that it is dead', async () => {
  const none = { working: 0, waiting: 0, parked: 0, busyPercent: 0, longestWaitSeconds: 0 };
  expect(await nextLine()).toMatchObject({ event: 'worker load', ...none });
});

test('a line comes each minute until the worker stops', async () => {
  const stop = new AbortController();
  const telling = report.tell(stop.signal);
  await clock.advance(185_000);
  stop.abort();
  await telling;
  await clock.advance(185_000);
  expect(log.lines).toHaveLength(3);
});

test('what waits for its node is told apart from what waits for a worker', async () => {
  load = { working: 100, waiting: 30, here: 1_130, busy: 100 / 128, waitingSince: clock.now() };
  expect(await nextLine()).toMatchObject({
    working: 100,
    waiting: 30,
    parked: 1_000,
    busyPercent: 78,
    longestWaitSeconds: 60,
  });
});

test('a message that was long in the queue counts once, when it is received', async () => {
  messages = [
    { messageId: 'a', body: '', receiveCount: 1, sentAt: clock.now() - 90_000 },
    { messageId: 'b', body: '', receiveCount: 1, sentAt: clock.now() - 1_000 },
    { messageId: 'c', body: '', receiveCount: 1 },
  ];
  await queue().receive(10);
  expect(await nextLine()).toMatchObject({ longestWaitSeconds: 90 });
  expect(await nextLine()).toMatchObject({ longestWaitSeconds: 0 });
});

test('a message that comes back was with a worker: how old it is says nothing', async () => {
  messages = [{ messageId: 'a', body: '', receiveCount: 2, sentAt: clock.now() - 3_600_000 }];
  await queue().receive(10);
  expect(await nextLine()).toMatchObject({ longestWaitSeconds: 0 });
});
