import { describe, expect, test } from '@jest/globals';
import { table, wrap, WIDTH } from '../../../agent/cli/table.ts';

describe('a table', () => {
  test('sets columns side by side', () => {
    expect(
      table(
        ['a', 'long title', 'c'],
        [
          ['wide cell', 'x', 'y'],
          ['1', '2', '3'],
        ],
      ),
    ).toBe('a          long title  c\nwide cell  x           y\n1          2           3\n');
  });

  test('is never wider than a terminal', () => {
    const text = table(['a', 'b'], [['x'.repeat(50), 'y'.repeat(100)]]);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(WIDTH);
    expect(text).toContain('y…');
  });

  test('lets no cell break a line or move the cursor', () => {
    expect(table(['a'], [['x\n\u001B[2Jy\u202Ez']])).toBe('a\nx [2Jy z\n');
  });
});

describe('a paragraph', () => {
  test('is broken between words', () => {
    const text = wrap('word '.repeat(40), '  ');
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(WIDTH);
    expect(text.trim().split(/\s+/)).toHaveLength(40);
    expect(text.startsWith('  word word')).toBe(true);
  });
});
