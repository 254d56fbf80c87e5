import { createHash } from 'node:crypto';
import type { Place } from './place.ts';
import type { Random } from './random.ts';
import type { Principal } from './service.ts';
import type { Timers } from './timers.ts';

/** A virtual MFA device of a user. */
export interface MfaDevice {
  /** Of a virtual one its ARN. */
  readonly serialNumber: string;
  readonly secret: Buffer;
}

export interface KeyHolder extends Principal {
  /** Of a user with long-term keys. */
  readonly mfa?: MfaDevice;
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

  /** Temporary keys of a user, who is still the same to policies, but for what the session's context says. */
  issueToUser(
    { name, arn, context }: Principal,
    more: Readonly<Record<string, string>>,
    lifeMs: number,
  ): SessionKey {
    const key = this.#make();
    const expiresAt = this.#timers.now() + lifeMs;
    this.#holders.set(key.accessKeyId, { ...key, name, arn, expiresAt, context: { ...context, ...more } });
    return key;
  }

  #make(): SessionKey {
    return {
      accessKeyId: `ASIA${this.#random(8).toString('hex').toUpperCase()}`,
      secretAccessKey: this.#random(30).toString('base64'),
      sessionToken: this.#random(96).toString('base64'),
    };
  }

  /** Temporary keys of a role, as STS makes them. Whether the caller may have them is asked elsewhere. */
  issue(wish: SessionWish): SessionKey {
    const role = wish.roleArn.split('/').at(-1) ?? '';
    const key = this.#make();
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
