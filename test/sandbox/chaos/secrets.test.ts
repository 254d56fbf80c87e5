import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filesWith, formsOf, textsWith } from '../../../infra/sandbox/chaos/secrets.ts';

const secret = 'Correct4HorseBattery';
const others = ['Another2Secret'];

describe('the search for secrets', () => {
  let directory: string;
  const place = (name: string): string => join(directory, name);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'secrets-'));
    await writeFile(place('clean'), 'nothing');
    await writeFile(place('log'), `said ${secret} aloud`);
    await symlink('loop', place('loop'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  test('names the files that hold one', async () => {
    expect(await filesWith([...others, secret], [place('clean'), place('log')])).toEqual([place('log')]);
    expect(await filesWith(others, [place('clean'), place('log')])).toEqual([]);
  });

  test('goes on past a file that is gone by the time it is opened', async () => {
    expect(await filesWith([secret], [place('gone'), place('log')])).toEqual([place('log')]);
  });

  test('fails where it could not look for any other reason', async () => {
    await expect(filesWith([secret], [place('loop'), place('gone')])).rejects.toThrow('loop');
  });

  test.each(formsOf(secret))('names the text that holds it as %s', (form) => {
    const texts = new Map([
      ['the ledger', JSON.stringify({ note: 'nothing' })],
      ['Run Command', JSON.stringify({ output: `said ${form} aloud` })],
    ]);
    expect(textsWith([...others, secret], texts)).toEqual(['Run Command']);
    expect(textsWith(others, texts)).toEqual([]);
  });
});
