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
import type { KnownAccounts, RememberedAccounts, StagedAccount } from '../../agent/terms.ts';

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
  /** Outside of our organizational unit. */
  moved: boolean;
  /** Nobody may delete it, or our service account may not. */
  guard: 'protected' | 'denied' | undefined;
  password: string;
  passwordLastSet: bigint;
  enabled: boolean;
}

export type DirectoryCall =
  | 'directory.stage'
  | 'directory.inspect'
  | 'directory.find'
  | 'directory.disable'
  | 'directory.enable'
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
  /** Whether our service account may not remove records. */
  areRecordsDenied: boolean;
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

const dnOf = ({ name, moved }: MemoryAccount): string =>
  `CN=${name},OU=${moved ? 'Elsewhere' : 'Fleet'},DC=corp,DC=example,DC=test`;

function refusalOf(account: MemoryAccount): AdjoinError {
  const denied = account.moved ? 'account-out-of-reach' : 'directory-denied';
  const code = account.guard === 'protected' ? 'account-protected' : denied;
  return new AdjoinError(code, `${dnOf(account)} is not deleted.`);
}

/** Of each name that was ever asked for: thousands of accounts are looked through again and again. */
const instances = new Map<string, string | undefined>();
function instanceNamedBy(name: string): string | undefined {
  if (!instances.has(name)) instances.set(name, instanceIdOf(name));
  return instances.get(name);
}

/** Accounts by their objectGUID, and by their names, which never change. */
class Accounts extends Map<string, MemoryAccount> {
  readonly #byName = new Map<string, MemoryAccount[]>();

  override set(objectGuid: string, account: MemoryAccount): this {
    this.#forget(objectGuid);
    const others = this.#byName.get(account.name);
    if (others) others.push(account);
    else this.#byName.set(account.name, [account]);
    return super.set(objectGuid, account);
  }

  override delete(objectGuid: string): boolean {
    this.#forget(objectGuid);
    return super.delete(objectGuid);
  }

  override clear(): void {
    this.#byName.clear();
    super.clear();
  }

  named(name: string): MemoryAccount | undefined {
    return this.#byName.get(name)?.[0];
  }

  #forget(objectGuid: string): void {
    const account = this.get(objectGuid);
    if (!account) return;
    const left = (this.#byName.get(account.name) ?? []).filter((each) => each !== account);
    if (left.length > 0) this.#byName.set(account.name, left);
    else this.#byName.delete(account.name);
  }
}

const DAY_MS = 24 * 3_600_000;

function mustBeProven(remembered: RememberedAccounts, found: readonly MemoryAccount[], now: number): void {
  const { domainController = CONTROLLER, objectGuid, staged } = remembered;
  if (domainController === CONTROLLER || !staged || now - staged.at > DAY_MS) return;
  const isShown =
    found.some(({ name }) => name === staged.computerName) &&
    (objectGuid === undefined || found.some((account) => account.objectGuid === objectGuid));
  if (isShown) return;
  throw new AdjoinError('removal-unproven', `${domainController} took the staging and does not answer.`);
}

function shown(account: MemoryAccount): StagedAccount {
  return {
    computerName: account.name,
    distinguishedName: dnOf(account),
    objectGuid: account.objectGuid,
    objectSid: sidOf(account.name),
    domainController: CONTROLLER,
    passwordLastSet: account.passwordLastSet,
  };
}

/** @param now milliseconds since the Unix epoch */
export function createMemoryDirectory(now: () => number): MemoryDirectory {
  const accounts = new Accounts();
  const records = new Set<string>();
  const squatted = new Set<string>();
  const proofs = new Map<string, string>();
  let made = 0;
  let ticks = 0n;

  /** Outside of our unit by what the ledger knows, or by name and maker; in it by the stamp as well. */
  const isOurs = (account: MemoryAccount, instanceId: string, known: KnownAccounts): boolean =>
    account.objectGuid === known.objectGuid ||
    known.objectSids?.includes(sidOf(account.name)) === true ||
    (instanceOf(account) === instanceId && (!account.moved || instanceNamedBy(account.name) === instanceId));

  const named = (name: string): MemoryAccount | undefined => accounts.named(name.toUpperCase());
  /** Its name says whose it is, for a computer can't change that; or else its stamp. */
  const instanceOf = ({ name, stamp, byOthers }: MemoryAccount): string | undefined =>
    byOthers ? undefined : (instanceNamedBy(name) ?? stamp);
  const stampedFor = (instanceId: string): MemoryAccount[] =>
    [...accounts.values()].filter((account) => !account.moved && instanceOf(account) === instanceId);
  /** Under one of the instance's own names: what others have stamped for it under another name, staging leaves alone. */
  const stagedFor = (instanceId: string): MemoryAccount | undefined =>
    candidateNames(instanceId, NAME_PREFIXES)
      .map(named)
      .find((account) => account && !account.moved && instanceOf(account) === instanceId);
  const freeNameFor = (instanceId: string): string | undefined =>
    candidateNames(instanceId, NAME_PREFIXES).find((name) => !named(name) && !squatted.has(name));

  const directory: MemoryDirectory = {
    accounts,
    records,
    squatted,
    proofs,
    areRecordsDenied: false,
    add(name, stamp, more = {}) {
      made += 1;
      ticks += 1n;
      const account = {
        objectGuid: `00000000-0000-0000-0000-${String(made).padStart(12, '0')}`,
        name: name.toUpperCase(),
        stamp,
        madeAt: now(),
        foreign: false,
        moved: false,
        guard: undefined,
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
          if (!account || account.moved) return undefined;
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
      locate(instanceId, known, signal) {
        const look = () =>
          [...accounts.values()]
            .filter((account) => isOurs(account, instanceId, known))
            .map((account) => ({ ...shown(account), isInUnit: !account.moved }));
        return ask('directory.find', instanceId, look, signal);
      },
      list: (signal, of) =>
        ask(
          'directory.list',
          '',
          () =>
            [...accounts.values()].flatMap((account) => {
              const { name, objectGuid, madeAt, moved } = account;
              const instanceId = moved ? undefined : instanceOf(account);
              const whenCreated = madeAt === undefined ? undefined : new Date(madeAt);
              return instanceId === undefined
                ? []
                : [
                    of({
                      computerName: name,
                      objectGuid,
                      whenCreated,
                      instanceId,
                    }),
                  ];
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
        const { names, foundNames = [], keep, objectSids = [] } = remembered;
        const look = (): MemoryAccount[] =>
          [...accounts.values()].filter((account) => isOurs(account, instanceId, remembered));
        const found = await ask('directory.find', instanceId, look, signal);
        if (keep !== undefined && !found.some(({ objectGuid }) => objectGuid === keep)) {
          throw new AdjoinError(
            'directory-refused',
            `${CONTROLLER} does not show the account that ${instanceId} joined as: nothing of it is deleted.`,
          );
        }
        const doomed = found.filter(({ objectGuid }) => objectGuid !== keep);
        const removed: string[] = [];
        let refusal: AdjoinError | undefined;
        for (const account of doomed) {
          const { name, objectGuid, enabled } = account;
          const told = { computerName: name, objectSid: sidOf(name) };
          if (enabled) {
            await beforeWrite(told);
            await ask('directory.disable', instanceId, () => (account.enabled = false), signal);
          }
          await beforeWrite(told);
          const drop = (): boolean => account.guard === undefined && accounts.delete(objectGuid);
          const gone = await ask('directory.remove', instanceId, drop, signal);
          if (gone) removed.push(name);
          else if (account.guard !== undefined) refusal ??= refusalOf(account);
        }
        const doomedNames = doomed.map(({ name }) => name);
        const possible = [
          ...candidateNames(instanceId, NAME_PREFIXES),
          ...names.filter((name) => instanceNamedBy(name) === instanceId),
          ...foundNames,
          ...doomedNames,
        ].map((name) => name.toUpperCase());
        const owners = new Set([...objectSids, ...doomedNames.map(sidOf)]);
        const free = await ask('directory.records', instanceId, () => directory.free(possible), signal);
        const dnsRecords: string[] = [];
        const denied: string[] = [];
        for (const name of free) {
          if (!owners.has(sidOf(name))) continue;
          await beforeWrite({ computerName: name });
          const drop = (): boolean => !directory.areRecordsDenied && records.delete(name);
          const gone = await ask('directory.unname', instanceId, drop, signal);
          if (directory.areRecordsDenied) denied.push(fqdnOf(name));
          else if (gone) dnsRecords.push(fqdnOf(name));
        }
        const others = [
          ...free.filter((name) => !owners.has(sidOf(name))),
          ...new Set(possible.filter((name) => squatted.has(name) && !named(name))),
        ];
        const othersRecords = others.map(fqdnOf);
        if (refusal) throw refusal;
        if (keep === undefined) mustBeProven(remembered, doomed, now());
        if (denied.length > 0) {
          throw new AdjoinError('dns-record-denied', `The DNS record of ${denied.join(', ')} stays.`);
        }
        return { accounts: removed, dnsRecords, othersRecords, domainController: CONTROLLER };
      },
      async setEnabled(instanceId, known, what, beforeWrite, signal) {
        const look = (): MemoryAccount[] =>
          [...accounts.values()].filter((account) => isOurs(account, instanceId, known));
        const changed: string[] = [];
        for (const account of await ask('directory.find', instanceId, look, signal)) {
          const objectSid = sidOf(account.name);
          if (account.enabled === what.enabled) continue;
          if (what.enabled && !what.objectSids.includes(objectSid)) continue;
          await beforeWrite({ computerName: account.name, objectSid });
          await ask('directory.enable', instanceId, () => (account.enabled = what.enabled), signal);
          changed.push(account.name);
        }
        return changed;
      },
      domain: (signal) => ask('directory.domain', '', () => DOMAIN, signal),
    }),
  };
  return directory;
}
