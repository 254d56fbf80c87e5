/**
 * Looks up SRV records. Node's own resolver (c-ares since 1.34.7) rejects an answer whose SRV target is compressed,
 * with EBADRESP. RFC 2782 forbids senders to compress it, but Samba's DNS server and several forwarders do. For these
 * the question is asked again here, over TCP, and the answer read as RFC 3597 wants receivers to: leniently.
 */
import type { SrvRecord } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';
import { reasonOf } from '../errors.ts';

const TYPE_SRV = 33;
const CLASS_IN = 1;
const HEADER_BYTES = 12;
/** A name has at most 127 labels; more jumps than that are a loop. */
const MOST_LABELS = 127;

/** The bytes of a question for SRV records, recursion desired. @throws RangeError when it is no DNS name */
export function srvQuestion(name: string, id: number): Buffer {
  const labels = name.split('.').map((label) => Buffer.from(label, 'latin1'));
  if (labels.some((label) => label.length === 0 || label.length > 63))
    throw new RangeError(`Not a DNS name: ${name}`);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(0x0100, 2);
  header.writeUInt16BE(1, 4);
  const question = labels.flatMap((label) => [Buffer.from([label.length]), label]);
  return Buffer.concat([header, ...question, Buffer.from([0, 0, TYPE_SRV, 0, CLASS_IN])]);
}

function readName(message: Buffer, start: number): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = start;
  let end: number | undefined;
  for (let steps = 0; steps <= MOST_LABELS; steps += 1) {
    const length = message.readUInt8(at);
    if (length >= 0xc0) {
      end ??= at + 2;
      at = message.readUInt16BE(at) & 0x3fff;
    } else if (length === 0) {
      return { name: labels.join('.'), end: end ?? at + 1 };
    } else {
      labels.push(message.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
  }
  throw new RangeError('A name in the DNS answer does not end');
}

/** The SRV records of an answer. @throws RangeError when it is not a good answer to the question with this ID */
export function srvAnswer(message: Buffer, id: number): SrvRecord[] {
  const flags = message.readUInt16BE(2);
  if (message.readUInt16BE(0) !== id || (flags & 0x8000) === 0)
    throw new RangeError('Not an answer to the question');
  const code = flags & 0x000f;
  if (code !== 0) throw new RangeError(`The DNS server answers with code ${code}`);
  let at = HEADER_BYTES;
  for (let left = message.readUInt16BE(4); left > 0; left -= 1) at = readName(message, at).end + 4;
  const records: SrvRecord[] = [];
  for (let left = message.readUInt16BE(6); left > 0; left -= 1) {
    at = readName(message, at).end;
    const data = at + 10;
    if (message.readUInt16BE(at) === TYPE_SRV && message.readUInt16BE(at + 2) === CLASS_IN) {
      records.push({
        priority: message.readUInt16BE(data),
        weight: message.readUInt16BE(data + 2),
        port: message.readUInt16BE(data + 4),
        name: readName(message, data + 6).name,
      });
    }
    at = data + message.readUInt16BE(at + 8);
  }
  return records;
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
 * and not by the resolver, which would report the failure of the last one for the misread answer of another.
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
