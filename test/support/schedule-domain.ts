/** The directory and the machines in simulated time. Whether a machine is a member is a fact here: one password in two places. */
import type { JoinEntry, JoinFacts, LeaveFacts, ProbeFacts } from '../../agent/nodes/contract.ts';
import {
  createMemoryDirectory,
  DOMAIN,
  type Ask,
  type DirectoryPorts,
  type MemoryAccount,
} from './memory-directory.ts';
import type { Nodes } from './schedule-cloud.ts';
import type { Kernel } from './schedule-kernel.ts';
import { honestProbe } from './node-facts.ts';

interface Node {
  up: boolean;
  /** Goes up with each boot: what was sent to an earlier one does not reach a later. */
  boots: number;
  domain: string;
  computerName: string;
  password: string;
  key: string;
  /** Until when sssd does not work, milliseconds since the Unix epoch. */
  brokenUntil: number;
  /** When it last said that it resolves users, milliseconds since the Unix epoch: an honest node does so only while it can. */
  resolvedAt: number;
}

export interface Domain {
  readonly accounts: ReadonlyMap<string, MemoryAccount>;
  readonly nodes: ReadonlyMap<string, Node>;
  /** Names of computers that have records in DNS. */
  readonly records: ReadonlySet<string>;
  /** What the world does to them. */
  readonly mood: { lies: number; failures: number; cuts: number; leavesHang: boolean };
  readonly booting: Nodes;
  addStranger(name: string): void;
  /**
   * Two accounts under names that we would never give, with the instance's stamp: one that our service account owns, and so is
   * ours to remove; and a forgery, which stays.
   */
  addForeign(instanceId: string): void;
  disable(instanceId: string): void;
  delete(instanceId: string): void;
  /** Moves the accounts of an instance out of our unit, without their stamps. @returns them */
  move(instanceId: string): readonly MemoryAccount[];
  /** Deletes the stamps of an instance's accounts. */
  unstamp(instanceId: string): void;
  /** No user of the domain is known on the node for so long. */
  breakUsers(instanceId: string, ms: number): void;
  /** Takes the right to delete these accounts from our service account. @returns what gives it back */
  guard(some: readonly MemoryAccount[]): () => void;
  /** Takes the right to remove DNS records. @returns what gives it back */
  denyRecords(): () => void;
  away(instanceId: string, ms: number): void;

  /** A computer registers itself in DNS. */
  register(name: string): void;
  /** Which of these names have records that belong to no account. */
  free(names: readonly string[]): string[];
  /** As the agent reaches the directory. */
  ports(ask: Ask): DirectoryPorts;
  /** Deletes whatever has this name. A defect for the tests of the test: nothing of ours does so. */
  removeByName(name: string): string[];
  isUp(instanceId: string): boolean;
  probe(instanceId: string): ProbeFacts;
  join(entry: JoinEntry): JoinFacts;
  leave(instanceId: string, notAfter: number): LeaveFacts;
}

export function nameOf(instanceId: string, letter: string): string {
  return `${letter}0000000000000${instanceId.slice(-1)}`;
}

export const seal = (key: string, password: string): string => `${key}|${password}`;

/** Whether the machine of an instance and its account know the same password. */
export function isMember(domain: Domain, instanceId: string): boolean {
  const node = domain.nodes.get(instanceId);
  return [...domain.accounts.values()].some(
    (account) =>
      account.stamp === instanceId &&
      account.enabled &&
      node?.computerName === account.name &&
      node.password === account.password,
  );
}

export function createDomain(kernel: Kernel): Domain {
  const directory = createMemoryDirectory(() => kernel.now());
  const { accounts, records, named, stampedFor } = directory;
  const nodes = new Map<string, Node>();
  const mood = { lies: 0, failures: 0, cuts: 0, leavesHang: false };
  let made = 0;

  function fresh(what: string): string {
    made += 1;
    return `${what}-${made}`;
  }

  function nodeOf(instanceId: string): Node {
    const node = nodes.get(instanceId);
    if (!node) throw new RangeError(`There is no node ${instanceId}.`);
    return node;
  }

  function drop(found: readonly MemoryAccount[]): string[] {
    for (const account of found) accounts.delete(account.objectGuid);
    return found.map((account) => account.name);
  }

  return {
    accounts,
    nodes,
    records,
    mood,
    booting: {
      boot(instanceId, afterMs, disk) {
        const blank: Node = {
          up: false,
          boots: 0,
          domain: '',
          computerName: '',
          password: '',
          key: '',
          brokenUntil: 0,
          resolvedAt: 0,
        };
        const earlier = nodes.get(instanceId);
        const node = disk === 'same' && earlier ? { ...earlier, up: false, key: '' } : blank;
        node.boots = (earlier?.boots ?? 0) + 1;
        nodes.set(instanceId, node);
        kernel.after(afterMs, () => {
          if (nodes.get(instanceId) === node) node.up = true;
        });
      },
      down(instanceId) {
        const node = nodes.get(instanceId);
        if (!node) return;
        nodes.set(instanceId, { ...node, up: false, key: '', boots: node.boots + 1 });
      },
    },
    addStranger(name) {
      directory.add(name, undefined, { password: fresh('a stranger’s password'), foreign: true });
      records.add(name);
    },
    addForeign(instanceId) {
      const name = nameOf(instanceId, 'WEB-');
      if (named(name) || !nodes.has(instanceId)) return;
      directory.add(name, instanceId, { password: fresh('somebody’s password'), foreign: true });
      records.add(name);
      const forged = nameOf(instanceId, 'FORGED-');
      if (named(forged)) return;
      directory.add(forged, instanceId, { password: fresh('a forger’s password'), byOthers: true });
      records.add(forged);
    },
    disable(instanceId) {
      for (const account of stampedFor(instanceId)) account.enabled = false;
    },
    delete(instanceId) {
      // What a person has made, a person takes away with all that belongs to it.
      for (const account of stampedFor(instanceId)) if (account.foreign) records.delete(account.name);
      drop(stampedFor(instanceId));
    },
    move(instanceId) {
      const found = stampedFor(instanceId).filter((account) => !account.foreign);
      for (const account of found) Object.assign(account, { moved: true, stamp: undefined });
      return found;
    },
    unstamp(instanceId) {
      for (const account of stampedFor(instanceId)) if (!account.foreign) account.stamp = undefined;
    },
    breakUsers(instanceId, ms) {
      const node = nodes.get(instanceId);
      if (node) node.brokenUntil = kernel.now() + ms;
    },
    guard(some) {
      for (const account of some) account.guard = 'denied';
      return () => {
        for (const account of some) account.guard = undefined;
      };
    },
    denyRecords() {
      directory.areRecordsDenied = true;
      return () => {
        directory.areRecordsDenied = false;
      };
    },
    away(instanceId, ms) {
      const node = nodes.get(instanceId);
      if (!node?.up) return;
      node.up = false;
      kernel.after(ms, () => {
        if (nodes.get(instanceId) === node) node.up = true;
      });
    },

    free: (names) => directory.free(names),
    ports: (ask) => directory.ports(ask),
    register: (name) => void records.add(name),
    removeByName(name) {
      const account = named(name);
      return drop(account ? [account] : []);
    },
    isUp: (instanceId) => nodes.get(instanceId)?.up ?? false,
    probe(instanceId) {
      const node = nodeOf(instanceId);
      node.key = fresh('key');
      const { domain, computerName, key } = node;
      return { ...honestProbe, domain, computerName, key };
    },
    join({ instanceId, computerName, sealed }) {
      const node = nodeOf(instanceId);
      const told = {
        adjoin: 1,
        document: 'join',
        domain: DOMAIN,
        computerName,
        code: '',
        detail: '',
      } as const;
      if (mood.lies > 0) {
        mood.lies -= 1;
        node.resolvedAt = kernel.now();
        return { ...told, result: 'joined' };
      }
      const account = named(computerName);
      const isJoined =
        account !== undefined && node.computerName === computerName && node.password === account.password;
      if (!isJoined) {
        if (mood.failures > 0) {
          mood.failures -= 1;
          return { ...told, result: 'failed', code: 'adcli-failed', detail: 'no' };
        }
        const [key, password] = sealed.split('|');
        if (node.key === '' || key !== node.key) return { ...told, result: 'failed', code: 'unseal-failed' };
        node.key = '';
        if (!account || account.password !== password)
          return { ...told, result: 'failed', code: 'adcli-failed' };
        directory.setPassword(account, fresh('the machine’s own password'));
        // Its name and not the equal part of the parameter, which would keep the whole text of fifty entries.
        Object.assign(node, { domain: DOMAIN, computerName: account.name, password: account.password });
        if (mood.cuts > 0) {
          mood.cuts -= 1;
          return { ...told, result: 'failed', code: 'killed' };
        }
      }
      if (kernel.now() < node.brokenUntil) return { ...told, result: 'failed', code: 'not-usable' };
      node.resolvedAt = kernel.now();
      records.add(node.computerName);
      return { ...told, result: isJoined ? 'already' : 'joined' };
    },
    leave(instanceId, notAfter) {
      if (kernel.now() >= notAfter) return { adjoin: 1, document: 'leave', result: 'late', detail: '' };
      const node = nodeOf(instanceId);
      const result = node.domain === '' ? 'not-joined' : 'left';
      Object.assign(node, { domain: '', computerName: '', password: '' });
      return { adjoin: 1, document: 'leave', result, detail: '' };
    },
  };
}
