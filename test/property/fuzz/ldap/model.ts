/**
 * A directory in memory: just enough of one for the agent's requests. It keeps every change that took effect on something
 * that is not the instance's own, for there must be none.
 */
import { candidateNames } from '../../../../agent/directory/names.ts';
import { formatStamp, STAMP_ATTRIBUTE } from '../../../../agent/directory/stamp.ts';
import { descriptorOf, DOMAIN_SID, SERVICE_ACCOUNT, sidBytes } from '../../../support/security.ts';
import { all, number, text, tlv, integer, type Element } from '../../../support/ber.ts';

export const DOMAIN = 'corp.example.test';
export const BASE = 'DC=corp,DC=example,DC=test';
export const UNIT = `OU=Fleet,${BASE}`;
export const ZONE = `DC=${DOMAIN},CN=MicrosoftDNS,DC=DomainDnsZones,${BASE}`;
export const PLACE = { deployment: 'blue', accountId: '123456789012', region: 'eu-central-1' };
export const INSTANCE = 'i-0123456789abcdef0';
export const PREFIXES = ['A', 'B'];
export const STAMP = formatStamp({ ...PLACE, instanceId: INSTANCE });
export const NAMES = candidateNames(INSTANCE, PREFIXES);

/** Whoever else may make accounts. */
const STRANGER = `${DOMAIN_SID}-1999`;

export type Values = readonly (string | Buffer)[];

export interface Entry {
  readonly dn: string;
  readonly attributes: ReadonlyMap<string, Values>;
}

/** An answer before it is bytes. */
export interface Answer {
  readonly code: number;
  readonly diagnostic: string;
  readonly referrals: readonly string[];
  readonly entries: readonly Entry[];
  readonly references: readonly string[];
  /** Of the paged results control; none when there is no such control. */
  readonly cookie: string | undefined;
}

export const answerOf = (code: number): Answer => ({
  code,
  diagnostic: '',
  referrals: [],
  entries: [],
  references: [],
  cookie: undefined,
});

/** LDAP's application tags of requests, and of the answers to them. */
export const Op = { bind: 0x60, unbind: 0x42, search: 0x63, modify: 0x66, add: 0x68, remove: 0x4a } as const;
export const answerTag: Readonly<Record<number, number>> = {
  0x60: 0x61,
  0x63: 0x65,
  0x66: 0x67,
  0x68: 0x69,
  0x4a: 0x6b,
};

export interface Request {
  readonly id: number;
  readonly op: number;
  readonly parts: readonly Element[];
  readonly bytes: Buffer;
}

const PAGED = '1.2.840.113556.1.4.319';

/** The bytes of an answer. */
export function encode(request: Request, answer: Answer): Buffer {
  const message = (...parts: Buffer[]): Buffer => tlv(0x30, integer(request.id), ...parts);
  const entries = answer.entries.map(({ dn, attributes }) =>
    message(
      tlv(
        0x64,
        tlv(0x04, dn),
        tlv(
          0x30,
          ...[...attributes].map(([type, values]) =>
            tlv(0x30, tlv(0x04, type), tlv(0x31, ...values.map((value) => tlv(0x04, value)))),
          ),
        ),
      ),
    ),
  );
  const references = answer.references.map((address) => message(tlv(0x73, tlv(0x04, address))));
  const done = tlv(
    answerTag[request.op] ?? 0x78,
    integer(answer.code, 0x0a),
    tlv(0x04),
    tlv(0x04, answer.diagnostic),
    ...(answer.referrals.length > 0 ? [tlv(0xa3, ...answer.referrals.map((url) => tlv(0x04, url)))] : []),
  );
  const paged =
    answer.cookie === undefined
      ? []
      : [tlv(0xa0, tlv(0x30, tlv(0x04, PAGED), tlv(0x04, tlv(0x30, integer(0), tlv(0x04, answer.cookie)))))];
  return Buffer.concat([...entries, ...references, message(done, ...paged)]);
}

const low = (value: string | Buffer): string => value.toString().toLowerCase();
const under = (dn: string, base: string): boolean =>
  low(dn) === low(base) || low(dn).endsWith(`,${low(base)}`);
const parentOf = (dn: string): string => dn.slice(dn.indexOf(',') + 1);

interface Kept {
  dn: string;
  guid: Buffer;
  attributes: Map<string, Values>;
}

function attributesOf(element: Element | undefined): Map<string, Values> {
  const found = new Map<string, Values>();
  for (const attribute of element ? all(element.content) : []) {
    const [type, values] = all(attribute.content);
    found.set(text(type).toLowerCase(), values ? all(values.content).map((value) => value.content) : []);
  }
  return found;
}

function matches(kept: Kept, filter: Element): boolean {
  const parts = filter.tag === 0x87 ? [] : all(filter.content);
  const valuesOf = (type: Element | undefined): Values => kept.attributes.get(text(type).toLowerCase()) ?? [];
  switch (filter.tag) {
    case 0xa0:
      return parts.every((part) => matches(kept, part));
    case 0xa1:
      return parts.some((part) => matches(kept, part));
    case 0xa3: {
      const [type, wanted] = parts;
      return valuesOf(type).some((value) =>
        Buffer.isBuffer(value)
          ? value.equals(wanted?.content ?? Buffer.alloc(0))
          : low(value) === low(wanted?.content ?? ''),
      );
    }
    case 0xa4: {
      const [type, pieces] = parts;
      const [initial] = pieces ? all(pieces.content) : [];
      return valuesOf(type).some((value) => low(value).startsWith(low(initial?.content ?? '')));
    }
    case 0x87:
      return true;
    default:
      throw new RangeError(`A filter of kind ${filter.tag}`);
  }
}

export class Model {
  /** What was changed that is not the instance's own. */
  readonly trespasses: string[] = [];
  readonly #entries: Kept[] = [];
  #made = 0;

  constructor() {
    this.#put(BASE, {});
    this.#put(UNIT, { objectclass: ['organizationalUnit'] });
    this.#put(`OU=Other,${BASE}`, { objectclass: ['organizationalUnit'] });
    this.#put(ZONE, { objectclass: ['dnsZone'] });
    // Strangers: their stamps are almost ours, or ours in a place that is not.
    const strange = [
      ['ONE', UNIT, STAMP.toUpperCase()],
      ['TWO', UNIT, `${STAMP};x=y`],
      ['THREE', UNIT, formatStamp({ ...PLACE, deployment: 'green', instanceId: INSTANCE })],
      ['FOUR', UNIT, formatStamp({ ...PLACE, region: 'us-east-1', instanceId: INSTANCE })],
      ['FIVE', UNIT, formatStamp({ ...PLACE, accountId: '210987654321', instanceId: INSTANCE })],
      ['SIX', UNIT, formatStamp({ ...PLACE, instanceId: 'i-fedcba98765432100' })],
      ['SEVEN', UNIT, ''],
      ['EIGHT', `OU=Other,${BASE}`, STAMP],
    ] as const;
    for (const [name, parent, stamp] of strange) this.#computer(name, parent, stamp);
    // Forgeries: the stamp is ours to the letter, and the maker is not, or the class, or the place.
    this.#computer('NINE', UNIT, STAMP, { owner: STRANGER });
    this.#computer('TEN', UNIT, STAMP, { classes: ['msDS-GroupManagedServiceAccount'] });
    this.#computer('ELEVEN', `CN=SIX,${UNIT}`, STAMP);
    this.#put(`CN=svc,${BASE}`, {
      objectclass: ['top', 'person', 'organizationalPerson', 'user'],
      objectcategory: ['person'],
      samaccountname: ['svc'],
      objectsid: [sidBytes(SERVICE_ACCOUNT)],
    });
    // A computer whose maker gave it the service account's logon name.
    this.#computer('TWELVE', UNIT, '', { owner: STRANGER, logonName: 'svc' });
    for (const label of ['one', 'six', '@', 'dc1', '_ldap._tcp']) this.#node(label, SERVICE_ACCOUNT);
  }

  /** Puts our own account there, as after staging, and its DNS record. */
  own(): void {
    const objectSid = this.#computer(NAMES[0] ?? '', UNIT, STAMP);
    this.record(objectSid);
  }

  /** Puts an account there that we made, with our stamp and any name, and another one in the tree if need be. */
  stamped(accountName: string, treeName = accountName): void {
    this.#computer(accountName, UNIT, STAMP, { treeName });
  }

  /** Puts a DNS record of our first name there, with or without an account of that name. */
  record(owner: string): void {
    this.#node((NAMES[0] ?? '').toLowerCase(), owner);
  }

  /** Puts a stranger's account there that has our first name. */
  taken(): void {
    this.#computer(NAMES[0] ?? '', `OU=Other,${BASE}`, '', { owner: STRANGER });
  }

  /** The GUID and `pwdLastSet` of our account, should there be one. */
  get ours(): { readonly guid: Buffer; readonly passwordLastSet: bigint } | undefined {
    const found = this.#entries.find((kept) => this.#isOurs(kept));
    return (
      found && {
        guid: found.guid,
        passwordLastSet: BigInt(String(found.attributes.get('pwdlastset')?.[0] ?? 0)),
      }
    );
  }

  answer(request: Request, isSloppy: boolean): Answer {
    switch (request.op) {
      case Op.bind:
        return answerOf(0);
      case Op.search:
        return this.#search(request, isSloppy);
      case Op.add:
        return answerOf(this.#add(request));
      case Op.modify:
        return answerOf(this.#modify(request));
      case Op.remove:
        return answerOf(this.#remove(request));
      default:
        return answerOf(2);
    }
  }

  #put(dn: string, attributes: Readonly<Record<string, Values>>): Kept {
    this.#made += 1;
    const guid = Buffer.alloc(16, 0x5a);
    guid.writeUInt32BE(this.#made, 6);
    const kept = {
      dn,
      guid,
      attributes: new Map<string, Values>([
        ...Object.entries(attributes),
        ['distinguishedname', [dn]],
        ['objectguid', [guid]],
      ]),
    };
    this.#entries.push(kept);
    return kept;
  }

  /** @returns its security identifier */
  #computer(
    name: string,
    parent: string,
    stamp: string,
    {
      treeName = name,
      owner = SERVICE_ACCOUNT,
      classes = [],
      logonName,
    }: { treeName?: string; owner?: string; classes?: readonly string[]; logonName?: string } = {},
  ): string {
    const objectSid = `${DOMAIN_SID}-${2_000 + this.#made}`;
    this.#put(`CN=${treeName},${parent}`, {
      objectclass: ['top', 'person', 'organizationalPerson', 'user', 'computer', ...classes],
      objectcategory: ['computer'],
      cn: [treeName],
      objectsid: [sidBytes(objectSid)],
      ntsecuritydescriptor: [descriptorOf(owner)],
      samaccountname: [`${name}$`],
      useraccountcontrol: ['4096'],
      pwdlastset: ['133500000000000000'],
      whencreated: ['20260101000000.0Z'],
      dnshostname: [`${name.toLowerCase()}.${DOMAIN}`],
      ...(stamp === '' ? {} : { [STAMP_ATTRIBUTE.toLowerCase()]: [stamp] }),
      ...(logonName !== undefined && { userprincipalname: [logonName] }),
    });
    return objectSid;
  }

  #node(label: string, owner: string): void {
    this.#put(`DC=${label},${ZONE}`, {
      objectclass: ['top', 'dnsNode'],
      dc: [label],
      ntsecuritydescriptor: [descriptorOf(owner)],
    });
  }

  #isOurs(kept: Kept): boolean {
    const { dn, attributes } = kept;
    const [descriptor] = attributes.get('ntsecuritydescriptor') ?? [];
    return (
      low(parentOf(dn)) === low(UNIT) &&
      Buffer.isBuffer(descriptor) &&
      descriptor.equals(descriptorOf(SERVICE_ACCOUNT)) &&
      low(attributes.get('objectclass')?.at(-1) ?? '') === 'computer' &&
      String(attributes.get(STAMP_ATTRIBUTE.toLowerCase())?.[0]) === STAMP
    );
  }

  #isOurNode(kept: Kept): boolean {
    return NAMES.some((name) => low(kept.dn) === low(`DC=${name},${ZONE}`));
  }

  #named(dn: string): Kept | undefined {
    const hex = /^<GUID=([0-9a-f-]{36})>$/i.exec(dn)?.[1]?.replaceAll('-', '');
    if (hex === undefined) return this.#entries.find((kept) => low(kept.dn) === low(dn));
    const plain = Buffer.from(hex, 'hex');
    const wire = Buffer.from(
      [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map((index) => plain[index] ?? 0),
    );
    return this.#entries.find((kept) => kept.guid.equals(wire));
  }

  #search({ parts }: Request, isSloppy: boolean): Answer {
    const [base, scope, , , , , filter, wanted] = parts;
    if (text(base) === '') return { ...answerOf(0), entries: [root] };
    const from = this.#named(text(base));
    if (!from) return answerOf(32);
    const inScope = this.#entries.filter((kept) => {
      if (number(scope) === 0) return kept === from;
      return number(scope) === 1 ? low(parentOf(kept.dn)) === low(from.dn) : under(kept.dn, from.dn);
    });
    const found = inScope.filter((kept) => isSloppy || !filter || matches(kept, filter));
    const names = wanted ? all(wanted.content).map(text) : [];
    const entries = found.map((kept): Entry => ({
      dn: kept.dn,
      attributes: new Map(
        names.flatMap((name) => {
          const values = kept.attributes.get(name.toLowerCase());
          return values ? [[name, values] as const] : [];
        }),
      ),
    }));
    return { ...answerOf(0), entries, cookie: number(scope) === 0 ? undefined : '' };
  }

  #add({ parts }: Request): number {
    const [dn, list] = parts;
    const attributes = attributesOf(list);
    const parent = this.#named(parentOf(text(dn)));
    if (!parent) return 32;
    const name = String(attributes.get('samaccountname')?.[0] ?? '');
    const isTaken = this.#entries.some(
      (kept) =>
        low(kept.dn) === low(text(dn)) || low(kept.attributes.get('samaccountname')?.[0] ?? '') === low(name),
    );
    if (isTaken) return 68;
    const texts = [...attributes].map(([type, values]) => [type, values.map(String)] as const);
    const made = this.#put(text(dn), {
      ...Object.fromEntries(texts),
      // What a controller adds by itself.
      objectcategory: ['computer'],
      cn: [text(dn).slice(3, text(dn).indexOf(','))],
      objectsid: [sidBytes(`${DOMAIN_SID}-${2_000 + this.#made}`)],
      ntsecuritydescriptor: [descriptorOf(SERVICE_ACCOUNT)],
      pwdlastset: ['133600000000000000'],
      whencreated: ['20260101000000.0Z'],
    });
    if (!this.#isOurs(made) || !NAMES.includes(name.replace('$', '')))
      this.trespasses.push(`add ${text(dn)}`);
    return 0;
  }

  #modify({ parts }: Request): number {
    const found = this.#named(text(parts[0]));
    if (!found) return 32;
    if (!this.#isOurs(found) && !this.#isOurNode(found)) this.trespasses.push(`modify ${found.dn}`);
    const before = BigInt(String(found.attributes.get('pwdlastset')?.[0] ?? 0));
    found.attributes.set('pwdlastset', [String(before + 1n)]);
    return 0;
  }

  #remove({ bytes }: Request): number {
    // The name is the whole of the request: its tag is primitive.
    const found = this.#named(bytes.toString('utf8'));
    if (!found) return 32;
    if (!this.#isOurs(found) && !this.#isOurNode(found)) this.trespasses.push(`delete ${found.dn}`);
    this.#entries.splice(this.#entries.indexOf(found), 1);
    return 0;
  }
}

const root: Entry = {
  dn: '',
  attributes: new Map<string, Values>([
    ['dnsHostName', [`dc1.${DOMAIN}`]],
    ['defaultNamingContext', [BASE]],
    ['namingContexts', [BASE, `DC=DomainDnsZones,${BASE}`]],
    ['supportedCapabilities', ['1.2.840.113556.1.4.800']],
  ]),
};
