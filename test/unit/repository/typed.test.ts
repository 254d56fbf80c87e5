/** Each command that the pages tell an operator to type is one that the command line takes, with its options. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { cli } from '../../../agent/cli/cli.ts';
import { EXIT } from '../../../agent/cli/exit.ts';
import { addOperatorCommands } from '../../../agent/operator/commands.ts';
import type { Prompt } from '../../../agent/operator/prompt.ts';
import { shellBlocks } from '../../support/chapters.ts';
import { recordTerminal } from '../../support/terminal.ts';
import { pages } from './pages.ts';

const nobody: Prompt = {
  isAttended: false,
  ask: () => Promise.reject(new Error('nobody is there')),
  askSecret: () => Promise.reject(new Error('nobody is there')),
};
/** No file: what is understood gets as far as this, and ends before it asks anybody anything. */
const nowhere = join(tmpdir(), 'adjoin-no-such-file');

/** A message's and a queue's stand-in on a page is in capitals or a variable. */
const wordsOf = (line: string): string[] =>
  line
    .replace(/^\$ /, '')
    .replace(/^(?:npx |as \w+ )?adjoin /, '')
    .replace(/ +#.*$/, '')
    .split(/ +/)
    .map((word) => word.replaceAll('"', ''));

const typed = [
  ...new Set(
    pages
      .flatMap(({ text }) => shellBlocks(text))
      .flatMap(({ lines }) => lines)
      .filter((line) => /^(?:\$ )?(?:npx |as \w+ )?adjoin [a-z]/.test(line))
      .map((line) => wordsOf(line).join(' ')),
  ),
];

async function typeIt(words: readonly string[]): Promise<readonly [number, string]> {
  const terminal = recordTerminal();
  const [verb = ''] = words;
  const takesTemplate = verb === 'deploy' || words.includes('--pre');
  const place = takesTemplate
    ? ['--template', nowhere]
    : [verb === 'destroy' ? '--file' : '--config', nowhere];
  const code = await cli([...words, ...place], terminal, (extension) =>
    addOperatorCommands(extension, nobody),
  );
  return [code, terminal.written.err];
}

test('there are such commands, each verb among them', () => {
  const verbs = new Set(typed.map((line) => line.split(' ')[0]));
  for (const verb of [
    'attach',
    'dead-letters',
    'deploy',
    'detach',
    'doctor',
    'join',
    'secret',
    'test',
    'unjoin',
  ])
    expect(verbs).toContain(verb);
});

test.each(typed)('adjoin %s', async (line) => {
  const [code, said] = await typeIt(line.split(' '));
  expect([code, said]).toEqual([EXIT.config, expect.stringContaining(nowhere)]);
});

test('one that is not understood is found', async () => {
  expect((await typeIt(['attach', 'fleet', '--quickly']))[0]).toBe(EXIT.usage);
});
