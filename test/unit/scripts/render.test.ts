import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { configJsonSchema, overrides } from '../../../agent/config.ts';
import { errorCodes } from '../../../agent/errors.ts';
import { between, renderErrors, renderSettings } from '../../../scripts/render.ts';

/** The cells of each row, without head and rule. */
const rowsOf = (table: string): string[][] =>
  table
    .split('\n')
    .slice(2)
    .map((line) => line.slice(2, -2).split(/(?<!\\) \| /));

describe('the troubleshooting table', () => {
  test('has a row a code: code, meaning, what to do, what adjoin does', () => {
    const table = renderErrors({
      'node-lost': { disposition: 'retry', meaning: 'It is lost.', hint: 'Look for it.' },
      odd: { disposition: 'fatal', meaning: 'A | bar.', hint: 'A\nline.' },
    });
    expect(table).toBe(
      [
        '| Code | What it means | What to do | What adjoin does |',
        '| --- | --- | --- | --- |',
        '| `node-lost` | It is lost. | Look for it. | Keeps the action waiting with heartbeats and tries again. |',
        String.raw`| ` + '`odd`' + String.raw` | A \| bar. | A line. | Exits with a code other than 0. |`,
      ].join('\n'),
    );
  });

  test('knows every code, and says of each what adjoin does', () => {
    const rows = rowsOf(renderErrors(errorCodes));
    expect(rows.map(([code]) => code)).toEqual(Object.keys(errorCodes).map((code) => `\`${code}\``));
    for (const row of rows) {
      expect(row).toHaveLength(4);
      expect(row[3]).toMatch(/^[A-Z].*\.$/);
    }
  });
});

const setting = (...path: string[]) => ({ variable: `ADJOIN_${path.join('_').toUpperCase()}`, path });

describe('the configuration reference', () => {
  const schema = {
    required: ['region', 'documents'],
    properties: {
      region: { type: 'string', description: 'Where.' },
      level: { type: 'string', default: 'info', description: 'How much.' },
      documents: { required: ['hash'], properties: { hash: { description: 'What.' } } },
      directory: { properties: { caFile: { description: 'Whom.' }, list: { default: ['A', 'B'] } } },
    },
  };
  test('has a row a setting: default, variable, meaning', () => {
    const settings = [
      setting('region'),
      setting('level'),
      setting('documents', 'hash'),
      setting('directory', 'caFile'),
      setting('directory', 'list'),
    ];
    expect(rowsOf(renderSettings(schema, settings))).toEqual([
      ['`region`', 'required', '`ADJOIN_REGION`', 'Where.'],
      ['`level`', '`info`', '`ADJOIN_LEVEL`', 'How much.'],
      ['`documents.hash`', 'required', '`ADJOIN_DOCUMENTS_HASH`', 'What.'],
      ['`directory.caFile`', '', '`ADJOIN_DIRECTORY_CAFILE`', 'Whom.'],
      ['`directory.list`', '`["A","B"]`', '`ADJOIN_DIRECTORY_LIST`', ''],
    ]);
  });

  test('knows every setting and its meaning', () => {
    const rows = rowsOf(renderSettings(configJsonSchema(), overrides()));
    expect(rows).toHaveLength(overrides().length);
    for (const row of rows) expect(row[3]).toMatch(/\.$/);
    expect(rows.find(([name]) => name === '`patience.joinSeconds`')?.[1]).toBe('`1800`');
  });
});

describe('text between markers', () => {
  test('is replaced, and everything around it stays', () => {
    const document = 'before\n<!-- x:begin -->\nold\n<!-- x:end -->\nafter $& $1\n';
    const changed = between(document, 'x', 'new $& text');
    expect(changed).toBe('before\n<!-- x:begin -->\n\nnew $& text\n\n<!-- x:end -->\nafter $& $1\n');
    expect(between(changed, 'x', 'new $& text')).toBe(changed);
  });

  test.each([
    ['without markers', 'nothing'],
    ['without an end', '<!-- x:begin --> text'],
    ['without a beginning', 'text <!-- x:end -->'],
    ['with the end first', '<!-- x:end --> <!-- x:begin -->'],
    ['with a second beginning', '<!-- x:begin --> <!-- x:begin --> <!-- x:end -->'],
    ['with a second end', '<!-- x:begin --> <!-- x:end --> <!-- x:end -->'],
    ['with markers of another name', '<!-- y:begin --> <!-- y:end -->'],
  ])('can not be placed %s', (_which, document) => {
    expect(() => between(document, 'x', 'new')).toThrow('must have <!-- x:begin -->');
  });
});

test('config/schema.json is what the code says', () => {
  const file = join(import.meta.dirname, '../../../config/schema.json');
  // If this fails, run `node scripts/schema.ts`.
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(configJsonSchema());
});
