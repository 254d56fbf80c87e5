/** The instance metadata service as an instance asks it, by HTTP. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Instance } from '../../../../infra/sandbox/cloud/ec2/instances.ts';
import { metadataHandler } from '../../../../infra/sandbox/cloud/metadata/service.ts';
import { Timers } from '../../../../infra/sandbox/cloud/timers.ts';
import { createVirtualClock, type VirtualClock } from '../../../support/virtual-clock.ts';
import { accountId, region } from '../bench.ts';

const roleArn = `arn:aws:iam::${accountId}:role/path/worker`;
const here: Instance = {
  id: 'i-0123456789abcdef0',
  tags: new Map(),
  launchedAt: new Date(0),
  zone: `${region}a`,
  launch: { userData: '#!/bin/bash\necho hello\n', instanceProfileArn: 'arn:profile' },
  state: 'running',
  reason: '',
  privateIpAddress: '10.77.1.5',
  hostName: 'ip-10-77-1-5',
  platform: { type: 'Linux', name: 'Amazon Linux', version: '2023' },
  terminatedAt: undefined,
};

let clock: VirtualClock;
let server: Server;
let origin: string;
let instance: Instance | undefined;
let issued: string[];

beforeEach(async () => {
  clock = createVirtualClock();
  instance = here;
  issued = [];
  let count = 0;
  server = createServer(
    metadataHandler({
      place: { region, accountId },
      timers: new Timers(clock),
      random: (bytes) => Buffer.alloc(bytes, (count += 1)),
      instanceAt: (address) => (address === '127.0.0.1' ? instance : undefined),
      roleOf: (profile) => (profile === 'arn:profile' ? roleArn : undefined),
      issue(of, role, lifeMs) {
        issued.push(`${of.id} ${role} ${lifeMs}`);
        return { accessKeyId: `ASIA${issued.length}`, secretAccessKey: 'secret', sessionToken: 'token' };
      },
    }),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  origin = `http://127.0.0.1:${address.port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const ask = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(origin + path, { method, headers });
async function token(seconds = '60'): Promise<string> {
  const answer = await ask('/latest/api/token', { 'x-aws-ec2-metadata-token-ttl-seconds': seconds }, 'PUT');
  return answer.text();
}
async function look(path: string, held?: string): Promise<string> {
  const answer = await ask(`/latest${path}`, { 'x-aws-ec2-metadata-token': held ?? (await token()) });
  return answer.ok ? answer.text() : String(answer.status);
}

test('an instance reads its user data, who it is and where', async () => {
  expect(await look('/user-data')).toBe(here.launch?.userData);
  expect(await look('/meta-data/instance-id')).toBe(here.id);
  expect(await look('/meta-data/placement/region')).toBe(region);
  expect(await look('/meta-data/public-ipv4')).toBe('404');
});

test('it gets keys of its role, the same ones until half their life is over', async () => {
  expect(await look('/meta-data/iam/security-credentials/')).toBe('worker');
  const keys: unknown = JSON.parse(await look('/meta-data/iam/security-credentials/worker'));
  expect(keys).toMatchObject({ Code: 'Success', AccessKeyId: 'ASIA1', Token: 'token' });
  await look('/meta-data/iam/security-credentials/worker');
  expect(issued).toEqual([`${here.id} ${roleArn} 21600000`]);
  await clock.until(clock.sleep(10_800_000, new AbortController().signal));
  expect(await look('/meta-data/iam/security-credentials/worker')).toContain('ASIA2');
  expect(await look('/meta-data/iam/security-credentials/another')).toBe('404');
});

test('without a token of its own that still lives, it is told nothing', async () => {
  expect((await ask('/latest/user-data')).status).toBe(401);
  expect(await look('/user-data', 'made up')).toBe('401');
  const held = await token('60');
  expect(await look('/user-data', held)).toContain('hello');
  instance = { ...here, id: 'i-another' };
  expect(await look('/user-data', held)).toBe('401');
  instance = here;
  await clock.until(clock.sleep(60_000, new AbortController().signal));
  expect(await look('/user-data', held)).toBe('401');
});

test('a token is asked for by PUT, for six hours at most, and by no proxy', async () => {
  const wish = { 'x-aws-ec2-metadata-token-ttl-seconds': '60' };
  const status = async (headers: Record<string, string>, method = 'PUT') =>
    (await ask('/latest/api/token', headers, method)).status;
  expect(await status(wish)).toBe(200);
  expect(await status(wish, 'GET')).toBe(405);
  expect(await status({})).toBe(400);
  expect(await status({ 'x-aws-ec2-metadata-token-ttl-seconds': '21601' })).toBe(400);
  expect(await status({ ...wish, 'x-forwarded-for': '10.0.0.1' })).toBe(403);
});

test('an address that is no instance’s is told nothing', async () => {
  instance = undefined;
  expect(
    (await ask('/latest/api/token', { 'x-aws-ec2-metadata-token-ttl-seconds': '60' }, 'PUT')).status,
  ).toBe(404);
});
