/** The run as a picture: an SVG of lanes over time, with every fault as a mark. Text alone, no scripts, no fonts of its own. */
import { callKinds, type FaultKind } from './plan.ts';
import type { InstanceRecord } from './record.ts';
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
  readonly instances: readonly InstanceRecord[];
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

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const isCall = (kind: FaultKind): boolean => callKinds.some((each) => each === kind);

export function drawTimeline(timeline: Timeline): string {
  const { from, to, lanes, instances } = timeline;
  const scale = (width - left - right) / Math.max(1, to - from);
  const x = (at: number): string => (left + (Math.min(to, Math.max(from, at)) - from) * scale).toFixed(1);
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
  const height = bottom + axisHeight;

  const parts: string[] = [];
  const line = (
    x1: string,
    y1: number,
    x2: string,
    y2: number,
    color: string,
    thick: number,
    more = '',
  ): void =>
    void parts.push(
      `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${color}" stroke-width="${thick}" ${more}/>`,
    );
  const text = (at: string, line_: number, words: string, more = ''): void =>
    void parts.push(`<text x="${at}" y="${line_}" ${more}>${escaped(words)}</text>`);

  text('20', 28, timeline.title, 'font-size="17" font-weight="bold"');
  legend(parts);

  for (const lane of lanes) {
    const laneTop = tops.get(lane) ?? 0;
    parts.push(
      `<rect x="${left}" y="${laneTop + 3}" width="${width - left - right}" height="${heightOf(lane) - 6}" fill="#eef2f4"/>`,
    );
    text('20', laneTop + heightOf(lane) / 2 + 5, lane, 'font-size="13"');
  }
  text('20', instancesTop + 10, `${instances.length} instances`, 'font-size="13"');
  for (const instance of instances) {
    const row = (tops.get(`i-${instance.instanceId.slice(2)}`) ?? 0) + rowHeight / 2;
    const { launchedAt, inServiceAt, leavingAt, goneAt } = instance;
    const end = goneAt ?? to;
    const launchEnd = inServiceAt ?? leavingAt ?? end;
    line(x(launchedAt), row, x(launchEnd), row, stages.launching, 3);
    if (inServiceAt !== undefined) line(x(inServiceAt), row, x(leavingAt ?? end), row, stages.member, 3);
    if (leavingAt !== undefined) line(x(leavingAt), row, x(end), row, stages.leaving, 3);
  }

  for (const mark of timeline.marks) {
    const markTop = tops.get(mark.lane);
    if (markTop === undefined) continue;
    const color = colors[mark.kind];
    const { to: ended } = mark;
    const title = `<title>${mark.kind} at ${seconds(mark.from)}${ended === undefined ? '' : ` until ${seconds(ended)}`}</title>`;
    if (isCall(mark.kind)) {
      const tick = markTop + 4 + callKinds.findIndex((kind) => kind === mark.kind) * 7;
      parts.push(
        `<rect x="${x(mark.from)}" y="${tick}" width="1.6" height="6" fill="${color}">${title}</rect>`,
      );
    } else if (ended === undefined) {
      const isInstance = !lanes.includes(mark.lane);
      const middle = isInstance
        ? markTop + rowHeight / 2
        : mark.lane === 'AWS'
          ? markTop + callsHeight - 9
          : markTop + laneHeight / 2;
      parts.push(
        `<circle cx="${x(mark.from)}" cy="${middle}" r="${isInstance ? 4 : 5}" fill="${color}" stroke="white">${title}</circle>`,
      );
    } else {
      const tall = mark.lane === 'AWS' ? 6 : laneHeight - 10;
      const spanTop = mark.lane === 'AWS' ? markTop + callsHeight - 12 : markTop + 5;
      const wide = Math.max(2, Number(x(ended)) - Number(x(mark.from))).toFixed(1);
      parts.push(
        `<rect x="${x(mark.from)}" y="${spanTop}" width="${wide}" height="${tall}" fill="${color}" opacity="0.85">${title}</rect>`,
      );
    }
  }

  line(x(timeline.healedAt), top - 4, x(timeline.healedAt), bottom, '#2e7d32', 1.5, 'stroke-dasharray="5 4"');
  text(x(timeline.healedAt), top - 8, 'heal', 'font-size="11" fill="#2e7d32" text-anchor="middle"');
  const stepMs = tickMs(to - from);
  for (let at = from; at <= to; at += stepMs) {
    line(x(at), bottom, x(at), bottom + 5, '#607d8b', 1);
    text(x(at), bottom + 20, clock(at - from), 'font-size="11" fill="#455a64" text-anchor="middle"');
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

/** What each color means, in rows under the title. */
function legend(parts: string[]): void {
  const entries = [
    ...Object.entries(colors).map(([name, color]) => ({ name, color })),
    ...Object.entries(stages).map(([name, color]) => ({ name, color })),
  ];
  const perRow = Math.ceil(entries.length / legendRows);
  for (const [index, { name, color }] of entries.entries()) {
    const at = 20 + (index % perRow) * ((width - 40) / perRow);
    const row = 46 + Math.floor(index / perRow) * 16;
    parts.push(
      `<rect x="${at.toFixed(0)}" y="${row - 8}" width="9" height="9" fill="${color}"/>`,
      `<text x="${(at + 13).toFixed(0)}" y="${row}" font-size="10">${name}</text>`,
    );
  }
}

/** Some ten marks on the axis, at round distances. */
function tickMs(spanMs: number): number {
  const steps = [5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].map((seconds) => seconds * 1000);
  return steps.find((step) => spanMs / step <= 14) ?? 7_200_000;
}

function clock(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
