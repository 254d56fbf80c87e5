/**
 * A group of Windows-like machines: the documents' own scripts in real PowerShell, the agent and the domain as everywhere, and on the
 * wire what Windows does. What only a Windows Server shows is in documents/README.md.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Ground } from '../../infra/sandbox/host/ground.ts';
import { windowsServer } from '../../infra/sandbox/inside/systems.ts';
import type { PowerShell } from '../../infra/sandbox/machine/windows/power-shell.ts';
import { describePowerShell } from '../support/power-shell.ts';
import { describeReal } from '../support/sandbox.ts';
import { eventually, inService, logEntries, membershipOf, openSystem, type System } from './sandbox.ts';

const inPowerShell = (windows: PowerShell) => (ground: Ground) => {
  let system: System;

  beforeAll(async () => {
    // A leave is best effort. PowerShell, which starts slowly beside other tests, is to have its answer read all the same.
    const agentConfig = { nodes: { leaveSeconds: 60 }, patience: { leaveSeconds: 60 } };
    system = await openSystem(ground, { systems: [windowsServer(windows)], agentConfig });
    system.startAgent();
  }, 180_000);
  afterAll(() => system.stop(), 60_000);

  test('joins, each one as a verified member with a password of its own, and leaves', async () => {
    await system.setDesiredCapacity(1);
    const [instanceId = ''] = await inService(system, 1, 240_000);
    const membership = await membershipOf(system, instanceId);
    expect(membership).toMatchObject({ state: 'member' });
    const name = membership?.computerName ?? '';
    const [account] = await system.domain.search({
      filter: `(sAMAccountName=${name}$)`,
      attributes: ['operatingSystem', 'pwdLastSet', 'dNSHostName'],
    });
    // Told through the secure channel: no join of another system writes this.
    expect(account?.attributes.get('operatingSystem')).toEqual(['Windows Server 2022 Datacenter']);
    const fqdn = `${name}.${system.domain.domainName}`.toLowerCase();
    const machine = system.fleet.machine(instanceId);
    expect(await system.resolve(fqdn)).toEqual([machine?.address]);
    expect(await machine?.exec(['hostname'])).toMatchObject({ stdout: `${name.toLowerCase()}\n` });

    await system.setDesiredCapacity(0);
    await inService(system, 0, 120_000);
    const ended = await eventually('the record of the termination', 60_000, async () => {
      const found = await membershipOf(system, instanceId);
      return found?.terminate?.['complete'] === undefined ? undefined : found;
    });
    expect(ended).toMatchObject({ state: 'removed' });
    expect(await system.domain.search({ filter: `(sAMAccountName=${name}$)`, attributes: ['cn'] })).toEqual(
      [],
    );
    expect(await system.resolve(fqdn)).toEqual([]);
    const left = (await logEntries(system)).find(({ event }) => event === 'node left');
    expect(left).toMatchObject({ result: 'left' });
  }, 480_000);
};

describePowerShell('with PowerShell', (windows) => {
  describeReal('a group of Windows-like machines', inPowerShell(windows));
});
