/**
 * The sandbox's SQS over the loopback, in a process of its own: its work is nobody's that asks it. Prints how to reach it, as JSON, and
 * goes when its standard input ends.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createCloud } from '../../infra/sandbox/cloud/cloud.ts';
import { systemClock } from '../../infra/sandbox/clock.ts';
import { accountId, region } from '../sandbox/cloud/bench.ts';
import type { QueueAccess } from './own-queue.ts';

const credentials = { accessKeyId: 'AKIAWORKER', secretAccessKey: randomBytes(16).toString('hex') };
const never = (): Promise<never> => Promise.reject(new TypeError('There are no machines here.'));
const cloud = createCloud({
  region,
  accountId,
  principals: [{ name: 'worker', ...credentials }],
  fleet: { boot: never, destroy: never, reboot: never, stop: never, start: never },
  scripts: { run: never },
  clock: systemClock,
});
const server = createServer(cloud.handler);
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const address = server.address();
if (address === null || typeof address === 'string') throw new Error('The server has no port.');
const access: QueueAccess = { endpoint: `http://127.0.0.1:${address.port}`, region, credentials };
console.log(JSON.stringify(access));
process.stdin.resume();
await once(process.stdin, 'end');
cloud.close();
server.closeAllConnections();
server.close();
