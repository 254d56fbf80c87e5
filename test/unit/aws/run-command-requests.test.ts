/** What the Run Command adapter asks, and what it makes of the answers. */
import { SSMClient } from '@aws-sdk/client-ssm';
import { describe, expect, test } from '@jest/globals';
import { createRunCommand } from '../../../agent/aws/run-command.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import type { CommandRequest } from '../../../agent/nodes/nodes.ts';
import { asked, inTurn, startAwsEndpoint, type AwsAnswer } from '../../support/aws-endpoint.ts';

const open = new AbortController().signal;

async function start(...answers: readonly AwsAnswer[]) {
  const endpoint = await startAwsEndpoint(inTurn(...answers));
  return { endpoint, runCommand: createRunCommand(new SSMClient(endpoint.client)) };
}

const request: CommandRequest = {
  document: { name: 'adjoin-join', version: '7', hash: 'f'.repeat(64) },
  instanceIds: ['i-1', 'i-2'],
  parameters: { entries: ['one', 'two'] },
  deliverySeconds: 45,
  comment: `adjoin ${'x'.repeat(93)}cut`,
};

describe('a command', () => {
  test('is sent with its document pinned, its time to be delivered and a comment of at most 100 characters', async () => {
    const { endpoint, runCommand } = await start(
      { Command: { CommandId: 'c-1', RequestedDateTime: 1_800_000_000.25 } },
      { Command: { CommandId: 'c-2' } },
    );
    await using _ = endpoint;
    await expect(runCommand.send(request, open)).resolves.toEqual({
      commandId: 'c-1',
      requestedAt: 1_800_000_000_250,
    });
    await expect(runCommand.send(request, open)).resolves.toEqual({ commandId: 'c-2' });
    expect(asked(endpoint).slice(1)).toEqual([
      {
        operation: 'SendCommand',
        input: {
          DocumentName: 'adjoin-join',
          DocumentVersion: '7',
          DocumentHash: 'f'.repeat(64),
          DocumentHashType: 'Sha256',
          InstanceIds: ['i-1', 'i-2'],
          Parameters: { entries: ['one', 'two'] },
          TimeoutSeconds: 45,
          MaxErrors: '100%',
          Comment: `adjoin ${'x'.repeat(93)}`,
        },
      },
    ]);
  });

  test('that was accepted without an ID is an outage: nobody could ask for its outcome', async () => {
    const { endpoint, runCommand } = await start({ Command: {} });
    await using _ = endpoint;
    await expect(runCommand.send(request, open)).rejects.toMatchObject({
      code: 'aws-unavailable',
      message: 'ssm:SendCommand answered without a command ID.',
    });
  });

  test.each([
    ['InvalidInstanceId', 'node-not-ready', 'Run Command does not know i-1, i-2.'],
    ['UnsupportedPlatformType', 'node-unsupported', 'Document adjoin-join does not support the platform of'],
    ['InvalidDocument', 'document-mismatch', 'Document adjoin-join version 7 is not there as configured.'],
    ['InvalidDocumentVersion', 'document-mismatch', 'Document adjoin-join version 7'],
    ['ThrottlingException', 'aws-throttled', 'ssm:SendCommand adjoin-join to i-1, i-2: ThrottlingException'],
    ['InvalidParameters', 'aws-refused', 'ssm:SendCommand adjoin-join to i-1, i-2: InvalidParameters'],
  ])('refused as %s is %s', async (error, code, message) => {
    const { endpoint, runCommand } = await start({ error, message: 'no' });
    await using _ = endpoint;
    const sent = runCommand.send(request, open);
    await expect(sent).rejects.toMatchObject({ code, cause: expect.objectContaining({ name: error }) });
    await expect(sent).rejects.toThrow(message);
  });

  test('that is given up while it is under way is cut off, with the reason of the signal', async () => {
    const { endpoint, runCommand } = await start('silence');
    await using _ = endpoint;
    const given = new AbortController();
    const sent = runCommand.send(request, given.signal);
    const { cut } = await endpoint.asked(0);
    const reason = new AdjoinError('draining', 'stop');
    given.abort(reason);
    await expect(sent).rejects.toBe(reason);
    await cut;
  });
});

describe('the invocations of a command', () => {
  test('are read to the last page, each with the output of all its plugins', async () => {
    const { endpoint, runCommand } = await start(
      {
        CommandInvocations: [
          {
            InstanceId: 'i-1',
            Status: 'Success',
            StatusDetails: 'Success',
            CommandPlugins: [{ Output: 'one' }, {}, { Output: 'two' }],
          },
        ],
        NextToken: 'page 2',
      },
      { NextToken: 'page 3' },
      { CommandInvocations: [{ InstanceId: 'i-2', Status: 'Failed', StatusDetails: 'Undeliverable' }, {}] },
    );
    await using _ = endpoint;
    await expect(runCommand.list('c-1')).resolves.toEqual([
      { instanceId: 'i-1', status: 'Success', detail: 'Success', output: 'one\n\ntwo' },
      { instanceId: 'i-2', status: 'Failed', detail: 'Undeliverable', output: '' },
      { instanceId: '', status: '', detail: '', output: '' },
    ]);
    const input = { CommandId: 'c-1', Details: true, MaxResults: 50 };
    expect(asked(endpoint)).toEqual([
      { operation: 'ListCommandInvocations', input },
      { operation: 'ListCommandInvocations', input: { ...input, NextToken: 'page 2' } },
      { operation: 'ListCommandInvocations', input: { ...input, NextToken: 'page 3' } },
    ]);
  });

  test('are unknown as a whole when one page fails', async () => {
    const { endpoint, runCommand } = await start(
      { CommandInvocations: [], NextToken: 'page 2' },
      { error: 'ThrottlingException' },
    );
    await using _ = endpoint;
    const listed = runCommand.list('c-1');
    await expect(listed).rejects.toMatchObject({ code: 'aws-throttled' });
    await expect(listed).rejects.toThrow('ssm:ListCommandInvocations of c-1');
  });
});

describe('what was sent since a time', () => {
  test('is listed page by page, from a whole second before it on', async () => {
    const { endpoint, runCommand } = await start(
      {
        CommandInvocations: [{ CommandId: 'c-1', InstanceId: 'i-1', Status: 'Success' }],
        NextToken: 'page 2',
      },
      { CommandInvocations: [{ CommandId: 'c-2', InstanceId: 'i-1', Status: 'Failed' }, {}] },
    );
    await using _ = endpoint;
    const pages: unknown[] = [];
    for await (const page of runCommand.listSince(Date.UTC(2026, 0, 1, 12, 0, 5, 250))) {
      pages.push(page);
      expect(asked(endpoint)).toHaveLength(pages.length);
    }
    expect(pages).toEqual([
      [{ commandId: 'c-1', instanceId: 'i-1', status: 'Success', detail: '', output: '' }],
      [
        { commandId: 'c-2', instanceId: 'i-1', status: 'Failed', detail: '', output: '' },
        { commandId: '', instanceId: '', status: '', detail: '', output: '' },
      ],
    ]);
    const Filters = [{ key: 'InvokedAfter', value: '2026-01-01T12:00:04Z' }];
    expect(asked(endpoint)[0]).toEqual({
      operation: 'ListCommandInvocations',
      input: { Filters, Details: true, MaxResults: 50 },
    });
  });

  test('is an error of AWS where a page fails', async () => {
    const { endpoint, runCommand } = await start({ error: 'ThrottlingException' });
    await using _ = endpoint;
    const read = async (): Promise<void> => {
      for await (const _page of runCommand.listSince(0));
    };
    await expect(read()).rejects.toMatchObject({ code: 'aws-throttled' });
  });
});

describe('registered nodes', () => {
  test('are those that Systems Manager knows and has not given up, from every page', async () => {
    const { endpoint, runCommand } = await start(
      { InstanceInformationList: [{ InstanceId: 'i-1', PingStatus: 'Online' }], NextToken: 'page 2' },
      {
        InstanceInformationList: [
          { InstanceId: 'i-2', PingStatus: 'ConnectionLost' },
          { InstanceId: 'i-3', PingStatus: 'Inactive' },
          { PingStatus: 'Online' },
        ],
      },
    );
    await using _ = endpoint;
    await expect(runCommand.registered(['i-1', 'i-2', 'i-3'])).resolves.toEqual(new Set(['i-1', 'i-2']));
    const input = { Filters: [{ Key: 'InstanceIds', Values: ['i-1', 'i-2', 'i-3'] }], MaxResults: 50 };
    expect(asked(endpoint)).toEqual([
      { operation: 'DescribeInstanceInformation', input },
      { operation: 'DescribeInstanceInformation', input: { ...input, NextToken: 'page 2' } },
    ]);
  });

  test('are none where the answer holds no list', async () => {
    const { endpoint, runCommand } = await start({});
    await using _ = endpoint;
    await expect(runCommand.registered(['i-1'])).resolves.toEqual(new Set());
  });

  test('are unknown as a whole when one page fails', async () => {
    const { endpoint, runCommand } = await start({ error: 'AccessDeniedException' });
    await using _ = endpoint;
    const listed = runCommand.registered(['i-1', 'i-2']);
    await expect(listed).rejects.toMatchObject({ code: 'aws-denied' });
    await expect(listed).rejects.toThrow('ssm:DescribeInstanceInformation of 2');
  });
});
