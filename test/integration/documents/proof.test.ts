import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Directory } from '../../../agent/directory/directory.ts';
import { facts, type ProbeFacts } from '../../../agent/nodes/contract.ts';
import type { FoundAccount } from '../../../agent/terms.ts';
import { commandDocuments } from '../../../documents/index.ts';
import type { Domain } from '../../../infra/sandbox/domain/domain.ts';
import type { Machine } from '../../../infra/sandbox/machine/machine.ts';
import { openDirectoryOf } from '../../support/real-directory.ts';
import { describeReal, testDomain, testMachine } from '../../support/sandbox.ts';
import { plantingIn } from '../directory/planting.ts';

const place = { deployment: 'test', accountId: '123456789012', region: 'eu-central-1' };
const signal = new AbortController().signal;
const computerClass = 'bf967a86-0de6-11d0-a285-00aa003049e2';
const newChallenge = (): string => `adjoin-${randomBytes(16).toString('hex')}`;

/** The probe's script as the SSM agent makes it. */
function probeScript(challenge: string): string {
  const document = commandDocuments().find(({ purpose }) => purpose === 'probe');
  const parsed: { mainSteps: { inputs: { runCommand: string[] } }[] } = JSON.parse(document?.content ?? '');
  const text = parsed.mainSteps[0]?.inputs.runCommand.join('\n') ?? '';
  return text.replaceAll('{{ executionTimeout }}', '60').replaceAll('{{ challenge }}', challenge);
}

async function probe(machine: Machine, challenge: string): Promise<ProbeFacts> {
  const path = `/var/lib/amazon/ssm/${machine.name}/document/orchestration/${randomUUID()}/probeLinux/_script.sh`;
  const env = { AWS_SSM_INSTANCE_ID: machine.name, AWS_SSM_REGION_NAME: 'eu-central-1' };
  const { code, stdout, stderr } = await machine.run({
    path,
    text: probeScript(challenge),
    env,
    timeoutMs: 60_000,
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return facts.probe(machine.name, stdout);
}

describeReal('A machine that others have joined', (ground) => {
  let domain: Domain;
  let room: Directory;
  let unit: string;
  const machines: Machine[] = [];
  const { plantRecord, sidOf, dnOf, records } = plantingIn(() => domain);

  /** As seamless domain join does it: with another account, in a unit of its own. */
  const joined = async (computerName: string): Promise<Machine> => {
    const machine = await testMachine(ground, domain, machines.length + 1);
    machines.push(machine);
    const { auditor, domainName } = domain;
    const how = [`--login-user=${auditor.user}`, '--stdin-password', `--computer-name=${computerName}`];
    const command = ['adcli', 'join', domainName, ...how, `--domain-ou=${unit}`];
    expect(await machine.exec(command, { input: auditor.password })).toMatchObject({ code: 0 });
    return machine;
  };
  /** Removes what the ledger would know after a match. */
  const remove = async (machine: Machine, proven: Awaited<ReturnType<Directory['prove']>>) => {
    if (!proven) throw new Error('nothing is proven');
    const { objectGuid, objectSid, computerName, hostNames, domainController } = proven;
    const told: FoundAccount[] = [];
    const remembered = {
      names: [computerName],
      foundNames: hostNames,
      objectGuid,
      objectSids: [objectSid],
      domainController,
    };
    return room.remove(machine.name, remembered, async (account) => void told.push(account), signal);
  };

  beforeAll(async () => {
    domain = await testDomain(ground);
    room = openDirectoryOf(domain, place);
    unit = `OU=Seamless,${domain.baseDn}`;
    const tool = async (...argv: string[]) =>
      expect(await domain.controller.exec(['samba-tool', ...argv])).toMatchObject({ code: 0 });
    await tool('ou', 'create', unit);
    const joiner = await sidOf(domain.auditor.user);
    const ours = await sidOf(domain.serviceAccount.user);
    // What others' account needs to join there, and what ours needs to remove what others have made.
    await tool('dsacl', 'set', `--objectdn=${unit}`, `--sddl=(OA;CI;CC;${computerClass};;${joiner})`);
    await tool('dsacl', 'set', `--objectdn=${unit}`, `--sddl=(OA;CI;DC;${computerClass};;${ours})`);
    await tool('dsacl', 'set', `--objectdn=${unit}`, `--sddl=(OA;CIIO;RPWPDT;;${computerClass};${ours})`);
  }, 180_000);
  afterAll(async () => {
    await room.close();
    await Promise.all(machines.map((machine) => machine.destroy()));
    await domain.destroy();
  }, 180_000);

  test('proves its account, which is then removed with its records and the proof, and no other is', async () => {
    const machine = await joined('EC2AMAZ-ONE');
    await joined('EC2AMAZ-TWO');
    await plantRecord('ec2amaz-one', await sidOf('EC2AMAZ-ONE$'));
    await plantRecord('ec2amaz-two', await sidOf('EC2AMAZ-TWO$'));
    const label = newChallenge();
    expect(await probe(machine, label)).toMatchObject({
      domain: domain.domainName,
      computerName: 'EC2AMAZ-ONE',
    });
    expect(await records(label)).toBe(1);
    const proven = await room.prove(machine.name, { label, computerName: 'EC2AMAZ-ONE' }, signal);
    expect(proven).toMatchObject({
      distinguishedName: `CN=EC2AMAZ-ONE,${unit}`,
      objectSid: await sidOf('EC2AMAZ-ONE$'),
    });
    // It is not ours by anything else.
    expect(await room.find(machine.name, signal)).toEqual([]);
    expect(await remove(machine, proven)).toMatchObject({
      accounts: ['EC2AMAZ-ONE'],
      dnsRecords: expect.arrayContaining([
        `${label}.${domain.domainName}`,
        `ec2amaz-one.${domain.domainName}`,
      ]),
    });
    expect(await dnOf('EC2AMAZ-ONE')).toBeUndefined();
    expect(await dnOf('EC2AMAZ-TWO')).toBeDefined();
    expect([await records(label), await records('ec2amaz-one'), await records('ec2amaz-two')]).toEqual([
      0, 0, 1,
    ]);
    // Without a key there is nothing to prove any more.
    expect((await probe(machine, newChallenge())).proof).toMatch(/^failed: kinit: /);
  }, 180_000);

  test('and claims to be another one, gets nothing of that one removed', async () => {
    const machine = await joined('MALLORY');
    const label = newChallenge();
    await probe(machine, label);
    expect(await records(label)).toBe(1);
    await expect(
      room.prove(machine.name, { label, computerName: 'EC2AMAZ-TWO' }, signal),
    ).rejects.toMatchObject({ code: 'account-unmatched', message: expect.stringContaining('MALLORY') });
    // A name that it can't guess is a name that it has not registered.
    expect(
      await room.prove(machine.name, { label: newChallenge(), computerName: 'MALLORY' }, signal),
    ).toBeUndefined();
    expect(await dnOf('EC2AMAZ-TWO')).toBeDefined();
  }, 180_000);

  test('is not asked for a proof without a challenge, and one that is no member has none', async () => {
    const [machine] = machines;
    if (!machine) throw new Error('no machine');
    expect((await probe(machine, '')).proof).toBe('');
    const stranger = await testMachine(ground, domain, machines.length + 1);
    machines.push(stranger);
    const label = newChallenge();
    expect(await probe(stranger, label)).toMatchObject({ computerName: '', proof: '' });
    expect(await records(label)).toBe(0);
  }, 180_000);

  test.each([
    ['a domain controller', 'DC1', 'DC1$'],
    ['a user', 'svc-adjoin', 'svc-adjoin'],
  ])(
    'is not %s: whoever registers the name, that account is not matched',
    async (_what, computerName, accountName) => {
      const label = newChallenge();
      await plantRecord(label, await sidOf(accountName));
      await expect(room.prove('i-00000000000000001', { label, computerName }, signal)).rejects.toMatchObject({
        code: 'account-unmatched',
      });
    },
  );

  test('has not another instance’s account of adjoin', async () => {
    const staged = await room.stage(
      'i-000000000000000aa',
      `Aa1${randomBytes(40).toString('hex')}`,
      {},
      async () => undefined,
      signal,
    );
    const label = newChallenge();
    await plantRecord(label, staged.objectSid);
    await expect(
      room.prove('i-000000000000000bb', { label, computerName: staged.computerName }, signal),
    ).rejects.toMatchObject({
      code: 'account-unmatched',
      message: expect.stringContaining('another instance'),
    });
  });
});
