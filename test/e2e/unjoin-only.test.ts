import {
  AutoScalingClient,
  CreateOrUpdateTagsCommand,
  DeleteLifecycleHookCommand,
} from '@aws-sdk/client-auto-scaling';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Machine } from '../../infra/sandbox/machine/machine.ts';
import { describeReal } from '../support/sandbox.ts';
import { eventually, inService, logEntries, membershipOf, openSystem, type System } from './sandbox.ts';

const computerClass = 'bf967a86-0de6-11d0-a285-00aa003049e2';

const must = async (machine: Machine, command: readonly string[], input = ''): Promise<void> => {
  const { code, stderr } = await machine.exec(command, { input });
  if (code !== 0) throw new Error(`${command[0] ?? ''}: ${stderr}`);
};

/** A group as people have it who use seamless domain join: others join its instances, after they are in service. */
describeReal('a group that others join, and that asks for unjoin only', (ground) => {
  let system: System;
  let instances: string[];

  const join = async (instanceId: string, computerName: string): Promise<void> => {
    const { auditor, domainName, organizationalUnit } = system.domain;
    const machine = system.fleet.machine(instanceId);
    if (!machine) throw new Error(`no machine for ${instanceId}`);
    const how = [`--login-user=${auditor.user}`, '--stdin-password', `--domain-ou=${organizationalUnit}`];
    await must(
      machine,
      ['adcli', 'join', domainName, ...how, `--computer-name=${computerName}`],
      auditor.password,
    );
  };
  /** Past LDAP: this test has nothing to say of who may read. */
  const members = async (): Promise<string[]> => {
    const filter = '(&(objectClass=computer)(primaryGroupID=515))';
    const found = await system.domain.search({ filter, attributes: ['cn'] });
    return found.flatMap(({ attributes }) => attributes.get('cn') ?? []).toSorted();
  };
  /** The record once the termination is over. */
  const ended = (instanceId: string) =>
    eventually(`the end of ${instanceId}`, 60_000, async () => {
      const membership = await membershipOf(system, instanceId);
      return membership?.terminate?.['complete'] === undefined ? undefined : membership;
    });

  beforeAll(async () => {
    system = await openSystem(ground);
    const { domain, stack } = system;
    const administrator = new AutoScalingClient({
      ...system.developer,
      credentials: system.keys.administrator,
    });
    const AutoScalingGroupName = stack.autoScalingGroup;
    await administrator.send(
      new DeleteLifecycleHookCommand({ AutoScalingGroupName, LifecycleHookName: 'adjoin-launch' }),
    );
    const tag = {
      ResourceId: AutoScalingGroupName,
      ResourceType: 'auto-scaling-group',
      Key: 'adjoin:UnjoinOnly',
      Value: 'true',
      PropagateAtLaunch: false,
    };
    await administrator.send(new CreateOrUpdateTagsCommand({ Tags: [tag] }));
    administrator.destroy();
    const [found] = await domain.search({
      filter: `(sAMAccountName=${domain.auditor.user})`,
      attributes: ['objectSid'],
    });
    const sddl = `(OA;CI;CC;${computerClass};;${found?.attributes.get('objectSid')?.[0] ?? ''})`;
    const set = ['dsacl', 'set', `--objectdn=${domain.organizationalUnit}`, `--sddl=${sddl}`];
    await must(domain.controller, ['samba-tool', ...set]);
    system.startAgent();
    await system.setDesiredCapacity(3);
    instances = await inService(system, 3, 60_000);
    const [first = '', second = ''] = instances;
    await join(first, 'EC2AMAZ-ONE');
    await join(second, 'EC2AMAZ-TWO');
    await must(domain.controller, ['samba-tool', 'computer', 'create', 'BYSTANDER']);
  }, 300_000);
  afterAll(() => system.stop(), 60_000);

  test('takes each account with its instance, proven by its own key, and no other', async () => {
    expect(await members()).toEqual(['BYSTANDER', 'EC2AMAZ-ONE', 'EC2AMAZ-TWO']);
    await system.setDesiredCapacity(0);
    const [first = '', second = '', third = ''] = instances;
    expect(await ended(first)).toMatchObject({ state: 'removed', computerName: 'EC2AMAZ-ONE' });
    expect(await ended(second)).toMatchObject({ state: 'removed', computerName: 'EC2AMAZ-TWO' });
    expect(await members()).toEqual(['BYSTANDER']);
    // Nobody had joined the third one.
    expect(await ended(third)).toMatchObject({
      state: 'failed',
      lastError: { code: 'account-unmatched', message: expect.stringContaining('a member of no domain') },
    });
    await inService(system, 0, 30_000);
    const matched = (await logEntries(system)).filter(({ event }) => event === 'account of others matched');
    expect(new Set(matched.map(({ computerName }) => computerName))).toEqual(
      new Set(['EC2AMAZ-ONE', 'EC2AMAZ-TWO']),
    );
    const left = await system.domain.search({
      base: `DC=${system.domain.domainName},CN=MicrosoftDNS,DC=DomainDnsZones,${system.domain.baseDn}`,
      filter: '(name=adjoin-*)',
      attributes: ['dc'],
    });
    expect(left).toEqual([]);
  }, 180_000);
});
