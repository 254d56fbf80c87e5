import { expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../../..');

test('sudo keeps what the seeded tests are told by their environment', () => {
  const bootstrap = readFileSync(join(root, 'infra/sandbox/bootstrap.mjs'), 'utf8');
  const list = /\nconst kept = \[([^\]]+)\]/.exec(bootstrap)?.[1] ?? '';
  const kept = [...list.matchAll(/'(\w+)'/g)].map(([, name]) => name);
  const told = ['test/support', 'test/property'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .flatMap((name) => [
        ...readFileSync(join(root, folder, name), 'utf8').matchAll(
          /process\.env\['(\w+_(?:SEED|RUNS|FACTOR))'\]/g,
        ),
      ])
      .map(([, name]) => name),
  );
  expect(told.length).toBeGreaterThanOrEqual(4);
  expect(kept).toEqual(expect.arrayContaining(told));
});
