import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { joinAsOthers, letOthersJoin } from '../../infra/sandbox/inside/others.ts';
import { ownSystem, windowsServer } from '../../infra/sandbox/inside/systems.ts';
import { findPowerShell } from '../../infra/sandbox/machine/windows/power-shell.ts';
import { describeReal } from '../support/sandbox.ts';
import { eventually, inService, logEntries, membershipOf, openSystem, type System } from './sandbox.ts';

/**
 * Groups as people have them who use seamless domain join: others join the instances, after they are in service. One of the instances is
 * like Windows where PowerShell can be had.
 */
describeReal('groups that others join, and that ask for unjoin only', (ground) => {
  let system: System;
  let instances: string[];

  const join = async (instanceId: string, computerName: string): Promise<void> => {
    const machine = system.fleet.machine(instanceId);
    if (!machine) throw new Error(`no machine for ${instanceId}`);
    await joinAsOthers(system.domain, machine, system.fleet.systemOf(instanceId), computerName);
  };
  /** Past LDAP: this test has nothing to say of who may read. */
  const members = async (): Promise<string[]> => {
    const filter = '(&(objectClass=computer)(primaryGroupID=515))';
    const found = await system.domain.search({ filter, attributes: ['cn'] });
    return found.flatMap(({ attributes }) => attributes.get('cn') ?? []).toSorted();
  };
  /** The record once the termination is over. */
  const ended = (instanceId: string) =>
    eventually(`the end of ${instanceId}`, 120_000, async () => {
      const membership = await membershipOf(system, instanceId);
      return membership?.terminate?.['complete'] === undefined ? undefined : membership;
    });

  beforeAll(async () => {
    const powerShell = findPowerShell(process.cwd());
    const windows = 'reason' in powerShell ? [] : [windowsServer(powerShell)];
    // PowerShell starts slowly beside other tests.
    const agentConfig = { nodes: { leaveSeconds: 60 }, patience: { leaveSeconds: 60 } };
    const systems = [await ownSystem(ground.image), ...windows];
    system = await openSystem(ground, { systems, attach: { Join: 'false' }, agentConfig });
    await letOthersJoin(system.domain);
    system.startAgent();
    await system.setDesiredCapacity(3);
    const isWindows = (id: string) => system.fleet.systemOf(id)?.powerShell !== undefined;
    const inAnyOrder = await inService(system, 3, 60_000);
    // The one that is like Windows is second, and joined.
    const [first = '', third = '', second = ''] = inAnyOrder.toSorted(
      (a, b) => Number(isWindows(a)) - Number(isWindows(b)),
    );
    instances = [first, second, third];
    await join(first, 'EC2AMAZ-ONE');
    await join(second, 'EC2AMAZ-TWO');
    await system.domain.controller.exec(['samba-tool', 'computer', 'create', 'BYSTANDER']);
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
      // A tombstone is what is left of a name until the servers forget it.
      filter: '(&(name=adjoin-*)(!(dNSTombstoned=TRUE)))',
      attributes: ['dc'],
    });
    expect(left).toEqual([]);
  }, 300_000);
});
