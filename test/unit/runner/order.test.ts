import { describe, expect, test } from '@jest/globals';
import { inOrder, take } from '../../runner/order.ts';

const crashPoints = 'test/e2e/crash/crash-points.test.ts';
const chaos = 'test/chaos/chaos.test.ts';
const documents = 'test/integration/documents/documents.test.ts';
const trouble = 'test/e2e/trouble.test.ts';
const story = 'test/e2e/story.test.ts';

describe('test files on a real domain', () => {
  test('begin with the one that runs alone, then the longest', () => {
    expect(inOrder([story, documents, trouble, chaos, crashPoints])).toEqual([
      crashPoints,
      chaos,
      documents,
      trouble,
      story,
    ]);
  });

  test('have none begin beside the one that runs alone, and that one beside none', () => {
    expect(take([chaos, story], [crashPoints])).toBeUndefined();
    expect(take([crashPoints], [story])).toBeUndefined();
    expect(take([crashPoints, story], [])).toBe(crashPoints);
  });

  test('never have two heavy ones at once: the next light one goes before', () => {
    const waiting = [documents, trouble, story];
    expect(take(waiting, [chaos])).toBe(trouble);
    expect(waiting).toEqual([documents, story]);
    expect(take([documents], [chaos, trouble])).toBeUndefined();
    expect(take(waiting, [trouble])).toBe(documents);
  });
});
