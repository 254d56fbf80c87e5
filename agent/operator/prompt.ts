/**
 * Questions to the person at the terminal. Answers come from the keyboard alone: where the input is a pipe or a file, nobody is asked.
 * A secret answer is read byte by byte without echo, and the bytes are overwritten as soon as they were used.
 */
import { AdjoinError } from '../errors.ts';

export interface Prompt {
  /** Whether there is a person who can be asked. */
  readonly isAttended: boolean;
  /** @returns the answer without spaces around it. @throws AdjoinError `draining` when there is none, or the signal's reason */
  ask(question: string, signal: AbortSignal): Promise<string>;
  /**
   * Shows nothing of what is typed. The caller overwrites the answer (`fill(0)`) after its use.
   * @returns the bytes that were typed. @throws AdjoinError `draining` when there is none, or the signal's reason
   */
  askSecret(question: string, signal: AbortSignal): Promise<Buffer>;
}

/** What is used of a terminal's input. */
export interface Keyboard {
  readonly isTTY?: boolean;
  setRawMode?(isRaw: boolean): unknown;
  on(event: 'data', listener: (bytes: Buffer) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  off(event: 'data', listener: (bytes: Buffer) => void): unknown;
  off(event: 'end', listener: () => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

/** Bytes. More than any answer has; what goes beyond is an answer that can't be meant. */
const MOST = 16_384;

const KEY = {
  interrupt: 0x03,
  end: 0x04,
  backspace: 0x08,
  newLine: 0x0a,
  enter: 0x0d,
  clear: 0x15,
  delete: 0x7f,
} as const;

const stopped = (): AdjoinError => new AdjoinError('draining', 'Stopped: there is no answer.');

/** Continues a character of UTF-8 that began before. */
const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80;

/** One line that is being typed. */
class Line {
  readonly #bytes = Buffer.alloc(MOST);
  #length = 0;

  add(byte: number): void {
    if (this.#length === MOST) throw new AdjoinError('config-invalid', 'The answer is too long.');
    this.#bytes[this.#length] = byte;
    this.#length += 1;
  }

  /** Takes the last character away, with all of its bytes. */
  erase(): void {
    while (this.#length > 0 && isContinuation(this.#bytes[this.#length - 1])) this.#length -= 1;
    if (this.#length > 0) this.#length -= 1;
  }

  clear(): void {
    this.#length = 0;
  }

  take(): Buffer {
    const typed = Buffer.from(this.#bytes.subarray(0, this.#length));
    this.wipe();
    return typed;
  }

  wipe(): void {
    this.#bytes.fill(0);
    this.#length = 0;
  }
}

/** @param write where questions go */
export function createPrompt(keyboard: Keyboard, write: (text: string) => void): Prompt {
  /** What was typed ahead of its question. */
  let ahead = Buffer.alloc(0);

  /** @returns what follows the line; nothing while the line goes on. @throws AdjoinError when the person gives up */
  function feed(line: Line, bytes: Buffer, isRaw: boolean): Buffer | undefined {
    for (const [place, byte] of bytes.entries()) {
      if (byte === KEY.enter || byte === KEY.newLine) {
        const isPair = byte === KEY.enter && bytes[place + 1] === KEY.newLine;
        return bytes.subarray(place + (isPair ? 2 : 1));
      }
      // Without raw mode the terminal itself does these.
      if (isRaw && (byte === KEY.interrupt || byte === KEY.end)) throw stopped();
      else if (isRaw && (byte === KEY.backspace || byte === KEY.delete)) line.erase();
      else if (isRaw && byte === KEY.clear) line.clear();
      else line.add(byte);
    }
    return undefined;
  }

  async function read(question: string, isRaw: boolean, signal: AbortSignal): Promise<Buffer> {
    signal.throwIfAborted();
    if (keyboard.isTTY !== true) throw stopped();
    write(question);
    const line = new Line();
    keyboard.setRawMode?.(isRaw);
    try {
      return await new Promise<Buffer>((resolve, reject) => {
        const onEnd = (): void => settle(() => reject(stopped()));
        const onAbort = (): void => settle(() => reject(signal.reason));
        const settle = (end: () => void): void => {
          keyboard.off('data', onData);
          keyboard.off('end', onEnd);
          signal.removeEventListener('abort', onAbort);
          keyboard.pause();
          end();
        };
        const onData = (bytes: Buffer): void => {
          try {
            const rest = feed(line, bytes, isRaw);
            if (rest === undefined) return;
            ahead = Buffer.concat([ahead, rest]);
            settle(() => resolve(line.take()));
          } catch (error) {
            settle(() => reject(error));
          } finally {
            bytes.fill(0);
          }
        };
        keyboard.on('data', onData);
        keyboard.on('end', onEnd);
        signal.addEventListener('abort', onAbort);
        keyboard.resume();
        const typed = ahead;
        ahead = Buffer.alloc(0);
        if (typed.length > 0) onData(typed);
      });
    } finally {
      line.wipe();
      keyboard.setRawMode?.(false);
      // The key that ended the answer was not shown.
      if (isRaw) write('\n');
    }
  }

  return {
    isAttended: keyboard.isTTY === true,
    async ask(question, signal) {
      const typed = await read(question, false, signal);
      return typed.toString('utf8').trim();
    },
    askSecret: (question, signal) => read(question, true, signal),
  };
}

export const processPrompt = (): Prompt =>
  createPrompt(process.stdin, (text) => void process.stderr.write(text));
