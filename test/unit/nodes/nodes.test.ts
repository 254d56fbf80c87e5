import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import type { JoinEntry, Purpose } from '../../../agent/nodes/contract.ts';
import { type CommandRequest, createNodes, type Nodes, type Target } from '../../../agent/nodes/nodes.ts';
import type { Invocation } from '../../../agent/nodes/poller.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

const open = new AbortController().signal;
const target = {
  domain: 'corp.example.test',
  domainController: 'dc1.corp.example.test',
  platform: 'linux',
} as const;
const sealed = 'A'.repeat(344);

const instance = (number: number): string => `i-${String(number).padStart(17, '0')}`;
const nodeOf = (number: number): Target => ({
  instanceId: instance(number),
  correlationId: `token-${number}`,
});
const entryOf = (number: number): JoinEntry => ({
  instanceId: instance(number),
  computerName: `A${number}`,
  sealed,
});

const factsOf: Readonly<Record<Purpose, Readonly<Record<string, unknown>>>> = {
  probe: {
    adjoin: 1,
    document: 'probe',
    family: 'linux',
    os: 'debian',
    osVersion: '12',
    hostName: 'h',
    domain: '',
    computerName: '',
    ready: true,
    missing: [],
    proof: '',
    key: 'k',
  },
  join: { adjoin: 1, document: 'join', result: 'joined', domain: target.domain, computerName: 'A1' },
  leave: { adjoin: 1, document: 'leave', result: 'left' },
  'post-join': { adjoin: 1, document: 'post-join', result: 'done' },
};

let clock: VirtualClock;
let requests: CommandRequest[];
let told: { purpose: Purpose; commandId: string; nodes: readonly Target[] }[];
let cancelled: { purpose: Purpose; commandId: string; node: Target }[];
/** Nodes for which Run Command refuses a command, and with what. */
let refused: Map<string, AdjoinError>;
/** Called at every send, before it is answered. */
let onSend: (signal: AbortSignal) => void | Promise<void>;
/** What a node answers; its own facts unless told otherwise. */
let answer: (instanceId: string, purpose: Purpose) => Partial<Invocation>;
let sendFault: Error | undefined;
let nodes: Nodes;

const documents = {
  probe: { name: 'adjoin-probe', version: '1', hash: 'a' },
  joinLinux: { name: 'adjoin-join-linux', version: '2', hash: 'b' },
  joinWindows: { name: 'adjoin-join-windows', version: '2', hash: 'd' },
  leave: { name: 'adjoin-leave', version: '3', hash: 'c' },
};

/** Documents that a group brings. */
const hook = { name: 'adjoin-own-hook', version: '4', hash: 'e' };
const own = { name: 'adjoin-own-other', version: '5', hash: 'f' };

function purposeOf(request: CommandRequest): Purpose {
  if (request.document === documents.probe) return 'probe';
  if (request.document === hook) return 'post-join';
  return request.document === documents.leave ? 'leave' : 'join';
}

beforeEach(() => {
  clock = createVirtualClock();
  requests = [];
  told = [];
  cancelled = [];
  refused = new Map();
  onSend = () => undefined;
  answer = () => ({});
  sendFault = undefined;
  nodes = createNodes({
    runCommand: {
      async send(request, signal) {
        const number = requests.push(request);
        await onSend(signal);
        if (sendFault) throw sendFault;
        for (const instanceId of request.instanceIds) {
          const refusal = refused.get(instanceId);
          if (refusal) throw refusal;
        }
        return { commandId: `command-${number}`, requestedAt: undefined };
      },
      // They are asked for one by one: when they were sent is not said.
      listSince: () => {
        throw new Error('Nothing is listed by time.');
      },
      async list(commandId) {
        const request = requests[Number(commandId.replace('command-', '')) - 1];
        if (!request) throw new Error(`No one has sent ${commandId}.`);
        const purpose = purposeOf(request);
        return request.instanceIds.map((instanceId) => ({
          instanceId,
          status: 'Success',
          detail: 'Success',
          output: JSON.stringify(factsOf[purpose]),
          ...answer(instanceId, purpose),
        }));
      },
      registered: async () => new Set(),
    },
    documents,
    clock,
    coalesceMs: 200,
    commandPollMs: 1_000,
    registrationPollMs: 2_000,
    deliverySeconds: 120,
    executionSeconds: { probe: 60, join: 180, leave: 20, 'post-join': 600 },
    onCommand: (command) => told.push(command),
    onCancelled: (command) => cancelled.push(command),
  });
});

const facts = (result: string, detail = ''): string =>
  JSON.stringify({ adjoin: 1, document: 'post-join', result, detail });
const outcome = (work: Promise<unknown>): Promise<unknown> =>
  work.catch((error: unknown) => (error instanceof AdjoinError ? error.code : error));

describe('a command', () => {
  test('is pinned, carries its parameters, and says for which node and action it runs', async () => {
    await clock.until(nodes.join(nodeOf(1), entryOf(1), target, open));
    expect(requests).toEqual([
      {
        document: documents.joinLinux,
        instanceIds: [instance(1)],
        parameters: {
          domain: ['corp.example.test'],
          domainController: ['dc1.corp.example.test'],
          entries: [`${instance(1)}:A1:${sealed}`],
          executionTimeout: ['180'],
        },
        deliverySeconds: 120,
        comment: `adjoin join ${instance(1)} token-1`,
      },
    ]);
    expect(told).toEqual([{ purpose: 'join', commandId: 'command-1', nodes: [nodeOf(1)] }]);
  });

  test('carries what the group says of its nodes, and is shared by nodes of which the same is said', async () => {
    const asked = { operatingSystem: 'RHEL' };
    await clock.until(
      Promise.all([
        nodes.probe(nodeOf(1), open, asked),
        nodes.probe(nodeOf(2), open),
        nodes.probe(nodeOf(3), open, asked),
        nodes.join(nodeOf(4), entryOf(4), { ...target, ...asked }, open),
      ]),
    );
    const sent = requests.map(({ instanceIds, parameters }) => [instanceIds, parameters['operatingSystem']]);
    expect(sent).toEqual([
      [[instance(1), instance(3)], ['RHEL']],
      [[instance(2)], undefined],
      [[instance(4)], ['RHEL']],
    ]);
  });

  test('to leave is delivered within thirty seconds or not at all', async () => {
    await clock.until(nodes.leave(nodeOf(1), 'corp.example.test', clock.now() + 15_000, open));
    expect(requests).toMatchObject([{ document: documents.leave, deliverySeconds: 30 }]);
  });

  test('to leave says until when, in whole seconds that end no later', async () => {
    await clock.until(nodes.leave(nodeOf(1), 'corp.example.test', 1_800_000_015_999, open));
    expect(requests[0]?.parameters).toMatchObject({ notAfter: ['1800000015'] });
  });

  test('is shared by the nodes that need it at the same time; each gets its own facts', async () => {
    answer = (instanceId) => ({ output: JSON.stringify({ ...factsOf.probe, hostName: instanceId }) });
    const probes = await clock.until(
      Promise.all([1, 2, 3].map((number) => nodes.probe(nodeOf(number), open))),
    );
    expect(requests.map((request) => request.instanceIds)).toEqual([[instance(1), instance(2), instance(3)]]);
    expect(requests[0]?.comment).toBe('adjoin probe 3 nodes');
    expect(probes.map((facts) => facts.hostName)).toEqual([instance(1), instance(2), instance(3)]);
    expect(told[0]?.nodes).toHaveLength(3);
  });

  test('with a challenge is for one node alone, and one without has none', async () => {
    const challenge = `adjoin-${'0a'.repeat(16)}`;
    await clock.until(
      Promise.all([nodes.probe(nodeOf(1), open, { challenge }), nodes.probe(nodeOf(2), open)]),
    );
    expect(requests.map(({ instanceIds, parameters }) => [instanceIds, parameters['challenge']])).toEqual([
      [[instance(1)], [challenge]],
      [[instance(2)], undefined],
    ]);
  });

  test('for joins carries the entry of each node', async () => {
    await clock.until(
      Promise.all([1, 2].map((number) => nodes.join(nodeOf(number), entryOf(number), target, open))),
    );
    expect(requests).toHaveLength(1);
    expect(requests[0]?.parameters['entries']).toEqual([
      `${instance(1)}:A1:${sealed}`,
      `${instance(2)}:A2:${sealed}`,
    ]);
  });

  test('for a join is the document of the platform, and nodes of different ones share none', async () => {
    await clock.until(
      Promise.all([
        nodes.join(nodeOf(1), entryOf(1), target, open),
        nodes.join(nodeOf(2), entryOf(2), { ...target, platform: 'windows' }, open),
        nodes.join(nodeOf(3), entryOf(3), target, open),
      ]),
    );
    expect(requests.map(({ document, instanceIds }) => [document.name, instanceIds.length])).toEqual([
      ['adjoin-join-linux', 2],
      ['adjoin-join-windows', 1],
    ]);
  });

  test('is sent with the document of the group, where it has one of its own', async () => {
    const member = { domain: target.domain, platform: 'linux' } as const;
    await clock.until(
      Promise.all([
        nodes.join(nodeOf(1), entryOf(1), target, open, own),
        nodes.join(nodeOf(2), entryOf(2), target, open),
        nodes.postJoin(nodeOf(3), hook, member, open),
        nodes.postJoin(nodeOf(4), hook, member, open),
      ]),
    );
    expect(requests.map(({ document, instanceIds }) => [document, instanceIds])).toEqual([
      [own, [instance(1)]],
      [documents.joinLinux, [instance(2)]],
      [hook, [instance(3), instance(4)]],
    ]);
    expect(requests[2]?.parameters).toEqual({ domain: ['corp.example.test'], executionTimeout: ['600'] });
  });

  test.each([
    ['says so', {}, 'done'],
    ['prints nothing', { output: '' }, 'done'],
    ['prints something else', { output: 'hello' }, 'done'],
    ['ends with another exit code', { output: '', status: 'Failed', detail: 'Failed' }, 'failed'],
    ['takes too long', { output: '', status: 'TimedOut', detail: 'ExecutionTimedOut' }, 'failed'],
    ['reports a failure', { output: facts('failed') }, 'failed'],
    ['reports what nobody can read', { output: facts('maybe') }, 'failed'],
    ['reports success, and ends otherwise', { output: facts('done'), status: 'Failed' }, 'failed'],
  ])('after a join that %s is %s', async (_what, answered: Partial<Invocation>, end) => {
    answer = () => answered;
    const member = { domain: target.domain, platform: 'linux' } as const;
    const ended = await clock.until(outcome(nodes.postJoin(nodeOf(1), hook, member, open)));
    expect(ended).toBe(end === 'done' ? undefined : 'post-join-failed');
  });

  test('after a join that fails tells what its script has said, in facts or on standard error', async () => {
    const member = { domain: target.domain, platform: 'linux' } as const;
    for (const output of [facts('failed', 'no disk'), '\n----------ERROR-------\nno disk\n']) {
      answer = () => ({ output, status: 'Failed', detail: 'Failed' });
      const failing = nodes.postJoin(nodeOf(1), hook, member, open);
      await expect(clock.until(failing)).rejects.toThrow(
        `The post-join document adjoin-own-hook on ${instance(1)} ended as Failed (Failed): no disk.`,
      );
    }
  });

  test('is not shared across purposes, domains or domain controllers', async () => {
    await clock.until(
      Promise.all([
        nodes.probe(nodeOf(1), open),
        nodes.leave(nodeOf(2), 'corp.example.test', clock.now(), open),
        nodes.leave(nodeOf(3), 'other.example.test', clock.now(), open),
        nodes.join(nodeOf(4), entryOf(4), target, open),
        nodes.join(nodeOf(5), entryOf(5), { ...target, domainController: 'dc2.corp.example.test' }, open),
      ]),
    );
    expect(requests.map((request) => request.instanceIds.length)).toEqual([1, 1, 1, 1, 1]);
  });

  test('goes to at most 50 nodes, and a join, whose entries take room from the document, to at most 40', async () => {
    const all = Array.from({ length: 120 }, (_, index) => nodes.probe(nodeOf(index), open));
    await clock.until(Promise.all(all));
    expect(requests.map((request) => request.instanceIds.length)).toEqual([50, 50, 20]);
    requests.length = 0;
    const joins = Array.from({ length: 100 }, (_, number) =>
      outcome(nodes.join(nodeOf(number), entryOf(number), target, open)),
    );
    await clock.until(Promise.all(joins));
    expect(requests.map(({ parameters }) => parameters['entries']?.length)).toEqual([40, 40, 20]);
  });

  describe.each(['node-not-ready', 'node-unsupported', 'aws-denied', 'aws-refused'] as const)(
    'that Run Command refuses as %s',
    (code) => {
      const spoiler = 23;
      beforeEach(() => {
        refused.set(instance(spoiler), new AdjoinError(code, 'no'));
      });

      test('because of one node is sent to the others in a few parts', async () => {
        const all = Array.from({ length: 50 }, (_, number) => outcome(nodes.probe(nodeOf(number), open)));
        const outcomes = await clock.until(Promise.all(all));
        const facts = expect.objectContaining({ document: 'probe' });
        expect(outcomes).toEqual(outcomes.map((_, number) => (number === spoiler ? code : facts)));
        // 50, 25, 13 … 1: two more for each time that the rest can be halved.
        expect(requests.length).toBeLessThanOrEqual(1 + 2 * 6);
        // No node is sent the same twice.
        expect(told.flatMap((command) => command.nodes)).toHaveLength(49);
      });

      test('for the only node is not sent twice', async () => {
        await expect(clock.until(outcome(nodes.probe(nodeOf(spoiler), open)))).resolves.toBe(code);
        expect(requests).toHaveLength(1);
      });
    },
  );

  test('that is split carries to each part the entries of its own nodes', async () => {
    refused.set(instance(1), new AdjoinError('node-not-ready', 'no'));
    await clock.until(
      Promise.all([1, 2].map((number) => outcome(nodes.join(nodeOf(number), entryOf(number), target, open)))),
    );
    expect(requests.map((request) => request.parameters['entries']?.length)).toEqual([2, 1, 1]);
    expect(requests[2]?.parameters['entries']).toEqual([`${instance(2)}:A2:${sealed}`]);
  });

  test('that is split is not sent for a caller that has gone in the meantime', async () => {
    refused.set(instance(1), new AdjoinError('node-not-ready', 'no'));
    const controller = new AbortController();
    onSend = () => controller.abort(new AdjoinError('draining', 'stop'));
    const outcomes = await clock.until(
      Promise.all([
        outcome(nodes.probe(nodeOf(1), open)),
        outcome(nodes.probe(nodeOf(2), controller.signal)),
      ]),
    );
    expect(outcomes).toEqual(['node-not-ready', 'draining']);
    expect(requests.map((request) => request.instanceIds)).toEqual([
      [instance(1), instance(2)],
      [instance(1)],
    ]);
  });

  test('that AWS throttles fails for all of them, and is not split', async () => {
    sendFault = new AdjoinError('aws-throttled', 'slow down');
    const outcomes = await clock.until(
      Promise.all([1, 2].map((number) => outcome(nodes.probe(nodeOf(number), open)))),
    );
    expect(outcomes).toEqual(['aws-throttled', 'aws-throttled']);
    expect(requests).toHaveLength(1);
  });

  test('is not sent for a caller that has gone before it was', async () => {
    const controller = new AbortController();
    const gone = outcome(nodes.probe(nodeOf(1), controller.signal));
    controller.abort(new AdjoinError('draining', 'stop'));
    await expect(gone).resolves.toBe('draining');
    await clock.advance(10_000);
    expect(requests).toEqual([]);
  });

  test('that is held back is given up once no caller waits for it any more, and not before', async () => {
    const held = Promise.withResolvers<AbortSignal>();
    onSend = (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
        held.resolve(signal);
      });
    const [one, other] = [new AbortController(), new AbortController()];
    const outcomes = [one, other].map((controller, number) =>
      outcome(nodes.probe(nodeOf(number), controller.signal)),
    );
    const signal = await clock.until(held.promise);
    one.abort(new AdjoinError('lease-lost', 'stop'));
    expect(signal.aborted).toBe(false);
    const last = new AdjoinError('draining', 'stop');
    other.abort(last);
    expect(signal.reason).toBe(last);
    expect(await Promise.all(outcomes)).toEqual(['lease-lost', 'draining']);
    await clock.advance(10_000);
    expect(requests).toHaveLength(1);
  });

  test('with a malformed entry is not sent', () => {
    expect(() => nodes.join(nodeOf(1), { ...entryOf(1), sealed: 'x' }, target, open)).toThrow(RangeError);
    expect(requests).toEqual([]);
  });
});

describe('the answer of a node', () => {
  test('is its facts, also when its command failed', async () => {
    answer = () => ({
      status: 'Failed',
      detail: 'Failed',
      output: JSON.stringify({ ...factsOf.join, result: 'failed', code: 'adcli-failed' }),
    });
    await expect(clock.until(nodes.join(nodeOf(1), entryOf(1), target, open))).resolves.toMatchObject({
      result: 'failed',
      code: 'adcli-failed',
    });
  });

  test.each(['Failed', 'TimedOut'])(
    'without facts, of a command that %s, is a failed command',
    async (status) => {
      answer = () => ({ status, detail: status, output: 'bash: adcli: command not found' });
      const probed = clock.until(nodes.probe(nodeOf(1), open));
      await expect(probed).rejects.toMatchObject({ code: 'command-failed' });
      await expect(probed).rejects.toThrow(`${instance(1)} ended as ${status}`);
    },
  );

  test.each([
    ['', 'without facts.'],
    ['half a line', 'without facts.'],
    [
      '\n----------ERROR-------\n\n/var/lib/amazon/ssm/_script.sh: 3: cannot create /run/x: No space left on device\nmore\nfailed to run commands: exit status 2',
      'without facts: /var/lib/amazon/ssm/_script.sh: 3: cannot create /run/x: No space left on device.',
    ],
    ['{"adjoin":1,\n----------ERROR-------\nno\u001b[31m\u00e9way', 'without facts: no [31m way.'],
    [`\n----------ERROR-------\n${'x'.repeat(900)}`, `without facts: ${'x'.repeat(200)}.`],
  ])('without facts carries the first line of standard error (%j)', async (output, end) => {
    answer = () => ({ status: 'Failed', detail: 'Failed', output });
    await expect(clock.until(nodes.probe(nodeOf(1), open))).rejects.toThrow(
      `The probe on ${instance(1)} ended as Failed (Failed) ${end}`,
    );
  });

  test('without facts, of a command that succeeded, is invalid', async () => {
    answer = () => ({ output: 'all fine' });
    await expect(clock.until(outcome(nodes.probe(nodeOf(1), open)))).resolves.toBe('node-facts-invalid');
  });

  test.each(['Undeliverable', 'DeliveryTimedOut', 'Delivery Timed Out', 'Terminated', 'Access Denied'])(
    'that never came (%s) is undeliverable',
    async (detail) => {
      answer = () => ({ status: 'Failed', detail, output: '' });
      await expect(clock.until(outcome(nodes.probe(nodeOf(1), open)))).resolves.toBe('command-undeliverable');
    },
  );

  test.each(['InvalidPlatform', 'Invalid Platform'])(
    'that runs something else (%s) is that of an unsupported node',
    async (detail) => {
      answer = () => ({ status: 'Failed', detail, output: '' });
      await expect(clock.until(outcome(nodes.probe(nodeOf(1), open)))).resolves.toBe('node-unsupported');
    },
  );

  test('none of whose steps is for its platform is that of an unsupported node', async () => {
    answer = () => ({ output: '', isSkipped: true });
    await expect(clock.until(outcome(nodes.probe(nodeOf(1), open)))).resolves.toBe('node-unsupported');
  });

  test.each([
    ['linux', 310_000],
    // Ten minutes to start again, and the whole time of the script once more.
    ['windows', 1_090_000],
  ] as const)(
    'that does not come is given up later where the node starts again (%s)',
    async (platform, limit) => {
      answer = () => ({ status: 'InProgress', detail: 'InProgress' });
      const began = clock.now();
      const joined = outcome(nodes.join(nodeOf(1), entryOf(1), { ...target, platform }, open));
      await expect(clock.until(joined)).resolves.toBe('command-failed');
      expect(clock.now() - began).toBeGreaterThanOrEqual(limit);
      expect(clock.now() - began).toBeLessThan(limit + 20_000);
    },
  );

  test.each([
    ['without facts', ''],
    ['with facts that it printed first', JSON.stringify({ ...factsOf.join, result: 'failed', code: 'x' })],
  ])('that was cancelled, %s, is none, and is told', async (_what, output) => {
    answer = () => ({ status: 'Cancelled', detail: 'Cancelled', output });
    const joined = clock.until(nodes.join(nodeOf(1), entryOf(1), target, open));
    await expect(joined).rejects.toMatchObject({
      code: 'command-cancelled',
      message: `Command command-1 (join) on ${instance(1)} was cancelled.`,
    });
    expect(cancelled).toEqual([{ purpose: 'join', commandId: 'command-1', node: nodeOf(1) }]);
  });

  test('that is being cancelled is waited for until it is, or until its time is over', async () => {
    let looks = 0;
    answer = () => {
      looks += 1;
      return looks < 5 ? { status: 'Cancelling', detail: 'Cancelling' } : {};
    };
    await expect(clock.until(outcome(nodes.probe(nodeOf(1), open)))).resolves.toMatchObject({
      document: 'probe',
    });
    answer = () => ({ status: 'Cancelling', detail: 'Cancelling' });
    const began = clock.now();
    await expect(clock.until(outcome(nodes.probe(nodeOf(1), open)))).resolves.toBe('command-cancelled');
    expect(clock.now() - began).toBeGreaterThanOrEqual(190_000);
    expect(cancelled.map(({ commandId }) => commandId)).toEqual(['command-2']);
  });

  test('of a cancelled leave is asked for again, as long as the node would still do it', async () => {
    const notAfter = clock.now() + 15_000;
    answer = () => (cancelled.length < 2 ? { status: 'Cancelled', detail: 'Cancelled', output: '' } : {});
    await expect(clock.until(nodes.leave(nodeOf(1), target.domain, notAfter, open))).resolves.toMatchObject({
      result: 'left',
    });
    expect(requests).toHaveLength(3);
    answer = () => ({ status: 'Cancelled', detail: 'Cancelled', output: '' });
    const leave = nodes.leave(nodeOf(1), target.domain, clock.now() + 15_000, open);
    await expect(clock.until(outcome(leave))).resolves.toBe('command-cancelled');
    // One each 3.2 s: a look after the window of 0.2 s and a second, then the pause.
    expect(requests).toHaveLength(3 + 5);
  });

  test('of a leave that failed otherwise is not asked for again', async () => {
    answer = () => ({ status: 'Failed', detail: 'Failed', output: '' });
    const leave = nodes.leave(nodeOf(1), target.domain, clock.now() + 15_000, open);
    await expect(clock.until(outcome(leave))).resolves.toBe('command-failed');
    expect(requests).toHaveLength(1);
  });

  test('is not waited for longer than delivery and execution may take', async () => {
    answer = () => ({ status: 'InProgress', detail: 'InProgress' });
    const began = clock.now();
    await expect(clock.until(outcome(nodes.probe(nodeOf(1), open)))).resolves.toBe('command-failed');
    expect(clock.now() - began).toBeGreaterThanOrEqual(190_000);
    expect(clock.now() - began).toBeLessThan(192_000);
  });
});
