import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { createPrompt, type Keyboard, type Prompt } from '../../../agent/operator/prompt.ts';

/** A keyboard that a test types on. */
class Typed extends EventEmitter implements Keyboard {
  isTTY = true;
  readonly modes: boolean[] = [];
  paused = true;
  setRawMode(isRaw: boolean): void {
    this.modes.push(isRaw);
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
}

let keyboard: Typed;
let shown: string;
let prompt: Prompt;
let stopping: AbortController;

beforeEach(() => {
  keyboard = new Typed();
  shown = '';
  stopping = new AbortController();
  prompt = createPrompt(keyboard, (text) => {
    shown += text;
  });
});

const type = (...keys: readonly (string | number)[]): Buffer[] =>
  keys.map((key) => {
    const bytes = Buffer.from(typeof key === 'string' ? key : [key]);
    keyboard.emit('data', bytes);
    return bytes;
  });
const secret = () => prompt.askSecret('Password: ', stopping.signal);

describe('a secret answer', () => {
  test('is read without echo, byte by byte, with what was mistyped taken back', async () => {
    const answer = secret();
    type('wrong', 0x15, 'hü', 0x7f, 'unter', 0x08, 'r 2', '\r');
    expect((await answer).toString()).toBe('hunter 2');
    expect(keyboard.modes).toEqual([true, false]);
    expect(shown).toBe('Password: \n');
    expect(keyboard.paused).toBe(true);
  });

  test('is overwritten where it came in', async () => {
    const answer = secret();
    const bytes = type('hunter2', '\r');
    await answer;
    expect(bytes.every((each) => each.every((byte) => byte === 0))).toBe(true);
  });

  test.each([
    ['Ctrl-C', () => void type('hunter2', 0x03)],
    ['Ctrl-D', () => void type(0x04)],
    ['the end of the input', () => void keyboard.emit('end')],
    ['a stop from outside', () => stopping.abort(new Error('stopped'))],
  ])('is given up by %s, and the terminal shows what is typed again', async (_, giveUp) => {
    const answer = secret();
    giveUp();
    await expect(answer).rejects.toThrow(/stopped/i);
    expect(keyboard.modes.at(-1)).toBe(false);
    expect(keyboard.listenerCount('data') + keyboard.listenerCount('end')).toBe(0);
  });

  test('is asked of nobody where the input is no terminal', async () => {
    keyboard.isTTY = false;
    const piped = createPrompt(keyboard, () => undefined);
    expect(piped.isAttended).toBe(false);
    await expect(piped.askSecret('Password: ', stopping.signal)).rejects.toThrow('no answer');
  });
});

test('an answer that is typed ahead belongs to the next question', async () => {
  const domain = prompt.ask('Domain: ', stopping.signal);
  type('  corp.example.test \nhunter2\n');
  expect(await domain).toBe('corp.example.test');
  expect((await secret()).toString()).toBe('hunter2');
});
