import { CreateAutoScalingGroupCommand, PutLifecycleHookCommand } from '@aws-sdk/client-auto-scaling';
import { TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import {
  CancelCommandCommand,
  CreateDocumentCommand,
  DescribeDocumentCommand,
  DescribeInstanceInformationCommand,
  GetCommandInvocationCommand,
  ListCommandInvocationsCommand,
  ListCommandsCommand,
  SendCommandCommand,
  UpdateDocumentCommand,
  UpdateDocumentDefaultVersionCommand,
  type CommandFilter,
  type ListCommandInvocationsCommandInput,
  type SendCommandCommandInput,
} from '@aws-sdk/client-ssm';
import { describe, expect, test } from '@jest/globals';
import type { Fleet, ScriptRunner } from '../../../../infra/sandbox/cloud/cloud.ts';
import { startBench } from '../bench.ts';

const content = (script = 'echo {{ who }}') =>
  JSON.stringify({
    schemaVersion: '2.2',
    parameters: { who: { type: 'String', default: 'you', allowedPattern: '^[a-z]+$' } },
    mainSteps: [{ action: 'aws:runShellScript', name: 'greet', inputs: { runCommand: [script] } }],
  });

/** Registered nodes in a group without hooks, and a document. */
async function startNodes(count = 1, runScript?: ScriptRunner['run'], boot?: Fleet['boot']) {
  const bench = await startBench({ ...(runScript && { runScript }), ...(boot && { boot }) });
  const operator = bench.as('operator');
  const { ssm } = operator;
  await operator.autoScaling.send(
    new CreateAutoScalingGroupCommand({
      AutoScalingGroupName: 'fleet',
      MinSize: 0,
      MaxSize: 99,
      DesiredCapacity: count,
    }),
  );
  await ssm.send(new CreateDocumentCommand({ Name: 'greet', DocumentType: 'Command', Content: content() }));
  await bench.clock.advance(3000);
  return {
    ...bench,
    ...operator,
    async [Symbol.asyncDispose]() {
      await bench[Symbol.asyncDispose]();
    },
    async sendCommand(input: Partial<SendCommandCommandInput> = {}) {
      const request = { DocumentName: 'greet', InstanceIds: bench.booted, ...input };
      const { Command } = await ssm.send(new SendCommandCommand(request));
      return Command?.CommandId ?? '';
    },
    async invocations(CommandId: string) {
      const { CommandInvocations } = await ssm.send(
        new ListCommandInvocationsCommand({ CommandId, Details: true }),
      );
      return CommandInvocations ?? [];
    },
  };
}

/** Scripts that run until the test lets them end, or until they are killed. */
function heldScripts() {
  const running: { end: () => void }[] = [];
  const run: ScriptRunner['run'] = (_instanceId, _script, signal) =>
    new Promise((resolve) => {
      const end = (code: number | null) => resolve({ code, stdout: 'partial', stderr: '', timedOut: false });
      running.push({ end: () => end(0) });
      signal.addEventListener('abort', () => end(null));
    });
  return { running, run };
}

describe('SendCommand', () => {
  test('runs the document on each node and tells what came out', async () => {
    const seen: { instanceId: string; text: string; env: Record<string, string> }[] = [];
    await using nodes = await startNodes(2, async (instanceId, { text, env }) => {
      seen.push({ instanceId, text, env });
      return { code: 0, stdout: 'hello\n', stderr: '', timedOut: false };
    });
    const id = await nodes.sendCommand({ Parameters: { who: ['world'] }, Comment: 'a greeting' });
    await nodes.clock.advance(1000);
    expect(seen.map((each) => each.instanceId).toSorted()).toEqual(nodes.booted.toSorted());
    expect(seen[0]?.text).toBe('echo world\n');
    expect(seen[0]?.env).toEqual({
      AWS_SSM_INSTANCE_ID: seen[0]?.instanceId,
      AWS_SSM_REGION_NAME: 'eu-central-1',
      SSM_COMMAND_ID: id,
    });
    expect(await nodes.invocations(id)).toMatchObject([
      { Status: 'Success', CommandPlugins: [{ Name: 'greet', ResponseCode: 0, Output: 'hello\n' }] },
      { Status: 'Success' },
    ]);
    const { Commands } = await nodes.ssm.send(new ListCommandsCommand({ CommandId: id }));
    expect(Commands).toMatchObject([
      { Status: 'Success', TargetCount: 2, CompletedCount: 2, Parameters: { who: ['world'] } },
    ]);
  });

  test('refuses the whole call when one node is not registered', async () => {
    await using nodes = await startNodes();
    const sending = nodes.sendCommand({ InstanceIds: [...nodes.booted, 'i-0123456789abcdef0'] });
    await expect(sending).rejects.toMatchObject({ name: 'InvalidInstanceId' });
    const { Commands } = await nodes.ssm.send(new ListCommandsCommand({}));
    expect(Commands).toEqual([]);
  });

  test('refuses a node that has just been booted or is terminated', async () => {
    await using bench = await startNodes(0);
    await bench.autoScaling.send(
      new CreateAutoScalingGroupCommand({ AutoScalingGroupName: 'more', MinSize: 1, MaxSize: 1 }),
    );
    await bench.clock.advance(1999);
    await expect(bench.sendCommand()).rejects.toMatchObject({ name: 'InvalidInstanceId' });
    await bench.clock.advance(1);
    await expect(bench.sendCommand()).resolves.toBeTruthy();
    const InstanceIds = [...bench.booted];
    await bench.ec2.send(new TerminateInstancesCommand({ InstanceIds }));
    await expect(bench.sendCommand({ InstanceIds })).rejects.toMatchObject({ name: 'InvalidInstanceId' });
  });

  test.each<[string, Partial<SendCommandCommandInput>, string]>([
    ['an unknown parameter', { Parameters: { nobody: ['x'] } }, 'InvalidParameters'],
    ['a value that the pattern forbids', { Parameters: { who: ["x'; id; '"] } }, 'InvalidParameters'],
    ['a list for a String', { Parameters: { who: ['a', 'b'] } }, 'InvalidParameters'],
    ['a wrong hash', { DocumentHash: '0'.repeat(64), DocumentHashType: 'Sha256' }, 'InvalidDocument'],
    ['an unknown document', { DocumentName: 'nothing' }, 'InvalidDocument'],
    ['an unknown version', { DocumentVersion: '7' }, 'InvalidDocumentVersion'],
    [
      'more than fifty nodes',
      { InstanceIds: Array.from({ length: 51 }, () => 'i-0123456789abcdef0') },
      'ValidationException',
    ],
    ['a comment of 101 characters', { Comment: 'x'.repeat(101) }, 'ValidationException'],
    ['a delivery time-out below thirty seconds', { TimeoutSeconds: 29 }, 'ValidationException'],
  ])('refuses %s', async (_what, input, name) => {
    await using nodes = await startNodes();
    await expect(nodes.sendCommand(input)).rejects.toMatchObject({ name });
  });
});

describe('an invocation', () => {
  test('is not known right after the command was sent', async () => {
    await using nodes = await startNodes();
    const CommandId = await nodes.sendCommand();
    const get = () =>
      nodes.ssm.send(new GetCommandInvocationCommand({ CommandId, InstanceId: nodes.booted[0] }));
    await expect(get()).rejects.toMatchObject({ name: 'InvocationDoesNotExist' });
    expect(await nodes.invocations(CommandId)).toEqual([]);
    await nodes.clock.advance(1000);
    expect(await get()).toMatchObject({
      Status: 'Success',
      ResponseCode: 0,
      StandardOutputContent: 'done\n',
    });
  });

  test('waits while five others run on its node', async () => {
    const held = heldScripts();
    await using nodes = await startNodes(1, held.run);
    const ids = [];
    for (let count = 0; count < 6; count++) ids.push(await nodes.sendCommand());
    await nodes.clock.advance(1000);
    expect(held.running).toHaveLength(5);
    expect(await nodes.invocations(ids[5] ?? '')).toMatchObject([{ Status: 'Pending' }]);
    held.running[0]?.end();
    await nodes.clock.advance(0);
    expect(held.running).toHaveLength(6);
  });

  test('is killed by CancelCommand and keeps no output', async () => {
    const held = heldScripts();
    await using nodes = await startNodes(1, held.run);
    const CommandId = await nodes.sendCommand();
    await nodes.clock.advance(1000);
    await nodes.ssm.send(new CancelCommandCommand({ CommandId }));
    await nodes.clock.advance(0);
    expect(await nodes.invocations(CommandId)).toMatchObject([
      { Status: 'Cancelled', CommandPlugins: [{ Status: 'Cancelled', ResponseCode: 137, Output: '' }] },
    ]);
  });

  test('on a dead machine stays pending until its delivery time-out', async () => {
    await using nodes = await startNodes();
    // The hook keeps the dead instance from being terminated at once.
    await nodes.autoScaling.send(
      new PutLifecycleHookCommand({
        AutoScalingGroupName: 'fleet',
        LifecycleHookName: 'unjoin',
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
      }),
    );
    const [dead = ''] = nodes.booted;
    nodes.cloud.machineDied(dead);
    const id = await nodes.sendCommand({ InstanceIds: [dead], TimeoutSeconds: 60 });
    await nodes.clock.advance(59_000);
    expect(await nodes.invocations(id)).toMatchObject([{ Status: 'Pending' }]);
    await nodes.clock.advance(1000);
    expect(await nodes.invocations(id)).toMatchObject([
      { Status: 'TimedOut', StatusDetails: 'DeliveryTimedOut' },
    ]);
  });

  test('of a terminated instance times out, and what its script still says is not believed', async () => {
    const held = heldScripts();
    await using nodes = await startNodes(1, held.run);
    const CommandId = await nodes.sendCommand({ TimeoutSeconds: 60 });
    await nodes.clock.advance(1000);
    await nodes.ec2.send(new TerminateInstancesCommand({ InstanceIds: nodes.booted }));
    await nodes.clock.advance(1000);
    expect(await nodes.invocations(CommandId)).toMatchObject([{ Status: 'InProgress' }]);
    await nodes.clock.advance(120_000);
    expect(await nodes.invocations(CommandId)).toMatchObject([
      { Status: 'TimedOut', StatusDetails: 'ExecutionTimedOut' },
    ]);
  });

  test('whose script exits 194 reboots its machine and runs again', async () => {
    const codes = [194, 0];
    await using nodes = await startNodes(1, async () => ({
      code: codes.shift() ?? 1,
      stdout: 'up\n',
      stderr: '',
      timedOut: false,
    }));
    const CommandId = await nodes.sendCommand();
    await nodes.clock.advance(1000);
    expect(nodes.rebooted).toEqual(nodes.booted);
    expect(await nodes.invocations(CommandId)).toMatchObject([{ Status: 'Success' }]);
  });

  test('is listed fifty at a time', async () => {
    await using nodes = await startNodes(60);
    const first = await nodes.sendCommand({ InstanceIds: nodes.booted.slice(0, 50) });
    const second = await nodes.sendCommand({ InstanceIds: nodes.booted.slice(10) });
    await nodes.clock.advance(1000);
    const page = await nodes.ssm.send(new ListCommandInvocationsCommand({}));
    expect(page.CommandInvocations).toHaveLength(50);
    const rest = await nodes.ssm.send(new ListCommandInvocationsCommand({ NextToken: page.NextToken }));
    expect(rest.CommandInvocations).toHaveLength(50);
    expect(rest.NextToken).toBeUndefined();
    const ids = [...(page.CommandInvocations ?? []), ...(rest.CommandInvocations ?? [])].map(
      (each) => `${each.CommandId}${each.InstanceId}`,
    );
    expect(new Set(ids).size).toBe(100);
    expect(first).not.toBe(second);
  });
});

/** A step for one platform. */
const stepFor = (action: string, name: string, platformType: string) => ({
  action,
  name,
  precondition: { StringEquals: ['platformType', platformType] },
  inputs: { runCommand: ['one', 'two'] },
});

describe('on a Windows node', () => {
  const platform = {
    type: 'Windows',
    name: 'Microsoft Windows Server 2022 Datacenter',
    version: '10.0.20348',
  } as const;
  const boot: Fleet['boot'] = async () => ({
    privateIpAddress: '10.77.1.1',
    hostName: 'EC2AMAZ-1',
    platform,
  });
  const both = JSON.stringify({
    schemaVersion: '2.2',
    mainSteps: [
      stepFor('aws:runShellScript', 'linux', 'Linux'),
      stepFor('aws:runPowerShellScript', 'windows', 'Windows'),
    ],
  });

  async function startWindows(codes: readonly number[]) {
    const seen: { path: string; text: string }[] = [];
    const nodes = await startNodes(
      1,
      async (_instanceId, { path, text }) => {
        seen.push({ path, text });
        const code = codes[Math.min(seen.length, codes.length) - 1] ?? 0;
        return { code, stdout: `run ${seen.length}\n`, stderr: '', timedOut: false };
      },
      boot,
    );
    await nodes.ssm.send(new CreateDocumentCommand({ Name: 'both', DocumentType: 'Command', Content: both }));
    return { nodes, seen };
  }

  test('the step of its platform runs, as the agent writes it, and the other one is skipped as a success', async () => {
    const { nodes, seen } = await startWindows([0]);
    await using _ = nodes;
    const id = await nodes.sendCommand({ DocumentName: 'both' });
    await nodes.clock.advance(1000);
    const [invocation] = await nodes.invocations(id);
    expect(invocation).toMatchObject({
      Status: 'Success',
      CommandPlugins: [
        {
          Name: 'linux',
          Status: 'Success',
          ResponseCode: 0,
          Output: expect.stringContaining('platformType, Linux'),
        },
        { Name: 'windows', Status: 'Success', ResponseCode: 0, Output: 'run 1\n' },
      ],
    });
    expect(seen).toEqual([
      { path: expect.stringMatching(/\/windows\/_script\.ps1$/), text: '\uFEFFone\r\ntwo\r\n' },
    ]);
  });

  test.each([
    ['3010 restarts the machine and runs the step again', [3010, 3010, 0], 3, 'Success', 0],
    ['3010 is an exit code like any other after 15 runs', [3010], 15, 'Failed', 3010],
    ['194, the code of Linux, is a failure', [194], 1, 'Failed', 194],
    ['168 ends the document as a success', [168], 1, 'Success', 168],
    ['169 ends the document as a failure', [169], 1, 'Failed', 169],
  ])('%s', async (_title, codes, runs, status, code) => {
    const { nodes, seen } = await startWindows(codes);
    await using _ = nodes;
    const id = await nodes.sendCommand({ DocumentName: 'both' });
    await nodes.clock.advance(5000);
    const [invocation] = await nodes.invocations(id);
    expect([seen.length, nodes.rebooted.length]).toEqual([runs, runs - 1]);
    // Only the last run is told of, with the same script as the first one.
    expect(new Set(seen.map(({ text }) => text)).size).toBe(1);
    expect(invocation).toMatchObject({
      Status: status,
      CommandPlugins: [{}, { Status: status, ResponseCode: code }],
    });
    expect(invocation?.CommandPlugins?.[1]?.Output).toContain(`run ${runs}`);
  });

  test('a document without a step that Windows can run is refused', async () => {
    const { nodes } = await startWindows([0]);
    await using _ = nodes;
    await expect(nodes.sendCommand()).rejects.toMatchObject({ name: 'UnsupportedPlatformType' });
    const platformsOf = async (Name: string) =>
      (await nodes.ssm.send(new DescribeDocumentCommand({ Name }))).Document?.PlatformTypes;
    expect(await platformsOf('greet')).toEqual(['Linux', 'MacOS']);
    expect(await platformsOf('both')).toEqual(['Windows', 'Linux', 'MacOS']);
    const listed = await nodes.ssm.send(new DescribeInstanceInformationCommand({}));
    expect(listed.InstanceInformationList).toMatchObject([
      { PlatformType: 'Windows', PlatformName: platform.name, PlatformVersion: platform.version },
    ]);
  });
});

test('a document has versions with hashes, and a default that moves only when told', async () => {
  await using nodes = await startNodes();
  const updated = await nodes.ssm.send(
    new UpdateDocumentCommand({ Name: 'greet', Content: content('echo 2'), DocumentVersion: '$LATEST' }),
  );
  expect(updated.DocumentDescription).toMatchObject({
    DocumentVersion: '2',
    DefaultVersion: '1',
    LatestVersion: '2',
  });
  const describe_ = () => nodes.ssm.send(new DescribeDocumentCommand({ Name: 'greet' }));
  const before = await describe_();
  expect(before.Document).toMatchObject({
    DocumentVersion: '1',
    Hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    HashType: 'Sha256',
  });
  await nodes.ssm.send(new UpdateDocumentDefaultVersionCommand({ Name: 'greet', DocumentVersion: '2' }));
  expect((await describe_()).Document).toMatchObject({
    DocumentVersion: '2',
    Hash: updated.DocumentDescription?.Hash,
  });
  const same = nodes.ssm.send(
    new UpdateDocumentCommand({ Name: 'greet', Content: content('echo 2'), DocumentVersion: '$LATEST' }),
  );
  await expect(same).rejects.toMatchObject({ name: 'DuplicateDocumentContent' });
});

const utc = (time: Date): string => `${time.toISOString().slice(0, 19)}Z`;

describe('a listing of invocations', () => {
  test('holds what was sent after a time and before another, of all commands', async () => {
    await using nodes = await startNodes(2);
    const sent: string[] = [];
    for (let count = 0; count < 3; count += 1) {
      sent.push(await nodes.sendCommand());
      await nodes.clock.advance(10_000);
    }
    const listed = async (...Filters: CommandFilter[]) => {
      const { CommandInvocations = [] } = await nodes.ssm.send(
        new ListCommandInvocationsCommand({ Filters }),
      );
      return CommandInvocations.map(({ CommandId }) => CommandId);
    };
    const now = nodes.clock.now();
    const [first, second, third] = sent;
    const after: CommandFilter = { key: 'InvokedAfter', value: utc(new Date(now - 25_000)) };
    expect(await listed(after)).toEqual([third, third, second, second]);
    const before: CommandFilter = { key: 'InvokedBefore', value: utc(new Date(now - 15_000)) };
    expect(await listed(after, before)).toEqual([second, second]);
    expect(await listed(before)).toEqual([second, second, first, first]);
    // Whether the moment itself counts is not documented: here it does not.
    expect(await listed({ key: 'InvokedAfter', value: utc(new Date(now - 10_000)) })).toEqual([]);
  });

  test.each<[string, ListCommandInvocationsCommandInput, string]>([
    [
      'a time with milliseconds',
      { Filters: [{ key: 'InvokedAfter', value: '2026-01-01T00:00:00.000Z' }] },
      'ValidationException',
    ],
    ['no time', { Filters: [{ key: 'InvokedBefore', value: 'yesterday' }] }, 'ValidationException'],
    [
      'the stage of a whole command',
      { Filters: [{ key: 'ExecutionStage', value: 'Complete' }] },
      'InvalidFilterKey',
    ],
    [
      'a status of whole commands',
      { Filters: [{ key: 'Status', value: 'Incomplete' }] },
      'ValidationException',
    ],
    ['no filter in a list', { Filters: [] }, 'ValidationException'],
    [
      'more than five filters',
      { Filters: Array.from({ length: 6 }, () => ({ key: 'Status', value: 'Success' })) },
      'ValidationException',
    ],
    ['more than fifty on a page', { MaxResults: 51 }, 'ValidationException'],
  ])('refuses %s', async (_what, input, name) => {
    await using nodes = await startNodes(0);
    await expect(nodes.ssm.send(new ListCommandInvocationsCommand(input))).rejects.toMatchObject({ name });
  });
});

test('a node is listed as online, and as lost some minutes after its end', async () => {
  await using nodes = await startNodes();
  const [instanceId = ''] = nodes.booted;
  const status = async () => {
    const filter = { Key: 'InstanceIds', Values: [instanceId] };
    const answer = await nodes.ssm.send(new DescribeInstanceInformationCommand({ Filters: [filter] }));
    return answer.InstanceInformationList?.map((each) => each.PingStatus);
  };
  expect(await status()).toEqual(['Online']);
  await nodes.clock.advance(3_600_000);
  expect(await status()).toEqual(['Online']);
  await nodes.ec2.send(new TerminateInstancesCommand({ InstanceIds: [instanceId] }));
  expect(await status()).toEqual(['Online']);
  await nodes.clock.advance(11 * 60_000);
  expect(await status()).toEqual(['ConnectionLost']);
  await nodes.clock.advance(3_600_000);
  expect(await status()).toEqual([]);
});
