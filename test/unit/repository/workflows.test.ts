import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { filesOf, root } from './pages.ts';

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly 'runs-on': string;
  readonly 'timeout-minutes'?: number;
  readonly strategy?: { readonly matrix: Readonly<Record<string, readonly string[]>> };
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly permissions?: unknown;
  readonly concurrency?: { readonly group: string };
  readonly jobs: Readonly<Record<string, Job>>;
}

const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const { scripts }: { scripts: Record<string, string> } = JSON.parse(read('package.json'));
const workflows = filesOf('.github/workflows/*').map((file) => {
  const text = read(file);
  const workflow: Workflow = parse(text);
  return { file, text, workflow, jobs: Object.values(workflow.jobs) };
});

/** A job's commands with each value of its matrix put in. */
function commandsOf({ steps, strategy }: Job): string[] {
  const matrix = Object.entries(strategy?.matrix ?? {});
  const filled = (command: string): string[] =>
    matrix.reduce(
      (commands, [key, values]) =>
        commands.flatMap((each) => {
          const place = `\${{ matrix.${key} }}`;
          return each.includes(place) ? values.map((value) => each.replaceAll(place, value)) : [each];
        }),
      [command],
    );
  return steps.flatMap(({ run }) => (run === undefined ? [] : filled(run)));
}

interface Call {
  readonly script: string;
  /** What the paths of the tests must match; everything does when none is given. */
  readonly pattern: string;
}

/** The npm script of a command. Undefined: it is no npm script, or more than one command. */
function callOf(command: string): Call | undefined {
  const [, test, script, plain, quoted] =
    /^npm (?:(test)|run ([a-z0-9:]+))(?: -- (?:([\w./-]+)|'([^']+)'))?$/.exec(command) ?? [];
  const name = test ?? script;
  return name === undefined ? undefined : { script: name, pattern: plain ?? quoted ?? '' };
}

/** Whether a call runs a test file: `test:NAME` runs those of one layer. */
const runs = ({ script, pattern }: Call, file: string): boolean =>
  (script === 'test' || file.startsWith(`${script.replace(':', '/')}/`)) && new RegExp(pattern).test(file);

test('checks, and each test file, are run by some workflow', () => {
  const calls = workflows
    .flatMap(({ jobs }) => jobs.flatMap(commandsOf))
    .flatMap((each) => callOf(each) ?? []);
  const files = filesOf('test/**/*.test.ts');
  expect(calls).toContainEqual({ script: 'check', pattern: '' });
  expect(calls).toContainEqual({ script: 'test:deep', pattern: '' });
  expect(files.filter((file) => !calls.some((call) => runs(call, file)))).toEqual([]);
  // A pattern that finds nothing is a mistake.
  const patterns = calls.filter(({ pattern }) => pattern !== '');
  expect(patterns.filter((call) => !files.some((file) => runs(call, file)))).toEqual([]);
});

describe.each(workflows)('$file', ({ text, workflow, jobs }) => {
  test('runs only npm scripts that package.json has, after npm ci where they need it', () => {
    for (const job of jobs) {
      const commands = commandsOf(job).filter((command) => command !== 'npm ci');
      expect(commands).not.toEqual([]);
      const made = commands.map((command) => scripts[callOf(command)?.script ?? '']);
      expect(commands.filter((_, index) => made[index] === undefined)).toEqual([]);
      const first = made.every((script) => script?.startsWith('node infra/sandbox/bootstrap.mjs '))
        ? []
        : ['npm ci'];
      expect(commandsOf(job)).toEqual([...first, ...commands]);
    }
  });

  test('pins each action by the full SHA of a commit, and says which version that is', () => {
    const used = [...text.matchAll(/^ *(?:- )?uses: *(.*)$/gm)].map(([, action]) => action);
    expect(used).toHaveLength(jobs.flatMap(({ steps }) => steps.filter(({ uses }) => uses)).length);
    expect(used).not.toEqual([]);
    for (const action of used) expect(action).toMatch(/^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test('may only read, keeps no token in the clone, and ends by itself', () => {
    expect(workflow.permissions).toEqual({ contents: 'read' });
    expect(workflow.concurrency?.group).toContain('${{ github.ref }}');
    for (const { steps, 'timeout-minutes': minutes } of jobs) {
      expect(minutes).toBeGreaterThan(0);
      const checkouts = steps.filter(({ uses }) => uses?.startsWith('actions/checkout@'));
      expect(checkouts.map((step) => step.with?.['persist-credentials'])).toEqual([false]);
    }
  });
});

test('an action has one SHA in all workflows', () => {
  const actions = new Set(
    workflows.flatMap(({ text }) => [...text.matchAll(/uses: *(.*)$/gm)].map(([, action = '']) => action)),
  );
  const names = [...actions].map((action) => action.split('@')[0]);
  expect(new Set(names).size).toBe(names.length);
});
