/**
 * The instance metadata service, version 2 alone: where an instance learns who it is, what it is to run, and gets its role's keys.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Instance } from '../ec2/instances.ts';
import type { SessionKey } from '../key-ring.ts';
import type { Place } from '../place.ts';
import { uuid, type Random } from '../random.ts';
import type { Timers } from '../timers.ts';

export interface MetadataParts {
  readonly place: Place;
  readonly timers: Timers;
  readonly random: Random;
  /** The instance with this address. */
  readonly instanceAt: (address: string) => Instance | undefined;
  /** The role behind an instance profile; undefined where there is none. */
  readonly roleOf: (instanceProfileArn: string) => string | undefined;
  /** Keys of the instance's role. */
  readonly issue: (instance: Instance, roleArn: string, lifeMs: number) => SessionKey;
}

/** The only address that an instance is told. */
export const metadataAddress = '169.254.169.254';

/** "The maximum is 21,600 seconds", of a session token. */
const longestTokenMs = 21_600_000;
/** Of the role's keys, which are renewed long before that. */
const keyLifeMs = 6 * 3_600_000;

interface Keys extends SessionKey {
  readonly issuedAt: Date;
}

export function metadataHandler(parts: MetadataParts): RequestListener {
  const { place, timers, random } = parts;
  /** By token: whose it is, and when it ends. */
  const tokens = new Map<string, { readonly instanceId: string; readonly endsAt: number }>();
  const keysOf = new Map<string, Keys>();

  const keys = (instance: Instance, roleArn: string): Keys => {
    const known = keysOf.get(instance.id);
    if (known && timers.now() - known.issuedAt.getTime() < keyLifeMs / 2) return known;
    const fresh = { ...parts.issue(instance, roleArn, keyLifeMs), issuedAt: timers.date() };
    keysOf.set(instance.id, fresh);
    return fresh;
  };

  /** What is at a path of `/latest`; undefined where there is nothing. */
  const look = (instance: Instance, path: string): string | undefined => {
    const roleArn = parts.roleOf(instance.launch?.instanceProfileArn ?? '');
    const role = roleArn?.split('/').at(-1);
    switch (path) {
      case '/meta-data/instance-id':
        return instance.id;
      case '/meta-data/local-ipv4':
        return instance.privateIpAddress;
      case '/meta-data/placement/region':
        return place.region;
      case '/meta-data/placement/availability-zone':
        return instance.zone;
      case '/user-data':
        return instance.launch?.userData;
      case '/dynamic/instance-identity/document':
        return JSON.stringify({ accountId: place.accountId, instanceId: instance.id, region: place.region });
      case '/meta-data/iam/security-credentials/':
        return role;
      default:
        if (roleArn === undefined || path !== `/meta-data/iam/security-credentials/${role}`) return undefined;
        return credentials(keys(instance, roleArn));
    }
  };

  return (request: IncomingMessage, response: ServerResponse): void => {
    const answer = (status: number, body = ''): void => {
      response.writeHead(status, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(body) });
      response.end(body);
    };
    const instance = parts.instanceAt((request.socket.remoteAddress ?? '').replace('::ffff:', ''));
    const { pathname } = new URL(request.url ?? '/', `http://${metadataAddress}`);
    if (instance === undefined) return answer(404);
    if (pathname === '/latest/api/token') {
      const seconds = Number(request.headers['x-aws-ec2-metadata-token-ttl-seconds']);
      // A proxy that passes requests on is refused.
      if (request.headers['x-forwarded-for'] !== undefined) return answer(403);
      if (request.method !== 'PUT') return answer(405);
      if (!Number.isInteger(seconds) || seconds < 1 || seconds * 1_000 > longestTokenMs) return answer(400);
      const token = uuid(random);
      tokens.set(token, { instanceId: instance.id, endsAt: timers.now() + seconds * 1_000 });
      response.setHeader('x-aws-ec2-metadata-token-ttl-seconds', String(seconds));
      return answer(200, token);
    }
    const token = tokens.get(String(request.headers['x-aws-ec2-metadata-token'] ?? ''));
    if (token === undefined || token.instanceId !== instance.id || timers.now() >= token.endsAt)
      return answer(401);
    if (request.method !== 'GET') return answer(405);
    const found = pathname.startsWith('/latest/')
      ? look(instance, pathname.slice('/latest'.length))
      : undefined;
    return found === undefined ? answer(404) : answer(200, found);
  };
}

function credentials({ accessKeyId, secretAccessKey, sessionToken, issuedAt }: Keys): string {
  return JSON.stringify({
    Code: 'Success',
    LastUpdated: stamp(issuedAt),
    Type: 'AWS-HMAC',
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    Token: sessionToken,
    Expiration: stamp(new Date(issuedAt.getTime() + keyLifeMs)),
  });
}

/** Without fractions of a second. */
const stamp = (date: Date): string => date.toISOString().replace(/\.\d+Z$/, 'Z');
