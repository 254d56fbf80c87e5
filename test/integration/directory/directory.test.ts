import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../../agent/clock.ts';
import type { AdjoinError } from '../../../agent/errors.ts';
import { openDirectory, type Directory, type DirectoryOptions } from '../../../agent/directory/directory.ts';
import { candidateNames } from '../../../agent/directory/names.ts';
import { parseSecret } from '../../../agent/directory/secret-format.ts';
import { oneTimePassword } from '../../../agent/directory/one-time-password.ts';
import { lookUpSrv } from '../../../agent/directory/srv-lookup.ts';
import { formatStamp } from '../../../agent/directory/stamp.ts';
import type { Domain } from '../../../infra/sandbox/domain/domain.ts';
import { randomPassword } from '../../../infra/sandbox/domain/password.ts';
import { logTo, textOf } from '../../support/memory-log.ts';
import { describeReal, testDomain, testMachine } from '../../support/sandbox.ts';
import { slice } from '../../support/slice.ts';
import { ownedBy, plantingIn } from './planting.ts';
import { openTunnel, type Tunnel } from './tunnel.ts';
import type { ServiceCredential } from '../../../agent/terms.ts';

const place = { deployment: 'test', accountId: '123456789012', region: 'eu-central-1' };
const signal = new AbortController().signal;
const unchecked = async (): Promise<void> => undefined;

/** What is secret in this run, to be looked for in everything that was said. */
const secrets = new Set<string>();
const said: string[] = [];
const log = logTo((line) => void said.push(textOf(line)));

function password(): string {
  const made = oneTimePassword(randomBytes);
  secrets.add(made);
  return made;
}

let lastInstance = 0;
function newInstance(): string {
  lastInstance += 1;
  return `i-${lastInstance.toString(16).padStart(17, '0')}`;
}

const stamped = (text: string): string => `msDS-cloudExtensionAttribute1: ${text}`;
const stampOf = (instanceId: string, changes: object = {}): string =>
  formatStamp({ ...place, instanceId, ...changes });
const nameOf = (instanceId: string, prefix = 'A'): string => candidateNames(instanceId, [prefix])[0] ?? '';

/** A credential source as the agent's, without its store. */
class Secret {
  credential: ServiceCredential;
  readonly refusals: string[] = [];
  asked = 0;

  constructor(credential: ServiceCredential) {
    this.credential = credential;
  }

  async current(): Promise<ServiceCredential> {
    this.asked += 1;
    return this.credential;
  }

  async refused(versionId: string, error: AdjoinError): Promise<void> {
    this.refusals.push(`${versionId} ${error.code}`);
    said.push(`${error.message} ${JSON.stringify(error)}`);
  }

  rotate(password: string): void {
    secrets.add(password);
    this.credential = { ...this.credential, password, versionId: `${this.credential.versionId}+` };
  }
}

describeReal('The directory room', (ground) => {
  let domain: Domain;
  const open: (Directory | Tunnel)[] = [];
  const { ldb, plant, plantOurs, plantRecord, sidOf, lostSid, dnOf, records } = plantingIn(() => domain);

  beforeAll(async () => {
    domain = await testDomain(ground);
    secrets.add(domain.serviceAccount.password);
  }, 180_000);
  afterEach(async () => {
    await Promise.all(open.splice(0).map((one) => one.close()));
  });
  afterAll(async () => {
    await domain.destroy();
  });

  const secretOf = (changes: Partial<ServiceCredential> = {}): Secret =>
    new Secret({
      versionId: 'v1',
      domain: domain.domainName,
      user: domain.serviceAccount.user,
      password: domain.serviceAccount.password,
      organizationalUnit: domain.organizationalUnit,
      ...changes,
    });
  const directory = (changes: Partial<DirectoryOptions> = {}): Directory => {
    const made = openDirectory({
      ...place,
      caFile: domain.caFile,
      namePrefixes: ['A', 'B'],
      credentials: secretOf(),
      clock: systemClock,
      randomBytes,
      connectTimeoutMs: 5_000,
      operationTimeoutMs: 20_000,
      log,
      ...changes,
    });
    open.push(made);
    return made;
  };
  const tunnel = async (address?: string): Promise<Tunnel> => {
    const made = await openTunnel(domain.address, address);
    open.push(made);
    return made;
  };

  /** Rejections are collected, since what they say must hold no secret. */
  const failure = async (work: Promise<unknown>): Promise<{ code?: string; message: string }> => {
    const error = await work.then(
      () => new Error('it succeeded'),
      (reason: AdjoinError) => reason,
    );
    said.push(`${error.message} ${error.stack} ${JSON.stringify(error)}`);
    return error;
  };

  const badPasswords = async (): Promise<string | undefined> => {
    const filter = `(sAMAccountName=${domain.serviceAccount.user})`;
    const [found] = await domain.search({ filter, attributes: ['badPwdCount'] });
    return found?.attributes.get('badPwdCount')?.[0] ?? '0';
  };

  describe('staging', () => {
    test('makes one complete account, found through DNS, and reads it back', async () => {
      const instance = newInstance();
      const staged = await directory().stage(instance, password(), {}, unchecked, signal);
      const name = nameOf(instance);
      const host = `${name.toLowerCase()}.${domain.domainName}`;
      expect(staged).toMatchObject({
        computerName: name,
        distinguishedName: `CN=${name},${domain.organizationalUnit}`,
        domainController: domain.hostName,
      });
      const attributes = [
        'objectGUID',
        'userAccountControl',
        'dNSHostName',
        'servicePrincipalName',
        'pwdLastSet',
      ];
      const [entry] = await domain.search({
        filter: `(sAMAccountName=${name}$)`,
        attributes: [...attributes, 'msDS-cloudExtensionAttribute1'],
      });
      expect(Object.fromEntries(entry?.attributes ?? [])).toMatchObject({
        objectGUID: [staged.objectGuid],
        userAccountControl: ['4096'],
        dNSHostName: [host],
        servicePrincipalName: [
          `HOST/${name}`,
          `HOST/${host}`,
          `RestrictedKrbHost/${name}`,
          `RestrictedKrbHost/${host}`,
        ],
        pwdLastSet: [String(staged.passwordLastSet)],
        'msDS-cloudExtensionAttribute1': [stampOf(instance)],
      });
    });

    test('a second time resets the same account and enables it', async () => {
      const instance = newInstance();
      const room = directory();
      const first = await room.stage(instance, password(), {}, unchecked, signal);
      await ldb(
        'ldbmodify',
        `dn: ${first.distinguishedName}`,
        'changetype: modify',
        'replace: userAccountControl',
        'userAccountControl: 4098',
      );
      expect(await room.inspect(first, signal)).toMatchObject({ enabled: false });
      const second = await room.stage(instance, password(), {}, unchecked, signal);
      expect(second.objectGuid).toBe(first.objectGuid);
      expect(second.passwordLastSet).toBeGreaterThan(first.passwordLastSet);
      expect(await room.inspect(second, signal)).toMatchObject({ enabled: true });
      expect(await room.find(instance, signal)).toHaveLength(1);
    });

    test('resets and enables an account of its name that is ours and was disabled', async () => {
      const instance = newInstance();
      const name = nameOf(instance);
      const more = ['userAccountControl: 4098', stamped(stampOf(instance))];
      await plantOurs(name, ...more);
      const room = directory();
      const staged = await room.stage(instance, password(), {}, unchecked, signal);
      expect(staged.computerName).toBe(name);
      expect(await room.inspect(staged, signal)).toMatchObject({ enabled: true });
    });

    test('twenty at once for one instance make one account', async () => {
      const instance = newInstance();
      const room = directory();
      const staged = await Promise.all(
        Array.from({ length: 20 }, () => room.stage(instance, password(), {}, unchecked, signal)),
      );
      expect(new Set(staged.map((account) => account.objectGuid)).size).toBe(1);
      expect(await room.find(instance, signal)).toHaveLength(1);
    });

    test.each([
      ['without a stamp', 'OU=Fleet', () => []],
      ['without a stamp outside the organizational unit', 'CN=Computers', () => []],
      [
        'with our stamp outside the organizational unit',
        'CN=Computers',
        (id: string) => [stamped(stampOf(id))],
      ],
      [
        "with another deployment's stamp",
        'OU=Fleet',
        (id: string) => [stamped(stampOf(id, { deployment: 'other' }))],
      ],
      [
        "with another account's stamp",
        'OU=Fleet',
        (id: string) => [stamped(stampOf(id, { accountId: '999999999999' }))],
      ],
      [
        "with another Region's stamp",
        'OU=Fleet',
        (id: string) => [stamped(stampOf(id, { region: 'eu-west-1' }))],
      ],
      [
        'with our stamp in other letters',
        'OU=Fleet',
        (id: string) => [stamped(stampOf(id).replace('test', 'TEST'))],
      ],
      ['with a stamp and something after it', 'OU=Fleet', (id: string) => [stamped(`${stampOf(id)};x=y`)]],
    ])("leaves a stranger's account %s alone and takes the next name", async (_what, container, more) => {
      const instance = newInstance();
      const name = nameOf(instance);
      await plant(name, `${container},${domain.baseDn}`, ...more(instance));
      const room = directory();
      const before = await domain.search({ filter: `(sAMAccountName=${name}$)`, attributes: ['*'] });
      expect(await room.stage(instance, password(), {}, unchecked, signal)).toMatchObject({
        computerName: nameOf(instance, 'B'),
      });
      expect(await room.remove(instance, { names: [name] }, unchecked, signal)).toMatchObject({
        accounts: [nameOf(instance, 'B')],
        dnsRecords: [],
      });
      expect(await domain.search({ filter: `(sAMAccountName=${name}$)`, attributes: ['*'] })).toEqual(before);
    });

    test("leaves a stranger's service principal name alone, too", async () => {
      const instance = newInstance();
      await plant(
        `SPN${lastInstance}`,
        `CN=Computers,${domain.baseDn}`,
        `servicePrincipalName: HOST/${nameOf(instance)}`,
      );
      expect(await directory().stage(instance, password(), {}, unchecked, signal)).toMatchObject({
        computerName: nameOf(instance, 'B'),
      });
    });

    test('gives up with name-taken when strangers hold every name', async () => {
      const instance = newInstance();
      await plant(nameOf(instance, 'A'), `CN=Computers,${domain.baseDn}`);
      await plant(nameOf(instance, 'B'), domain.organizationalUnit);
      expect(await failure(directory().stage(instance, password(), {}, unchecked, signal))).toMatchObject({
        code: 'name-taken',
      });
    });

    test('uses the account that carries the stamp, whichever of the names of the instance it has', async () => {
      const instance = newInstance();
      const first = await directory({ namePrefixes: ['Q'] }).stage(
        instance,
        password(),
        {},
        unchecked,
        signal,
      );
      const again = await directory().stage(instance, password(), {}, unchecked, signal);
      expect(again).toMatchObject({ computerName: nameOf(instance, 'Q'), objectGuid: first.objectGuid });
      expect(again.passwordLastSet).toBeGreaterThan(first.passwordLastSet);
      expect(await directory().find(instance, signal)).toHaveLength(1);
    });

    test.each(['i-12345678', 'i-*', 'i-0123456789abcdef0)(cn=*'])(
      'does not touch the directory for %j',
      async (id) => {
        const credentials = secretOf();
        const room = directory({ credentials });
        expect(await failure(room.stage(id, password(), {}, unchecked, signal))).toMatchObject({
          code: 'message-malformed',
        });
        expect(await failure(room.find(id, signal))).toMatchObject({ code: 'message-malformed' });
        expect(await failure(room.remove(id, { names: [] }, unchecked, signal))).toMatchObject({
          code: 'message-malformed',
        });
        expect(credentials.asked).toBe(0);
      },
    );
  });

  describe('inspecting', () => {
    test('shows the join: the password moves on, and the stamp stays', async () => {
      const instance = newInstance();
      const room = directory();
      const secret = password();
      const staged = await room.stage(instance, secret, {}, unchecked, signal);
      expect(await room.inspect(staged, signal)).toMatchObject({ passwordLastSet: staged.passwordLastSet });
      const machine = await testMachine(ground, domain, 31);
      const join = ['adcli', 'join', domain.domainName, '--stdin-password', '--login-type=computer'];
      const how = [
        `--computer-name=${staged.computerName}`,
        `--domain-controller=${staged.domainController}`,
      ];
      const outcome = await machine.exec([...join, ...how], { input: secret });
      await machine.destroy();
      expect(outcome).toMatchObject({ code: 0 });
      const joined = await room.inspect(staged, signal);
      expect(joined?.passwordLastSet).toBeGreaterThan(staged.passwordLastSet);
      expect(joined).toMatchObject({
        enabled: true,
        stamp: { ...place, instanceId: instance },
      });
    });

    test('finds nothing when the account is gone or has left the organizational unit', async () => {
      const room = directory();
      const gone = await room.stage(newInstance(), password(), {}, unchecked, signal);
      await ldb('ldbmodify', `dn: ${gone.distinguishedName}`, 'changetype: delete');
      expect(await room.inspect(gone, signal)).toBeUndefined();
      const moved = await room.stage(newInstance(), password(), {}, unchecked, signal);
      await ldb(
        'ldbmodify',
        `dn: ${moved.distinguishedName}`,
        'changetype: modrdn',
        `newrdn: CN=${moved.computerName}`,
        'deleteoldrdn: 1',
        `newsuperior: CN=Computers,${domain.baseDn}`,
      );
      expect(await room.inspect(moved, signal)).toBeUndefined();
    });

    test('asks the controller that took the write, and no other', async () => {
      const near = await tunnel();
      const room = directory({ controllers: [`localhost:${near.port}`] });
      const staged = await room.stage(newInstance(), password(), {}, unchecked, signal);
      expect(staged.domainController).toBe(domain.hostName);
      expect(await room.inspect(staged, signal)).toMatchObject({ objectGuid: staged.objectGuid });
      const elsewhere = { ...staged, domainController: 'dc9.corp.example.test' };
      expect(await failure(room.inspect(elsewhere, signal))).toMatchObject({ code: 'directory-unavailable' });
    });
  });

  describe('removing', () => {
    test('deletes the account with all below it, and its DNS records; a second time finds nothing to do', async () => {
      const instance = newInstance();
      const room = directory();
      const staged = await room.stage(instance, password(), {}, unchecked, signal);
      const label = staged.computerName.toLowerCase();
      for (const child of [`CN=point,${staged.distinguishedName}`, `CN=other,${staged.distinguishedName}`]) {
        await ldb('ldbadd', `dn: ${child}`, 'objectClass: serviceConnectionPoint');
      }
      await plantRecord(label, staged.objectSid);
      const removal = { accounts: [staged.computerName], dnsRecords: [`${label}.${domain.domainName}`] };
      expect(await room.remove(instance, { names: [] }, unchecked, signal)).toMatchObject(removal);
      expect(await dnOf(staged.computerName)).toBeUndefined();
      expect(await records(label)).toBe(0);
      expect(await room.remove(instance, { names: [staged.computerName] }, unchecked, signal)).toMatchObject({
        accounts: [],
        dnsRecords: [],
      });
    });

    test('takes no right in the zone with dnsCleanup "none": the account goes, and its record is left to others', async () => {
      const instance = newInstance();
      const room = directory({ dnsCleanup: 'none' });
      const staged = await room.stage(instance, password(), {}, unchecked, signal);
      const { computerName, objectSid } = staged;
      const label = computerName.toLowerCase();
      await plantRecord(label, objectSid);
      await domain.setDnsRight(false);
      try {
        const nothing = { dnsRecords: [], othersRecords: [] };
        expect(await room.remove(instance, { names: [] }, unchecked, signal)).toMatchObject({
          accounts: [computerName],
          ...nothing,
        });
        expect(await dnOf(computerName)).toBeUndefined();
        const stray = [{ computerName, objectSids: [objectSid] }];
        expect(await room.strays(stray, signal)).toEqual([]);
        expect(await directory().strays(stray, signal)).toEqual([computerName]);
        const remembered = { names: [computerName], objectSids: [objectSid] };
        expect(await room.remove(instance, remembered, unchecked, signal)).toMatchObject({
          accounts: [],
          ...nothing,
        });
        expect(await records(label)).toBe(1);
      } finally {
        await domain.setDnsRight(true);
      }
    });

    test('deletes every account of the instance, and a record that outlived its account', async () => {
      const instance = newInstance();
      const stamp = stamped(stampOf(instance));
      await plantOurs(nameOf(instance, 'A'), stamp);
      await plantOurs(nameOf(instance, 'K'), stamp);
      const label = nameOf(instance, 'B').toLowerCase();
      const lost = await lostSid();
      await plantRecord(label, lost);
      const remembered = { names: [], objectSids: [lost] };
      const { accounts, dnsRecords } = await directory().remove(instance, remembered, unchecked, signal);
      expect(accounts.toSorted()).toEqual([nameOf(instance, 'A'), nameOf(instance, 'K')]);
      expect(dnsRecords).toEqual([`${label}.${domain.domainName}`]);
    });

    test('deletes an account of ours that has any name and the stamp, and its DNS record', async () => {
      const instance = newInstance();
      const name = `WEB${instance.slice(-8).toUpperCase()}`;
      await plantOurs(name, stamped(stampOf(instance)));
      await plantRecord(name.toLowerCase(), await sidOf(`${name}$`));
      expect(await directory().remove(instance, { names: [] }, unchecked, signal)).toMatchObject({
        accounts: [name],
        dnsRecords: [`${name.toLowerCase()}.${domain.domainName}`],
      });
      expect(await records(name.toLowerCase())).toBe(0);
    });

    test('deletes an account that not everybody may read', async () => {
      const instance = newInstance();
      const descriptor = ownedBy(await sidOf(domain.serviceAccount.user), '(A;;GA;;;DA)');
      await plantOurs(nameOf(instance), stamped(stampOf(instance)), descriptor);
      expect(await directory().remove(instance, { names: [] }, unchecked, signal)).toMatchObject({
        accounts: [nameOf(instance)],
      });
    });

    test('believes a known name only if an account of this instance could have had it', async () => {
      const instance = newInstance();
      const mine = nameOf(instance, 'Z');
      const other = nameOf(newInstance(), 'Z');
      const lost = await lostSid();
      await plantRecord(mine.toLowerCase(), lost);
      await plantRecord(other.toLowerCase(), lost);
      const known = [mine, other, 'DC1', '*', `${mine},DC=x`, '@'];
      const remembered = { names: known, objectSids: [lost] };
      expect(await directory().remove(instance, remembered, unchecked, signal)).toMatchObject({
        accounts: [],
        dnsRecords: [`${mine.toLowerCase()}.${domain.domainName}`],
      });
      expect(await records(other.toLowerCase())).toBe(1);
      expect(await records('dc1')).toBe(1);
    });

    test("spares the DNS record of a stranger's account with one of our names", async () => {
      const instance = newInstance();
      const label = nameOf(instance).toLowerCase();
      await plant(nameOf(instance), `CN=Computers,${domain.baseDn}`);
      await plantRecord(label, await sidOf(`${nameOf(instance)}$`));
      expect(
        await directory().remove(instance, { names: [nameOf(instance)] }, unchecked, signal),
      ).toMatchObject({
        accounts: [],
        dnsRecords: [],
      });
      expect(await records(label)).toBe(1);
    });

    test('shows which names have records without an account', async () => {
      const room = directory();
      const [stray, taken, none] = [newInstance(), newInstance(), newInstance()].map((id) => nameOf(id));
      if (!stray || !taken || !none) throw new Error('there are no names');
      const lost = await lostSid();
      await plantRecord(stray.toLowerCase(), lost);
      await plantRecord(taken.toLowerCase(), lost);
      await plant(taken, `CN=Computers,${domain.baseDn}`);
      const ask = (...names: string[]) =>
        room.strays(
          names.map((computerName) => ({ computerName, objectSids: [lost] })),
          signal,
        );
      expect(await ask(taken, none, '@', '*', stray)).toEqual([stray]);
      expect(await ask(none)).toEqual([]);
    });

    test("spares another instance's account", async () => {
      const room = directory();
      const staged = await room.stage(newInstance(), password(), {}, unchecked, signal);
      await room.remove(newInstance(), { names: [staged.computerName] }, unchecked, signal);
      expect(await dnOf(staged.computerName)).toBe(staged.distinguishedName);
    });
  });

  describe('the service account', () => {
    test('is denied outside its organizational unit, and nothing appears there', async () => {
      const instance = newInstance();
      const credentials = secretOf({ organizationalUnit: `CN=Computers,${domain.baseDn}` });
      const error = await failure(
        directory({ credentials }).stage(instance, password(), {}, unchecked, signal),
      );
      expect(error).toMatchObject({ code: 'directory-denied' });
      expect(await dnOf(nameOf(instance))).toBeUndefined();
    });

    test.each(['OU=Nowhere,DC=corp,DC=example,DC=test', 'not a name', 'OU=Fleet,DC=other,DC=test'])(
      'in a missing organizational unit (%s) is told so',
      async (organizationalUnit) => {
        const credentials = secretOf({ organizationalUnit });
        const error = await failure(directory({ credentials }).find(newInstance(), signal));
        expect(error).toMatchObject({ code: 'organizational-unit-missing' });
      },
    );

    test('whose organizational unit is deleted is told so, and goes on in another one that the secret names', async () => {
      const unit = `OU=Passing,${domain.baseDn}`;
      const container = `CN=Computers,${domain.baseDn}`;
      const elsewhere = newInstance();
      await ldb('ldbadd', `dn: ${unit}`, 'objectClass: organizationalUnit');
      const ours = ownedBy(await sidOf(domain.serviceAccount.user));
      await plant('ELSEWHERE', container, stamped(stampOf(elsewhere)), ours);
      const credentials = secretOf({ organizationalUnit: unit });
      const room = directory({ credentials });
      expect(await room.list(signal, (account) => account)).toEqual([]);
      await ldb('ldbmodify', `dn: ${unit}`, 'changetype: delete');
      expect(await failure(room.list(signal, (account) => account))).toMatchObject({
        code: 'organizational-unit-missing',
      });
      const { organizationalUnit } = domain;
      credentials.credential = { ...credentials.credential, versionId: 'v2', organizationalUnit };
      expect(await room.find(elsewhere, signal)).toEqual([]);
      credentials.credential = { ...credentials.credential, versionId: 'v3', organizationalUnit: container };
      await room.tryCredential('v3', signal);
      expect(await room.find(elsewhere, signal)).toMatchObject([{ computerName: 'ELSEWHERE' }]);
    });

    test('whose secret names another unit removes what it staged in the earlier one, by GUID or by name', async () => {
      const later = `OU=Later,${domain.baseDn}`;
      await ldb('ldbadd', `dn: ${later}`, 'objectClass: organizationalUnit');
      const credentials = secretOf();
      const room = directory({ credentials });
      const [member, owed] = [newInstance(), newInstance()];
      const staged = await room.stage(member, password(), {}, unchecked, signal);
      await room.stage(owed, password(), {}, unchecked, signal);
      credentials.credential = { ...credentials.credential, versionId: 'v2', organizationalUnit: later };
      await room.tryCredential('v2', signal);
      expect(await room.list(signal, (account) => account)).toEqual([]);
      const { objectGuid } = staged;
      expect(await room.remove(member, { names: [], objectGuid }, unchecked, signal)).toMatchObject({
        accounts: [nameOf(member)],
      });
      // Its worker died before the ledger learnt the GUID.
      const remembered = { names: [nameOf(owed)] };
      expect(await room.remove(owed, remembered, unchecked, signal)).toMatchObject({
        accounts: [nameOf(owed)],
      });
      expect(await dnOf(nameOf(owed))).toBeUndefined();
    });

    test('may be written with its domain, and its organizational unit in other letters', async () => {
      const credentials = secretOf({
        user: domain.serviceAccount.principal,
        organizationalUnit: 'ou=fleet, dc=CORP,dc=example,dc=test',
      });
      const staged = await directory({ credentials }).stage(newInstance(), password(), {}, unchecked, signal);
      expect(staged.distinguishedName).toBe(`CN=${staged.computerName},${domain.organizationalUnit}`);
    });

    test('is read from a secret that writes its organizational unit as Active Directory takes it, escapes and spaces included', async () => {
      const unit = String.raw`OU=east\, west \#1,${domain.organizationalUnit}`;
      await ldb('ldbadd', `dn: ${unit}`, 'objectClass: organizationalUnit');
      const { user, password: servicePassword } = domain.serviceAccount;
      for (const spelling of [
        `${unit.replaceAll(/(?<!\\),/g, ' , ')} `,
        `ou = "East, West #1",${domain.organizationalUnit.toLowerCase()}`,
        unit.replace(String.raw`\,`, String.raw`\2c`),
      ]) {
        const text = JSON.stringify({
          domain_name: domain.domainName,
          domain_user: `CORP\\${user}`,
          domain_password: servicePassword,
          directory_ou: spelling,
        });
        const room = directory({ credentials: secretOf(parseSecret('v1', text)) });
        const instance = newInstance();
        const staged = await room.stage(instance, password(), {}, unchecked, signal);
        expect(staged.distinguishedName).toBe(`CN=${staged.computerName},${unit}`);
        expect((await room.remove(instance, { names: [] }, unchecked, signal)).accounts).toEqual([
          staged.computerName,
        ]);
      }
    });

    test('with a wrong password binds once for twenty operations, and again when the secret is corrected', async () => {
      const credentials = secretOf({ versionId: 'wrong', password: 'Wrong-Sesame-1' });
      secrets.add('Wrong-Sesame-1');
      const room = directory({ credentials });
      const errors = await Promise.all(
        Array.from({ length: 20 }, () => failure(room.find(newInstance(), signal))),
      );
      expect(new Set(errors.map((error) => error.code))).toEqual(new Set(['credential-refused']));
      expect(await failure(room.stage(newInstance(), password(), {}, unchecked, signal))).toMatchObject({
        code: 'credential-refused',
      });
      expect(await badPasswords()).toBe('1');
      expect(credentials.refusals).toEqual(['wrong credential-refused']);
      credentials.rotate(domain.serviceAccount.password);
      expect(await room.find(newInstance(), signal)).toEqual([]);
      expect(await badPasswords()).toBe('0');
    });

    test('with a wrong password binds once to the only controller, also when the ledger names it before DNS does', async () => {
      const credentials = secretOf({ versionId: 'wrong', password: 'Wrong-Sesame-1' });
      const room = directory({ credentials });
      const remembered = { names: [], domainController: domain.hostName };
      expect(await failure(room.remove(newInstance(), remembered, unchecked, signal))).toMatchObject({
        code: 'credential-refused',
      });
      expect(await badPasswords()).toBe('1');
      credentials.rotate(domain.serviceAccount.password);
      await expect(room.remove(newInstance(), remembered, unchecked, signal)).resolves.toBeDefined();
    });

    test('with a password changed in the domain goes on, and takes the new one when it must bind again', async () => {
      const way = await tunnel();
      const credentials = secretOf();
      const room = directory({ credentials, controllers: [`localhost:${way.port}`] });
      await room.find(newInstance(), signal);
      await domain.setServicePassword(randomPassword());
      await expect(room.find(newInstance(), signal)).resolves.toEqual([]);
      way.cut();
      expect(await failure(room.find(newInstance(), signal))).toMatchObject({ code: 'credential-refused' });
      expect(await failure(room.find(newInstance(), signal))).toMatchObject({ code: 'credential-refused' });
      expect(credentials.refusals).toEqual(['v1 credential-refused']);
      credentials.rotate(domain.serviceAccount.password);
      await expect(room.find(newInstance(), signal)).resolves.toEqual([]);
    });
  });

  describe('trouble on the way', () => {
    test('a controller that is down is unavailable; when it is back, so is the directory', async () => {
      const room = directory();
      await room.find(newInstance(), signal);
      await domain.stop();
      expect(await failure(room.find(newInstance(), signal))).toMatchObject({
        code: 'directory-unavailable',
      });
      await domain.start();
      await expect(room.stage(newInstance(), password(), {}, unchecked, signal)).resolves.toBeDefined();
    }, 180_000);

    test('of two controllers the one that lives is used', async () => {
      const way = await tunnel();
      const room = directory({ controllers: ['localhost:1', `localhost:${way.port}`] });
      await expect(room.find(newInstance(), signal)).resolves.toEqual([]);
    });

    test('a broken connection is made anew without anybody noticing', async () => {
      const way = await tunnel();
      const room = directory({ controllers: [`localhost:${way.port}`] });
      await room.find(newInstance(), signal);
      way.cut();
      await expect(room.stage(newInstance(), password(), {}, unchecked, signal)).resolves.toBeDefined();
      expect(way.connections).toBe(2);
    });

    test('a connection that has gone silent is given up, and the next controller asked', async () => {
      const silent = await tunnel();
      const good = await tunnel();
      const controllers = [`localhost:${silent.port}`, `localhost:${good.port}`];
      // Time enough for the one that answers, on a busy machine: its connections are counted.
      const room = directory({ controllers, operationTimeoutMs: 5_000 });
      await room.find(newInstance(), signal);
      expect(good.connections).toBe(0);
      silent.mode = 'hole';
      await expect(room.stage(newInstance(), password(), {}, unchecked, signal)).resolves.toBeDefined();
      expect(good.connections).toBe(1);
      // and stays with the one that works, instead of waiting for the silent one each time
      const attempts = silent.connections;
      await room.find(newInstance(), signal);
      expect(silent.connections).toBe(attempts);
    }, 180_000);

    test('the only controller is asked again on a fresh connection when the old one has gone silent', async () => {
      const way = await tunnel();
      const room = directory({ controllers: [`localhost:${way.port}`], operationTimeoutMs: 5_000 });
      await room.find(newInstance(), signal);
      way.mode = 'hole';
      way.onConnect = () => {
        way.mode = 'open';
      };
      await expect(room.stage(newInstance(), password(), {}, unchecked, signal)).resolves.toBeDefined();
      expect(way.connections).toBe(2);
    }, 180_000);

    test('an account whose creation was never confirmed is found and used', async () => {
      const first = await tunnel();
      const second = await tunnel();
      const controllers = [`localhost:${first.port}`, `localhost:${second.port}`];
      const room = directory({ controllers, operationTimeoutMs: 5_000 });
      const instance = newInstance();
      await room.find(instance, signal);
      // The add still arrives, and its answer does not.
      const beforeAdd = async (): Promise<void> => {
        first.mode = 'deaf';
      };
      const staged = await room.stage(instance, password(), {}, beforeAdd, signal);
      expect(second.connections).toBe(1);
      expect(said.join('\n')).toContain(`add CN=${nameOf(instance)},${domain.organizationalUnit}: no answer`);
      expect(await room.find(instance, signal)).toEqual([
        expect.objectContaining({ objectGuid: staged.objectGuid }),
      ]);
    }, 180_000);

    test('an authority that did not sign the certificate is not trusted, and no password goes out', async () => {
      const other = join(ground.runtime, 'other-ca.pem');
      const made = await domain.controller.exec([
        'openssl',
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-keyout',
        '/dev/null',
        '-subj',
        '/CN=other',
        '-days',
        '2',
      ]);
      await writeFile(other, made.stdout);
      for (const caFile of [other, undefined, join(ground.runtime, 'missing.pem')]) {
        const credentials = secretOf();
        const room = directory({ caFile, credentials, controllers: [domain.hostName] });
        expect(await failure(room.find(newInstance(), signal))).toMatchObject({
          code: 'directory-untrusted',
        });
        expect(credentials.asked).toBe(0);
      }
    });

    test('a certificate for another host is not trusted either', async () => {
      const way = await tunnel('127.0.0.2');
      const credentials = secretOf();
      const room = directory({ credentials, controllers: [`127.0.0.2:${way.port}`] });
      expect(await failure(room.find(newInstance(), signal))).toMatchObject({ code: 'directory-untrusted' });
      expect(credentials.asked).toBe(0);
    });

    test('who gives up waiting is let go at once, and the others are served', async () => {
      const way = await tunnel();
      const room = directory({ controllers: [`localhost:${way.port}`] });
      await room.find(newInstance(), signal);
      way.mode = 'hole';
      const impatient = new AbortController();
      const waiting = room.find(newInstance(), impatient.signal);
      impatient.abort(new Error('enough'));
      expect(await failure(waiting)).toMatchObject({ message: 'enough' });
      way.mode = 'open';
      way.cut();
      await expect(room.find(newInstance(), signal)).resolves.toEqual([]);
    });

    test('closing ends what is under way', async () => {
      const way = await tunnel();
      const room = directory({ controllers: [`localhost:${way.port}`] });
      await room.find(newInstance(), signal);
      way.mode = 'hole';
      const waiting = failure(room.find(newInstance(), signal));
      await room.close();
      expect(await waiting).toMatchObject({ code: 'draining' });
      expect(await failure(room.find(newInstance(), signal))).toMatchObject({ code: 'draining' });
    });

    test('a domain that DNS does not know has no controllers', async () => {
      const credentials = secretOf({ domain: 'nowhere.test' });
      expect(await failure(directory({ credentials }).find(newInstance(), signal))).toMatchObject({
        code: 'directory-unavailable',
        message: expect.stringContaining('_ldap._tcp.dc._msdcs.nowhere.test'),
      });
    });

    test("SRV records are read from the controller's own DNS server, which abbreviates their targets", async () => {
      const record = `_ldap._tcp.dc._msdcs.${domain.domainName}`;
      await expect(lookUpSrv(record, 5_000, [domain.address])).resolves.toEqual([
        { name: domain.hostName, port: 389, priority: 0, weight: 100 },
      ]);
    });
  });

  test('instances that come all at once are staged and removed on one connection', async () => {
    const way = await tunnel();
    const room = directory({ controllers: [`localhost:${way.port}`] });
    const instances = slice(Array.from({ length: 100 }, newInstance), 25);
    const staged = await Promise.all(
      instances.map((instance) => room.stage(instance, password(), {}, unchecked, signal)),
    );
    expect(new Set(staged.map((account) => account.computerName)).size).toBe(instances.length);
    const removed = await Promise.all(
      instances.map((instance) => room.remove(instance, { names: [] }, unchecked, signal)),
    );
    expect(removed.flatMap((removal) => removal.accounts)).toHaveLength(instances.length);
    expect(way.connections).toBe(1);
  }, 180_000);

  test('no error and no log line of all this holds a secret', () => {
    const everything = said.join('\n');
    expect(said.length).toBeGreaterThan(20);
    expect([...secrets].filter((secret) => everything.includes(secret))).toEqual([]);
  });
});
