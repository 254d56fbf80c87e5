import { describe, expect, test } from '@jest/globals';
import { parseArguments, UsageError } from '../../../infra/sandbox/inside/arguments.ts';

describe('the command line of the sandbox', () => {
  test('the story has six instances unless told otherwise', () => {
    expect(parseArguments(['start'])).toEqual({
      verb: 'start',
      instances: 6,
      report: undefined,
      workers: 1,
    });
    expect(parseArguments(['start', '--instances', '12', '--report', 'run.json'])).toMatchObject({
      instances: 12,
      report: 'run.json',
    });
  });

  test('the agent can be left to the person', () => {
    expect(parseArguments(['sandbox', '--no-agent']).workers).toBe(0);
    expect(parseArguments(['sandbox']).workers).toBe(1);
  });

  test('several workers can share the queue', () => {
    expect(parseArguments(['sandbox', '--workers', '3']).workers).toBe(3);
  });

  test.each([
    [[]],
    [['stop']],
    [['start', '--instances', '0']],
    [['start', '--instances', '2.5']],
    [['start', '--instances', 'many']],
    [['start', '--instances', '251']],
    [['start', '--no-agent']],
    [['start', '--workers', '2']],
    [['sandbox', '--workers', '0']],
    [['sandbox', '--workers', '9']],
    [['sandbox', '--workers', '2', '--no-agent']],
    [['start', 'six']],
    [['sandbox', '--report', 'x']],
  ])('%j is refused with the usage', (argv) => {
    expect(() => parseArguments(argv)).toThrow(UsageError);
    expect(() => parseArguments(argv)).toThrow(/npm start --/);
  });
});
