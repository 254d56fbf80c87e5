/** What the core may rely on from the directory: one suite for a real controller and for the directory in memory. */
import { expect, test } from '@jest/globals';
import { candidateNames } from '../../agent/directory/names.ts';
import { AdjoinError } from '../../agent/errors.ts';
import type { FoundAccount, StagingWrite } from '../../agent/terms.ts';
import type { DirectoryPorts } from './memory-directory.ts';

/** A directory whose names begin with A, then with B, and what a test does past the agent's back. */
export interface DirectorySubject {
  readonly ports: Omit<DirectoryPorts, 'domain'>;
  readonly domainName: string;
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /**
   * Makes an account of this name: for our unit, with our stamp and by our service account if an instance is given; otherwise a
   * stranger's.
   */
  plant(name: string, instanceId?: string): Promise<void>;
  /** Makes one in our unit, with our stamp, that our service account did not make. */
  plantForgery(name: string, instanceId: string): Promise<void>;
  /** What the computer does that has this account. */
  writeStamp(name: string, stampedFor: string | undefined): Promise<void>;
  /** Moves an account out of our unit, as an administrator does. */
  move(name: string): Promise<void>;
  /** Takes from our service account the right to delete an account; or from everybody, as the tick in the tools does. */
  guard(name: string, against: 'us' | 'everybody'): Promise<void>;
  /** Takes from our service account the right to remove DNS records, or gives it back. */
  denyRecords(denied: boolean): Promise<void>;
  /** DNS records that the account of this name has registered, or another account of the domain. */
  plantRecord(name: string, by?: string): Promise<void>;
  /** DNS records of an account of this name that is gone. @returns its security identifier */
  lostRecord(name: string): Promise<string>;
  hasAccount(name: string): Promise<boolean>;
  hasRecord(name: string): Promise<boolean>;
}

const { signal } = new AbortController();
const unchecked = async (): Promise<void> => undefined;
const stop = new AdjoinError('draining', 'The worker stops.');
const stops = (): Promise<void> => Promise.reject(stop);
const PASSWORD = 'One-time-password-1';

let instances = 0;
function newInstance(): { readonly instanceId: string; readonly names: readonly [string, string] } {
  instances += 1;
  const instanceId = `i-c0${instances.toString(16).padStart(15, '0')}`;
  const [first = '', second = ''] = candidateNames(instanceId, ['A', 'B']);
  return { instanceId, names: [first, second] };
}

const namesOf = (some: readonly FoundAccount[]): string[] => some.map(({ computerName }) => computerName);

/** Declares the suite's tests. */
export function directoryContract(subject: () => DirectorySubject): void {
  const stage = (instanceId: string, beforeWrite: (write: StagingWrite) => Promise<void> = unchecked) =>
    subject().ports.stage(instanceId, PASSWORD, {}, beforeWrite, signal);
  const remove = (
    instanceId: string,
    remembered: Partial<Parameters<DirectoryPorts['remove']>[1]> = {},
    beforeWrite: (account: FoundAccount) => Promise<void> = unchecked,
  ) => subject().ports.remove(instanceId, { names: [], ...remembered }, beforeWrite, signal);
  const recordOf = (name: string): string => `${name.toLowerCase()}.${subject().domainName}`;
  const stampedNames = async (instanceId: string): Promise<string[]> =>
    (await subject().ports.list(signal, (account) => account))
      .filter((account) => account.instanceId === instanceId)
      .map(({ computerName }) => computerName)
      .toSorted();

  test('staging makes an account under the first name of the instance, and says which before it does', async () => {
    const { instanceId, names } = newInstance();
    const told: StagingWrite[] = [];
    const staged = await stage(instanceId, async (write) => {
      expect(await subject().hasAccount(names[0])).toBe(false);
      told.push(write);
    });
    const { computerName, domainController } = staged;
    expect(computerName).toBe(names[0]);
    expect(told).toMatchObject([{ computerName, domainController }]);
    expect(await stampedNames(instanceId)).toEqual([computerName]);
    expect(await subject().ports.find(instanceId, signal)).toHaveLength(1);
    expect(await subject().ports.inspect(instanceId, staged, signal)).toEqual({
      passwordLastSet: staged.passwordLastSet,
      enabled: true,
      ours: true,
      isNameTaken: false,
    });
  });

  test('staging writes nothing when it may not', async () => {
    const { instanceId, names } = newInstance();
    await expect(stage(instanceId, stops)).rejects.toBe(stop);
    expect(await subject().hasAccount(names[0])).toBe(false);
    const first = await stage(instanceId);
    await expect(stage(instanceId, stops)).rejects.toBe(stop);
    expect(await subject().ports.inspect(instanceId, first, signal)).toMatchObject({
      passwordLastSet: first.passwordLastSet,
    });
  });

  test('staging again sets the password of the same account', async () => {
    const { instanceId } = newInstance();
    const first = await stage(instanceId);
    const second = await stage(instanceId);
    expect(second).toMatchObject({ objectGuid: first.objectGuid, computerName: first.computerName });
    expect(second.passwordLastSet).toBeGreaterThan(first.passwordLastSet);
    expect(await subject().ports.inspect(instanceId, first, signal)).toMatchObject({
      passwordLastSet: second.passwordLastSet,
    });
  });

  test('staging leaves an account of another name alone, even if it is stamped for the instance', async () => {
    const { instanceId, names } = newInstance();
    const foreign = `WEB${instances}`;
    await subject().plant(foreign, instanceId);
    expect((await stage(instanceId)).computerName).toBe(names[0]);
    expect(await stampedNames(instanceId)).toEqual([names[0], foreign]);
  });

  test('staging takes the next name when a stranger has the first, and fails when strangers have all', async () => {
    const { instanceId, names } = newInstance();
    await subject().plant(names[0]);
    const told: string[] = [];
    const staged = await stage(instanceId, async ({ computerName }) => void told.push(computerName));
    expect(staged.computerName).toBe(names[1]);
    expect(told.at(-1)).toBe(names[1]);
    const other = newInstance();
    for (const name of other.names) await subject().plant(name);
    await expect(stage(other.instanceId)).rejects.toMatchObject({ code: 'name-taken' });
    const listed = (await subject().ports.list(signal, (account) => account)).map(
      ({ computerName }) => computerName,
    );
    expect(listed).toContain(names[1]);
    for (const name of [names[0], ...other.names]) expect(listed).not.toContain(name);
  });

  test('an account is ours only for the instance in its stamp, and is not shown once it is gone', async () => {
    const { instanceId } = newInstance();
    const staged = await stage(instanceId);
    const other = newInstance();
    expect(await subject().ports.inspect(other.instanceId, staged, signal)).toMatchObject({ ours: false });
    await remove(instanceId);
    expect(await subject().ports.inspect(instanceId, staged, signal)).toBeUndefined();
    expect(await subject().ports.find(instanceId, signal)).toEqual([]);
  });

  test('removal takes every account of the instance and its DNS records, each told before it goes', async () => {
    const { instanceId, names } = newInstance();
    const foreign = `SRV${instances}`;
    const all = [names[0], foreign];
    await stage(instanceId);
    await subject().plant(foreign, instanceId);
    for (const name of all) await subject().plantRecord(name);
    const told: FoundAccount[] = [];
    const removed = await remove(instanceId, {}, async (account) => {
      const { computerName } = account;
      const isThere = (await subject().hasAccount(computerName)) || (await subject().hasRecord(computerName));
      expect(isThere).toBe(true);
      told.push(account);
    });
    expect(removed.accounts.toSorted()).toEqual(all);
    expect(removed.dnsRecords.toSorted()).toEqual(all.map(recordOf));
    expect(removed.othersRecords).toEqual([]);
    // The accounts first: each is disabled and then deleted. After them the records.
    expect(namesOf(told.slice(0, 4)).toSorted()).toEqual([names[0], names[0], foreign, foreign]);
    for (const { objectSid } of told.slice(0, 4)) expect(objectSid).toMatch(/^S-1-5-21-/);
    expect(namesOf(told.slice(4)).toSorted()).toEqual(all);
    for (const name of all) expect(await subject().hasRecord(name)).toBe(false);
    expect(await stampedNames(instanceId)).toEqual([]);
    expect(await remove(instanceId, { names })).toMatchObject({ accounts: [], dnsRecords: [] });
  });

  test('removal deletes nothing when it may not', async () => {
    const { instanceId, names } = newInstance();
    await stage(instanceId);
    await subject().plantRecord(names[0]);
    await expect(remove(instanceId, {}, stops)).rejects.toBe(stop);
    expect(await subject().hasAccount(names[0])).toBe(true);
    const upTo = (number: number): (() => Promise<void>) => {
      let told = 0;
      return async () => {
        told += 1;
        if (told === number) throw stop;
      };
    };
    await expect(remove(instanceId, {}, upTo(3))).rejects.toBe(stop);
    expect(await subject().hasAccount(names[0])).toBe(false);
    expect(await subject().hasRecord(names[0])).toBe(true);
  });

  test('removal spares the account to keep, with its DNS records', async () => {
    const { instanceId, names } = newInstance();
    const kept = await stage(instanceId);
    const twin = `TWIN${instances}`;
    await subject().plant(twin, instanceId);
    for (const name of [names[0], twin]) await subject().plantRecord(name);
    expect(await remove(instanceId, { keep: kept.objectGuid })).toMatchObject({
      accounts: [twin],
      dnsRecords: [recordOf(twin)],
    });
    expect(await stampedNames(instanceId)).toEqual([names[0]]);
    expect(await subject().hasRecord(names[0])).toBe(true);
  });

  test('an account is disabled before it is deleted, so that nothing usable is left in between', async () => {
    const { instanceId } = newInstance();
    const staged = await stage(instanceId);
    let told = 0;
    const second = async (): Promise<void> => {
      told += 1;
      if (told === 2) throw stop;
    };
    await expect(remove(instanceId, {}, second)).rejects.toBe(stop);
    expect(await subject().ports.inspect(instanceId, staged, signal)).toMatchObject({ enabled: false });
    expect((await remove(instanceId)).accounts).toEqual([staged.computerName]);
  });

  test('an account whose computer has deleted its stamp is listed, and removed, all the same', async () => {
    const { instanceId, names } = newInstance();
    await stage(instanceId);
    await subject().writeStamp(names[0], undefined);
    expect(await stampedNames(instanceId)).toEqual([names[0]]);
    expect((await remove(instanceId)).accounts).toEqual([names[0]]);
    expect(await subject().hasAccount(names[0])).toBe(false);
  });

  test('an account that was moved is found by the GUID in the ledger, and removed where it is', async () => {
    const { instanceId, names } = newInstance();
    const { objectGuid } = await stage(instanceId);
    await subject().plantRecord(names[0]);
    await subject().writeStamp(names[0], undefined);
    await subject().move(names[0]);
    expect(await stampedNames(instanceId)).toEqual([]);
    expect(await remove(instanceId, { objectGuid })).toMatchObject({
      accounts: [names[0]],
      dnsRecords: [recordOf(names[0])],
    });
    expect(await subject().hasAccount(names[0])).toBe(false);
  });

  test('an account that was moved is found by its security identifier in the ledger, or by its name and its maker', async () => {
    const known = newInstance();
    const { objectSid } = await stage(known.instanceId);
    const unknown = newInstance();
    await stage(unknown.instanceId);
    for (const name of [known.names[0], unknown.names[0]]) await subject().move(name);
    expect((await remove(known.instanceId, { objectSids: [objectSid] })).accounts).toEqual([known.names[0]]);
    expect((await remove(unknown.instanceId)).accounts).toEqual([unknown.names[0]]);
  });

  test('what was moved and carries nothing but our stamp stays', async () => {
    const { instanceId } = newInstance();
    const foreign = `OUT${instances}`;
    await subject().plant(foreign, instanceId);
    await subject().move(foreign);
    expect((await remove(instanceId)).accounts).toEqual([]);
    expect(await subject().hasAccount(foreign)).toBe(true);
  });

  test('an account that was moved to where it may not be deleted is a debt, with its place', async () => {
    const { instanceId, names } = newInstance();
    const { objectGuid } = await stage(instanceId);
    await subject().move(names[0]);
    await subject().guard(names[0], 'us');
    await expect(remove(instanceId, { objectGuid })).rejects.toMatchObject({
      code: 'account-out-of-reach',
      message: expect.stringContaining(`CN=${names[0]},OU=Elsewhere`),
    });
    expect(await subject().hasAccount(names[0])).toBe(true);
  });

  test('an account that is protected from deletion is a debt that says so', async () => {
    const { instanceId, names } = newInstance();
    await stage(instanceId);
    await subject().guard(names[0], 'everybody');
    await expect(remove(instanceId)).rejects.toMatchObject({
      code: 'account-protected',
      message: expect.stringContaining(`CN=${names[0]},OU=Fleet`),
    });
  });

  test('a record that may not be removed is a debt of its own, once the account is gone', async () => {
    const { instanceId, names } = newInstance();
    const { objectSid } = await stage(instanceId);
    await subject().plantRecord(names[0]);
    await subject().denyRecords(true);
    await expect(remove(instanceId)).rejects.toMatchObject({
      code: 'dns-record-denied',
      disposition: 'report',
      message: expect.stringContaining(recordOf(names[0])),
    });
    expect(await subject().hasAccount(names[0])).toBe(false);
    expect(await subject().hasRecord(names[0])).toBe(true);
    await subject().denyRecords(false);
    expect(await remove(instanceId, { objectSids: [objectSid] })).toMatchObject({
      accounts: [],
      dnsRecords: [recordOf(names[0])],
    });
  });

  test('an account that stays is told of before its record', async () => {
    const { instanceId, names } = newInstance();
    await stage(instanceId);
    await subject().plantRecord(names[0]);
    await subject().denyRecords(true);
    await subject().guard(names[0], 'us');
    await expect(remove(instanceId)).rejects.toMatchObject({ code: 'directory-denied' });
    await subject().denyRecords(false);
  });

  test('nothing is there only when the controller of the staging says so, for the day that the others may need', async () => {
    const { instanceId, names } = newInstance();
    const staged = await stage(instanceId);
    const { objectGuid } = staged;
    const elsewhere = { domainController: 'dc9.corp.example.test', objectGuid };
    const at = (hoursAgo: number) => ({
      ...elsewhere,
      staged: { computerName: names[0], at: subject().now() - hoursAgo * 3_600_000 },
    });
    // What another controller shows is removed there.
    expect((await remove(instanceId, at(1))).accounts).toEqual(names.slice(0, 1));
    await expect(remove(instanceId, at(1))).rejects.toMatchObject({ code: 'removal-unproven' });
    const { domainController } = staged;
    expect((await remove(instanceId, { ...at(1), domainController })).accounts).toEqual([]);
    expect((await remove(instanceId, at(25))).accounts).toEqual([]);
  });

  test('accounts are disabled and enabled again, wherever they are, and nothing is done twice', async () => {
    const { instanceId, names } = newInstance();
    const staged = await stage(instanceId);
    const { objectGuid, objectSid } = staged;
    const told: unknown[] = [];
    const tell = async (account: FoundAccount): Promise<void> => void told.push(account);
    const set = (enabled: boolean, before: typeof tell = unchecked, objectSids = [objectSid]) => {
      const what = enabled ? { enabled, objectSids } : { enabled };
      return subject().ports.setEnabled(instanceId, { objectGuid }, what, before, signal);
    };
    await expect(set(false, stops)).rejects.toBe(stop);
    for (const enabled of [false, true]) {
      expect(await set(enabled)).toEqual([names[0]]);
      expect(await set(enabled)).toEqual([]);
      expect(await subject().ports.inspect(instanceId, staged, signal)).toMatchObject({
        enabled,
        passwordLastSet: staged.passwordLastSet,
      });
    }
    await subject().move(names[0]);
    expect(await set(false, tell)).toEqual([names[0]]);
    expect(told).toEqual([{ computerName: names[0], objectSid }]);
    // What an administrator disabled stays as it is.
    expect(await set(true, stops, [`${objectSid}0`])).toEqual([]);
  });

  test('an account whose computer has stamped it for another instance stays that of its own', async () => {
    const { instanceId, names } = newInstance();
    const other = newInstance();
    await stage(instanceId);
    await stage(other.instanceId);
    await subject().writeStamp(names[0], other.instanceId);
    expect(await stampedNames(instanceId)).toEqual([names[0]]);
    expect(await stampedNames(other.instanceId)).toEqual([other.names[0]]);
    expect((await remove(instanceId)).accounts).toEqual([names[0]]);
    expect(await subject().hasAccount(other.names[0])).toBe(true);
  });

  test('what our service account did not make is never found, adopted or removed, whatever its name and stamp', async () => {
    const { instanceId, names } = newInstance();
    const portal = `PORTAL${instances}`;
    await subject().plantForgery(names[0], instanceId);
    await subject().plantForgery(portal, instanceId);
    for (const name of [names[0], portal]) await subject().plantRecord(name);
    expect(await subject().ports.find(instanceId, signal)).toEqual([]);
    expect(await stampedNames(instanceId)).toEqual([]);
    const staged = await stage(instanceId);
    expect(staged.computerName).toBe(names[1]);
    const remembered = { names: [names[0], portal], objectGuid: staged.objectGuid };
    expect(await remove(instanceId, remembered)).toMatchObject({ accounts: [names[1]], dnsRecords: [] });
    for (const name of [names[0], portal]) {
      expect(await subject().hasAccount(name)).toBe(true);
      expect(await subject().hasRecord(name)).toBe(true);
    }
  });

  test('DNS records of the name that another account has registered stay, and are named', async () => {
    const { instanceId, names } = newInstance();
    const other = newInstance();
    await stage(other.instanceId);
    await stage(instanceId);
    await subject().plantRecord(names[0], other.names[0]);
    expect(await remove(instanceId)).toMatchObject({
      accounts: [names[0]],
      dnsRecords: [],
      othersRecords: [recordOf(names[0])],
    });
    expect(await subject().hasRecord(names[0])).toBe(true);
  });

  test('a name that another account has registered in DNS is not given, and shows if it is registered later', async () => {
    const { instanceId, names } = newInstance();
    const other = newInstance();
    await stage(other.instanceId);
    await subject().plantRecord(names[0], other.names[0]);
    const staged = await stage(instanceId);
    expect(staged.computerName).toBe(names[1]);
    await subject().plantRecord(names[1], other.names[0]);
    expect(await subject().ports.inspect(instanceId, staged, signal)).toMatchObject({ isNameTaken: true });
  });

  test('a name that an earlier account of the same instance has registered is not taken', async () => {
    const { instanceId, names } = newInstance();
    const objectSids = [await subject().lostRecord(names[0])];
    const staged = await subject().ports.stage(instanceId, PASSWORD, { objectSids }, unchecked, signal);
    expect(staged.computerName).toBe(names[0]);
    expect(await subject().ports.inspect(instanceId, { ...staged, objectSids }, signal)).toMatchObject({
      isNameTaken: false,
    });
  });

  test('removal is refused, and deletes nothing, when the account to keep is not shown', async () => {
    const { instanceId, names } = newInstance();
    const { objectGuid } = await stage(newInstance().instanceId);
    await stage(instanceId);
    await subject().plantRecord(names[0]);
    const told: FoundAccount[] = [];
    const removal = remove(instanceId, { keep: objectGuid }, async (account) => void told.push(account));
    await expect(removal).rejects.toMatchObject({ code: 'directory-refused' });
    expect(told).toEqual([]);
    expect(await stampedNames(instanceId)).toEqual([names[0]]);
    expect(await subject().hasRecord(names[0])).toBe(true);
  });

  test('removal spares DNS records whose name an account still has', async () => {
    const { instanceId, names } = newInstance();
    await subject().plant(names[0]);
    await subject().plantRecord(names[0]);
    expect(await remove(instanceId, { names, foundNames: names })).toMatchObject({
      accounts: [],
      dnsRecords: [],
    });
    expect(await subject().hasAccount(names[0])).toBe(true);
    expect(await subject().hasRecord(names[0])).toBe(true);
  });

  test('removal believes a remembered name that the instance can have had, and any that was told before', async () => {
    const { instanceId } = newInstance();
    const [mine = ''] = candidateNames(instanceId, ['Z']);
    const [other = ''] = candidateNames(newInstance().instanceId, ['Z']);
    const host = `HOST${instances}`;
    const found = `FOUND${instances}`;
    const objectSids: string[] = [];
    for (const name of [mine, other, host, found]) objectSids.push(await subject().lostRecord(name));
    const remembered = { names: [mine, other, host], foundNames: [found], objectSids };
    expect((await remove(instanceId, { ...remembered, objectSids: [] })).dnsRecords).toEqual([]);
    const { dnsRecords } = await remove(instanceId, remembered);
    expect(dnsRecords.toSorted()).toEqual([found, mine].map(recordOf));
    for (const name of [other, host]) expect(await subject().hasRecord(name)).toBe(true);
  });

  test('a name is stray when an account that is gone has registered it, and no account has it', async () => {
    const { names } = newInstance();
    const other = newInstance();
    const squatter = newInstance();
    const objectSid = await subject().lostRecord(names[0]);
    await subject().plant(other.names[0]);
    await subject().plantRecord(other.names[0]);
    await stage(squatter.instanceId);
    await subject().plantRecord(names[1], squatter.names[0]);
    const asked = [...names, ...other.names].map((computerName) => ({
      computerName,
      objectSids: [objectSid],
    }));
    expect(await subject().ports.strays(asked, signal)).toEqual([names[0]]);
    const unknown = asked.map((computer) => ({ ...computer, objectSids: [] }));
    expect(await subject().ports.strays(unknown, signal)).toEqual([]);
  });
}
