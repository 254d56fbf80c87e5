import { describe, expect, test } from '@jest/globals';
import { parseArguments, UsageError } from '../../../../infra/sandbox/inside/arguments.ts';

describe('the command line of the sandbox', () => {
  test('the story has six instances unless told otherwise', () => {
    expect(parseArguments(['start'])).toEqual({
      verb: 'start',
      instances: 6,
      report: undefined,
      agent: true,
    });
    expect(parseArguments(['start', '--instances', '12', '--report', 'run.json'])).toMatchObject({
      instances: 12,
      report: 'run.json',
    });
  });

  test('the agent can be left to the person', () => {
    expect(parseArguments(['sandbox', '--no-agent']).agent).toBe(false);
    expect(parseArguments(['sandbox']).agent).toBe(true);
  });

  test.each([
    [[]],
    [['stop']],
    [['start', '--instances', '0']],
    [['start', '--instances', '2.5']],
    [['start', '--instances', 'many']],
    [['start', '--instances', '251']],
    [['start', '--no-agent']],
    [['start', 'six']],
    [['sandbox', '--report', 'x']],
  ])('%j is refused with the usage', (argv) => {
    expect(() => parseArguments(argv)).toThrow(UsageError);
    expect(() => parseArguments(argv)).toThrow(/npm start --/);
  });
});
