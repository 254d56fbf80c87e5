import { beforeEach, describe, expect, test } from '@jest/globals';
import { cli } from '../../../agent/cli/cli.ts';
import { follow, type RequestPorts } from '../../../agent/cli/request.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import type { Membership } from '../../../agent/ledger/membership.ts';
import type { Outcome, Request, Verb } from '../../../agent/lifecycle/request.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';
import { recordTerminal } from '../../support/terminal.ts';

const ID = '00000000-0000-0000-0000-000000000001';
const INSTANCE = 'i-0123456789abcdef0';

let clock: VirtualClock;
let sent: Request[];
/** What the ledger shows, by seconds after the request. */
let shown: Record<number, { outcome?: Outcome; membership?: Partial<Membership> }>;
let fault: (seconds: number) => void;
beforeEach(() => {
  clock = createVirtualClock();
  sent = [];
  shown = {};
  fault = () => undefined;
});

async function run(verb: Verb, waitMs = 60_000): Promise<{ code: number; out: string; err: string }> {
  const began = clock.now();
  const seconds = (): number => (clock.now() - began) / 1000;
  const now = () => {
    fault(seconds());
    const times = Object.keys(shown).map(Number);
    return shown[Math.max(...times.filter((at) => at <= seconds()))];
  };
  const ports: RequestPorts = {
    send: async (request) => void sent.push(request),
    outcome: async () => now()?.outcome,
    async membership() {
      const membership = now()?.membership;
      return (
        membership && {
          instanceId: INSTANCE,
          autoScalingGroup: '',
          state: 'joining',
          fencingToken: 1,
          ...membership,
        }
      );
    },
    clock,
    newId: () => ID,
  };
  const terminal = recordTerminal();
  const code = await clock.until(follow({ verb, instanceId: INSTANCE, waitMs }, ports, terminal));
  return { code, ...terminal.written };
}

const launch = (...steps: string[]): Membership['launch'] => ({
  actionToken: ID,
  hook: '',
  times: Object.fromEntries(steps.map((step, index) => [step, index])),
});
const ended = (ending: Outcome['ending'], error?: Outcome['error']): Outcome => ({ ending, at: 1, error });

describe('a join by hand', () => {
  test('says each step once, as the ledger shows it, and ends with 0', async () => {
    shown = {
      0: {},
      4: { membership: { launch: launch('received') } },
      8: { membership: { launch: launch('received', 'node', 'probe', 'stage'), computerName: 'A01' } },
      12: {
        membership: { launch: launch('received', 'node', 'probe', 'stage', 'join', 'verify') },
        outcome: ended('joined'),
      },
    };
    const { code, out, err } = await run('join');
    expect(sent).toEqual([{ id: ID, verb: 'join', instanceId: INSTANCE, askedAt: expect.any(Number) }]);
    expect(out.split('\n')).toEqual([
      `join of ${INSTANCE} asked for`,
      `  request ${ID}`,
      '  4 s: a worker has taken it up',
      '  8 s: the node answers Systems Manager',
      '  8 s: the node has told what it is',
      '  8 s: the account is there: A01',
      '  12 s: the node has joined',
      '  12 s: the directory shows the join',
      'Joined.',
      '',
    ]);
    expect([code, err]).toEqual([0, '']);
  });

  test('does not take the steps of another action for its own', async () => {
    const other = { ...launch('received', 'verify'), actionToken: 'other', hook: '', times: { received: 1 } };
    shown = { 0: { membership: { launch: other } }, 4: { outcome: ended('kept') } };
    const { code, out } = await run('join');
    expect(out).not.toContain('a worker has taken it up');
    expect(out).toContain('member already');
    expect(code).toBe(0);
  });

  test('that failed says why, with a hint, and ends with 70', async () => {
    const lastError = { code: 'node-packages-missing', message: 'it lacks adcli.', at: 1 };
    shown = {
      0: { membership: { launch: launch('received'), lastError } },
      2: { outcome: ended('abandoned', lastError) },
    };
    const { code, out, err } = await run('join');
    expect(out).toContain('  0 s: node-packages-missing: it lacks adcli.\n');
    expect(err).toContain('adjoin-prepare-image');
    expect(code).toBe(70);
    for (const line of `${out}${err}`.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('stops looking when its time is up, and says that the request goes on', async () => {
    const { code, err } = await run('join', 10_000);
    expect(err).toBe('Not ended after 10 s; the request goes on.\n');
    expect(code).toBe(75);
  });

  test('bears a ledger that does not answer for a while', async () => {
    shown = { 0: {}, 8: { outcome: ended('joined') } };
    fault = (seconds) => {
      if (seconds < 5) throw new AdjoinError('aws-unavailable', 'no answer');
    };
    expect(await run('join')).toMatchObject({ code: 0, out: expect.stringContaining('aws-unavailable') });
    fault = () => {
      throw new AdjoinError('aws-denied', 'dynamodb:GetItem');
    };
    expect(await run('join')).toMatchObject({
      code: 75,
      err: expect.stringContaining('the request goes on'),
    });
  });
});

describe('an unjoin by hand', () => {
  test.each([
    ['unjoined', 0, 'Unjoined'],
    ['owed', 75, 'Not removed yet'],
    ['void', 70, 'Nothing was done'],
    ['failed', 70, 'not known which account'],
  ] as const)('that ended as %s ends with %i', async (ending, expected, words) => {
    shown = { 0: { outcome: ended(ending) } };
    const { code, out } = await run('unjoin');
    expect(code).toBe(expected);
    expect(out).toContain(words);
  });
});

describe('the command line', () => {
  const typed = async (...argv: string[]): Promise<{ code: number; out: string; err: string }> => {
    const terminal = recordTerminal();
    const code = await cli(argv, terminal);
    return { code, ...terminal.written };
  };

  test.each([
    ['no instance', []],
    ['what is none', ['--instance', 'web-1']],
    ['an ID of 8 digits', ['--instance', 'i-01234567']],
    ['a wait that is no number', ['--instance', INSTANCE, '--wait', 'long']],
  ])('refuses %s', async (_what, options) => {
    for (const verb of ['join', 'unjoin'])
      expect(await typed(verb, '--config', 'any.json', ...options)).toMatchObject({ code: 64 });
  });

  test('says before an unjoin what it does to a living machine', async () => {
    const { code, out } = await typed('unjoin', '--help');
    expect(code).toBe(0);
    expect(out).toContain('even if it runs');
    expect(out).toContain('the account and its DNS records are deleted');
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });
});
