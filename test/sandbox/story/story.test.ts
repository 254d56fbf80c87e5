import { describe, expect, test } from '@jest/globals';
import type { AuditedAccount } from '../../../infra/sandbox/story/auditor.ts';
import type { Life } from '../../../infra/sandbox/story/lives.ts';
import { readMembership } from '../../../infra/sandbox/story/memberships.ts';
import { pictureOf, reportOf } from '../../../infra/sandbox/story/report.ts';
import { proofOf } from '../../../infra/sandbox/story/proof.ts';
import {
  type ChapterFacts,
  closingLines,
  sizesOf,
  type Subject,
  tellStory,
} from '../../../infra/sandbox/story/story.ts';
import { createView } from '../../../infra/sandbox/story/view.ts';
import { idOf, item } from './fixtures.ts';

const stampOf = (instanceId: string) => `stamp of ${instanceId}`;

/** A fleet without a cloud: instances enter and leave service two seconds after they were asked for. */
function rehearsal(
  over: { stuck?: boolean; givenUp?: boolean; forgets?: boolean; exitCode?: number; shares?: boolean } = {},
) {
  let time = 1_000_000;
  const clock = {
    now: () => time,
    sleep: async (ms: number) => {
      time += ms;
    },
  };
  const fleet = new Map<string, { since: number; leaving: boolean }>();
  const accounts = new Map<string, AuditedAccount>();
  const lives = new Map<string, Life>();
  const step = () => {
    for (const [id, instance] of fleet) {
      if (time - instance.since < 2_000 || over.stuck === true) continue;
      if (instance.leaving) {
        fleet.delete(id);
        if (!over.forgets) accounts.delete(id);
      } else if (!accounts.has(id)) {
        const computerName = `A${Number.parseInt(id.slice(2), 16)}`;
        const distinguishedName = `CN=${computerName},OU=Fleet`;
        accounts.set(id, {
          computerName,
          distinguishedName,
          enabled: true,
          passwordLastSet: time - 100,
          stamp: stampOf(id),
        });
      }
    }
  };
  const states = () => {
    step();
    if (over.givenUp === true) return new Map<string, string>();
    return new Map(
      [...fleet].map(([id, { leaving }]) => [
        id,
        leaving ? 'Terminating:Wait' : accounts.has(id) ? 'InService' : 'Pending:Wait',
      ]),
    );
  };
  const memberships = () =>
    new Map(
      [...fleet.keys()].flatMap((id) => {
        const received = item(id, { received: time, node: time + 500 });
        const lastError = { M: { code: { S: 'join-failed' }, message: { S: 'no route' } } };
        const membership = readMembership({
          ...received,
          ...(over.stuck || over.givenUp ? { lastError } : {}),
        });
        return membership ? [[id, membership] as const] : [];
      }),
    );
  let written = '';
  const subject: Subject = {
    expected: { domain: 'corp.example.test', organizationalUnit: 'OU=Fleet', stampOf },
    look: async () => ({ states: states(), memberships: memberships() }),
    async setDesiredCapacity(size) {
      for (let n = fleet.size; n < size; n += 1) {
        const instanceId = idOf(n + 1);
        fleet.set(instanceId, { since: time, leaving: false });
        lives.set(instanceId, {
          instanceId,
          group: 'fleet',
          launchedAt: time,
          onlineAt: time,
          continuedAt: time + 3_000,
        });
      }
      for (const id of [...fleet.keys()].slice(size)) fleet.set(id, { since: time, leaving: true });
    },
    agentDeaths: () => 0,
    stopAgent: async () => ({ code: over.exitCode ?? 0, signal: null }),
    lives: () => lives,
    calls: () => [{ operation: 'sqs:ReceiveMessage', count: 3, errors: 0 }],
    logFile: '.sandbox/agent.log',
    ...(over.shares !== undefined && {
      systemOf: (id: string) => (id === idOf(1) ? 'Debian' : 'SUSE'),
      alsoProve: async ({ size, previous }: ChapterFacts) =>
        size > previous ? [proofOf('shared', 1, over.shares ? [] : ['not shared'])] : [],
    }),
    witnesses: {
      auditor: {
        computers: async () => [...accounts.values()],
        dnsNames: async () => [
          'dc1',
          ...[...accounts.values()].map((account) => account.computerName.toLowerCase()),
        ],
      },
      resolve: async (name) => [name.split('.')[0] ?? ''],
      addressOf: (id) => accounts.get(id)?.computerName.toLowerCase(),
      onMachine: async (_, argv) => ({ code: 0, stdout: `${argv[2]}:`, stderr: '' }),
      lifecycleStates: async () => states(),
      inServiceTimes: async () => new Map([...accounts.keys()].map((id) => [id, time])),
      leftovers: async () => [],
    },
  };
  const view = createView(
    {
      live: false,
      color: false,
      write: (text) => void (written += text),
      size: () => ({ columns: 80, rows: 24 }),
    },
    time,
    clock.now,
  );
  const tell = (instances: number) =>
    tellStory(instances, subject, view, clock, new AbortController().signal);
  return { tell, written: () => written };
}

describe('the story', () => {
  test('a group goes out, in to two, and to nothing, and a repeated size is told once', () => {
    expect(sizesOf(6)).toEqual([6, 2, 0]);
    expect(sizesOf(2)).toEqual([2, 0]);
    expect(sizesOf(1)).toEqual([1, 0]);
  });

  test('a fleet that does as it should proves every claim', async () => {
    const result = await rehearsal().tell(6);
    expect(result.proven).toBe(true);
    expect(result.chapters.map((chapter) => [chapter.title, chapter.proofs.length])).toEqual([
      ['scale out to 6', 6],
      ['scale in to 2', 9],
      ['scale in to 0', 3],
      ['stop the agent', 1],
    ]);
    expect(closingLines(result).join('\n')).toContain('✔ all 19 claims proven');
  });

  test('a fleet of several systems proves what it alone can show, and is counted by system', async () => {
    const result = await rehearsal({ shares: true }).tell(3);
    expect(result.chapters[0]?.proofs.at(-1)).toMatchObject({ claim: 'shared', proven: true });
    expect(closingLines(result).join('\n')).toMatch(/nodes by system .*\nDebian .*\nSUSE /);
    expect((await rehearsal({ shares: false }).tell(3)).proven).toBe(false);
  });

  test('a story that is stuck names the instance, its step and its last error, and goes no further', async () => {
    const { tell, written } = rehearsal({ stuck: true });
    const result = await tell(1);
    expect(result.proven).toBe(false);
    expect(result.chapters.map((chapter) => chapter.title)).toEqual(['scale out to 1', 'stop the agent']);
    expect(written()).toContain(
      `${idOf(1)} is Pending:Wait, in step probe; last error join-failed: no route`,
    );
    expect(written()).toContain('look into .sandbox/agent.log');
  });

  test('an instance that was given up in the meantime still says why', async () => {
    const { tell, written } = rehearsal({ givenUp: true });
    expect((await tell(1)).proven).toBe(false);
    expect(written()).toContain(
      `${idOf(1)} is gone, its membership joining; last error join-failed: no route`,
    );
  });

  test('an account that is left behind fails the story', async () => {
    const result = await rehearsal({ forgets: true }).tell(3);
    expect(result.proven).toBe(false);
    expect(closingLines(result).join('\n')).toContain('✘ computer accounts of terminated instances: 1 left');
  });

  test('an agent that does not end with 0 fails the story', async () => {
    const result = await rehearsal({ exitCode: 3 }).tell(1);
    expect(result.proven).toBe(false);
    expect(closingLines(result).join('\n')).toContain('it ended with 3');
  });

  test('the report has each proof, each instance and the calls', async () => {
    const report = reportOf(await rehearsal().tell(2), new Date(0));
    expect(report).toMatchObject({
      startedAt: '1970-01-01T00:00:00.000Z',
      proven: true,
      calls: [{ operation: 'sqs:ReceiveMessage', count: 3 }],
      timeToJoin: [{ group: 'fleet', joins: 2, p50: { total: 3 }, p99: { total: 3 } }],
      instances: [
        { instanceId: idOf(1), computerName: 'A00000000000001', join: { node: 0.5 } },
        { instanceId: idOf(2) },
      ],
    });
  });

  test('the picture has a bar for each instance, and the summary the time that users wait for', async () => {
    const result = await rehearsal().tell(2);
    const svg = pictureOf(result);
    expect(svg).toMatch(/scale out to 2, scale in to 0: 2 instances in \d/);
    expect(svg.match(/>A00000000000001<\/text>/g)).toHaveLength(2);
    expect(closingLines(result).join('\n')).toMatch(/agent online to CONTINUE .*\np50 of 2 .* 3\.00\n/);
  });
});
