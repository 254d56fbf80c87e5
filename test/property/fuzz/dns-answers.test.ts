import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { srvAnswer, srvQuestion } from '../../../agent/directory/srv-lookup.ts';
import { broken, edited, editsOf, fuzz, isRangeError, LIMIT_MS } from './fuzz.ts';

const ID = 7;

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
const nameOf = (name: string): Buffer =>
  Buffer.concat([
    ...name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]),
    Buffer.from([0]),
  ]);

/** An honest answer with two records, one with its target written out and one that points into the other. */
function answer(): Buffer {
  const question = Buffer.from(srvQuestion('_ldap._tcp.dc._msdcs.corp.example.test', ID));
  question.writeUInt16BE(0x8180, 2);
  question.writeUInt16BE(2, 6);
  const record = (target: Buffer): Buffer =>
    Buffer.concat([
      u16(0xc00c),
      u16(33),
      u16(1),
      u16(0),
      u16(900),
      u16(6 + target.length),
      u16(0),
      u16(100),
      u16(389),
      target,
    ]);
  const first = record(nameOf('dc1.corp.example.test'));
  // Its target begins 18 bytes into the record; the label dc1 and its length are 4 of them.
  const domain = question.length + 18 + 4;
  const second = record(Buffer.concat([Buffer.from([3]), Buffer.from('dc2'), u16(0xc000 | domain)]));
  return Buffer.concat([question, first, second]);
}

test('an honest answer is read', () => {
  expect(srvAnswer(answer(), ID).map(({ name }) => name)).toEqual([
    'dc1.corp.example.test',
    'dc2.corp.example.test',
  ]);
});

test(
  'a damaged DNS answer is read or refused, and never reads beyond itself or round and round',
  async () => {
    const honest = answer();
    const edits = editsOf(
      fc.oneof(
        fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
        // Pointers: to themselves, to each other, past the end.
        fc.nat({ max: honest.length + 40 }).map((at) => u16(0xc000 | at)),
        fc.constantFrom(u16(0xffff), Buffer.from([0x3f]), Buffer.alloc(0)),
      ),
    );
    const played = await fuzz('DNS answers', edits, (changes) => {
      const bytes = edited(honest, changes);
      try {
        for (const { name, priority, weight, port } of srvAnswer(bytes, ID)) {
          const isSound = [priority, weight, port].every((value) => value >= 0 && value <= 0xffff);
          if (!isSound || name.length > 127 * 64 * 3)
            throw broken('It was read', { name, priority, weight, port });
        }
      } catch (error) {
        if (!isRangeError(error)) throw error;
      }
    });
    expect(played).toBe(true);
  },
  LIMIT_MS,
);
