/**
 * Root on a node answers in place of adjoin's scripts: with noise, with keys that protect nothing, with texts that are meant
 * for terminals and tables, with lies. Each such launch is abandoned and leaves nothing; the next honest one joins.
 */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Machine } from '../../../infra/sandbox/machine/machine.ts';
import { describeReal } from '../../support/sandbox.ts';
import { inService, logEntries, openSystem, type System } from '../sandbox.ts';
import { honestProbe } from '../../support/node-facts.ts';

interface Answers {
  /** A text, or so many random bytes. */
  readonly probe: string | number;
  /** What the join answers. Default: its own. */
  readonly join?: string;
}

const der = (key: KeyObject): string => key.export({ format: 'der', type: 'spki' }).toString('base64');
const rsa = (modulusLength: number, publicExponent = 65_537): KeyObject =>
  generateKeyPairSync('rsa', { modulusLength, publicExponent }).publicKey;
/** With the exponent 1, what is sealed is its own padded text. */
const exponentOne = (): KeyObject =>
  createPublicKey({
    key: { kty: 'RSA', n: rsa(2_048).export({ format: 'jwk' }).n ?? '', e: 'AQ' },
    format: 'jwk',
  });

const probe = (facts: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ ...honestProbe, key: '', ...facts });
const evil = '\r\n{"level":"error"}\u001b[2J\u009b2J\u2028\u202e=cmd|"/c calc"!A1<script>';

/** What each hostile node answers, and the code that its launch is given up with. */
const hostile: readonly (readonly [name: string, answers: Answers, code: string])[] = [
  ['noise without end', { probe: 4_000_000 }, 'node-facts-invalid'],
  [
    'hostile text in each fact',
    { probe: probe({ os: evil, hostName: evil, missing: [evil], ready: false }) },
    'node-facts-invalid',
  ],
  ['text without end', { probe: probe({ hostName: 'x'.repeat(256) }) }, 'node-facts-invalid'],
  ['a key of 1024 bits', { probe: probe({ key: der(rsa(1_024)) }) }, 'node-key-refused'],
  ['the exponent 3', { probe: probe({ key: der(rsa(2_048, 3)) }) }, 'node-key-refused'],
  ['the exponent 1', { probe: probe({ key: der(exponentOne()) }) }, 'node-key-refused'],
  [
    'a key that is not RSA',
    { probe: probe({ key: der(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey) }) },
    'node-key-refused',
  ],
  ['half a key', { probe: probe({ key: der(rsa(2_048)).slice(0, 200) }) }, 'node-key-refused'],
  [
    'a join that never was, under the name of another',
    {
      probe: probe({ key: der(rsa(2_048)) }),
      join: JSON.stringify({
        adjoin: 1,
        document: 'join',
        result: 'joined',
        domain: 'corp.example.test',
        computerName: 'A00000000000001',
      }),
    },
    'join-unverified',
  ],
];

/** Runs with the script's own standard output: says what it is told to, and ends the script. */
const cover = `#!/bin/sh
case $(tr '\\0' ' ' </proc/$PPID/cmdline) in
*probeLinux*) answer=/run/answer-probe ;;
*joinLinux*) answer=/run/answer-join ;;
*) answer=/none ;;
esac
[ -e "$answer" ] || exec /usr/bin/flock.real "$@"
cat "$answer"
kill -KILL $PPID
`;

async function put(machine: Machine, path: string, content: string): Promise<void> {
  const { code, stderr } = await machine.exec(['sh', '-c', 'cat >"$1"', 'put', path], { input: content });
  if (code !== 0) throw new Error(stderr);
}

async function turn(machine: Machine, { probe: probed, join }: Answers): Promise<void> {
  if (typeof probed === 'string') await put(machine, '/run/answer-probe', probed);
  else await machine.exec(['sh', '-c', `head -c ${probed} /dev/urandom >/run/answer-probe`]);
  if (join !== undefined) await put(machine, '/run/answer-join', join);
  await machine.exec(['mv', '/usr/bin/flock', '/usr/bin/flock.real']);
  await put(machine, '/usr/bin/flock', cover);
  await machine.exec(['chmod', '755', '/usr/bin/flock']);
}

/** Hostile nodes in a row: at five, the group is taken for one whose launches keep failing, and is given pauses. */
const inARow = 4;
/** What boots, in this order: after each few hostile nodes an honest one. */
const plan = hostile.flatMap((each, index) =>
  index % inARow === inARow - 1 || index === hostile.length - 1 ? [each, undefined] : [each],
);
const honestCount = plan.filter((each) => each === undefined).length;

describeReal('root on a node', (ground) => {
  let system: System;
  /** In the order in which they came. */
  const booted: string[] = [];

  beforeAll(async () => {
    system = await openSystem(ground, {
      agentConfig: { patience: { joinAttempts: 2, retrySeconds: 0.5, retryMaximumSeconds: 1 } },
      launchBackoffMs: 0,
      async prepareMachine(machine) {
        const [, answers] = plan[booted.push(machine.name) - 1] ?? [];
        if (answers) await turn(machine, answers);
      },
    });
    system.startAgent();
  }, 300_000);
  afterAll(() => system.stop(), 60_000);

  test('that answers in place of the scripts gets no member, harms no other launch, and leaves nothing', async () => {
    for (let capacity = 1; capacity <= honestCount; capacity += 1) {
      await system.setDesiredCapacity(capacity);
      await inService(system, capacity, 300_000);
    }
    const honest = booted.filter((_, index) => plan[index] === undefined);
    const { states } = await system.subject.look();
    expect([...states.keys()].toSorted()).toEqual(honest.toSorted());
    expect(booted).toHaveLength(plan.length);

    const log = await logEntries(system);
    const failures = log.filter(({ event }) => event === 'join failed');
    expect(failures.map(({ instanceId }) => instanceId)).toEqual(booted.filter((_, index) => plan[index]));
    for (const [index, [name, , code]] of hostile.entries()) {
      // What ends a launch at once is the error itself; what was tried again is its cause.
      expect([name, JSON.stringify(failures[index]?.['error'])]).toEqual([
        name,
        expect.stringContaining(`"code":"${code}"`),
      ]);
    }

    const stamps = (await system.auditor.computers()).map(({ stamp }) => stamp);
    expect(stamps.toSorted()).toEqual(honest.map((id) => system.subject.expected.stampOf(id)).toSorted());
    expect(system.agent()?.deaths).toEqual([]);
  }, 900_000);

  test('writes nothing into the log that a terminal or a reader of lines would act on', async () => {
    const text = await readFile(system.agentLogFile, 'utf8');
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    for (const line of text.trimEnd().split('\n')) expect(() => void JSON.parse(line)).not.toThrow();
    expect(text).not.toContain('calc');
    expect(Math.max(...text.split('\n').map(({ length }) => length))).toBeLessThan(5_000);
  });
});
