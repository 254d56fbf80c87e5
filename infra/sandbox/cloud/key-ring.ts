import { createHash } from 'node:crypto';
import type { Place } from './place.ts';
import type { Random } from './random.ts';
import type { Principal } from './service.ts';
import type { Timers } from './timers.ts';

export interface KeyHolder extends Principal {
  readonly secretAccessKey: string;
  /** Temporary keys are worth nothing without it. */
  readonly sessionToken?: string;
  /** When a temporary key ends, in milliseconds since the epoch. */
  readonly expiresAt?: number;
}

/** What a caller signs with as a session of a role. */
export interface SessionKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

export interface SessionWish {
  readonly roleArn: string;
  readonly sessionName: string;
  /** As the calls are counted. Default: the role's name. */
  readonly name?: string;
  /** Condition keys that every call of the session has, such as those of an instance's role. */
  readonly context?: Readonly<Record<string, string>>;
  readonly lifeMs?: number;
}

/** Who may sign requests, and with what. */
export class KeyRing {
  readonly #holders = new Map<string, KeyHolder>();
  readonly #place: Place;
  readonly #timers: Timers;
  readonly #random: Random;

  constructor(parts: { place: Place; timers: Timers; random: Random; holders: readonly KeyHolder[] }) {
    this.#place = parts.place;
    this.#timers = parts.timers;
    this.#random = parts.random;
    for (const each of parts.holders) {
      const context = {
        'aws:userid': uniqueId('AIDA', each.arn),
        'aws:username': each.name,
        ...each.context,
      };
      this.#holders.set(each.accessKeyId, { ...each, context });
    }
  }

  find(accessKeyId: string): KeyHolder | undefined {
    return this.#holders.get(accessKeyId);
  }

  /** Temporary keys of a role, as STS makes them. Whether the caller may have them is asked elsewhere. */
  issue(wish: SessionWish): SessionKey {
    const role = wish.roleArn.split('/').at(-1) ?? '';
    const key = {
      accessKeyId: `ASIA${this.#random(8).toString('hex').toUpperCase()}`,
      secretAccessKey: this.#random(30).toString('base64'),
      sessionToken: this.#random(96).toString('base64'),
    };
    this.#holders.set(key.accessKeyId, {
      ...key,
      name: wish.name ?? role,
      arn: `arn:aws:sts::${this.#place.accountId}:assumed-role/${role}/${wish.sessionName}`,
      roleArn: wish.roleArn,
      context: {
        'aws:userid': `${uniqueId('AROA', wish.roleArn)}:${wish.sessionName}`,
        ...wish.context,
      },
      ...(wish.lifeMs === undefined ? {} : { expiresAt: this.#timers.now() + wish.lifeMs }),
    });
    return key;
  }
}

/** IAM's unique ID of a user or a role: the same for the same ARN. */
export function uniqueId(prefix: string, ofArn: string): string {
  return prefix + createHash('sha256').update(ofArn).digest('hex').slice(0, 17).toUpperCase();
}
