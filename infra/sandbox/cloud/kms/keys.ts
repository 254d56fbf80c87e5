import { ServiceFailure } from '../failure.ts';
import { arn, type Place } from '../place.ts';
import { uuid, type Random } from '../random.ts';
import type { Requirement } from '../service.ts';

/** What a service does with a key when it keeps, or hands out, what the key protects. */
export type KeyUse = 'read' | 'write';

/** A write asks for a data key; it decrypts as well, to see that the data key is good. */
const actions: Readonly<Record<KeyUse, readonly string[]>> = {
  read: ['kms:Decrypt'],
  write: ['kms:GenerateDataKey', 'kms:Decrypt'],
};

/** The account's own keys. Nothing is encrypted here: what matters is who may use a key. */
export class Keys {
  /** Their tags, by ARN. */
  readonly #keys = new Map<string, ReadonlyMap<string, string>>();
  readonly #aliases = new Map<string, string>();
  readonly #place: Place;
  readonly #random: Random;

  constructor(place: Place, random: Random) {
    this.#place = place;
    this.#random = random;
  }

  create(tags: ReadonlyMap<string, string> = new Map()): { id: string; arn: string } {
    const id = uuid(this.#random);
    const keyArn = arn(this.#place, 'kms', `key/${id}`);
    this.#keys.set(keyArn, tags);
    return { id, arn: keyArn };
  }

  all(): string[] {
    return [...this.#keys.keys()];
  }

  /** A key in its waiting period is of no use to anyone, and no name keeps another from being made. */
  scheduleDeletion(id: string): void {
    this.#keys.delete(arn(this.#place, 'kms', `key/${id}`));
  }

  /** @param name such as `alias/adjoin` */
  alias(name: string, target: string): void {
    if (this.#aliases.has(name)) {
      throw new ServiceFailure(
        'AlreadyExistsException',
        `An alias with the name ${arn(this.#place, 'kms', name)} already exists`,
      );
    }
    this.#aliases.set(name, this.arnOf(target) ?? target);
  }

  deleteAlias(name: string): void {
    this.#aliases.delete(name);
  }

  /** Of an ID, an ARN or an alias; undefined for keys that AWS manages. */
  arnOf(key: string | undefined): string | undefined {
    const aliasName = key?.replace(/^arn:aws:kms:[^:]+:\d+:(?=alias\/)/, '') ?? '';
    const byId = arn(this.#place, 'kms', `key/${key ?? ''}`);
    return [key ?? '', byId, this.#aliases.get(aliasName) ?? ''].find((each) => this.#keys.has(each));
  }

  /** What the caller needs of a key, when a service uses it on the caller's behalf. */
  uses(
    use: KeyUse,
    key: string | undefined,
    via: string,
    encryptionContext: Readonly<Record<string, string>>,
  ): Requirement[] {
    const keyArn = this.arnOf(key);
    if (keyArn === undefined) return [];
    const context = Object.fromEntries([
      ...Object.entries(encryptionContext).map(([name, value]) => [`kms:EncryptionContext:${name}`, value]),
      ...[...(this.#keys.get(keyArn) ?? [])].map(([name, value]) => [`aws:ResourceTag/${name}`, value]),
    ]);
    return actions[use].map((action) => ({ action, resources: [{ arn: keyArn }], context, via }));
  }
}
