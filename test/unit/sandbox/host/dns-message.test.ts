import { expect, test } from '@jest/globals';
import { withPlainTargets } from '../../../../infra/sandbox/domain/dns-message.ts';

/** As Samba 4.17 answers for `_ldap._tcp.dc._msdcs.corp.example.test SRV`: the target is `dc1` and a pointer. */
const sambaAnswer =
  '0ff985000001000100010000055f6c646170045f746370026463065f6d7364637304636f7270076578616d706c6504746573740000210001' +
  'c00c0021000100000384000c00000064018503646331c021c01a0006000100000e100023c04a0a686f73746d6173746572c021000000010000' +
  '0384000002580001518000000e10';

test('An SRV answer with an abbreviated target comes out with the target written in full', () => {
  const plain = withPlainTargets(Buffer.from(sambaAnswer, 'hex'));
  const target = Buffer.from('\x03dc1\x04corp\x07example\x04test\x00', 'latin1');
  expect(plain.subarray(-target.length)).toEqual(target);
  // the record says its new length: priority, weight, port, target
  expect(plain.readUInt16BE(plain.length - target.length - 8)).toBe(6 + target.length);
  // one question, one answer, nothing after it
  expect([4, 6, 8, 10].map((offset) => plain.readUInt16BE(offset))).toEqual([1, 1, 0, 0]);
});

test('An answer without SRV records comes out as it is', () => {
  const answer = Buffer.from(
    'a97f850000010001000000000364633104636f7270076578616d706c6504746573740000010001c00c000100010000038400040a4d000a',
    'hex',
  );
  expect(withPlainTargets(answer)).toBe(answer);
});

test('A name whose pointers run in a circle is refused', () => {
  const answer = Buffer.from(sambaAnswer, 'hex');
  const pointer = answer.indexOf(Buffer.from('646331c021', 'hex')) + 3;
  answer.writeUInt16BE(0xc000 | pointer, pointer);
  expect(() => withPlainTargets(answer)).toThrow('does not end');
});
