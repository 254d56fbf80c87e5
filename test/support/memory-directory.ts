/**
 * The directory in memory: computer accounts with stamps, and DNS records, as one domain controller shows them. It follows
 * agent/directory in what it looks for, tells, writes and spares. One contract suite runs over both, there against a real
 * controller (test/support/directory-contract.ts).
 *
 * Each look and each write goes through `ask`, where a test puts a wire, a fault or a pause.
 */
import { candidateNames, instanceIdOf } from '../../agent/directory/names.ts';
import { AdjoinError } from '../../agent/errors.ts';
import type { DirectoryPort } from '../../agent/lifecycle/work.ts';
import type { SweepPorts } from '../../agent/sweep/ports.ts';
import type { StagedAccount } from '../../agent/terms.ts';

export const DOMAIN = 'corp.example.test';
export const CONTROLLER = `dc1.${DOMAIN}`;
const NAME_PREFIXES = ['A', 'B'];

/** The security identifier of the account with this name, and of the owner of the records that it registers. */
export const sidOf = (name: string): string => `S-1-5-21-${name.toUpperCase()}`;

export interface MemoryAccount {
  readonly objectGuid: string;
  readonly name: string;
  /** The instance in our stamp; an account of others carries none. A computer may change or delete its own. */
  stamp: string | undefined;
  /** Our service account did not make it, whatever its name and stamp say. */
  readonly byOthers: boolean;
  /** Milliseconds since the Unix epoch; undefined when the controller does not show it. */
  readonly madeAt: number | undefined;
  /** Made by our service account in others' hands, and stamped for us: it may have any name. */
  readonly foreign: boolean;
  password: string;
  passwordLastSet: bigint;
  enabled: boolean;
}

export type DirectoryCall =
  | 'directory.stage'
  | 'directory.inspect'
  | 'directory.find'
  | 'directory.disable'
  | 'directory.remove'
  | 'directory.records'
  | 'directory.unname'
  | 'directory.domain'
  | 'directory.prove'
  | 'directory.list'
  | 'directory.strays';

/** Carries a call out, now, later or never. `subject` is the instance that it is about, if there is one. */
export type Ask = <T>(
  call: DirectoryCall,
  subject: string,
  carryOut: () => T,
  signal: AbortSignal | undefined,
) => Promise<T>;

export type DirectoryPorts = DirectoryPort & SweepPorts['directory'];

export interface MemoryDirectory {
  /** By their objectGUID. A test may look at them and change them. */
  readonly accounts: Map<string, MemoryAccount>;
  /** Names, in capitals, of computers that have records in DNS, each registered by the account of that name. */
  readonly records: Set<string>;
  /** Names, in capitals, that other accounts of the domain have registered in DNS. */
  readonly squatted: Set<string>;
  /** Names that nodes were told to register, each with the account that did. */
  readonly proofs: Map<string, string>;
  add(
    name: string,
    stamp: string | undefined,
    more?: Partial<Pick<MemoryAccount, 'password' | 'foreign' | 'byOthers' | 'madeAt'>>,
  ): MemoryAccount;
  readonly named: (name: string) => MemoryAccount | undefined;
  /** The accounts of an instance that are ours, as the directory's own look finds them. */
  readonly stampedFor: (instanceId: string) => MemoryAccount[];
  /** Sets the password of an account, as staging or a join does. */
  setPassword(account: MemoryAccount, password: string): void;
  /** Which of these names, in capitals, have records that belong to no account. */
  free(names: readonly string[]): string[];
  ports(ask: Ask): DirectoryPorts;
}

const fqdnOf = (name: string): string => `${name.toLowerCase()}.${DOMAIN}`;

function shown(account: MemoryAccount): StagedAccount {
  return {
    computerName: account.name,
    distinguishedName: `CN=${account.name},OU=Fleet,DC=corp,DC=example,DC=test`,
    objectGuid: account.objectGuid,
    objectSid: sidOf(account.name),
    domainController: CONTROLLER,
    passwordLastSet: account.passwordLastSet,
  };
}

/** @param now milliseconds since the Unix epoch */
export function createMemoryDirectory(now: () => number): MemoryDirectory {
  const accounts = new Map<string, MemoryAccount>();
  const records = new Set<string>();
  const squatted = new Set<string>();
  const proofs = new Map<string, string>();
  let made = 0;
  let ticks = 0n;

  const named = (name: string): MemoryAccount | undefined =>
    [...accounts.values()].find((account) => account.name === name.toUpperCase());
  /** Its name says whose it is, for a computer can't change that; or else its stamp. */
  const instanceOf = ({ name, stamp, byOthers }: MemoryAccount): string | undefined =>
    byOthers ? undefined : (instanceIdOf(name) ?? stamp);
  const stampedFor = (instanceId: string): MemoryAccount[] =>
    [...accounts.values()].filter((account) => instanceOf(account) === instanceId);
  /** Under one of the instance's own names: what others have stamped for it under another name, staging leaves alone. */
  const stagedFor = (instanceId: string): MemoryAccount | undefined =>
    stampedFor(instanceId).find(({ name }) => instanceIdOf(name) === instanceId);
  const freeNameFor = (instanceId: string): string | undefined =>
    candidateNames(instanceId, NAME_PREFIXES).find((name) => !named(name) && !squatted.has(name));

  const directory: MemoryDirectory = {
    accounts,
    records,
    squatted,
    proofs,
    add(name, stamp, more = {}) {
      made += 1;
      ticks += 1n;
      const account = {
        objectGuid: `00000000-0000-0000-0000-${String(made).padStart(12, '0')}`,
        name: name.toUpperCase(),
        stamp,
        madeAt: now(),
        foreign: false,
        byOthers: stamp === undefined,
        password: '',
        passwordLastSet: ticks,
        enabled: true,
        ...more,
      };
      accounts.set(account.objectGuid, account);
      return account;
    },
    named,
    stampedFor,
    setPassword(account, password) {
      ticks += 1n;
      account.password = password;
      account.passwordLastSet = ticks;
    },
    free: (names) => [...new Set(names)].filter((name) => records.has(name) && !named(name)),
    ports: (ask) => ({
      async stage(instanceId, oneTimePassword, _earlier, beforeWrite, signal) {
        const [first = '', ...others] = candidateNames(instanceId, NAME_PREFIXES);
        // Where each name is taken, the last one was tried, too.
        const computerName = stagedFor(instanceId)?.name ?? freeNameFor(instanceId) ?? others.at(-1) ?? first;
        await beforeWrite({ computerName, domainController: CONTROLLER });
        const write = (): StagedAccount => {
          const ours = stagedFor(instanceId);
          if (ours) {
            directory.setPassword(ours, oneTimePassword);
            ours.enabled = true;
            return shown(ours);
          }
          const name = freeNameFor(instanceId);
          if (name !== undefined)
            return shown(directory.add(name, instanceId, { password: oneTimePassword }));
          throw new AdjoinError(
            'name-taken',
            `Accounts that are not ours hold every name for ${instanceId}.`,
          );
        };
        return ask('directory.stage', instanceId, write, signal);
      },
      inspect(instanceId, { objectGuid }, signal) {
        const look = (): Awaited<ReturnType<DirectoryPort['inspect']>> => {
          const account = accounts.get(objectGuid);
          if (!account) return undefined;
          const { passwordLastSet, enabled, stamp, name } = account;
          return { passwordLastSet, enabled, ours: stamp === instanceId, isNameTaken: squatted.has(name) };
        };
        return ask('directory.inspect', instanceId, look, signal);
      },
      prove(instanceId, { label, computerName }, signal) {
        const look = (): Awaited<ReturnType<DirectoryPort['prove']>> => {
          const account = named(proofs.get(label) ?? '');
          if (!account) return undefined;
          if (account.name !== computerName.toUpperCase() || (account.stamp ?? instanceId) !== instanceId) {
            throw new AdjoinError('account-unmatched', `${instanceId}: it has the key of ${account.name}.`);
          }
          return { ...shown(account), hostNames: [account.name, label.toUpperCase()] };
        };
        return ask('directory.prove', instanceId, look, signal);
      },
      find: (instanceId, signal) =>
        ask('directory.find', instanceId, () => stampedFor(instanceId).map(shown), signal),
      list: (signal) =>
        ask(
          'directory.list',
          '',
          () =>
            [...accounts.values()].flatMap((account) => {
              const { name, objectGuid, madeAt } = account;
              const instanceId = instanceOf(account);
              const whenCreated = madeAt === undefined ? undefined : new Date(madeAt);
              return instanceId === undefined
                ? []
                : [{ computerName: name, objectGuid, whenCreated, instanceId }];
            }),
          signal,
        ),
      strays(computers, signal) {
        const own = computers.filter(({ computerName, objectSids }) =>
          objectSids.includes(sidOf(computerName)),
        );
        const names = own.map(({ computerName }) => computerName);
        return ask('directory.strays', '', () => directory.free(names), signal);
      },
      async remove(instanceId, remembered, beforeWrite, signal) {
        const { names, foundNames = [], keep, objectGuid: known, objectSids = [] } = remembered;
        const look = (): MemoryAccount[] => {
          const own = stampedFor(instanceId);
          const staged = known === undefined ? undefined : accounts.get(known);
          return staged && !own.includes(staged) ? [...own, staged] : own;
        };
        const found = await ask('directory.find', instanceId, look, signal);
        if (keep !== undefined && !found.some(({ objectGuid }) => objectGuid === keep)) {
          throw new AdjoinError(
            'directory-refused',
            `${CONTROLLER} does not show the account that ${instanceId} joined as: nothing of it is deleted.`,
          );
        }
        const doomed = found.filter(({ objectGuid }) => objectGuid !== keep);
        const removed: string[] = [];
        for (const account of doomed) {
          const { name, objectGuid, enabled } = account;
          const told = { computerName: name, objectSid: sidOf(name) };
          if (enabled) {
            await beforeWrite(told);
            await ask('directory.disable', instanceId, () => (account.enabled = false), signal);
          }
          await beforeWrite(told);
          const gone = await ask('directory.remove', instanceId, () => accounts.delete(objectGuid), signal);
          if (gone) removed.push(name);
        }
        const doomedNames = doomed.map(({ name }) => name);
        const possible = [
          ...candidateNames(instanceId, NAME_PREFIXES),
          ...names.filter((name) => instanceIdOf(name) === instanceId),
          ...foundNames,
          ...doomedNames,
        ].map((name) => name.toUpperCase());
        const owners = new Set([...objectSids, ...doomedNames.map(sidOf)]);
        const free = await ask('directory.records', instanceId, () => directory.free(possible), signal);
        const dnsRecords: string[] = [];
        for (const name of free) {
          if (!owners.has(sidOf(name))) continue;
          await beforeWrite({ computerName: name });
          const gone = await ask('directory.unname', instanceId, () => records.delete(name), signal);
          if (gone) dnsRecords.push(fqdnOf(name));
        }
        const others = [
          ...free.filter((name) => !owners.has(sidOf(name))),
          ...new Set(possible.filter((name) => squatted.has(name) && !named(name))),
        ];
        const othersRecords = others.map(fqdnOf);
        return { accounts: removed, dnsRecords, othersRecords, domainController: CONTROLLER };
      },
      domain: (signal) => ask('directory.domain', '', () => DOMAIN, signal),
    }),
  };
  return directory;
}
