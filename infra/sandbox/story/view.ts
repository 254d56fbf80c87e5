/**
 * The live view: one line an instance. On a terminal it is redrawn in place, without colours when NO_COLOR is set; in a pipe
 * it is plain lines, one whenever something changed, without escape codes.
 */
import { currentStep, launchSteps, terminateSteps } from './memberships.ts';
import type { Watched } from './watch.ts';

export interface Screen {
  write(text: string): void;
  /** True for a terminal that may be redrawn. */
  readonly live: boolean;
  /** Whether it shows colours and other styles. */
  readonly color: boolean;
  /** Asked before each frame: a terminal can be resized. */
  size(): { readonly columns: number; readonly rows: number };
}

/** Standard output as a screen. */
export function terminal(stream: NodeJS.WriteStream, environment: NodeJS.ProcessEnv): Screen {
  const live = stream.isTTY && environment['TERM'] !== 'dumb';
  return {
    write: (text) => void stream.write(text),
    live,
    // https://no-color.org: any value but an empty one
    color: live && (environment['NO_COLOR'] ?? '') === '',
    size() {
      // getWindowSize asks the kernel; the stream's own figures wait for a SIGWINCH that may go to another process.
      const [columns, rows] = stream.isTTY ? stream.getWindowSize() : [80, 24];
      return { columns: columns || 80, rows: rows || 24 };
    },
  };
}

const escape = '\u001b';
const styles = { plain: '', bold: '1', dim: '2', red: '31', green: '32', yellow: '33', cyan: '36' } as const;
type Style = keyof typeof styles;

/** A piece of a line; styles are added after the line was cut to the terminal's width. */
interface Span {
  readonly text: string;
  readonly style: Style;
}

type Line = readonly Span[];

function render(line: Line, columns: number, color: boolean): string {
  let room = columns;
  let text = '';
  for (const span of line) {
    const cut =
      span.text.length > room
        ? `${span.text.slice(0, Math.max(0, room - 1))}${room > 0 ? '…' : ''}`
        : span.text;
    room -= cut.length;
    const code = styles[span.style];
    text += color && code !== '' && cut !== '' ? `${escape}[${code}m${cut}${escape}[0m` : cut;
  }
  return color ? text : text.trimEnd();
}

export interface Progress {
  /** The steps of the action that is under way; empty when there is none. */
  readonly steps: readonly string[];
  readonly finished: number;
  /** In a person's words: a step, a resting state or an error code. */
  readonly label: string;
  readonly trouble: boolean;
  /** When the label became true, in milliseconds since the epoch, where that is known. */
  readonly since?: number;
}

const rest = (label: string, trouble = false): Progress => ({ steps: [], finished: 0, label, trouble });

/** What an instance is doing, from its lifecycle state and its membership. */
export function progressOf(watched: Watched): Progress {
  const { lifecycleState, membership } = watched;
  if (lifecycleState === undefined) {
    return membership?.state === 'owed' ? rest('owed to the sweep', true) : rest('gone');
  }
  const leaving = lifecycleState.startsWith('Terminating');
  if (!leaving && !lifecycleState.startsWith('Pending'))
    return rest(lifecycleState === 'InService' ? 'member' : '');
  const steps: readonly string[] = leaving ? terminateSteps : launchSteps;
  const times = leaving ? membership?.terminate : membership?.launch;
  const step = currentStep(times, steps);
  if (times === undefined) return { ...rest(lifecycleState.endsWith(':Wait') ? 'message' : ''), steps };
  if (step === undefined) return { ...rest('done'), steps, finished: steps.length };
  const finished = steps.indexOf(step);
  const since = finished === 0 ? times['received'] : times[steps[finished - 1] ?? ''];
  const error = membership?.lastError?.code;
  return {
    steps,
    finished,
    label: error ? error : step === 'node' ? 'wait' : step,
    trouble: error !== undefined,
    ...(since === undefined ? {} : { since }),
  };
}

/** Where in a list a person looks first: what works, then what rests, then what is gone. */
function urgency(watched: Watched): number {
  if (watched.lifecycleState === undefined) return 2;
  return watched.lifecycleState === 'InService' ? 1 : 0;
}

export const clockTime = (ms: number): string => {
  const total = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(total / 60)}:${String(total % 60).padStart(2, '0')}`;
};

const name = (watched: Watched): string => (watched.membership?.computerName ?? '').padEnd(15);

function row(watched: Watched, now: number): Line {
  const progress = progressOf(watched);
  const state = watched.lifecycleState ?? '–';
  const dots = '●'.repeat(progress.finished) + '○'.repeat(progress.steps.length - progress.finished);
  const elapsed = progress.since === undefined ? '' : `${((now - progress.since) / 1000).toFixed(1)} s`;
  const resting = progress.steps.length === 0;
  const style: Style = progress.trouble
    ? 'yellow'
    : urgency(watched) === 2
      ? 'dim'
      : resting
        ? 'green'
        : 'cyan';
  return [
    { text: watched.instanceId.padEnd(19), style: urgency(watched) === 2 ? 'dim' : 'plain' },
    { text: `  ${name(watched)} `, style: urgency(watched) === 2 ? 'dim' : 'plain' },
    { text: `${state.padEnd(16)} `, style },
    { text: dots === '' ? '' : `${dots} `, style },
    { text: progress.label.padEnd(9), style },
    { text: elapsed, style: 'dim' },
  ];
}

export interface FrameInput {
  /** What the story is doing, such as `scale out to 6`. */
  readonly title: string;
  readonly startedAt: number;
  readonly now: number;
  readonly instances: readonly Watched[];
}

/** Says what the dots and the time behind them are. */
const legend: Line = [
  { text: '      ● a step that is done, ○ one to come; then the present step and its time', style: 'dim' },
];

/** The lines of one frame, at most `rows` − 1 of them and each within `columns`. */
export function frame(input: FrameInput, size: { columns: number; rows: number }, color: boolean): string[] {
  const inService = input.instances.filter((instance) => instance.lifecycleState === 'InService').length;
  const listed = input.instances.filter((instance) => instance.lifecycleState !== undefined).length;
  const title: Line = [
    { text: `${clockTime(input.now - input.startedAt)}  `, style: 'dim' },
    { text: input.title, style: 'bold' },
    { text: `  ${inService} in service, ${listed - inService} on the way`, style: 'plain' },
  ];
  const error = input.instances.find((instance) => progressOf(instance).trouble)?.membership?.lastError;
  const footer: Line[] = error ? [[{ text: `${error.code}: ${error.message}`, style: 'yellow' }]] : [];
  const head = [title, legend];
  // One line stays free for the cursor; without it the terminal scrolls and the frame leaves copies behind.
  const room = Math.max(1, size.rows - 1 - head.length - footer.length);
  let shown = input.instances;
  const more: Line[] = [];
  if (shown.length > room) {
    shown = shown.toSorted((a, b) => urgency(a) - urgency(b)).slice(0, room - 1);
    more.push([{ text: `… and ${input.instances.length - shown.length} more`, style: 'dim' }]);
  }
  return [...head, ...shown.map((watched) => row(watched, input.now)), ...more, ...footer].map((line) =>
    render(line, size.columns, color),
  );
}

/** What a plain view says of an instance: everything but the passing of time. */
function plainLine(watched: Watched): string {
  const { label, trouble } = progressOf(watched);
  const error = watched.membership?.lastError;
  const detail = trouble && error ? `${error.code}: ${error.message}` : label;
  return `${watched.instanceId.padEnd(19)}  ${name(watched)} ${(watched.lifecycleState ?? '–').padEnd(16)} ${detail}`;
}

export interface View {
  /** Opens a block for the next part of the story; a live block before it stays on the screen as it was last drawn. */
  begin(title: string): void;
  update(instances: readonly Watched[]): void;
  /** A line that stays. Ends a live block. */
  say(line: string): void;
}

/** @param startedAt when the story began; the times on the left count from it. */
export function createView(screen: Screen, startedAt: number, now: () => number): View {
  let title = '';
  let drawn = 0;
  const gone = new Set<string>();
  const said = new Map<string, string>();

  return {
    begin(next) {
      title = next;
      drawn = 0;
      if (!screen.live) screen.write(`${clockTime(now() - startedAt)}  ${title}\n`);
    },
    update(instances) {
      if (!screen.live) {
        for (const watched of instances) {
          const line = plainLine(watched).trimEnd();
          if (said.get(watched.instanceId) === line) continue;
          said.set(watched.instanceId, line);
          screen.write(`${clockTime(now() - startedAt)}  ${line}\n`);
        }
        return;
      }
      // What was gone when the block began is not its business.
      if (drawn === 0) {
        gone.clear();
        for (const watched of instances)
          if (watched.lifecycleState === undefined) gone.add(watched.instanceId);
      }
      const lines = frame(
        {
          title,
          startedAt,
          now: now(),
          instances: instances.filter((watched) => !gone.has(watched.instanceId)),
        },
        screen.size(),
        screen.color,
      );
      const up = drawn > 0 ? `${escape}[${drawn}A` : '';
      // Clear what an earlier, longer frame left below.
      screen.write(`${up}${lines.map((line) => `\r${escape}[2K${line}\n`).join('')}${escape}[J`);
      drawn = lines.length;
    },
    say(line) {
      screen.write(`${line}\n`);
      drawn = 0;
    },
  };
}
