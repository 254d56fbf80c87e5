/**
 * Just enough of LDAP (RFC 4511, in BER) to tell one request from another: where a message ends, which request it is or
 * answers, and what it is about.
 */

export interface LdapMessage {
  readonly id: number;
  readonly operation: string;
  /** Whether it is the last answer to its request. */
  readonly final: boolean;
  /** What a request is about: the entry, or of a search the base. */
  readonly target: string;
  /** The attributes that a search filters by, `objectClass` excepted. */
  readonly filter: readonly string[];
  /** The message as it was sent. */
  readonly bytes: Buffer;
}

/** Application tags of requests, and of the answers that end them. */
const requests = new Map([
  [0x60, 'bind'],
  [0x42, 'unbind'],
  [0x63, 'search'],
  [0x66, 'modify'],
  [0x68, 'add'],
  [0x4a, 'delete'],
  [0x77, 'extended'],
]);
const answers = new Map([
  [0x61, 'bind'],
  [0x65, 'search'],
  [0x67, 'modify'],
  [0x69, 'add'],
  [0x6b, 'delete'],
  [0x78, 'extended'],
]);

interface Element {
  readonly tag: number;
  readonly content: Buffer;
  /** Where the next one begins. */
  readonly end: number;
}

/** The element that begins here; undefined when not all of it is there yet. */
function elementAt(bytes: Buffer, start: number): Element | undefined {
  const tag = bytes[start];
  const first = bytes[start + 1];
  if (tag === undefined || first === undefined) return undefined;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  const from = start + 2 + lengthBytes;
  if (bytes.length < from) return undefined;
  const length = lengthBytes === 0 ? first : bytes.readUIntBE(start + 2, lengthBytes);
  const end = from + length;
  return bytes.length < end ? undefined : { tag, content: bytes.subarray(from, end), end };
}

function elementsOf(content: Buffer): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < content.length;) {
    const element = elementAt(content, at);
    if (!element) throw new Error('not BER: an element is longer than what holds it');
    found.push(element);
    at = element.end;
  }
  return found;
}

/** Context tags of filters: sets of others, one inside, an attribute with a value, an attribute alone. */
const and = 0xa0;
const not = 0xa2;
const present = 0x87;

function filterAttributes({ tag, content }: Element): string[] {
  if (tag === present) return [content.toString()];
  if (tag >= and && tag <= not) return elementsOf(content).flatMap(filterAttributes);
  return [elementsOf(content)[0]?.content.toString() ?? ''];
}

function about(operation: string, content: Buffer): Pick<LdapMessage, 'target' | 'filter'> {
  if (operation === 'delete') return { target: content.toString(), filter: [] };
  if (operation === 'unbind' || operation === 'extended') return { target: '', filter: [] };
  const parts = elementsOf(content);
  // A bind has the version first; whom it is for is of no interest here.
  if (operation === 'bind') return { target: '', filter: [] };
  const filter = operation === 'search' ? parts[6] : undefined;
  return {
    target: parts[0]?.content.toString() ?? '',
    filter: filter ? filterAttributes(filter).filter((name) => name.toLowerCase() !== 'objectclass') : [],
  };
}

function read(bytes: Buffer, content: Buffer): LdapMessage {
  const [id, body] = elementsOf(content);
  if (!id || !body) throw new Error('not an LDAP message: it has no operation');
  const request = requests.get(body.tag);
  return {
    id: id.content.readUIntBE(0, id.content.length),
    operation: request ?? answers.get(body.tag) ?? 'part of an answer',
    final: answers.has(body.tag),
    ...(request === undefined ? { target: '', filter: [] } : about(request, body.content)),
    bytes,
  };
}

/** Puts together what comes in pieces. */
export function messageReader(): (piece: Buffer) => LdapMessage[] {
  let waiting = Buffer.alloc(0);
  return (piece) => {
    waiting = Buffer.concat([waiting, piece]);
    const found: LdapMessage[] = [];
    for (let element = elementAt(waiting, 0); element; element = elementAt(waiting, 0)) {
      found.push(read(waiting.subarray(0, element.end), element.content));
      waiting = waiting.subarray(element.end);
    }
    return found;
  };
}
