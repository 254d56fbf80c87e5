import { ServiceFailure } from '../failure.ts';
import { enforce } from '../limits/limit.ts';
import { secretName } from '../limits/names.ts';
import { arn, type Place } from '../place.ts';
import { hexDigits, uuid, type Random } from '../random.ts';
import type { Timers } from '../timers.ts';

/*
 * Versions of a secret carry staging labels, each label on one version only:
 *
 *   a value is written ──▶ AWSCURRENT moves to it, AWSPREVIOUS to the one that was current, older ones lose all labels
 *
 * A secret that is scheduled for deletion gives out no value until it is restored; after its window it is gone.
 */
export interface SecretVersion {
  readonly id: string;
  readonly text: string | undefined;
  readonly bytes: Uint8Array | undefined;
  readonly createdAt: Date;
  readonly stages: Set<string>;
}

export interface Secret {
  readonly name: string;
  readonly arn: string;
  readonly createdAt: Date;
  readonly versions: Map<string, SecretVersion>;
  readonly tags: Map<string, string>;
  description: string;
  kmsKeyId: string | undefined;
  /** The resource policy, as JSON. */
  policy: string | undefined;
  changedAt: Date;
  deletedAt: Date | undefined;
  /** When a deleted secret is gone for good. */
  goneAt: number | undefined;
}

export interface SecretValue {
  readonly text: string | undefined;
  readonly bytes: Uint8Array | undefined;
}

/** Secrets Manager's limit on a value. */
const mostBytes = 65_536;
/** AWS drops versions without labels when there are more than about a hundred. */
const keptVersions = 100;

export class Secrets {
  readonly #secrets = new Map<string, Secret>();
  readonly #place: Place;
  readonly #timers: Timers;
  readonly #random: Random;

  constructor(place: Place, timers: Timers, random: Random) {
    this.#place = place;
    this.#timers = timers;
    this.#random = random;
  }

  all(): Secret[] {
    const now = this.#timers.now();
    for (const each of this.#secrets.values()) {
      if (each.goneAt !== undefined && now >= each.goneAt) this.#secrets.delete(each.name);
    }
    return [...this.#secrets.values()];
  }

  /** By name, ARN, or ARN without its random suffix. */
  find(id: string | undefined): Secret | undefined {
    return this.all().find((each) => each.name === id || each.arn === id || each.arn.slice(0, -7) === id);
  }

  get(id: string | undefined): Secret {
    const secret = this.find(id);
    if (secret) return secret;
    throw new ServiceFailure('ResourceNotFoundException', "Secrets Manager can't find the specified secret.");
  }

  create(
    name: string,
    settings: { description?: string | undefined; kmsKeyId?: string | undefined; tags: Map<string, string> },
  ): Secret {
    enforce(secretName, name);
    const existing = this.find(name);
    if (existing?.deletedAt) {
      throw new ServiceFailure(
        'InvalidRequestException',
        `You can't create this secret because a secret with this name is already scheduled for deletion.`,
      );
    }
    if (existing)
      throw new ServiceFailure(
        'ResourceExistsException',
        `The operation failed because the secret ${name} already exists.`,
      );
    const now = this.#timers.date();
    const secret: Secret = {
      name,
      arn: arn(this.#place, 'secretsmanager', `secret:${name}-${hexDigits(this.#random, 6)}`),
      createdAt: now,
      versions: new Map(),
      tags: settings.tags,
      description: settings.description ?? '',
      kmsKeyId: settings.kmsKeyId,
      policy: undefined,
      changedAt: now,
      deletedAt: undefined,
      goneAt: undefined,
    };
    this.#secrets.set(name, secret);
    return secret;
  }

  /** Writes a value. The same request token with the same value again changes nothing, as in AWS. */
  put(
    secret: Secret,
    value: SecretValue,
    token: string | undefined,
    stages: readonly string[],
  ): SecretVersion {
    this.refuseDeleted(secret);
    if ((value.text === undefined) === (value.bytes === undefined)) {
      throw new ServiceFailure(
        'InvalidParameterException',
        'You must provide either SecretString or SecretBinary.',
      );
    }
    if (Buffer.byteLength(value.text ?? value.bytes ?? '') > mostBytes) {
      throw new ServiceFailure(
        'ValidationException',
        `The secret value must be at most ${mostBytes} bytes long.`,
      );
    }
    const id = token ?? uuid(this.#random);
    const before = secret.versions.get(id);
    if (before) {
      const same =
        before.text === value.text && Buffer.from(before.bytes ?? []).equals(Buffer.from(value.bytes ?? []));
      if (same) return before;
      throw new ServiceFailure(
        'ResourceExistsException',
        `You can't use ClientRequestToken ${id} because that value is already in use for a version of secret ${secret.arn}.`,
      );
    }
    const version: SecretVersion = { id, ...value, createdAt: this.#timers.date(), stages: new Set() };
    const current = staged(secret, 'AWSCURRENT');
    secret.versions.set(id, version);
    for (const stage of secret.versions.size === 1 ? new Set([...stages, 'AWSCURRENT']) : stages)
      moveStage(secret, stage, version);
    if (current && staged(secret, 'AWSCURRENT') !== current) moveStage(secret, 'AWSPREVIOUS', current);
    const unlabelled = [...secret.versions.values()].filter((each) => each.stages.size === 0);
    for (const each of unlabelled.slice(0, Math.max(0, secret.versions.size - keptVersions)))
      secret.versions.delete(each.id);
    secret.changedAt = this.#timers.date();
    return version;
  }

  /** The version that fits both the ID and the label, as far as they are given; AWSCURRENT otherwise. */
  version(secret: Secret, id: string | undefined, stage: string | undefined): SecretVersion {
    this.refuseDeleted(secret);
    const found = id === undefined ? staged(secret, stage ?? 'AWSCURRENT') : secret.versions.get(id);
    if (found && id !== undefined && stage !== undefined && !found.stages.has(stage)) {
      throw new ServiceFailure(
        'InvalidRequestException',
        'You provided a VersionStage that is not associated to the provided VersionId.',
      );
    }
    if (found) return found;
    const what = id === undefined ? `staging label: ${stage ?? 'AWSCURRENT'}` : `VersionId: ${id}`;
    throw new ServiceFailure(
      'ResourceNotFoundException',
      `Secrets Manager can't find the specified secret value for ${what}`,
    );
  }

  delete(secret: Secret, windowMs: number): void {
    secret.deletedAt = this.#timers.date();
    secret.goneAt = this.#timers.now() + windowMs;
  }

  refuseDeleted(secret: Secret): void {
    if (!secret.deletedAt) return;
    throw new ServiceFailure(
      'InvalidRequestException',
      `You can't perform this operation on the secret because it was marked for deletion.`,
    );
  }
}

function staged(secret: Secret, stage: string): SecretVersion | undefined {
  return [...secret.versions.values()].find((each) => each.stages.has(stage));
}

function moveStage(secret: Secret, stage: string, to: SecretVersion): void {
  for (const each of secret.versions.values()) each.stages.delete(stage);
  to.stages.add(stage);
}
