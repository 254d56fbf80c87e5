/** What `adjoin document check` says of documents. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { afterAll, describe, expect, test } from '@jest/globals';
import { cli } from '../../../agent/cli/cli.ts';
import { checkDocument } from '../../../agent/cli/document-check.ts';
import { entryText, sentParameters } from '../../../agent/nodes/contract.ts';
import { NODES_PER_JOIN } from '../../../agent/nodes/nodes.ts';
import { commandDocuments } from '../../../documents/index.ts';
import { parameters } from '../../../documents/parameters.ts';
import { recordTerminal } from '../../support/terminal.ts';

const examples = ['join', 'leave', 'banner'].map((name) => `docs/own-scripts/adjoin-own-${name}.json`);
const textOf = (name: string): string => readFileSync(`docs/own-scripts/adjoin-own-${name}.json`, 'utf8');

/** The example with something in it replaced, which must be there. */
function changed(name: string, from: string | RegExp, to: string): string {
  const text = textOf(name);
  const other = text.replace(from, to);
  if (other === text) throw new Error(`${name} has no ${from.toString()}`);
  return other;
}
const said = (content: string): string =>
  checkDocument(content)
    .findings.map(({ what }) => what)
    .join('\n');

const folder = mkdtempSync(join(tmpdir(), 'document-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const terminal = recordTerminal();
  const code = await cli(['document', 'check', ...argv], terminal);
  return { code, ...terminal.written };
}

describe('the check of a document', () => {
  test.each(examples)('finds nothing in %s, and prints how it is pinned', async (file) => {
    const { code, out, err } = await run(file);
    expect(err).toContain('Nothing found');
    const hash = createHash('sha256').update(readFileSync(file)).digest('hex');
    expect([code, out]).toEqual([0, `${file.replace(/^.*\/|\.json$/g, '')}:1:${hash}\n`]);
  });

  test.each(commandDocuments().filter(({ purpose }) => purpose === 'join' || purpose === 'leave'))(
    'finds nothing in our own $name',
    ({ content, purpose }) => {
      expect(checkDocument(content)).toMatchObject({ purpose, findings: [] });
    },
  );

  test('says what to do with each finding, in lines of a terminal, and fails', async () => {
    const file = join(folder, 'bad.json');
    writeFileSync(file, changed('banner', '"2.2"', '"0.3"'));
    const { code, out, err } = await run(file);
    expect(code).toBe(70);
    expect(out).toContain('schemaVersion: ');
    expect(out).toContain('\n    A command document has schemaVersion 2.2');
    expect(err).toContain('1 finding, ');
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect((await run(join(folder, 'none.json'))).code).toBe(70);
    expect((await run(file, '--as', 'probe')).code).toBe(64);
  });

  test.each([
    ['what is no JSON', 'schemaVersion: "2.2"', 'It is not JSON.'],
    ['no steps', changed('banner', /"mainSteps": \[[^]*\]\n\}/, '"mainSteps": []}'), 'mainSteps: '],
    [
      'a parameter that is missing',
      changed('join', '"groupPolicy"', '"groupPolicies"'),
      'groupPolicy is missing',
    ],
    [
      'a parameter that nobody sends',
      changed('banner', '"domain": {', '"site": {"type":"String","allowedPattern":"^a$"},"domain": {'),
      'Parameter site has no default',
    ],
    [
      'one that is not always sent',
      changed('join', '"default": "",', ''),
      'Parameter operatingSystem has no default',
    ],
    ['a list that is none', changed('join', '"StringList"', '"String"'), 'entries is a String'],
    ['too few entries', changed('join', '"maxItems": 40', '"maxItems": 5'), 'entries takes 5 items'],
    [
      'a secret as a parameter',
      changed('banner', '"domain": {', '"adminPassword": {"type":"String","default":"x"},"domain": {'),
      'adminPassword looks like a secret',
    ],
    [
      'no pattern',
      changed('leave', '"allowedPattern": "^[1-9][0-9]{9}$"', '"maxChars": 10'),
      'notAfter has no allowedPattern',
    ],
    ['a pattern without an end', changed('leave', '^[1-9][0-9]{9}$', '^[1-9][0-9]{9}'), 'notAfter admits'],
    [
      'a pattern that takes a quote',
      changed('leave', '^[1-9][0-9]{9}$', '^[1-9][0-9]{9}.?$'),
      'notAfter admits',
    ],
    [
      'a pattern that refuses what is sent',
      changed('leave', '^[1-9][0-9]{9}$', '^[1-9][0-9]{3}$'),
      'does not take "1800000000"',
    ],
    ['no regular expression', changed('leave', '^[1-9][0-9]{9}$', '^['), 'no regular expression'],
    [
      'a parameter within a command',
      changed('banner', "DOMAIN='{{ domain }}'", 'echo {{ domain }}'),
      'in the middle of a line',
    ],
    [
      'a parameter between double quotes',
      changed('banner', "DOMAIN='{{ domain }}'", 'DOMAIN=\\"{{ domain }}\\"'),
      'in the middle of a line',
    ],
    [
      'a parameter that is none',
      changed('banner', "'{{ domain }}'", "'{{ domian }}'"),
      'uses domian, which is no parameter',
    ],
    [
      'a name from the parameter store',
      changed('banner', "'{{ domain }}'", "'{{ssm:domain}}'"),
      'uses ssm:domain',
    ],
    [
      'no facts',
      changed('join', '\\"document\\":\\"join\\"', '\\"document\\":\\"other\\"'),
      'no line of facts',
    ],
    ['facts that never say joined', changed('join', 'say joined', 'say yes'), 'no line of facts'],
    [
      'a time of its own',
      changed('leave', '"{{ executionTimeout }}"', '"3600"'),
      'does not end with its time',
    ],
    ['no platform', changed('leave', '"platformType"', '"platformTypes"'), 'is not kept to Linux'],
    [
      'a script from elsewhere',
      changed('leave', 'aws:runShellScript', 'aws:downloadContent'),
      'has the action aws:downloadContent',
    ],
    ['a restart of its own', changed('banner', 'set -eu', 'reboot'), 'restarts the node by itself'],
    ['a trace', changed('join', 'set -eu', 'set -eux'), 'traces its commands'],
    ['a name that is none', changed('leave', '"leaveLinux"', '"leave linux"'), 'no name of its own'],
    ['more than fits', changed('join', 'set -eu', `: ${'x'.repeat(40_000)}`), 'bytes.'],
  ])('finds %s', (_what, content, finding) => {
    expect(said(content)).toContain(finding);
  });

  test('takes a document for what its parameters are of, unless it is told', () => {
    expect(['join', 'leave', 'banner'].map((name) => checkDocument(textOf(name)).purpose)).toEqual([
      'join',
      'leave',
      'post-join',
    ]);
    const other = checkDocument(textOf('banner'), 'leave');
    expect(other.findings.map(({ what }) => what).join('\n')).toContain('Parameter notAfter is missing.');
  });
});

describe('what adjoin sends', () => {
  test.each(['join', 'leave'] as const)('to a %s is what its document takes', (purpose) => {
    const sent = Object.entries(sentParameters[purpose]).map(([name, { type, longest, mostItems }]) => [
      name,
      type,
      mostItems ?? longest,
    ]);
    const taken = Object.entries(parameters[purpose]).map(([name, parameter]) => [
      name,
      parameter.type,
      parameter.type === 'String' ? parameter.maxChars : parameter.maxItems,
    ]);
    expect(Object.fromEntries(sent.map(([name, ...rest]) => [name, rest]))).toEqual(
      Object.fromEntries(taken.map(([name, ...rest]) => [name, rest])),
    );
    for (const [name, { sample }] of Object.entries(sentParameters[purpose]))
      expect(sample).toMatch(new RegExp(parameters[purpose][name]?.allowedPattern ?? '^$'));
  });

  test('to a join are the entries of as many nodes as share one, each within its length', () => {
    const { mostItems, longest = 0 } = { ...sentParameters.join['entries'] };
    expect(mostItems).toBe(NODES_PER_JOIN);
    const instanceId = `i-${'0'.repeat(17)}`;
    const entry = { instanceId, computerName: 'A'.repeat(15), sealed: 'A'.repeat(512) };
    expect(entryText(entry).length).toBeLessThanOrEqual(longest);
  });
});
