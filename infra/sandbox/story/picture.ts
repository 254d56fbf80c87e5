/**
 * Runs as a picture: a bar for each instance, a colour for each step, and one time axis for all panels, so that they can be compared.
 *
 * What is waited for, what the node does and what the directory does have colours of three families.
 */
import { Drawing, place, type TimeAxis } from '../svg.ts';
import type { Life } from './lives.ts';
import { launchSteps, type Membership, type StepTimes, terminateSteps } from './memberships.ts';

/** The colours of what a bar is made of, in the order of an instance's life. */
const colors = {
  boot: '#cfd8dc',
  wait: '#ffd54f',
  probe: '#4fc3f7',
  stage: '#8e24aa',
  join: '#1565c0',
  verify: '#ce93d8',
  complete: '#6d4c41',
  'in service': '#c8e6c9',
  leave: '#fb8c00',
  remove: '#c62828',
} as const;

export type Stretch = keyof typeof colors;

export interface Span {
  readonly what: Stretch;
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly to: number;
}

export interface Bar {
  readonly label: string;
  readonly spans: readonly Span[];
}

/** What ran at one time. */
export interface Panel {
  readonly title: string;
  /** Where its time begins, milliseconds since the epoch. */
  readonly from: number;
  readonly bars: readonly Bar[];
}

const names: Readonly<Record<string, Stretch>> = {
  node: 'wait',
  probe: 'probe',
  stage: 'stage',
  join: 'join',
  verify: 'verify',
  leave: 'leave',
  remove: 'remove',
};

/** The steps that have a time, one after the other. */
function spansOf(steps: readonly string[], times: StepTimes | undefined, from: number, end?: number): Span[] {
  const spans: Span[] = [];
  let since = from;
  const add = (what: Stretch, to: number | undefined): void => {
    if (to === undefined || to < since) return;
    spans.push({ what, from: since, to });
    since = to;
  };
  for (const step of steps) {
    const what = names[step];
    if (what !== undefined) add(what, times?.[step]);
  }
  // The ledger may note an answer long after it was given.
  add('complete', end ?? times?.['complete']);
  return spans;
}

/**
 * @param life as the cloud saw it; undefined for an instance of no group, of which the ledger alone tells
 * @param end when the run ended
 */
export function barOf(
  instanceId: string,
  life: Life | undefined,
  membership: Membership | undefined,
  end: number,
): Bar {
  const { launch, terminate } = membership ?? {};
  const spans: Span[] = [];
  const begun = life?.launchedAt ?? launch?.['received'];
  const online = life?.onlineAt;
  if (begun !== undefined && online !== undefined) spans.push({ what: 'boot', from: begun, to: online });
  const since = online ?? begun;
  if (since !== undefined) spans.push(...spansOf(launchSteps, launch, since, life?.continuedAt));
  const leaving = life?.leavingAt ?? terminate?.['received'];
  const serving = life?.inServiceAt ?? (life ? undefined : launch?.['complete']);
  if (serving !== undefined) spans.push({ what: 'in service', from: serving, to: leaving ?? end });
  if (leaving !== undefined) {
    const received = terminate?.['received'];
    if (received !== undefined) spans.push({ what: 'wait', from: leaving, to: received });
    spans.push(...spansOf(terminateSteps, terminate, received ?? leaving, life?.releasedAt));
  }
  return { label: membership?.computerName ?? instanceId, spans };
}

const width = 1200;
const left = 170;
const right = 30;
const top = 64;
const titleHeight = 30;
const axisHeight = 34;
/** Pixels a bar: fewer where there are many of them. */
const heightOf = (bars: number): number => (bars <= 12 ? 18 : bars <= 40 ? 12 : 5);
/** Lower than this, a label can't be read. */
const labelled = 12;

/** The whole file. */
export function drawPanels(title: string, panels: readonly Panel[]): string {
  const drawing = new Drawing();
  drawing.text(20, 28, title, { size: 17, bold: true });
  const all = panels.flatMap(({ bars }) => bars.flatMap(({ spans }) => spans));
  const used = new Set(all.map(({ what }) => what));
  const legend = Object.entries(colors).flatMap(([name, color]) =>
    [...used].some((what) => what === name) ? [{ name, color }] : [],
  );
  drawing.legend(legend, { x: 20, y: 52, width: width - 40, perRow: Object.keys(colors).length });
  const longest = Math.max(
    1_000,
    ...panels.flatMap(({ bars, from }) => bars.flatMap(({ spans }) => spans.map(({ to }) => to - from))),
  );
  const axis: TimeAxis = { left, width: width - left - right, from: 0, to: longest };
  let y = top;
  for (const { title: heading, bars, from } of panels) {
    drawing.text(20, y + 20, heading, { size: 13, bold: true });
    y += titleHeight;
    const height = heightOf(bars.length);
    for (const { label, spans } of bars) {
      if (height >= labelled)
        drawing.text(20, y + height - 4, label, { size: Math.min(12, height - 2), fill: '#455a64' });
      for (const span of spans) {
        const x = place(axis, span.from - from);
        const end = place(axis, span.to - from);
        // What took no time that shows is there all the same.
        const wide = Math.max(0.8, end - x);
        const what = `${span.what}, ${((span.to - span.from) / 1000).toFixed(2)} s`;
        const fill = colors[span.what];
        drawing.box({ x, y: y + 1, width: wide, height: height - 2, fill, title: `${label}: ${what}` });
      }
      y += height;
    }
    y += 6;
    drawing.axis(axis, y);
    y += axisHeight;
  }
  return drawing.svg(width, y);
}
