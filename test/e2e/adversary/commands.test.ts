/** A person who may cancel commands, and cancels adjoin's: seen, not counted, and in the end outlasted. */
import { CancelCommandCommand, ListCommandInvocationsCommand, SSMClient } from '@aws-sdk/client-ssm';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Machine } from '../../../infra/sandbox/machine/machine.ts';
import { describeReal } from '../../support/sandbox.ts';
import { eventually, inService, logEntries, onlyInstance, openSystem, type System } from '../sandbox.ts';

/** How often a join may fail. Each of probe and join is cancelled more often. */
const joinAttempts = 2;
const cancellations = joinAttempts + 1;

/** While these exist on a machine, its probe and its join last: no command is too fast to be cancelled. */
const holds = { probe: '/run/hold-probe', join: '/run/hold-join' } as const;
/** While this exists, a join does not end after its tool has: the password is changed, and nothing else is set up. */
const holdEnd = '/run/hold-end';
const changed = '/run/password-changed';
const wrapper = (tool: string, word: string, hold: string, after: string): string => `#!/bin/sh
case " $* " in
*' ${word} '*) ;;
*) exec ${tool}.real "$@" ;;
esac
while [ -e ${hold} ]; do sleep 0.1; done
${tool}.real "$@" || exit
${after}
`;
const holdAtEnd = `touch ${changed}; while [ -e ${holdEnd} ]; do sleep 0.1; done`;

async function wrap(machine: Machine, tool: string, word: string, hold: string, after = ''): Promise<void> {
  const put = `mv ${tool} ${tool}.real && cat >${tool} && chmod 755 ${tool} && touch ${hold}`;
  const { code, stderr } = await machine.exec(['sh', '-c', put], { input: wrapper(tool, word, hold, after) });
  if (code !== 0) throw new Error(stderr);
}

describeReal('a person who cancels commands', (ground) => {
  let system: System;
  let ssm: SSMClient;

  beforeAll(async () => {
    system = await openSystem(ground, {
      agentConfig: { patience: { joinAttempts, retrySeconds: 0.5, retryMaximumSeconds: 1 } },
      async prepareMachine(machine) {
        await wrap(machine, '/usr/bin/openssl', 'genpkey', holds.probe);
        await wrap(machine, '/usr/sbin/adcli', 'join', holds.join, holdAtEnd);
      },
    });
    // The deny policies may take ssm:CancelCommand from developers; this role keeps it.
    ssm = new SSMClient({ ...system.developer, credentials: system.keys.administrator });
    system.startAgent();
  }, 300_000);
  afterAll(async () => {
    ssm.destroy();
    await system.stop();
  }, 180_000);

  const cancelled: string[] = [];

  /** Cancels the next command of this purpose that runs. */
  function cancelNext(purpose: 'probe' | 'join', instanceId: string): Promise<number> {
    return eventually(`a ${purpose} to cancel, after ${cancelled.length} commands`, 60_000, async () => {
      const { CommandInvocations = [] } = await ssm.send(
        new ListCommandInvocationsCommand({ InstanceId: instanceId }),
      );
      const running = CommandInvocations.find(
        ({ DocumentName, Status }) =>
          DocumentName?.startsWith(`adjoin-${purpose}-`) === true && Status === 'InProgress',
      );
      if (running?.CommandId === undefined) return undefined;
      await ssm.send(new CancelCommandCommand({ CommandId: running.CommandId }));
      return cancelled.push(running.CommandId);
    });
  }

  test('more often than a join may fail has the instance enter service all the same, and is seen', async () => {
    await system.setDesiredCapacity(1);
    const instanceId = await onlyInstance(system, 'Pending:Wait', 60_000);
    const machine = system.fleet.machine(instanceId);
    if (!machine) throw new Error(`${instanceId} has no machine.`);
    for (const purpose of ['probe', 'join'] as const) {
      if (purpose === 'join') await machine.exec(['touch', holdEnd]);
      for (let count = 0; count < cancellations; count += 1) {
        await cancelNext(purpose, instanceId);
      }
      await machine.exec(['rm', holds[purpose]]);
    }
    await eventually('a password that has changed', 60_000, async () =>
      (await machine.exec(['test', '-e', changed])).code === 0 ? true : undefined,
    );
    await cancelNext('join', instanceId);
    await machine.exec(['rm', holdEnd]);
    expect(new Set(cancelled).size).toBe(2 * cancellations + 1);

    expect(await inService(system, 1, 120_000)).toEqual([instanceId]);
    const stamps = (await system.auditor.computers()).map(({ stamp }) => stamp);
    expect(stamps).toEqual([system.subject.expected.stampOf(instanceId)]);
    expect(await system.subject.witnesses.leftovers([instanceId])).toEqual([]);
    // The join that was cancelled last had changed the password; what it left undone is done.
    const user = await machine.exec(['getent', 'passwd', `administrator@${system.domain.domainName}`]);
    expect(user.stdout).not.toBe('');

    const seen = (await logEntries(system)).filter(({ event }) => event === 'command cancelled');
    expect(seen.map(({ commandId }) => commandId)).toEqual(cancelled);
    for (const entry of seen) {
      expect(entry).toMatchObject({
        level: 'warn',
        instanceId,
        hint: expect.stringContaining('CancelCommand'),
      });
    }
  }, 420_000);
});
