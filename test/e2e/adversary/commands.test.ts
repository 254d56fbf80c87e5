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
const wrapper = (tool: string, word: string, hold: string): string => `#!/bin/sh
case " $* " in
*' ${word} '*) while [ -e ${hold} ]; do sleep 0.1; done ;;
esac
exec ${tool}.real "$@"
`;

async function wrap(machine: Machine, tool: string, word: string, hold: string): Promise<void> {
  const put = `mv ${tool} ${tool}.real && cat >${tool} && chmod 755 ${tool} && touch ${hold}`;
  const { code, stderr } = await machine.exec(['sh', '-c', put], { input: wrapper(tool, word, hold) });
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
        await wrap(machine, '/usr/sbin/realm', 'join', holds.join);
      },
    });
    // Whoever has ssm:CancelCommand: the deny policies may take it from developers, and from nobody else.
    ssm = new SSMClient({ ...system.developer, credentials: system.keys.administrator });
    system.startAgent();
  }, 300_000);
  afterAll(async () => {
    ssm.destroy();
    await system.stop();
  }, 60_000);

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
    for (const purpose of ['probe', 'join'] as const) {
      for (let count = 0; count < cancellations; count += 1) {
        await cancelNext(purpose, instanceId);
      }
      await system.fleet.machine(instanceId)?.exec(['rm', holds[purpose]]);
    }
    expect(new Set(cancelled).size).toBe(2 * cancellations);

    expect(await inService(system, 1, 120_000)).toEqual([instanceId]);
    const stamps = (await system.auditor.computers()).map(({ stamp }) => stamp);
    expect(stamps).toEqual([system.subject.expected.stampOf(instanceId)]);
    expect(await system.subject.witnesses.leftovers([instanceId])).toEqual([]);

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
