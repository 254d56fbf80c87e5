import { ListCommandInvocationsCommand, ListCommandsCommand, SSMClient } from '@aws-sdk/client-ssm';
import { ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { filesWith, formsOf } from '../../infra/sandbox/chaos/secrets.ts';
import { systemClock } from '../../infra/sandbox/clock.ts';
import { closingLines, type StoryResult, tellStory } from '../../infra/sandbox/story/story.ts';
import { createView } from '../../infra/sandbox/story/view.ts';
import { describeReal } from '../support/sandbox.ts';
import {
  installRecorder,
  memoryFilesWith,
  plantCanary,
  type ProcessWatch,
  unsealed,
  watchProcesses,
} from './canaries.ts';
import { hearEverything, inService, openSystem, putCredential, type System } from './sandbox.ts';

const size = 3;

describeReal('the story of a fleet', (ground) => {
  let system: System;
  let processes: ProcessWatch;
  let secrets: string[];
  /** What the AWS services show to anybody who may read. */
  let shown: string;
  let planted: string;
  /** Files of the sandbox and of its machines in which one of the patterns is. */
  let search: (patterns: readonly string[]) => Promise<string[]>;

  beforeAll(async () => {
    system = await openSystem(ground, { prepareMachine: installRecorder });
    processes = watchProcesses();
    hearEverything(system);
    await putCredential(system);
    system.startAgent();
    await system.setDesiredCapacity(size);
    await inService(system, size, 120_000);
    const machines = system.fleet.machines();
    const [first] = machines;
    if (!first) throw new Error('There is no machine.');
    planted = await plantCanary(first, processes);
    await processes.stop();

    const oneTimePasswords = (await Promise.all(machines.map(unsealed))).flat();
    secrets = [system.domain.serviceAccount.password, ...oneTimePasswords];
    const ssm = new SSMClient(system.developer);
    const answers = [
      await ssm.send(new ListCommandsCommand({})),
      await ssm.send(new ListCommandInvocationsCommand({ Details: true })),
      await system.dynamodb.send(new ScanCommand({ TableName: system.stack.table })),
    ];
    ssm.destroy();
    shown = [
      ...answers.map((answer) => JSON.stringify({ ...answer, $metadata: undefined })),
      ...system.cloud.topics.all().flatMap(({ messages }) => messages),
    ].join('\n');
    search = async (patterns) => {
      const own = (await readdir('.sandbox')).filter((name) => name !== 'run' && !name.endsWith('.sock'));
      const synthesized = dirname(dirname(system.stack.agentFile));
      const files = [
        synthesized,
        ...own.map((name) => `.sandbox/${name}`),
        ...machines.map((machine) => machine.disk),
      ];
      const found = await filesWith(patterns, files);
      for (const machine of machines) found.push(...(await memoryFilesWith(patterns, machine)));
      return found;
    };
  }, 300_000);

  afterAll(() => system.stop(), 60_000);

  test('every one-time password was seen by the test, so that it can look for them', () => {
    const [service, ...oneTimePasswords] = secrets;
    expect(service?.length).toBeGreaterThanOrEqual(40);
    expect(new Set(oneTimePasswords).size).toBeGreaterThanOrEqual(size);
    for (const password of oneTimePasswords) expect(password).toMatch(/^[A-Za-z0-9]{20,}$/);
  });

  test('no process had a secret among its arguments or in its environment', () => {
    // The watch was awake: it saw the joins.
    expect([...processes.seen].some((text) => text.includes('adcli'))).toBe(true);
    const seen = [...processes.seen].join('\n');
    expect(secrets.flatMap(formsOf).filter((form) => seen.includes(form))).toEqual([]);
  });

  test('Run Command, the ledger, events and notices show no secret', () => {
    expect(shown).toContain('adjoin-join');
    // Every call that the trail tells of was heard: of the commands, and of the password itself.
    expect(shown).toContain('"eventName":"SendCommand"');
    expect(shown).toContain('"eventName":"PutSecretValue"');
    expect(secrets.flatMap(formsOf).filter((form) => shown.includes(form))).toEqual([]);
  });

  test('no template, no asset, no log, no configuration and no file of a machine holds a secret', async () => {
    expect(await search(secrets)).toEqual([]);
  }, 60_000);

  test('a canary in an argument, in an environment, on a disk and on a tmpfs would have been found', async () => {
    const seen = [...processes.seen];
    expect(seen.some((text) => text.includes(`argument-${planted}`))).toBe(true);
    expect(seen.some((text) => text.includes(`environment-${planted}`))).toBe(true);
    const found = await search([planted]);
    expect(found.some((file) => file.endsWith('/upper/var/canary'))).toBe(true);
    expect(found).toContain('/run/canary');
  }, 60_000);

  test('the fleet is proven to be in the domain, goes, and leaves nothing behind', async () => {
    let told = '';
    const view = createView(
      {
        live: false,
        color: false,
        write: (text) => void (told += text),
        size: () => ({ columns: 80, rows: 24 }),
      },
      Date.now(),
      Date.now,
    );
    await system.setDesiredCapacity(0);
    await inService(system, 0, 60_000);
    const result: StoryResult = await tellStory(
      2,
      system.subject,
      view,
      systemClock,
      new AbortController().signal,
    );
    const text = [told, ...closingLines(result), await readFile(system.agentLogFile, 'utf8')].join('\n');
    expect({ proven: result.proven, text: result.proven ? '' : text }).toEqual({ proven: true, text: '' });
  }, 300_000);
});
