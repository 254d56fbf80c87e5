import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { lookUpSrv, srvAnswer, srvQuestion } from '../../../agent/directory/srv-lookup.ts';

const name = '_ldap._tcp.dc._msdcs.corp.example.test';

/** As Samba's DNS server answers, with the target compressed to "dc1" and a pointer. */
const compressed = Buffer.from(
  '000785000001000100010000055f6c646170045f746370026463065f6d7364637304636f7270076578616d706c6504746573740000210001' +
    'c00c0021000100000384000c00000064018503646331c021c01a0006000100000e100023c04a0a686f73746d6173746572c0210000000100' +
    '000384000002580001518000000e10',
  'hex',
);

function record(type: number, data: Buffer): Buffer {
  const fields = Buffer.alloc(11);
  fields.writeUInt16BE(type, 1);
  fields.writeUInt16BE(1, 3);
  fields.writeUInt16BE(data.length, 9);
  return Buffer.concat([fields, data]);
}

/** An answer with a target that is reached through so many pointers, each to the one before. */
function rowOfPointers(length: number): Buffer {
  const question = srvQuestion(name, 7);
  question.writeUInt16BE(0x8580, 2);
  question.writeUInt16BE(2, 6);
  const start = question.length + 11;
  const row = Buffer.alloc(2 * length);
  // The first one points at the name that was asked for.
  for (let at = 0; at < row.length; at += 2) row.writeUInt16BE(0xc000 | (at === 0 ? 12 : start + at - 2), at);
  const target = Buffer.concat([Buffer.from([0, 1, 0, 2, 1, 133]), row.subarray(-2)]);
  return Buffer.concat([question, record(65_280, row.subarray(0, -2)), record(33, target)]);
}

describe('looking up SRV records', () => {
  test('a compressed target is read', () => {
    expect(srvAnswer(compressed, 7)).toEqual([
      { priority: 0, weight: 100, port: 389, name: 'dc1.corp.example.test' },
    ]);
  });

  test('the question is what was answered', () => {
    const question = srvQuestion(name, 7);
    expect(question.subarray(12)).toEqual(compressed.subarray(12, question.length));
    expect(question.readUInt16BE(0)).toBe(7);
  });

  test('an answer to another question is refused', () => {
    expect(() => srvAnswer(compressed, 8)).toThrow(/Not an answer/);
    expect(() => srvAnswer(srvQuestion(name, 7), 7)).toThrow(/Not an answer/);
  });

  test('an error code is told', () => {
    const refused = Buffer.from(compressed);
    refused.writeUInt16BE(0x8583, 2);
    expect(() => srvAnswer(refused, 7)).toThrow(/code 3/);
  });

  test('names that point at themselves do not hang', () => {
    const loop = Buffer.from(compressed);
    const at = loop.indexOf(Buffer.from('c021', 'hex'));
    loop.writeUInt16BE(0xc000 | at, at);
    expect(() => srvAnswer(loop, 7)).toThrow(/can't be read: .*bad pointer/);
  });

  test('a row of a few pointers, each to the one before, is read', () => {
    expect(srvAnswer(rowOfPointers(4), 7)).toEqual([{ priority: 1, weight: 2, port: 389, name }]);
  });

  test('a longer row is refused: it would be followed again for each record', () => {
    expect(() => srvAnswer(rowOfPointers(5), 7)).toThrow(/can't be read: it has pointers to pointers/);
  });

  test('an answer that is cut short is refused at every length', () => {
    for (let length = 0; length < 80; length += 1) {
      expect(() => srvAnswer(compressed.subarray(0, length), 7)).toThrow(/^The DNS answer can't be read: /);
    }
  });

  test('what is broken behind the answers does not matter', () => {
    // The answers end at byte 80; the header still announces an authority record.
    expect(srvAnswer(compressed.subarray(0, 80), 7)).toHaveLength(1);
  });

  test('an answer that announces more records than it can hold is refused', () => {
    const boasting = Buffer.from(compressed);
    boasting.writeUInt16BE(0xffff, 6);
    expect(() => srvAnswer(boasting, 7)).toThrow(/can't be read: it announces more records/);
  });

  test('other records among the answers are passed over', () => {
    const other = Buffer.from(compressed);
    // The type of the answer, two bytes after its name.
    other.writeUInt16BE(65_280, 58);
    expect(srvAnswer(other, 7)).toEqual([]);
  });

  test.each(['a..b', `${'x'.repeat(64)}.test`, ''])('%j is no DNS name', (text) => {
    expect(() => srvQuestion(text, 1)).toThrow(RangeError);
  });
});

describe('asking DNS servers', () => {
  const closing: (() => void)[] = [];
  afterEach(() => {
    for (const close of closing.splice(0)) close();
  });

  /** A DNS server on UDP and TCP that gives the same answer to every question. */
  const server = async (answer: Buffer): Promise<{ address: string; asked: string[] }> => {
    const asked: string[] = [];
    const reply = (question: Buffer): Buffer => Buffer.concat([question.subarray(0, 2), answer.subarray(2)]);
    const udp = createSocket('udp4', (question, from) => {
      asked.push('udp');
      udp.send(reply(question), from.port, from.address);
    });
    udp.bind(0, '127.0.0.1');
    await once(udp, 'listening');
    const { port } = udp.address();
    const tcp = createServer((socket) => {
      socket.once('data', (question: Buffer) => {
        asked.push('tcp');
        const message = reply(question.subarray(2));
        const length = Buffer.alloc(2);
        length.writeUInt16BE(message.length);
        socket.end(Buffer.concat([length, message]));
      });
    });
    tcp.listen(port, '127.0.0.1');
    await once(tcp, 'listening');
    closing.push(
      () => udp.close(),
      () => tcp.close(),
    );
    return { address: `127.0.0.1:${port}`, asked };
  };
  /** Nobody listens there. */
  const nobody = '127.0.0.1:1';
  const records = [{ priority: 0, weight: 100, port: 389, name: 'dc1.corp.example.test' }];

  test.each([
    ['before', (address: string) => [nobody, address]],
    ['after', (address: string) => [address, nobody]],
  ])('one that is down %s one whose answer the resolver misreads is no obstacle', async (_when, order) => {
    const { address, asked } = await server(compressed);
    await expect(lookUpSrv(name, 1_000, order(address))).resolves.toEqual(records);
    expect(asked).toEqual(['udp', 'tcp']);
  });

  test('one that knows of no such record is believed', async () => {
    const none = Buffer.from(compressed);
    none.writeUInt16BE(0x8583, 2);
    none.fill(0, 6, 12);
    const first = await server(none.subarray(0, srvQuestion(name, 7).length));
    const second = await server(compressed);
    await expect(lookUpSrv(name, 1_000, [first.address, second.address])).rejects.toMatchObject({
      code: 'ENOTFOUND',
    });
    expect(second.asked).toEqual([]);
  });

  test('when all fail, each says why', async () => {
    await expect(lookUpSrv(name, 1_000, [nobody])).rejects.toThrow(/127\.0\.0\.1:1: .*ECONNREFUSED/);
    await expect(lookUpSrv(name, 1_000, [])).rejects.toThrow('there is no DNS server');
  });
});
