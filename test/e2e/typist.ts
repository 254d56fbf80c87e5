/** A person at a terminal: types a line, and reads until the shell waits again. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';

export interface Said {
  /** Of the command; undefined while the shell waits for the rest of it. */
  readonly code: number | undefined;
  readonly output: string;
}

/** What the person does without being told by the page. */
export interface Habit {
  /** When the output since the line matches this, at its end or in it. */
  readonly when: RegExp;
  /** `\u0003` is Ctrl-C. */
  readonly type: string;
}

export interface Typist {
  type(line: string, limitMs: number, habits?: readonly Habit[]): Promise<Said>;
}

/** Carriage returns and colours. */
// oxlint-disable-next-line no-control-regex -- a terminal's colours begin with one
const paint = /\r|\u001B\[[0-9;]*m/g;

/** @param ready what the shell says when it waits, with the exit code as a group; empty or absent while it waits for more */
export function typist(shell: ChildProcessWithoutNullStreams, ready: RegExp): Typist {
  let unread = '';
  let heard = Promise.withResolvers<void>();
  let ended = false;
  shell.stdout.setEncoding('utf8');
  shell.stdout.on('data', (text: string) => {
    unread += text.replaceAll(paint, '');
    heard.resolve();
  });
  shell.on('exit', () => {
    ended = true;
    heard.resolve();
  });
  return {
    async type(line, limitMs, habits = []) {
      unread = '';
      shell.stdin.write(`${line}\n`);
      const done = new Set<Habit>();
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(() => late.resolve(), limitMs);
      const deadline = Date.now() + limitMs;
      try {
        for (;;) {
          const waits = ready.exec(unread);
          if (waits) {
            const { code } = waits.groups ?? {};
            return {
              code: code === undefined ? undefined : Number(code),
              output: unread.slice(0, waits.index),
            };
          }
          for (const habit of habits) {
            if (done.has(habit) || !habit.when.test(unread)) continue;
            done.add(habit);
            shell.stdin.write(habit.type);
          }
          if (ended) throw new Error(`the shell ended at: ${line}\n${unread}`);
          if (Date.now() >= deadline) throw new Error(`not within ${limitMs / 1000} s: ${line}\n${unread}`);
          heard = Promise.withResolvers<void>();
          await Promise.race([heard.promise, late.promise]);
        }
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
