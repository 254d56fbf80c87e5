import { describe, expect, test } from '@jest/globals';
import type { Life } from '../../../infra/sandbox/story/lives.ts';
import { readMembership } from '../../../infra/sandbox/story/memberships.ts';
import { barOf, drawPanels, type Bar } from '../../../infra/sandbox/story/picture.ts';
import { idOf, item } from './fixtures.ts';

const launch = { received: 1_000, node: 2_000, probe: 3_000, stage: 3_500, join: 6_000, verify: 6_100 };
const terminate = { received: 10_100, leave: 11_000, remove: 11_500 };
const life: Life = {
  instanceId: idOf(1),
  group: 'fleet',
  launchedAt: 0,
  onlineAt: 1_500,
  continuedAt: 6_200,
  inServiceAt: 6_400,
  leavingAt: 10_000,
  releasedAt: 11_600,
  goneAt: 11_700,
};
const stretches = ({ spans }: Bar) => spans.map(({ what, from, to }) => [what, from, to]);

const bar = (label: string, seconds: number, from = 0): Bar => ({
  label,
  spans: [{ what: 'join', from, to: from + seconds * 1_000 }],
});
/** Widths of the bars, in their order. */
const widths = (svg: string): number[] =>
  [...svg.matchAll(/width="([\d.]+)" height="16"/g)].map(([, wide]) => Number(wide));

describe('the bar of an instance', () => {
  test('goes from its launch to its end, without a gap in the work', () => {
    const bar = barOf(idOf(1), life, readMembership(item(idOf(1), launch, terminate)), 20_000);
    expect(bar.label).toBe('A00000000000001');
    expect(stretches(bar)).toEqual([
      ['boot', 0, 1_500],
      ['wait', 1_500, 2_000],
      ['probe', 2_000, 3_000],
      ['stage', 3_000, 3_500],
      ['join', 3_500, 6_000],
      ['verify', 6_000, 6_100],
      ['complete', 6_100, 6_200],
      ['in service', 6_400, 10_000],
      ['wait', 10_000, 10_100],
      ['leave', 10_100, 11_000],
      ['remove', 11_000, 11_500],
      ['complete', 11_500, 11_600],
    ]);
  });

  test('of one that stays is in service up to the end of the run', () => {
    const { leavingAt: _leaving, releasedAt: _released, goneAt: _gone, ...stays } = life;
    const bar = barOf(idOf(1), stays, readMembership(item(idOf(1), launch)), 20_000);
    expect(stretches(bar).at(-1)).toEqual(['in service', 6_400, 20_000]);
  });

  test('of no group begins with its message, and of one that the ledger does not know shows its boot', () => {
    const complete = { ...launch, complete: 6_300 };
    const alone = barOf(idOf(1), undefined, readMembership(item(idOf(1), complete)), 9_000);
    expect(stretches(alone)[0]).toEqual(['wait', 1_000, 2_000]);
    expect(stretches(alone).at(-1)).toEqual(['in service', 6_300, 9_000]);
    const unknown = barOf(idOf(1), { ...life, continuedAt: 0 }, undefined, 9_000);
    expect(unknown.label).toBe(idOf(1));
    expect(stretches(unknown)[0]).toEqual(['boot', 0, 1_500]);
  });
});

describe('the picture', () => {
  test('panels have one scale, each from its own beginning', () => {
    const svg = drawPanels('both', [
      { title: 'adjoin', from: 0, bars: [bar('one', 10)] },
      { title: 'the floor', from: 500_000, bars: [bar('two', 5, 500_000)] },
    ]);
    const [first = 0, second = 0] = widths(svg);
    expect(first / second).toBeCloseTo(2, 2);
    for (const text of ['adjoin', 'the floor', 'one', 'two']) expect(svg).toContain(`>${text}</text>`);
  });

  test('the legend names what is there, and nothing else', () => {
    const svg = drawPanels('one', [{ title: 'adjoin', from: 0, bars: [bar('one', 1)] }]);
    expect(svg).toContain('>join</text>');
    expect(svg).not.toContain('>leave</text>');
  });

  test('text is text, and an empty run is a picture all the same', () => {
    expect(drawPanels('<&">', [])).toContain('&lt;&amp;&quot;&gt;');
    expect(drawPanels('none', [{ title: 'none', from: 0, bars: [] }])).not.toMatch(/NaN|undefined|Infinity/);
  });

  test('however many bars there are, the picture stays of a size to look at', () => {
    const bars = Array.from({ length: 250 }, (_, index) => bar(`n${index}`, 1));
    const [, height = '0'] =
      /height="(\d+)" font/.exec(drawPanels('many', [{ title: '', from: 0, bars }])) ?? [];
    expect(Number(height)).toBeLessThan(1_500);
  });
});
