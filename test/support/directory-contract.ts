/** What the core may rely on from the directory: one suite for a real controller and for the directory in memory. */
import { expect, test } from '@jest/globals';
import { candidateNames } from '../../agent/directory/names.ts';
import { AdjoinError } from '../../agent/errors.ts';
import type { StagingWrite } from '../../agent/terms.ts';
import type { DirectoryPorts } from './memory-directory.ts';

/** A directory whose names begin with A, then with B, and what a test does past the agent's back. */
export interface DirectorySubject {
  readonly ports: Omit<DirectoryPorts, 'domain'>;
  readonly domainName: string;
  /** Makes an account of this name, for our unit and with our stamp if an instance is given; otherwise a stranger's. */
  plant(name: string, instanceId?: string): Promise<void>;
  plantRecord(name: string): Promise<void>;
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

/** Declares the suite's tests. */
export function directoryContract(subject: () => DirectorySubject): void {
  const stage = (instanceId: string, beforeWrite: (write: StagingWrite) => Promise<void> = unchecked) =>
    subject().ports.stage(instanceId, PASSWORD, {}, beforeWrite, signal);
  const remove = (
    instanceId: string,
    remembered: Partial<Parameters<DirectoryPorts['remove']>[1]> = {},
    beforeDelete: (computerName: string) => Promise<void> = unchecked,
  ) => subject().ports.remove(instanceId, { names: [], ...remembered }, beforeDelete, signal);
  const recordOf = (name: string): string => `${name.toLowerCase()}.${subject().domainName}`;
  const stampedNames = async (instanceId: string): Promise<string[]> =>
    (await subject().ports.list(signal))
      .filter(({ stamp }) => stamp.instanceId === instanceId)
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

  test('staging leaves an account of another name alone, even if others have stamped it for the instance', async () => {
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
    const listed = (await subject().ports.list(signal)).map(({ computerName }) => computerName);
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

  test('removal takes every account with the stamp and its DNS records, each told before it goes', async () => {
    const { instanceId, names } = newInstance();
    const foreign = `SRV${instances}`;
    await stage(instanceId);
    await subject().plant(foreign, instanceId);
    for (const name of [...names, foreign]) await subject().plantRecord(name);
    const told: string[] = [];
    const removed = await remove(instanceId, {}, async (name) => {
      const isThere = (await subject().hasAccount(name)) || (await subject().hasRecord(name));
      expect(isThere).toBe(true);
      told.push(name);
    });
    expect(removed.accounts.toSorted()).toEqual([names[0], foreign]);
    expect(removed.dnsRecords.toSorted()).toEqual([...names, foreign].map(recordOf));
    // The accounts first: what is gone is told once for its account, and once for its records.
    expect(told.slice(0, 2).toSorted()).toEqual([names[0], foreign]);
    expect(told.slice(2).toSorted()).toEqual([...names, foreign]);
    for (const name of [...names, foreign]) expect(await subject().hasRecord(name)).toBe(false);
    expect(await stampedNames(instanceId)).toEqual([]);
    expect(await remove(instanceId, { names })).toMatchObject({ accounts: [], dnsRecords: [] });
  });

  test('removal deletes nothing when it may not', async () => {
    const { instanceId, names } = newInstance();
    await stage(instanceId);
    await subject().plantRecord(names[0]);
    await expect(remove(instanceId, {}, stops)).rejects.toBe(stop);
    expect(await subject().hasAccount(names[0])).toBe(true);
    let told = 0;
    const second = async (): Promise<void> => {
      told += 1;
      if (told === 2) throw stop;
    };
    await expect(remove(instanceId, {}, second)).rejects.toBe(stop);
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

  test('removal is refused, and deletes nothing, when the account to keep is not shown', async () => {
    const { instanceId, names } = newInstance();
    const { objectGuid } = await stage(newInstance().instanceId);
    await stage(instanceId);
    await subject().plantRecord(names[0]);
    const told: string[] = [];
    const removal = remove(instanceId, { keep: objectGuid }, async (name) => void told.push(name));
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
    for (const name of [mine, other, host, found]) await subject().plantRecord(name);
    const { dnsRecords } = await remove(instanceId, { names: [mine, other, host], foundNames: [found] });
    expect(dnsRecords.toSorted()).toEqual([found, mine].map(recordOf));
    for (const name of [other, host]) expect(await subject().hasRecord(name)).toBe(true);
  });

  test('a name is stray when it has DNS records and no account has it', async () => {
    const { names } = newInstance();
    const other = newInstance();
    await subject().plantRecord(names[0]);
    await subject().plant(other.names[0]);
    await subject().plantRecord(other.names[0]);
    const asked = [...names, ...other.names];
    expect(await subject().ports.strays(asked, signal)).toEqual([names[0]]);
  });
}
