/** The DNS records that computers registered for themselves, where the zone is kept in the directory. */
import { AndFilter, DN, EqualityFilter, OrFilter, SubstringFilter } from 'ldapts';
import { AdjoinError } from '../errors.ts';
import type { FoundAccount } from '../terms.ts';
import type { Row } from './entries.ts';
import { isResult, LdapResult, Result, toAdjoinError } from './failures.ts';
import { hostLabel } from './names.ts';
import { ownerOfRow, ownerOnly, SECURITY_DESCRIPTOR } from './owner.ts';
import type { Session } from './sessions.ts';
import { tombstone } from './tombstone.ts';
import { guidToString } from './values.ts';
import { zones } from './zones.ts';

/** A host's label (RFC 1123, section 2.1). */
const HOST = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** A name in a zone, and who registered it. */
interface Node {
  readonly label: string;
  /** Security identifier; nothing when the service account may not see it. */
  readonly owner: string | undefined;
  /** Its records are gone: the name is kept so that other servers learn of it. */
  readonly isTombstone: boolean;
  /** One of its records. */
  readonly record: Buffer | undefined;
}

/**
 * What the zone has of this label. It is read by its distinguished name: the attribute `dc` has no index, and a search for it
 * looks at every name of the zone.
 */
async function nodeIn(
  session: Session,
  zone: string,
  label: string,
  signal: AbortSignal,
): Promise<Node | undefined> {
  const query = {
    base: dnOf(label, zone),
    scope: 'base',
    filter: new EqualityFilter({ attribute: 'objectClass', value: 'dnsNode' }),
    attributes: ['dc', 'dnsRecord', 'dNSTombstoned', SECURITY_DESCRIPTOR],
    binary: ['dnsRecord', SECURITY_DESCRIPTOR],
  } as const;
  try {
    const rows = await session.connection.search({ ...query, controls: [ownerOnly()] }, signal);
    // A name that was not asked for is not ours, whatever the answer holds.
    const row = rows.find((each) => each.text('dc')?.toLowerCase() === label);
    if (!row) return undefined;
    const isTombstone = row.text('dNSTombstoned') === 'TRUE';
    return { label, owner: ownerOfRow(row), isTombstone, record: row.bytes('dnsRecord') };
  } catch (error) {
    if (isResult(error, Result.noSuchObject)) return undefined;
    throw error;
  }
}

const dnOf = (label: string, zone: string): string => `${new DN({ DC: label }).toString()},${zone}`;

/** Those of the labels that the zone has, as names or as tombstones. */
async function nodesIn(
  session: Session,
  zone: string,
  labels: readonly string[],
  signal: AbortSignal,
): Promise<Node[]> {
  const found = await Promise.all(labels.map((label) => nodeIn(session, zone, label, signal)));
  return found.filter((node) => node !== undefined);
}

/**
 * A second object of a name: where a node registers on one controller, and on another one before they have replicated, the
 * directory keeps one object and renames the other. No server answers with it, and nothing else removes it.
 */
interface Conflict {
  readonly label: string;
  /** Its distinguished name by its GUID: its name has a line break. */
  readonly dn: string;
  readonly owner: string | undefined;
}

/** How the directory renames an object (MS-ADTS 3.1.1.5.1.6). */
const RENAMED = '\nCNF:';
/** So many names are asked for at once. */
const LABELS_A_SEARCH = 50;

/** The conflict objects of these labels. The attribute `name` has an index. */
async function conflictsIn(
  session: Session,
  zone: string,
  labels: readonly string[],
  signal: AbortSignal,
): Promise<Conflict[]> {
  const found: Conflict[] = [];
  for (let start = 0; start < labels.length; start += LABELS_A_SEARCH) {
    const some = labels.slice(start, start + LABELS_A_SEARCH);
    const named = some.map((label) => new SubstringFilter({ attribute: 'name', initial: label + RENAMED }));
    const query = {
      base: zone,
      scope: 'one',
      filter: new AndFilter({
        filters: [
          new EqualityFilter({ attribute: 'objectClass', value: 'dnsNode' }),
          new OrFilter({ filters: named }),
        ],
      }),
      attributes: ['name', 'objectGUID', 'dNSTombstoned', SECURITY_DESCRIPTOR],
      binary: ['objectGUID', SECURITY_DESCRIPTOR],
    } as const;
    let rows: readonly Row[];
    try {
      rows = await session.connection.search({ ...query, controls: [ownerOnly()] }, signal);
    } catch (error) {
      if (isResult(error, Result.noSuchObject)) return found;
      throw error;
    }
    for (const row of rows) {
      const [label = '', renamed] = row.text('name')?.toLowerCase().split(RENAMED.toLowerCase()) ?? [];
      const guid = row.bytes('objectGUID');
      // A name that was not asked for is not ours, whatever the answer holds.
      if (renamed === undefined || !some.includes(label) || guid?.length !== 16) continue;
      if (row.text('dNSTombstoned') === 'TRUE') continue;
      found.push({ label, dn: `<GUID=${guidToString(guid)}>`, owner: ownerOfRow(row) });
    }
  }
  return found;
}

/** An account may have a name that no host has, such as `@` or `*`: those records are the zone's own. */
const labelsOf = (computerNames: readonly string[]): string[] =>
  computerNames.map(hostLabel).filter((label) => HOST.test(label));

/** Whether one of these accounts registered the name: the creator of a record is its owner. */
const isTheirs = ({ owner }: Pick<Node, 'owner'>, objectSids: readonly string[]): boolean =>
  owner !== undefined && objectSids.includes(owner);

/**
 * The security identifier of the account that registered a label in one of the domain's zones; nothing when none has it.
 * @throws LdapResult, ControllerFailure
 */
export async function registrarOf(
  session: Session,
  label: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (const zone of zones(session)) {
    const node = await nodeIn(session, zone, label, signal);
    if (node?.owner !== undefined) return node.owner;
  }
  return undefined;
}

/** A computer, and the security identifiers of the accounts that had its name. */
export interface NamedAccounts {
  readonly computerName: string;
  readonly objectSids: readonly string[];
}

/**
 * Those of the computers that have records of their own in any zone: such as one of their accounts registered.
 * @throws LdapResult, ControllerFailure
 */
export async function namesWithRecords(
  session: Session,
  computers: readonly NamedAccounts[],
  signal: AbortSignal,
): Promise<string[]> {
  const byLabel = new Map(
    computers.map(({ computerName, objectSids }) => [hostLabel(computerName), { computerName, objectSids }]),
  );
  const labels = labelsOf(computers.map(({ computerName }) => computerName));
  if (labels.length === 0) return [];
  const found = new Set<string>();
  for (const zone of zones(session)) {
    for (const node of await nodesIn(session, zone, labels, signal)) {
      if (!node.isTombstone && isTheirs(node, byLabel.get(node.label)?.objectSids ?? []))
        found.add(node.label);
    }
    for (const conflict of await conflictsIn(session, zone, labels, signal)) {
      if (isTheirs(conflict, byLabel.get(conflict.label)?.objectSids ?? [])) found.add(conflict.label);
    }
  }
  return [...byLabel].flatMap(([label, { computerName }]) => (found.has(label) ? [computerName] : []));
}

/**
 * The security identifiers of a domain's own users and computers end in a number from here on; those of its administrators,
 * and of the system, do not (MS-DTYP 2.4.2.4).
 */
const FIRST_ACCOUNT = 1_000;

/**
 * Those of the names that an account of the domain which is none of these has registered in DNS: it lies in wait for them.
 * @param where the zones that are looked into
 * @throws LdapResult, ControllerFailure
 */
export async function namesTaken(
  session: Session,
  computerNames: readonly string[],
  objectSids: readonly string[],
  signal: AbortSignal,
  where: readonly string[] = zones(session),
): Promise<string[]> {
  const labels = labelsOf(computerNames);
  if (labels.length === 0) return [];
  const taken = new Set<string>();
  const nodes = await Promise.all(where.map((zone) => nodesIn(session, zone, labels, signal)));
  for (const node of nodes.flat()) {
    const number = Number(/^S-1-5-21-.*-(\d+)$/.exec(node.owner ?? '')?.[1] ?? 0);
    const isOurs = isTheirs(node, [...objectSids, session.serviceAccount]);
    if (number >= FIRST_ACCOUNT && !isOurs) taken.add(node.label);
  }
  return computerNames.filter((name) => taken.has(hostLabel(name)));
}

/**
 * Deletes the tombstones of a name that earlier accounts of the same instance own: the servers would let nobody else register
 * the name, and the instance's next account is somebody else to them.
 * @param beforeDelete called, and waited for, right before each delete
 * @returns whether the name can be registered as far as tombstones go
 * @throws LdapResult, ControllerFailure, and what `beforeDelete` does
 */
export async function clearTombstones(
  session: Session,
  computerName: string,
  objectSids: readonly string[],
  beforeDelete: () => Promise<void>,
  signal: AbortSignal,
): Promise<boolean> {
  // Without an earlier account there is no tombstone of ours, as for nearly every launch.
  const labels = objectSids.length === 0 ? [] : labelsOf([computerName]);
  for (const zone of labels.length === 0 ? [] : zones(session)) {
    for (const node of await nodesIn(session, zone, labels, signal)) {
      if (!node.isTombstone || !isTheirs(node, objectSids)) continue;
      try {
        await session.connection.remove(dnOf(node.label, zone), { signal, before: beforeDelete });
      } catch (error) {
        if (isResult(error, Result.insufficientAccess)) return false;
        if (!isResult(error, Result.noSuchObject)) throw error;
      }
    }
  }
  return true;
}

/** Fully qualified names. */
interface RecordRemoval {
  readonly removed: readonly string[];
  /** Others own these. */
  readonly left: readonly string[];
  /** Why the first one that stays was not removed; the others went on. */
  readonly refusal: unknown;
}

function refusalOf(name: string, refusal: LdapResult): unknown {
  if (refusal.result !== Result.insufficientAccess) return toAdjoinError(refusal);
  return new AdjoinError('dns-record-denied', `The DNS record of ${name} stays (${refusal.message}).`);
}

/**
 * Removes all records (of the `dnsNode`, so addresses of both families) of these computers that one of these accounts owns: a
 * tombstone takes their place. Conflict objects of these names are deleted.
 * @param beforeWrite called, and waited for, right before each write
 * @param now milliseconds since the Unix epoch
 * @throws ControllerFailure, and what `beforeWrite` does
 */
export async function removeRecords(
  session: Session,
  computerNames: readonly string[],
  objectSids: readonly string[],
  beforeWrite: (account: FoundAccount) => Promise<void>,
  now: number,
  signal: AbortSignal,
): Promise<RecordRemoval> {
  const labels = labelsOf(computerNames);
  const removed = new Set<string>();
  const left = new Set<string>();
  let refusal: unknown;
  for (const zone of labels.length === 0 ? [] : zones(session)) {
    for (const node of await nodesIn(session, zone, labels, signal)) {
      if (node.isTombstone) continue;
      const name = `${node.label}.${session.domain}`;
      if (!isTheirs(node, objectSids)) {
        left.add(name);
        continue;
      }
      const before = (): Promise<void> => beforeWrite({ computerName: node.label.toUpperCase() });
      try {
        const dn = dnOf(node.label, zone);
        await session.connection.replace(dn, tombstone(node.record, now), { signal, before });
        removed.add(name);
      } catch (error) {
        if (!(error instanceof LdapResult)) throw error;
        if (error.result !== Result.noSuchObject) refusal ??= refusalOf(name, error);
      }
    }
    for (const { label, dn, owner } of await conflictsIn(session, zone, labels, signal)) {
      if (!isTheirs({ owner }, objectSids)) continue;
      const name = `${label}.${session.domain}`;
      const before = (): Promise<void> => beforeWrite({ computerName: label.toUpperCase() });
      try {
        await session.connection.remove(dn, { signal, before });
        removed.add(name);
      } catch (error) {
        if (!(error instanceof LdapResult)) throw error;
        if (error.result !== Result.noSuchObject) refusal ??= refusalOf(name, error);
      }
    }
  }
  return { removed: [...removed], left: [...left], refusal };
}
