/**
 * Follows what CloudFormation does with a stack, by the stack's own events: its status alone does not say whether it is that of now or
 * still that of before. An operation has ended with the first event of the stack itself that is not `…_IN_PROGRESS`.
 */
import { WIDTH, wrap } from '../../cli/table.ts';
import type { Terminal } from '../../cli/terminal.ts';
import type { Clock } from '../../clock.ts';
import type { StackEvent, StacksPort } from './ports.ts';

export interface Ended {
  /** Of the stack, such as `CREATE_COMPLETE`. */
  readonly status: string;
  /** What failed by itself, the first one first; not what was only given up because of it. */
  readonly failures: readonly StackEvent[];
}

/** Milliseconds between two looks: a short stack is seen at once, and a long one costs few calls. */
const PAUSE = { firstMs: 500, longestMs: 5_000, growth: 1.5 } as const;

const isRunning = (status: string): boolean => status.endsWith('_IN_PROGRESS');
const isFailure = ({ status, reason = '', isStack }: StackEvent): boolean =>
  !isStack && status.endsWith('_FAILED') && !/cancelled/i.test(reason);

const timeOf = (at: number): string => new Date(at).toISOString().slice(11, 19);

/** One line for one event, and the reason of what failed below it. */
export function showEvent({ at, status, type, logicalId, reason }: StackEvent): string {
  const line = `${timeOf(at)} ${status.padEnd(18)} ${type.replace(/^AWS::/, '')} ${logicalId}`;
  const cut = line.length > WIDTH ? `${line.slice(0, WIDTH - 1)}…` : line;
  const why = status.endsWith('_FAILED') && reason !== undefined ? wrap(reason, ' '.repeat(9)) : '';
  return `${cut}\n${why}`;
}

/** How many resources are done and under way, on a line that is written over. */
class Footer {
  readonly #terminal: Terminal;
  readonly #running = new Set<string>();
  #done = 0;
  #isShown = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  note({ isStack, logicalId, status }: StackEvent): void {
    if (isStack) return;
    if (isRunning(status)) this.#running.add(logicalId);
    else {
      this.#running.delete(logicalId);
      this.#done += 1;
    }
  }

  show(): void {
    if (this.#terminal.isLive !== true) return;
    this.#terminal.err(`\r\u001B[K${this.#done} done, ${this.#running.size} under way`);
    this.#isShown = true;
  }

  clear(): void {
    if (this.#isShown) this.#terminal.err('\r\u001B[K');
    this.#isShown = false;
  }
}

/**
 * @param after ID of the last event before the operation; nothing when all of them belong to it
 * @param show where events are shown: the error output when the output is for machines
 */
export async function follow(
  stackId: string,
  after: string | undefined,
  { stacks, clock }: { readonly stacks: StacksPort; readonly clock: Clock },
  terminal: Terminal,
  show: (text: string) => void,
  signal: AbortSignal,
): Promise<Ended> {
  const failures: StackEvent[] = [];
  const footer = new Footer(terminal);
  let last = after;
  let pauseMs: number = PAUSE.firstMs;
  try {
    for (;;) {
      const events = await stacks.events(stackId, last, signal);
      for (const event of events) {
        last = event.id;
        footer.note(event);
        if (isFailure(event)) failures.push(event);
        if (event.isStack || !isRunning(event.status)) {
          footer.clear();
          show(showEvent(event));
        }
        if (event.isStack && !isRunning(event.status)) return { status: event.status, failures };
      }
      footer.show();
      await clock.sleep(pauseMs, signal);
      pauseMs = Math.min(PAUSE.longestMs, pauseMs * PAUSE.growth);
    }
  } finally {
    footer.clear();
  }
}

/** ID of the last event that is there; of the one before the present operation began, while one is under way. */
export async function lastEvent(
  stackId: string,
  isUnderWay: boolean,
  stacks: StacksPort,
  signal: AbortSignal,
): Promise<string | undefined> {
  const events = await stacks.events(stackId, undefined, signal);
  if (!isUnderWay) return events.at(-1)?.id;
  const ends = events.filter(({ isStack, status }) => isStack && !isRunning(status));
  return ends.at(-1)?.id;
}
