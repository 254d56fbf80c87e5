import { afterAll, beforeAll, jest } from '@jest/globals';
import type { Directory } from '../../../agent/directory/directory.ts';
import { formatStamp, sameStamp } from '../../../agent/directory/stamp.ts';
import type { Domain } from '../../../infra/sandbox/domain/domain.ts';
import { directoryContract } from '../../support/directory-contract.ts';
import { openDirectoryOf } from '../../support/real-directory.ts';
import { describeReal, testDomain } from '../../support/sandbox.ts';
import { plantingIn } from './planting.ts';

// Milliseconds. Each account and record that a test plants is a process of its own on the controller.
jest.setTimeout(90_000);

const place = { deployment: 'contract', accountId: '123456789012', region: 'eu-central-1' };

describeReal('The directory on a real controller', (ground) => {
  let domain: Domain;
  let directory: Directory;
  const { ldb, plant, plantOurs, plantRecord, sidOf, lostSid, dnOf, records } = plantingIn(() => domain);

  beforeAll(async () => {
    domain = await testDomain(ground);
    await ldb('ldbadd', `dn: OU=Elsewhere,${domain.baseDn}`, 'objectClass: organizationalUnit');
    directory = openDirectoryOf(domain, place);
  }, 180_000);
  afterAll(async () => {
    await directory.close();
    await domain.destroy();
  });

  const stampLine = (instanceId: string): string =>
    `msDS-cloudExtensionAttribute1: ${formatStamp({ ...place, instanceId })}`;

  directoryContract(() => ({
    ports: {
      ...directory,
      async inspect(instanceId, staged, signal) {
        const account = await directory.inspect(staged, signal);
        return (
          account && {
            passwordLastSet: account.passwordLastSet,
            enabled: account.enabled,
            isNameTaken: account.isNameTaken,
            ours: sameStamp(account.stamp, { ...place, instanceId }),
          }
        );
      },
    },
    domainName: domain.domainName,
    plant: (name, instanceId) =>
      instanceId === undefined
        ? plant(name, `CN=Computers,${domain.baseDn}`)
        : plantOurs(name, stampLine(instanceId)),
    plantForgery: (name, instanceId) => plant(name, domain.organizationalUnit, stampLine(instanceId)),
    writeStamp: (name, stampedFor) =>
      ldb(
        'ldbmodify',
        `dn: CN=${name},${domain.organizationalUnit}`,
        'changetype: modify',
        'replace: msDS-cloudExtensionAttribute1',
        ...(stampedFor === undefined ? [] : [stampLine(stampedFor)]),
      ),
    now: () => Date.now(),
    move: (name) =>
      ldb(
        'ldbmodify',
        `dn: CN=${name},${domain.organizationalUnit}`,
        'changetype: modrdn',
        `newrdn: CN=${name}`,
        'deleteoldrdn: 1',
        `newsuperior: OU=Elsewhere,${domain.baseDn}`,
      ),
    async guard(name, against) {
      const trustee = against === 'us' ? await sidOf(domain.serviceAccount.user) : 'WD';
      const { code, stderr } = await domain.controller.exec([
        'samba-tool',
        'dsacl',
        'set',
        `--objectdn=${(await dnOf(name)) ?? ''}`,
        `--sddl=(D;;SDDT;;;${trustee})`,
      ]);
      if (code !== 0) throw new Error(stderr);
    },
    denyRecords: (denied) => domain.setDnsRight(!denied),
    plantRecord: async (name, by = name) => plantRecord(name.toLowerCase(), await sidOf(`${by}$`)),
    async lostRecord(name) {
      const sid = await lostSid();
      await plantRecord(name.toLowerCase(), sid);
      return sid;
    },
    hasAccount: async (name) => (await dnOf(name)) !== undefined,
    hasRecord: async (name) => (await records(name.toLowerCase())) > 0,
  }));
});
