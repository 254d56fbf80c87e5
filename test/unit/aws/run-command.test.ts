/** Run Command through the real SDK, against the sandbox's own endpoints. */
import { CreateAutoScalingGroupCommand } from '@aws-sdk/client-auto-scaling';
import { CreateTagsCommand, TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { CreateDocumentCommand, SSMClient } from '@aws-sdk/client-ssm';
import { describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { createRunCommand } from '../../../agent/aws/run-command.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import { createNodes, type CommandRequest } from '../../../agent/nodes/nodes.ts';
import { startBench } from '../../sandbox/cloud/bench.ts';

const open = new AbortController().signal;
const content = JSON.stringify({
  schemaVersion: '2.2',
  parameters: { executionTimeout: { type: 'String', default: '60' } },
  mainSteps: [{ action: 'aws:runShellScript', name: 'look', inputs: { runCommand: ['look'] } }],
});
const document = {
  name: 'adjoin-probe',
  version: '1',
  hash: createHash('sha256').update(content).digest('hex'),
};
const facts =
  '{"adjoin":1,"document":"probe","family":"linux","os":"debian","osVersion":"12","hostName":"h","domain":"","computerName":"","ready":true,"missing":[],"key":"k","proof":""}\n';

/** Registered nodes on which only those with the tag may be sent a command, as policies/worker.json has it. */
async function startFleet(count: number) {
  const bench = await startBench({
    authorize: ({ action, resource }) =>
      action === 'ssm:SendCommand' &&
      resource.arn.includes(':instance/') &&
      resource.tags?.['JoinAD'] !== 'true'
        ? { allowed: false, reason: 'because no identity-based policy allows it' }
        : { allowed: true },
    runScript: async () => ({ code: 0, stdout: facts, stderr: '', timedOut: false }),
  });
  const { autoScaling, ec2, ssm } = bench.as('operator');
  await autoScaling.send(
    new CreateAutoScalingGroupCommand({
      AutoScalingGroupName: 'fleet',
      MinSize: 0,
      MaxSize: 99,
      DesiredCapacity: count,
    }),
  );
  await ssm.send(
    new CreateDocumentCommand({ Name: document.name, DocumentType: 'Command', Content: content }),
  );
  await bench.clock.advance(3_000);
  const tag = (Resources: string[]) =>
    ec2.send(new CreateTagsCommand({ Resources, Tags: [{ Key: 'JoinAD', Value: 'true' }] }));
  const terminate = (InstanceIds: string[]) => ec2.send(new TerminateInstancesCommand({ InstanceIds }));
  return { bench, tag, terminate, runCommand: createRunCommand(bench.as('worker').ssm) };
}

const requestOf = (instanceIds: readonly string[]): CommandRequest => ({
  document,
  instanceIds,
  parameters: {},
  deliverySeconds: 30,
  comment: 'adjoin probe',
});

describe('a command', () => {
  test('is denied as a whole when one of its nodes lacks the tag', async () => {
    const { bench, tag, runCommand } = await startFleet(3);
    await using _ = bench;
    const [bare = '', ...tagged] = bench.booted;
    await tag(tagged);
    const sent = runCommand.send(requestOf(bench.booted), open);
    await expect(sent).rejects.toMatchObject({ code: 'aws-denied' });
    await expect(sent).rejects.toThrow(bare);
    await expect(runCommand.send(requestOf(tagged), open)).resolves.toEqual({
      commandId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      requestedAt: expect.any(Number),
    });
  });

  test('that the SDK holds back, as it does when throttled, is not sent once it is given up', async () => {
    const { bench, tag } = await startFleet(1);
    await using _ = bench;
    await tag(bench.booted);
    const { ssm } = bench.as('worker');
    const held = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    let answered = 0;
    ssm.middlewareStack.add(
      (next) => async (input) => {
        held.resolve();
        await released.promise;
        const output = await next(input);
        answered += 1;
        return output;
      },
      { step: 'finalizeRequest' },
    );
    const given = new AbortController();
    const sent = createRunCommand(ssm).send(requestOf(bench.booted), given.signal);
    await held.promise;
    const late = new AdjoinError('command-failed', 'It did not leave in time.');
    given.abort(late);
    released.resolve();
    await expect(sent).rejects.toBe(late);
    expect(answered).toBe(0);
  });

  test('reaches the others of fifty nodes though one lacks the tag and one is gone', async () => {
    const { bench, tag, terminate, runCommand } = await startFleet(50);
    await using _ = bench;
    const fleet = [...bench.booted];
    const [bare = '', gone = ''] = fleet;
    await tag(fleet.filter((instanceId) => instanceId !== bare));
    await terminate([gone]);
    const commands: number[] = [];
    const nodes = createNodes({
      runCommand,
      documents: { probe: document, joinLinux: document, joinWindows: document, leave: document },
      // Each sleep moves the clock forward; calls between the sleeps take their real time.
      clock: bench.clock.passing,
      coalesceMs: 200,
      commandPollMs: 1_000,
      registrationPollMs: 2_000,
      deliverySeconds: 30,
      executionSeconds: { probe: 60, join: 60, leave: 60, 'post-join': 600 },
      onCommand: (command) => commands.push(command.nodes.length),
      onCancelled: () => undefined,
    });
    const probed = fleet.map(async (instanceId) => {
      try {
        return (await nodes.probe({ instanceId, correlationId: 'token' }, open)).hostName;
      } catch (error) {
        return error instanceof AdjoinError ? error.code : error;
      }
    });
    expect(await Promise.all(probed)).toEqual([
      'aws-denied',
      'node-not-ready',
      ...Array.from({ length: 48 }, () => 'h'),
    ]);
    expect(commands.reduce((sum, size) => sum + size, 0)).toBe(48);
  }, 120_000);
});

/** What the agent says of a step that is for another platform. */
const note = (platform: string): string =>
  `Step execution skipped due to unsatisfied preconditions: '"StringEquals": [platformType, ${platform}]'. Step name: look${platform}`;

test('a step that is skipped, because it is for another platform, is no output of the node', async () => {
  const ssm = new SSMClient({ region: 'eu-central-1' });
  const [linux, windows] = [note('Linux'), note('Windows')];
  const stepsOf: Readonly<Record<string, readonly string[]>> = {
    'i-linux': [facts, windows],
    'i-windows': [linux, facts],
    'i-mac': [linux, windows],
    'i-waits': [],
  };
  const CommandInvocations = Object.entries(stepsOf).map(([InstanceId, outputs]) => ({
    InstanceId,
    Status: 'Success',
    StatusDetails: 'Success',
    CommandPlugins: outputs.map((Output) => ({ Output, Status: 'Success', ResponseCode: 0 })),
  }));
  ssm.middlewareStack.add(
    () => async () => ({ output: { $metadata: {}, CommandInvocations }, response: {} }),
    { step: 'initialize' },
  );
  const listed = await createRunCommand(ssm).list('0d729f13-653e-420c-95eb-e033106355fa');
  expect(listed.map(({ instanceId, output, isSkipped }) => [instanceId, output, isSkipped])).toEqual([
    ['i-linux', facts, undefined],
    ['i-windows', facts, undefined],
    ['i-mac', '', true],
    ['i-waits', '', undefined],
  ]);
  ssm.destroy();
});

test('a document that does not support the platform of a node makes it an unsupported one', async () => {
  const ssm = new SSMClient({ region: 'eu-central-1' });
  const refusal = Object.assign(new Error('This document does not support the platform.'), {
    name: 'UnsupportedPlatformType',
    $metadata: { httpStatusCode: 400 },
  });
  ssm.middlewareStack.add(
    () => async () => {
      throw refusal;
    },
    { step: 'initialize' },
  );
  await expect(createRunCommand(ssm).send(requestOf(['i-0123456789abcdef0']), open)).rejects.toMatchObject({
    code: 'node-unsupported',
    message: 'Document adjoin-probe does not support the platform of i-0123456789abcdef0.',
    cause: refusal,
  });
  ssm.destroy();
});
