/**
 * What a controller sends, cut into whole LDAP messages (RFC 4511, section 4) whose form is checked before ldapts reads
 * them. Its reader trusts inner lengths: a value that claims more bytes than there are makes it loop for ever, and
 * no time-out can end that.
 */
import type { TLSSocket } from 'node:tls';
import { ControllerFailure } from './failures.ts';

/** Bytes. An entry with all that is asked for has a few thousand; this bounds what a wrong length can pile up. */
const LARGEST = 1024 * 1024;

const Tag = {
  boolean: 0x01,
  integer: 0x02,
  octetString: 0x04,
  enumerated: 0x0a,
  sequence: 0x30,
  set: 0x31,
  searchEntry: 0x64,
  searchReference: 0x73,
  controls: 0xa0,
} as const;

/** Bind, search done, modify, add, delete, rename, compare and extended: each begins with a result. */
const results = new Set([0x61, 0x65, 0x67, 0x69, 0x6b, 0x6d, 0x6f, 0x78]);

interface Element {
  readonly tag: number;
  readonly content: Buffer;
  /** Bytes with tag and length. */
  readonly size: number;
}

const malformed = (): RangeError => new RangeError('What came is not an LDAP message.');

/** The first element, or nothing while its end has not come yet. @throws RangeError */
function firstElement(bytes: Buffer): Element | undefined {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined) return undefined;
  let start = 2;
  let length = first;
  if (first >= 0x80) {
    const digits = first - 0x80;
    // The indefinite form is forbidden (section 5.1), and four digits are four gigabytes.
    if (digits === 0 || digits > 4) throw malformed();
    if (bytes.length < start + digits) return undefined;
    length = bytes.readUIntBE(start, digits);
    start += digits;
  }
  if (length > LARGEST) throw malformed();
  if (bytes.length < start + length) return undefined;
  return { tag, content: bytes.subarray(start, start + length), size: start + length };
}

/** The elements that fill these bytes exactly. @throws RangeError */
function elements(bytes: Buffer): Element[] {
  const found: Element[] = [];
  for (let rest = bytes; rest.length > 0;) {
    const element = firstElement(rest);
    if (!element) throw malformed();
    found.push(element);
    rest = rest.subarray(element.size);
  }
  return found;
}

function expectTags(found: readonly Element[], ...tags: readonly number[]): void {
  if (found.length !== tags.length || found.some(({ tag }, index) => tag !== tags[index])) throw malformed();
}

function isNumber({ content }: Element): boolean {
  return content.length >= 1 && content.length <= 4;
}

function checkEntry(content: Buffer): void {
  const parts = elements(content);
  expectTags(parts, Tag.octetString, Tag.sequence);
  for (const attribute of parts.slice(1).flatMap((list) => elements(list.content))) {
    const [type, values] = attribute.tag === Tag.sequence ? elements(attribute.content) : [];
    if (type?.tag !== Tag.octetString || values?.tag !== Tag.set) throw malformed();
    for (const value of elements(values.content)) expectTags([value], Tag.octetString);
  }
}

function checkResult(content: Buffer): void {
  const [code, ...texts] = elements(content);
  if (code?.tag !== Tag.enumerated || !isNumber(code)) throw malformed();
  expectTags(texts.slice(0, 2), Tag.octetString, Tag.octetString);
}

function checkControls(content: Buffer): void {
  for (const control of elements(content)) {
    const parts = control.tag === Tag.sequence ? elements(control.content) : [];
    const [type, ...rest] = parts;
    const [flag] = rest;
    const values = flag?.tag === Tag.boolean && flag.content.length === 1 ? rest.slice(1) : rest;
    if (type?.tag !== Tag.octetString || values.length > 1) throw malformed();
    for (const value of values) expectTags([value], Tag.octetString);
  }
}

/** @throws RangeError */
function checkMessage(message: Element): void {
  const [id, answer, controls, ...more] = message.tag === Tag.sequence ? elements(message.content) : [];
  if (id?.tag !== Tag.integer || !isNumber(id) || !answer || more.length > 0) throw malformed();
  if (answer.tag === Tag.searchEntry) checkEntry(answer.content);
  else if (answer.tag === Tag.searchReference) {
    for (const address of elements(answer.content)) expectTags([address], Tag.octetString);
  } else if (results.has(answer.tag)) checkResult(answer.content);
  else throw malformed();
  if (!controls) return;
  if (controls.tag !== Tag.controls) throw malformed();
  checkControls(controls.content);
}

/** Collects bytes until messages are whole. */
export class Answers {
  #rest: Buffer = Buffer.alloc(0);

  /**
   * The messages that these bytes complete, each with its bytes as they came.
   * @throws RangeError when what came can't become a message any more
   */
  take(bytes: Buffer): Buffer[] {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const whole: Buffer[] = [];
    for (let message = firstElement(this.#rest); message; message = firstElement(this.#rest)) {
      checkMessage(message);
      whole.push(this.#rest.subarray(0, message.size));
      this.#rest = this.#rest.subarray(message.size);
    }
    return whole;
  }
}

/** A reader of this socket gets one whole message at a time; anything that is no message ends the connection. */
export function passWholeAnswers(socket: TLSSocket, controller: string): void {
  const answers = new Answers();
  const push = socket.push.bind(socket);
  socket.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
    if (!Buffer.isBuffer(chunk)) return push(chunk, encoding);
    try {
      // Every message is handed on, whatever `push` says: its answer asks for a pause of the source, and is the last one's.
      return answers.take(chunk).reduce((_, message) => push(message), true);
    } catch {
      socket.destroy(new ControllerFailure('lost', controller, 'answers with what is no LDAP message'));
      return false;
    }
  };
}
