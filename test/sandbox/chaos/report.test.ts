import { describe, expect, test } from '@jest/globals';
import { parseChaosArguments } from '../../../infra/sandbox/command-line/chaos-arguments.ts';
import { closingLines, holds, missingKinds } from '../../../infra/sandbox/chaos/command.ts';
import { drawTimeline, type Mark, type Timeline } from '../../../infra/sandbox/chaos/picture.ts';
import { type Fault, makePlan } from '../../../infra/sandbox/chaos/plan.ts';
import { callTable, faultTable, type Tally } from '../../../infra/sandbox/chaos/table.ts';
import { UsageError } from '../../../infra/sandbox/command-line/parse.ts';

const killed: Fault = { kind: 'worker-killed', worker: 1 };
const throttled: Fault = { kind: 'call-throttled', operation: 'ssm:SendCommand', times: 2 };
const tallies: readonly Tally[] = [
  { fault: killed, injected: true },
  { fault: { ...killed }, injected: false },
  { fault: throttled, injected: true },
  { fault: { kind: 'answer-lost', operation: 'sqs:DeleteMessage', times: 1 }, injected: false },
];
const plan = makePlan({ seed: 's', minutes: 1, workers: 2, controllers: 2, groups: 2, leaseSeconds: 30 });
const proof = { claim: 'all is well', proven: true, figures: '1 of 1', failures: [] };

describe('the table', () => {
  test('counts each kind as planned and as injected, and what was lost', () => {
    const rows = faultTable(tallies, 0).map((line) => line.trim().split(/\s{2,}/));
    expect(rows).toContainEqual(['worker-killed', '2', '1']);
    expect(rows).toContainEqual(['answer-lost', '1', '0']);
    expect(rows).toContainEqual(['in all', '4', '2']);
    expect(rows.at(-1)).toEqual(['lost by it', '0']);
  });

  test('shows what befell the calls of each operation', () => {
    const rows = callTable(tallies).map((line) => line.trim().split(/\s{2,}/));
    expect(rows).toEqual([
      ['calls spoilt', 'throttle', '5xx', 'lost', 'late'],
      ['ssm:SendCommand', '1', '0', '0', '0'],
    ]);
  });

  test('no line is wider than 80 columns', () => {
    const all = plan.faults.map(({ fault }) => ({ fault, injected: true }));
    for (const line of [...faultTable(all, 0), ...callTable(all)])
      expect(line.length).toBeLessThanOrEqual(80);
  });
});

describe('the verdict', () => {
  test('a kind that never met anything is named, and nothing holds', () => {
    expect(missingKinds({ tallies })).toEqual(['answer-lost']);
    expect(holds({ tallies, proofs: [proof] })).toBe(false);
    expect(closingLines({ tallies, proofs: [proof], launched: 3, plan }).join('\n')).toContain(
      '✘ never injected: answer-lost',
    );
  });

  test('it holds when every claim holds and every kind was injected', () => {
    const injected = tallies.filter((tally) => tally.injected);
    expect(holds({ tallies: injected, proofs: [proof] })).toBe(true);
    expect(closingLines({ tallies: injected, proofs: [proof], launched: 3, plan }).at(-1)).toBe(
      '✔ 3 instances, 1 claims hold (seed s)',
    );
  });

  test('a broken claim is told, and counts as lost', () => {
    const breach = { ...proof, proven: false, failures: ['one', 'two'] };
    const lines = closingLines({ tallies, proofs: [proof, breach], launched: 3, plan });
    expect(holds({ tallies, proofs: [breach] })).toBe(false);
    expect(lines.some((line) => /^lost by it +2$/.test(line))).toBe(true);
    expect(lines).toContain('    two');
  });
});

const span = (to: number): Mark => ({ lane: 'dc1', kind: 'packets-dropped', from: 2_000, to });

describe('the picture', () => {
  const marks: Mark[] = [
    { lane: 'worker 1', kind: 'worker-killed', from: 2_000 },
    { lane: 'dc1', kind: 'controller-stopped', from: 3_000, to: 6_000 },
    { lane: 'AWS', kind: 'answer-lost', from: 4_000 },
    { lane: 'i-0aaaaaaaaaaaaaaaa', kind: 'instance-died', from: 5_000 },
  ];
  const timeline: Timeline = {
    title: 'chaos <&"> one',
    from: 0,
    to: 10_000,
    healedAt: 8_000,
    lanes: ['AWS', 'worker 1', 'dc1'],
    marks,
    instances: [
      {
        instanceId: 'i-0aaaaaaaaaaaaaaaa',
        group: 'fleet',
        launchedAt: 1_000,
        inServiceAt: 2_000,
        leavingAt: 5_000,
        goneAt: 6_000,
      },
      { instanceId: 'i-0bbbbbbbbbbbbbbbb', group: 'fleet', launchedAt: 4_000 },
    ],
  };
  const svg = drawTimeline(timeline);

  test('shows every lane, every fault with its time, and every instance', () => {
    for (const lane of timeline.lanes) expect(svg).toContain(`>${lane}</text>`);
    expect(svg).toContain('<title>worker-killed at 2.0 s</title>');
    expect(svg).toContain('<title>controller-stopped at 3.0 s until 6.0 s</title>');
    expect(svg).toContain('<title>answer-lost at 4.0 s</title>');
    expect(svg).toContain('<title>instance-died at 5.0 s</title>');
    expect(svg).toContain('>2 instances</text>');
  });

  test('a span is as long as its fault, to scale', () => {
    const wide = (mark: Mark): number => {
      const drawn = drawTimeline({ ...timeline, marks: [mark] });
      return Number(/width="([\d.]+)" height="\d+" fill="[^"]+" opacity/.exec(drawn)?.[1]);
    };
    expect(wide(span(6_000)) / wide(span(4_000))).toBeCloseTo(2, 2);
  });

  test('text is text, whatever the seed', () => {
    expect(svg).toContain('chaos &lt;&amp;&quot;&gt; one');
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });
});

describe('the command line', () => {
  const parse = (...argv: string[]) => parseChaosArguments(argv, () => 'made-up');

  test('five minutes and a made-up seed unless told otherwise', () => {
    expect(parse()).toEqual({ minutes: 5, seed: 'made-up', report: undefined });
    expect(parse('--minutes', '0.5', '--seed', 'a.b-7', '--report', 'out')).toEqual({
      minutes: 0.5,
      seed: 'a.b-7',
      report: 'out',
    });
  });

  test.each([
    [['--minutes', '0']],
    [['--minutes', 'many']],
    [['--minutes', '1441']],
    [['--minutes', '']],
    [['--seed', 'a b']],
    [['--seed', '']],
    [['--workers', '2']],
    [['five']],
  ])('%j is refused with the usage', (argv) => {
    expect(() => parse(...argv)).toThrow(UsageError);
    expect(() => parse(...argv)).toThrow(/npm run chaos -- --help/);
  });

  test('a refused number of minutes says which are taken', () => {
    expect(() => parse('--minutes', '0')).toThrow(/'--minutes <m>' argument '0' is invalid.*up to 1440/);
  });

  test('help is no failure, and lists every option', () => {
    expect(() => parse('--help')).toThrow(
      expect.objectContaining({
        exitCode: 0,
        message: expect.stringMatching(/npm run chaos --.*--minutes.*--seed.*--report/s),
      }),
    );
  });
});
