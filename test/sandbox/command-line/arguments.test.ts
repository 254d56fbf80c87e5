import { describe, expect, test } from '@jest/globals';
import { UsageError } from '../../../infra/sandbox/command-line/parse.ts';
import { parseArguments } from '../../../infra/sandbox/command-line/arguments.ts';

describe('the command line of the sandbox', () => {
  test('the story has six instances unless told otherwise', () => {
    expect(parseArguments('start', [])).toEqual({
      verb: 'start',
      instances: 6,
      report: undefined,
      picture: undefined,
      system: 'linux',
      story: undefined,
      boot: true,
      workers: 0,
    });
    const files = ['--report', 'run.json', '--picture', 'run.svg'];
    expect(parseArguments('start', ['--instances', '12', ...files])).toMatchObject({
      instances: 12,
      report: 'run.json',
      picture: 'run.svg',
    });
  });

  test('a mixed fleet has one node of each system unless told otherwise', () => {
    expect(parseArguments('start', ['--os', 'mixed'])).toMatchObject({ system: 'mixed', instances: 5 });
    expect(parseArguments('start', ['--os', 'mixed', '--instances', '8'])).toMatchObject({ instances: 8 });
    expect(parseArguments('start', ['--os', 'windows'])).toMatchObject({ instances: 6 });
  });

  test('the other stories take fewer instances, but one of each system where the fleet is mixed', () => {
    expect(parseArguments('start', ['--story', 'unjoin-only'])).toMatchObject({
      story: 'unjoin-only',
      instances: 3,
    });
    expect(parseArguments('start', ['--story', 'join-only', '--os', 'mixed']).instances).toBe(5);
  });

  test('the worker boots, but as a process where that is asked for, and in all but the usual story', () => {
    for (const argv of [['--process'], ['--os', 'mixed'], ['--os', 'windows'], ['--story', 'join-only']])
      expect(parseArguments('start', argv)).toMatchObject({ boot: false, workers: 1 });
    expect(parseArguments('start', ['--os', 'linux'])).toMatchObject({ boot: true, workers: 0 });
    expect(parseArguments('sandbox', []).boot).toBe(false);
  });

  test('the agent can be left to the person', () => {
    expect(parseArguments('sandbox', ['--no-agent']).workers).toBe(0);
    expect(parseArguments('sandbox', []).workers).toBe(1);
  });

  test('several workers can share the queue', () => {
    expect(parseArguments('sandbox', ['--workers', '3']).workers).toBe(3);
  });

  test.each([
    ['start', ['--instances', '0']],
    ['start', ['--instances', '2.5']],
    ['start', ['--instances', 'many']],
    ['start', ['--instances', '']],
    ['start', ['--instances', '251']],
    ['start', ['--os', 'beos']],
    ['start', ['--story', 'rejoin']],
    ['start', ['--no-agent']],
    ['start', ['--workers', '2']],
    ['start', ['six']],
  ] as const)('%s %j is refused, with what to type for help', (verb, argv) => {
    expect(() => parseArguments(verb, argv)).toThrow(UsageError);
    expect(() => parseArguments(verb, argv)).toThrow(/`npm start -- --help`/);
  });

  test.each([
    [['--workers', '0']],
    [['--workers', '9']],
    [['--workers', '2', '--no-agent']],
    [['--report', 'x']],
  ])('sandbox %j is refused, with what to type for help', (argv) => {
    expect(() => parseArguments('sandbox', argv)).toThrow(UsageError);
    expect(() => parseArguments('sandbox', argv)).toThrow(/`npm run sandbox -- --help`/);
  });

  test('a misspelt option is answered with the near one', () => {
    expect(() => parseArguments('start', ['--instnces', '2'])).toThrow(
      expect.objectContaining({ exitCode: 2, message: expect.stringContaining('Did you mean --instances?') }),
    );
  });

  test.each(['-h', '--help'])('%s is no failure, and lists the options', (flag) => {
    expect(() => parseArguments('start', [flag])).toThrow(
      expect.objectContaining({
        exitCode: 0,
        message: expect.stringMatching(/Usage: npm start -- \[options\].*--instances.*--report.*--picture/s),
      }),
    );
    expect(() => parseArguments('sandbox', [flag])).toThrow(/Usage: npm run sandbox -- .*--no-agent/s);
  });
});
