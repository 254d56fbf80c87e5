import { expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { parseLdif } from '../../../infra/sandbox/domain/ldif.ts';
import { hostPid, lastPid } from '../../../infra/sandbox/host/namespace.ts';

test('The process ID inside is the last one that the kernel lists', () => {
  expect(lastPid('Name:\tnode\nPid:\t900\nNSpid:\t900\t12\t3\nThreads:\t1\n')).toBe(3);
  expect(lastPid('Name:\tnode\nPid:\t900\n')).toBeUndefined();
});

test('A process of a namespace that has ended has no process ID', async () => {
  const ended = spawnSync('true').pid;
  await expect(hostPid(ended, 1)).resolves.toBeUndefined();
});

test('LDIF is read with folded lines, base64 values and repeated attributes; references are no entries', () => {
  const text =
    '# record 1\ndn: CN=a,DC=x\ndescription:: w6Q=\nmember: one\nmember: tw\n o\n\n# Referral\nref: ldap://x/\n';
  expect(parseLdif(text)).toEqual([
    {
      dn: 'CN=a,DC=x',
      attributes: new Map([
        ['description', ['ä']],
        ['member', ['one', 'two']],
      ]),
    },
  ]);
});
