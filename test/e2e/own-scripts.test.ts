import { AutoScalingClient, CreateOrUpdateTagsCommand } from '@aws-sdk/client-auto-scaling';
import { CreateDocumentCommand, SSMClient } from '@aws-sdk/client-ssm';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeReal } from '../support/sandbox.ts';
import { computerNames, eventually, inService, membershipOf, openSystem, type System } from './sandbox.ts';

const examples = ['adjoin-own-join', 'adjoin-own-leave', 'adjoin-own-banner'];

/** The examples of docs/own-scripts, as people would use them. */
describeReal('a group with scripts of its own', (ground) => {
  let system: System;
  let contents: readonly (readonly [name: string, content: string])[];

  beforeAll(async () => {
    contents = await Promise.all(
      examples.map(
        async (name) =>
          [name, await readFile(join(process.cwd(), 'docs/own-scripts', `${name}.json`), 'utf8')] as const,
      ),
    );
    const ownDocuments = contents.map(
      ([name, content]) => `${name}:1:${createHash('sha256').update(content).digest('hex')}`,
    );
    system = await openSystem(ground, { agentConfig: { ownDocuments } });
    const { stack } = system;
    const administrator = { ...system.developer, credentials: system.keys.administrator };
    const ssm = new SSMClient(administrator);
    for (const [Name, Content] of contents)
      await ssm.send(new CreateDocumentCommand({ Name, Content, DocumentType: 'Command' }));
    ssm.destroy();
    const autoScaling = new AutoScalingClient(administrator);
    const tags = {
      'adjoin:JoinDocument': 'adjoin-own-join',
      'adjoin:LeaveDocument': 'adjoin-own-leave',
      'adjoin:PostJoinDocument': 'adjoin-own-banner',
    };
    await autoScaling.send(
      new CreateOrUpdateTagsCommand({
        Tags: Object.entries(tags).map(([Key, Value]) => ({
          ResourceId: stack.autoScalingGroup,
          ResourceType: 'auto-scaling-group',
          PropagateAtLaunch: false,
          Key,
          Value,
        })),
      }),
    );
    autoScaling.destroy();
    system.startAgent();
  }, 300_000);
  afterAll(() => system.stop(), 60_000);

  test('joins with them, is changed after the join, and leaves with them', async () => {
    await system.setDesiredCapacity(1);
    const [instanceId = ''] = await inService(system, 1, 120_000);
    const membership = await membershipOf(system, instanceId);
    expect(membership).toMatchObject({ state: 'member' });
    expect(membership?.launch?.['post-join']).toBeGreaterThan(0);
    const machine = system.fleet.machine(instanceId);
    const seen = await machine?.exec([
      'sh',
      '-c',
      'cat /etc/motd; klist -k; ls /run/adjoin/key.pem; pgrep sssd',
    ]);
    expect(seen?.stdout).toContain(`A member of ${system.domain.domainName}.`);
    expect(seen?.stdout).toContain(`${membership?.computerName ?? ''}$@`);
    expect(seen?.stdout).not.toContain('key.pem');
    // The join of its own sets up no sssd: it was not ours that ran.
    expect(seen?.code).toBe(1);
    expect(await computerNames(system)).toEqual([membership?.computerName]);

    await system.setDesiredCapacity(0);
    const ended = await eventually('the end of the instance', 60_000, async () => {
      const found = await membershipOf(system, instanceId);
      return found?.terminate?.['complete'] === undefined ? undefined : found;
    });
    expect(ended.state).toBe('removed');
    expect(await computerNames(system)).toEqual([]);
  }, 200_000);
});
