/** The synthesized stack, deployed into a cloud without machines: real HTTP, real policies, no domain. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../../infra/sandbox/clock.ts';
import { createCloud, type Cloud } from '../../../infra/sandbox/cloud/cloud.ts';
import { account, type Account } from '../../../infra/sandbox/stack/account.ts';
import { cloudFormationOf } from '../../../infra/sandbox/stack/cloudformation/service.ts';
import { Permissions } from '../../../infra/sandbox/stack/permissions.ts';
import type { ClientConfig } from '../../../infra/sandbox/stack/client-config.ts';
import { deployStack, type Stack } from '../../../infra/sandbox/stack/stack.ts';
import { synthesis } from '../../../infra/sandbox/stack/synthesis.ts';

export const place = { region: 'eu-central-1', accountId: '123456789012' };
export const domainPassword = 'a-password-that-nobody-else-has';

/** An account in which nothing is deployed yet. */
export interface EmptyAccount extends AsyncDisposable {
  readonly cloud: Cloud;
  readonly permissions: Permissions;
  readonly account: Account;
  /** Lets time pass at once, in milliseconds: not more than requests may be late. */
  readonly later: (ms: number) => void;
  readonly developer: ClientConfig;
  /** Address of the VPC's door. */
  readonly vpcEndpoint: string;
  /** A session of a role, at the internet's door or at the VPC's. */
  session(
    roleArn: string,
    door: 'internet' | 'vpc',
    context?: Readonly<Record<string, string>>,
  ): ClientConfig;
}

export interface Deployed extends EmptyAccount {
  readonly stack: Stack;
}

/** Has the form of a CA's certificate. */
export const somePem = (): string =>
  `-----BEGIN CERTIFICATE-----\n${randomBytes(120).toString('base64')}\n-----END CERTIFICATE-----\n`;

export async function emptyAccount(
  options: {
    /** What each instance's boot waits for. */
    boots?: () => Promise<void>;
    /** CloudWatch's. */
    metricsClock?: Clock;
  } = {},
): Promise<EmptyAccount> {
  const key = { accessKeyId: 'AKIADEVELOPER', secretAccessKey: 'the developer’s' };
  const people = account(place, 'adjoin');
  const permissions = new Permissions({
    accountId: place.accountId,
    identities: people.identities,
    trust: people.trust,
    unbound: people.operatorArn,
    resourcePolicies: () => cloud.resourcePolicies(),
  });
  let booted = 0;
  let ahead = 0;
  const cloud: Cloud = createCloud({
    ...place,
    principals: [{ name: 'developer', ...key }],
    fleet: {
      async boot() {
        booted += 1;
        const booting = { privateIpAddress: `10.77.1.${booted}`, hostName: `host-${booted}` };
        await options.boots?.();
        return booting;
      },
      destroy: async () => undefined,
      reboot: async () => undefined,
      stop: async () => undefined,
      start: async () => undefined,
    },
    scripts: { run: async () => ({ code: 0, stdout: 'done\n', stderr: '', timedOut: false }) },
    clock: {
      now: () => Date.now() + ahead,
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          const timer = setTimeout(resolve, ms);
          signal?.addEventListener('abort', () => {
            clearTimeout(timer);
            reject(new Error('aborted'));
          });
        }),
    },
    ...(options.metricsClock && { metricsClock: options.metricsClock }),
    authorize: permissions.authorize,
    more: cloudFormationOf({ permissions, cloud: () => cloud, loopback: () => internet.url }),
    endpointOf: (service) => permissions.endpointOf(service),
    registrationDelayMs: 0,
    transitionMs: 0,
  });
  const internet = await listening(cloud.handler);
  const vpc = await listening(cloud.vpcHandler);
  const developer = { endpoint: internet.url, region: place.region, credentials: key };
  return {
    cloud,
    permissions,
    account: people,
    later(ms) {
      ahead += ms;
    },
    developer,
    vpcEndpoint: vpc.url,
    session: (roleArn, door, context = {}) => ({
      endpoint: door === 'vpc' ? vpc.url : internet.url,
      region: place.region,
      credentials: cloud.issue({ roleArn, sessionName: 'i-0123456789abcdef0', context }),
    }),
    async [Symbol.asyncDispose]() {
      cloud.close();
      await internet.close();
      await vpc.close();
    },
  };
}

export async function deployed(
  options: { workers?: number } & Parameters<typeof emptyAccount>[0] = {},
): Promise<Deployed> {
  const { boots, metricsClock, ...rest } = options;
  const empty = await emptyAccount({ ...(boots && { boots }), ...(metricsClock && { metricsClock }) });
  const directory = await mkdtemp(join(tmpdir(), 'adjoin-stack-'));
  const caFile = join(directory, 'ca.pem');
  await writeFile(caFile, somePem());
  const stack = await deployStack({
    place,
    cloud: empty.cloud,
    account: empty.account,
    synthesis: await synthesis(),
    deployment: 'adjoin',
    deployer: empty.developer,
    vpcEndpoint: empty.vpcEndpoint,
    credential: {
      domain_name: 'corp.example.test',
      domain_user: 'svc-adjoin',
      domain_password: domainPassword,
      directory_ou: 'OU=Fleet,DC=corp,DC=example,DC=test',
    },
    caFile,
    directoryCidr: '10.77.0.0/24',
    maximumInstances: 10,
    ...rest,
  });
  return {
    ...empty,
    stack,
    async [Symbol.asyncDispose]() {
      await empty[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
}

async function listening(handler: RequestListener): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer(handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  return {
    url: `http://127.0.0.1:${address.port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
