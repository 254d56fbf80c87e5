/** The run as a picture: an SVG of lanes over time, with every fault as a mark. */
import type { Life } from '../story/lives.ts';
import { Drawing, place, type TimeAxis } from '../svg.ts';
import { callKinds, type FaultKind } from './plan.ts';
import type { Lane } from './world.ts';

/** A fault in the picture; times are milliseconds since the epoch. */
export interface Mark {
  readonly lane: Lane;
  readonly kind: FaultKind;
  readonly from: number;
  /** Of a fault that lasted. */
  readonly to?: number;
}

export interface Timeline {
  readonly title: string;
  readonly from: number;
  readonly to: number;
  /** From here on no fault was injected. */
  readonly healedAt: number;
  /** The lanes above the instances, from the top. */
  readonly lanes: readonly Lane[];
  readonly marks: readonly Mark[];
  readonly instances: readonly Life[];
}

const width = 1480;
const left = 150;
const right = 30;
const legendRows = 4;
const top = 128;
const laneHeight = 26;
/** Room for a row of ticks of each kind of spoilt call. */
const callsHeight = 44;
const rowHeight = 9;
const axisHeight = 34;

const colors: Readonly<Record<FaultKind, string>> = {
  'worker-killed': '#c62828',
  'worker-paused': '#f9a825',
  'worker-paused-past-lease': '#ef6c00',
  'controller-stopped': '#c62828',
  'packets-dropped': '#6a1b9a',
  'password-rotated': '#283593',
  'message-duplicated': '#00838f',
  'messages-delayed': '#4db6ac',
  'message-malformed': '#5d4037',
  'message-forged': '#000000',
  'instance-died': '#c62828',
  'account-moved': '#ad1457',
  'stamp-deleted': '#d81b60',
  'dns-right-missing': '#33691e',
  'instance-terminated': '#d81b60',
  'pool-reused': '#2e7d32',
  'root-volume-replaced': '#00695c',
  'group-refreshed': '#558b2f',
  'node-silent': '#757575',
  'join-broken': '#8d6e63',
  'package-missing': '#a1887f',
  'users-unknown': '#bcaaa4',
  'call-throttled': '#1565c0',
  'call-failed': '#e53935',
  'answer-lost': '#ad1457',
  'call-delayed': '#9e9d24',
};

const stages = { launching: '#90a4ae', member: '#43a047', leaving: '#fb8c00' } as const;

const isCall = (kind: FaultKind): boolean => callKinds.some((each) => each === kind);

export function drawTimeline(timeline: Timeline): string {
  const { from, to, lanes, instances } = timeline;
  const axis: TimeAxis = { left, width: width - left - right, from, to };
  const x = (at: number): number => place(axis, at);
  const seconds = (at: number): string => `${((at - from) / 1000).toFixed(1)} s`;

  const heightOf = (lane: Lane): number => (lane === 'AWS' ? callsHeight : laneHeight);
  const tops = new Map<Lane, number>();
  let y = top;
  for (const lane of lanes) {
    tops.set(lane, y);
    y += heightOf(lane);
  }
  const instancesTop = y + 10;
  for (const [index, { instanceId }] of instances.entries())
    tops.set(`i-${instanceId.slice(2)}`, instancesTop + index * rowHeight);
  const bottom = instancesTop + instances.length * rowHeight + 6;

  const drawing = new Drawing();
  drawing.text(20, 28, timeline.title, { size: 17, bold: true });
  const entries = Object.entries({ ...colors, ...stages }).map(([name, color]) => ({ name, color }));
  const perRow = Math.ceil(entries.length / legendRows);
  drawing.legend(entries, { x: 20, y: 46, width: width - 40, perRow });

  for (const lane of lanes) {
    const laneTop = tops.get(lane) ?? 0;
    const height = heightOf(lane);
    drawing.box({ x: left, y: laneTop + 3, width: axis.width, height: height - 6, fill: '#eef2f4' });
    drawing.text(20, laneTop + height / 2 + 5, lane, { size: 13 });
  }
  drawing.text(20, instancesTop + 10, `${instances.length} instances`, { size: 13 });
  for (const instance of instances) {
    const row = (tops.get(`i-${instance.instanceId.slice(2)}`) ?? 0) + rowHeight / 2;
    const { launchedAt, inServiceAt, leavingAt, goneAt } = instance;
    const end = goneAt ?? to;
    const stretch = (since: number, until: number, color: string): void =>
      drawing.line(x(since), row, x(until), row, { color, thick: 3 });
    stretch(launchedAt, inServiceAt ?? leavingAt ?? end, stages.launching);
    if (inServiceAt !== undefined) stretch(inServiceAt, leavingAt ?? end, stages.member);
    if (leavingAt !== undefined) stretch(leavingAt, end, stages.leaving);
  }

  for (const mark of timeline.marks) {
    const markTop = tops.get(mark.lane);
    if (markTop === undefined) continue;
    const fill = colors[mark.kind];
    const { to: ended } = mark;
    const title = `${mark.kind} at ${seconds(mark.from)}${ended === undefined ? '' : ` until ${seconds(ended)}`}`;
    if (isCall(mark.kind)) {
      const tick = markTop + 4 + callKinds.findIndex((kind) => kind === mark.kind) * 7;
      drawing.box({ x: x(mark.from), y: tick, width: 1.6, height: 6, fill, title });
    } else if (ended === undefined) {
      const isInstance = !lanes.includes(mark.lane);
      const middle = isInstance
        ? markTop + rowHeight / 2
        : mark.lane === 'AWS'
          ? markTop + callsHeight - 9
          : markTop + laneHeight / 2;
      drawing.dot(x(mark.from), middle, isInstance ? 4 : 5, fill, title);
    } else {
      const height = mark.lane === 'AWS' ? 6 : laneHeight - 10;
      const spanTop = mark.lane === 'AWS' ? markTop + callsHeight - 12 : markTop + 5;
      const wide = Math.max(2, x(ended) - x(mark.from));
      drawing.box({ x: x(mark.from), y: spanTop, width: wide, height, fill, opacity: 0.85, title });
    }
  }

  const healed = x(timeline.healedAt);
  drawing.line(healed, top - 4, healed, bottom, { color: '#2e7d32', thick: 1.5, dashes: '5 4' });
  drawing.text(healed, top - 8, 'heal', { size: 11, fill: '#2e7d32', anchor: 'middle' });
  drawing.axis(axis, bottom);
  return drawing.svg(width, bottom + axisHeight);
}
