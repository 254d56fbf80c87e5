import { beforeEach, describe, expect, test } from '@jest/globals';
import { deploy, type DeployPorts } from '../../../agent/operator/deploy/deploy.ts';
import type { ChangeSet, StackEvent, StackFacts, StacksPort } from '../../../agent/operator/deploy/ports.ts';
import type { Prompt } from '../../../agent/operator/prompt.ts';
import { recordTerminal, type RecordedTerminal } from '../../support/terminal.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

const changes = [
  { action: 'Add', logicalId: 'Queue', type: 'AWS::SQS::Queue', replaced: false },
  { action: 'Add', logicalId: 'Table', type: 'AWS::DynamoDB::Table', replaced: false },
] as const;

/** One stack, as CloudFormation has it: its events are what happens while it is followed. */
class MemoryStacks implements StacksPort {
  status: string | undefined;
  parameters = new Map<string, string>();
  outputs = new Map([['AgentConfig', '{}']]);
  readonly done: string[] = [];
  readonly past: StackEvent[] = [];
  /** Statuses that an operation goes through, and what it leaves. */
  coming: { readonly events: readonly StackEvent[]; readonly end: string | undefined }[] = [];
  offer: ChangeSet = { status: 'CREATE_COMPLETE', reason: undefined, changes };
  failed: string[] = [];
  #count = 0;

  event(logicalId: string, status: string, reason?: string): StackEvent {
    this.#count += 1;
    const isStack = logicalId === 'adjoin';
    return { id: String(this.#count), at: 0, logicalId, type: 'T', status, reason, isStack };
  }

  #next(): void {
    const step = this.coming.shift();
    if (!step) throw new Error('nothing is to come');
    this.past.push(...step.events);
    this.status = step.end;
  }

  async find(): Promise<StackFacts | undefined> {
    if (this.status === undefined) return undefined;
    const { outputs } = this;
    return { id: 'arn', status: this.status, reason: undefined, parameters: this.parameters, outputs };
  }
  async events(_id: string, after: string | undefined): Promise<readonly StackEvent[]> {
    if (
      this.status?.endsWith('_IN_PROGRESS') === true &&
      this.status !== 'REVIEW_IN_PROGRESS' &&
      after !== undefined
    )
      this.#next();
    return this.past.slice(this.past.findIndex(({ id }) => id === after) + 1);
  }
  async resources() {
    return this.failed.map((logicalId) => ({
      logicalId,
      physicalId: logicalId,
      type: 'T',
      status: 'DELETE_FAILED',
      reason: 'still in use',
    }));
  }
  async template() {
    return '{}';
  }
  async propose({
    isNew,
    parameters,
  }: {
    isNew: boolean;
    parameters: ReadonlyMap<string, string | undefined>;
  }) {
    const values = [...parameters].map(([name, value]) => `${name}=${value ?? '(kept)'}`);
    this.done.push(`propose ${isNew ? 'CREATE' : 'UPDATE'} ${values.join(' ')}`.trim());
    if (isNew) this.status = 'REVIEW_IN_PROGRESS';
    return 'change-set';
  }
  async changeSet() {
    return this.offer;
  }
  async withdraw() {
    this.done.push('withdraw');
  }
  async execute() {
    this.done.push('execute');
    this.#next();
  }
  async delete() {
    this.done.push('delete');
    if (this.status === 'REVIEW_IN_PROGRESS') this.status = undefined;
    else this.#next();
  }
}

let stacks: MemoryStacks;
let clock: VirtualClock;
let terminal: RecordedTerminal;
let answers: string[];
let different: string | undefined;
let stages: string[];

beforeEach(() => {
  stacks = new MemoryStacks();
  clock = createVirtualClock();
  terminal = recordTerminal();
  answers = ['yes'];
  different = undefined;
  stages = [];
});

const signal = new AbortController().signal;
const run = (
  change: { dryRun?: boolean; yes?: boolean; attended?: boolean; json?: boolean } = {},
): Promise<number> => {
  const prompt: Prompt = {
    isAttended: change.attended ?? true,
    ask: async () => answers.shift() ?? '',
    askSecret: async () => Buffer.alloc(0),
  };
  const ports: DeployPorts = {
    stacks,
    files: {
      async put(key) {
        stacks.done.push(`put ${key}`);
        return key;
      },
      async remove(key) {
        stacks.done.push(`remove ${key}`);
      },
    },
    clock,
    newId: () => 'run',
    compareDocuments: async () => different,
    writeConfig: () => 'adjoin-config.json',
  };
  return clock.until(
    deploy(
      {
        stack: 'adjoin',
        template: '{}',
        agent: { key: 'agent', content: Buffer.alloc(1) },
        parameters: new Map([['VpcId', 'vpc-1']]),
        defaults: new Map([
          ['VpcId', undefined],
          ['WorkerCount', '2'],
        ]),
        dryRun: change.dryRun ?? false,
        json: change.json ?? false,
        yes: change.yes ?? false,
      },
      ports,
      { terminal, prompt, stage: (text) => void stages.push(text) },
      signal,
    ),
  );
};

const made = () => {
  stacks.coming.push({
    events: [
      stacks.event('adjoin', 'CREATE_IN_PROGRESS'),
      stacks.event('Queue', 'CREATE_COMPLETE'),
      stacks.event('adjoin', 'CREATE_COMPLETE'),
    ],
    end: 'CREATE_COMPLETE',
  });
};
const template = ['put adjoin/template-run.json', 'remove adjoin/template-run.json'] as const;
const created = [template[0], 'propose CREATE VpcId=vpc-1', template[1], 'put agent', 'execute'];

test('a stack that is not there is made: the agent’s file is there before anything starts', async () => {
  made();
  expect(await run()).toBe(0);
  expect(stacks.done).toEqual(created);
  expect(stages.at(-1)).toContain('CREATE_COMPLETE');
});

test('an earlier run that got as far as its change set is gone on from', async () => {
  stacks.status = 'REVIEW_IN_PROGRESS';
  made();
  expect(await run()).toBe(0);
  expect(stacks.done).toEqual(created);
});

test('of a stack that is there, parameters that nobody gives keep their values', async () => {
  stacks.status = 'CREATE_COMPLETE';
  stacks.parameters = new Map([
    ['VpcId', 'vpc-0'],
    ['WorkerCount', '4'],
    ['OfAnEarlierTemplate', 'x'],
  ]);
  stacks.coming.push({ events: [stacks.event('adjoin', 'UPDATE_COMPLETE')], end: 'UPDATE_COMPLETE' });
  expect(await run()).toBe(0);
  expect(stacks.done[1]).toBe('propose UPDATE VpcId=vpc-1 WorkerCount=(kept)');
});

test('an operation that is under way is followed to its end before anything else', async () => {
  stacks.status = 'UPDATE_IN_PROGRESS';
  stacks.past.push(stacks.event('adjoin', 'CREATE_COMPLETE'), stacks.event('adjoin', 'UPDATE_IN_PROGRESS'));
  stacks.coming.push({ events: [stacks.event('adjoin', 'UPDATE_COMPLETE')], end: 'UPDATE_COMPLETE' });
  stacks.offer = {
    status: 'FAILED',
    reason: "The submitted information didn't contain changes.",
    changes: [],
  };
  expect(await run()).toBe(0);
  expect(terminal.written.out).toMatch(
    /UPDATE_IN_PROGRESS: this goes on[^]*UPDATE_COMPLETE[^]*Nothing to change/,
  );
  // The empty change set is not left behind.
  expect(stacks.done.at(-1)).toBe('withdraw');
});

describe('a first deployment that failed', () => {
  beforeEach(() => {
    stacks.status = 'ROLLBACK_COMPLETE';
    stacks.past.push(stacks.event('adjoin', 'ROLLBACK_COMPLETE'));
    stacks.coming.push({ events: [stacks.event('adjoin', 'DELETE_COMPLETE')], end: undefined });
    made();
  });

  test('is deleted, and made anew, when a person says so', async () => {
    answers = ['yes', 'yes'];
    expect(await run()).toBe(0);
    expect(stacks.done).toEqual(['delete', ...created]);
  });

  test('is left as it is otherwise', async () => {
    answers = ['no'];
    expect(await run()).toBe(70);
    expect(stacks.done).toEqual([]);
  });

  test('is not touched by a dry run', async () => {
    expect(await run({ dryRun: true })).toBe(70);
    expect(stacks.done).toEqual([]);
    expect(terminal.written.err).toContain('ROLLBACK_COMPLETE');
  });
});

test.each([
  ['UPDATE_ROLLBACK_FAILED', /continue-update-rollback\s+--stack-name\s+adjoin/],
  ['ROLLBACK_FAILED', /adjoin\s+destroy/],
  ['DELETE_FAILED', /adjoin\s+destroy/],
])('a stack in %s is not touched: it is said what failed, and what to do', async (status, what) => {
  stacks.status = status;
  stacks.failed = ['Bucket'];
  expect(await run({ yes: true })).toBe(70);
  expect(stacks.done).toEqual([]);
  expect(terminal.written.err).toMatch(what);
  expect(terminal.written.err).toMatch(/Bucket:\s+still\s+in\s+use/);
});

test('what fails is said with its reason, and not what was only given up', async () => {
  stacks.coming.push({
    events: [
      stacks.event('Worker', 'CREATE_FAILED', 'no worker works: endpoint sqs does not answer'),
      stacks.event('Queue', 'CREATE_FAILED', 'Resource creation cancelled'),
      stacks.event('adjoin', 'ROLLBACK_IN_PROGRESS'),
      stacks.event('adjoin', 'ROLLBACK_COMPLETE'),
    ],
    end: 'ROLLBACK_COMPLETE',
  });
  expect(await run()).toBe(70);
  expect(terminal.written.err).toMatch(/Worker \(T\): no worker works: endpoint sqs does not answer/);
  expect(terminal.written.err).not.toContain('Queue (T)');
  expect(terminal.written.err).toMatch(/ROLLBACK_COMPLETE: it was\s+not made/);
});

test('documents that differ are a failure, although the stack is complete', async () => {
  made();
  different = 'adjoin-probe has another content.';
  expect(await run()).toBe(70);
  expect(terminal.written.err).toMatch(/Attach no group[^]*adjoin-probe/);
});

test('a dry run leaves neither change set nor the empty stack that came with it', async () => {
  expect(await run({ dryRun: true, attended: false })).toBe(0);
  expect(stacks.done).toEqual([template[0], 'propose CREATE VpcId=vpc-1', template[1], 'withdraw', 'delete']);
  expect(stacks.status).toBeUndefined();
});

test('a change set that CloudFormation refuses is said, and taken back', async () => {
  stacks.offer = { status: 'FAILED', reason: 'Transform does not exist', changes: [] };
  expect(await run()).toBe(70);
  expect(stacks.done.slice(-2)).toEqual(['withdraw', 'delete']);
  expect(terminal.written.err).toContain('Transform does not exist');
});

test('what holds data and would be replaced or removed is pointed out before the question', async () => {
  stacks.status = 'CREATE_COMPLETE';
  stacks.offer = {
    status: 'CREATE_COMPLETE',
    reason: undefined,
    changes: [{ action: 'Modify', logicalId: 'Table', type: 'AWS::DynamoDB::Table', replaced: true }],
  };
  answers = ['no'];
  expect(await run()).toBe(70);
  expect(terminal.written.out).toMatch(/Look at these first[^]*Table\s+\(AWS::DynamoDB::Table\)/);
  expect(stacks.done.at(-1)).toBe('withdraw');
});

test('a stack of something else is left as it is', async () => {
  stacks.status = 'CREATE_COMPLETE';
  stacks.outputs.clear();
  expect(await run({ yes: true })).toBe(70);
  expect(terminal.written.err).toContain('is not a stack of adjoin');
  expect(stacks.done).toEqual([]);
});
