/**
 * Looks up SRV records. Node's own resolver (c-ares since 1.34.7) rejects an answer whose SRV target is compressed,
 * with EBADRESP. RFC 2782 forbids senders to compress it, but Samba's DNS server and several forwarders do. For these
 * the question is asked again here, over TCP, and the answer is read as RFC 3597 wants receivers to: leniently.
 */
import type { SrvRecord } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';
import { decode, encode, RECURSION_DESIRED } from 'dns-packet';
import { reasonOf } from '../errors.ts';

/** RFC 1035, section 4.1.1. */
const HEADER_BYTES = 12;
const RESPONSE_CODE = 0x000f;
/** The longest label (RFC 1035, section 2.3.4). */
const LABEL_BYTES = 63;
/** The least that a question and a record take: a name of one byte, and the fields of fixed length. */
const QUESTION_BYTES = 5;
const RECORD_BYTES = 11;
/** A word from here on is a pointer to an earlier place in the message (RFC 1035, section 4.1.4). */
const POINTER = 0xc000;
/**
 * Pointers that lead straight to the next one. Servers point at labels. The decoder limits the labels of a name and not its
 * pointers, and follows a long row again for each record: an answer of 64 KiB would stop the process for seconds.
 */
const POINTERS_IN_A_ROW = 4;

/** The bytes of a question for SRV records, recursion desired. @throws RangeError when it is no DNS name */
export function srvQuestion(name: string, id: number): Buffer {
  const lengths = name.split('.').map((label) => Buffer.byteLength(label));
  if (lengths.some((length) => length === 0 || length > LABEL_BYTES))
    throw new RangeError(`Not a DNS name: ${name}`);
  return encode({ type: 'query', id, flags: RECURSION_DESIRED, questions: [{ type: 'SRV', name }] });
}

/** @throws Error when pointers in the message form a long row */
function checkPointers(message: Buffer): void {
  /** How many pointers follow each other from here on. */
  const rows = new Uint8Array(message.length);
  for (let at = HEADER_BYTES; at + 1 < message.length; at += 1) {
    const target = message.readUInt16BE(at) - POINTER;
    if (target < 0) continue;
    const row = 1 + (target < at ? (rows[target] ?? 0) : 0);
    if (row > POINTERS_IN_A_ROW) throw new Error('it has pointers to pointers');
    rows[at] = row;
  }
}

/** @throws Error when the bytes are no DNS message, up to its answers */
function decodeAnswers(message: Buffer): ReturnType<typeof decode> {
  const header = message.subarray(0, HEADER_BYTES);
  const room = header.readUInt16BE(4) * QUESTION_BYTES + header.readUInt16BE(6) * RECORD_BYTES;
  // The decoder makes room for as many records as the header announces, so a false number ends here.
  if (room > message.length - HEADER_BYTES) throw new Error('it announces more records than it can hold');
  checkPointers(message);
  // Nothing after the answers is used, so nothing there can spoil them: the numbers of these records are set to zero.
  const answersOnly = Buffer.from(message);
  answersOnly.fill(0, 8, HEADER_BYTES);
  return decode(answersOnly);
}

/** The SRV records of an answer. @throws RangeError when it is not a good answer to the question with this ID */
export function srvAnswer(message: Buffer, id: number): SrvRecord[] {
  let packet: ReturnType<typeof decode>;
  try {
    packet = decodeAnswers(message);
  } catch (error) {
    throw new RangeError(`The DNS answer can't be read: ${reasonOf(error)}`, { cause: error });
  }
  if (packet.id !== id || packet.type !== 'response') throw new RangeError('Not an answer to the question');
  const code = (packet.flags ?? 0) & RESPONSE_CODE;
  if (code !== 0) throw new RangeError(`The DNS server answers with code ${code}`);
  return (packet.answers ?? []).flatMap((record) =>
    record.type === 'SRV' && record.class === 'IN'
      ? [
          {
            priority: record.data.priority ?? 0,
            weight: record.data.weight ?? 0,
            port: record.data.port,
            name: record.data.target,
          },
        ]
      : [],
  );
}

function parseServer(server: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(server) ?? [];
  return { host: bracketed ?? plain ?? server, port: Number(port ?? 53) };
}

/** One question over TCP, where each message is preceded by its length. */
async function askOverTcp(server: string, name: string, timeoutMs: number): Promise<SrvRecord[]> {
  const id = 1;
  const question = srvQuestion(name, id);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(question.length);
  const socket = connect({ ...parseServer(server), signal: AbortSignal.timeout(timeoutMs) });
  socket.write(Buffer.concat([length, question]));
  let received: Buffer = Buffer.alloc(0);
  for await (const chunk of socket) {
    if (!Buffer.isBuffer(chunk)) break;
    received = Buffer.concat([received, chunk]);
    if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      return srvAnswer(received.subarray(2, 2 + received.readUInt16BE(0)), id);
    }
  }
  throw new Error(`${server} closed the connection`);
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

/** What a server answers when it knows that there are no such records; asking another one would not help. */
const NO_SUCH_RECORD: readonly unknown[] = ['ENOTFOUND', 'ENODATA'];

/** Over UDP packets get lost, so a server that is silent is asked once more when all others were tried. */
const ROUNDS = 2;

/**
 * Looks up SRV records. Rejects with an Error that says why there are none. Servers are asked one after the other here,
 * and not by the resolver, which would report the failure of the last server instead of the misread answer of another one.
 * @param timeoutMs milliseconds after which a silent server is left for the next one
 * @param servers addresses of DNS servers, with or without a port. @default the system's
 */
export async function lookUpSrv(
  name: string,
  timeoutMs: number,
  servers?: readonly string[],
): Promise<SrvRecord[]> {
  // A resolver reads the system's configuration when it is made, so each look-up makes its own.
  const all = servers ?? new Resolver().getServers();
  const reasons = new Set<string>();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const server of all) {
      const resolver = new Resolver({ timeout: timeoutMs, tries: 1 });
      resolver.setServers([server]);
      try {
        return await resolver.resolveSrv(name);
      } catch (error) {
        if (NO_SUCH_RECORD.includes(codeOf(error))) throw error;
        if (codeOf(error) !== 'EBADRESP') {
          reasons.add(`${server}: ${reasonOf(error)}`);
          continue;
        }
      }
      try {
        return await askOverTcp(server, name, timeoutMs);
      } catch (error) {
        reasons.add(`${server}: ${reasonOf(error)}`);
      }
    }
  }
  throw new Error(`${name}: ${[...reasons].join('; ') || 'there is no DNS server'}`);
}
