/** A stack that waits for signals: what is made meanwhile, and what a signal makes of it. */
import { once } from 'node:events';
import { request } from 'node:http';
import {
  CreateChangeSetCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
  type CloudFormationClient,
} from '@aws-sdk/client-cloudformation';
import { ListQueuesCommand } from '@aws-sdk/client-sqs';
import { expect, test } from '@jest/globals';
import { startBench, type Bench } from '../cloud/bench.ts';

/** The condition is written first, and nothing depends on it. */
const template = {
  Resources: {
    Works: {
      Type: 'AWS::CloudFormation::WaitCondition',
      Properties: { Handle: { Ref: 'Started' }, Timeout: '600' },
    },
    Started: { Type: 'AWS::CloudFormation::WaitConditionHandle' },
    Queue: { Type: 'AWS::SQS::Queue', Properties: { QueueName: { 'Fn::Sub': 'queue' } } },
    Template: {
      Type: 'AWS::EC2::LaunchTemplate',
      Properties: { LaunchTemplateData: { UserData: { 'Fn::Base64': { Ref: 'Started' } } } },
    },
  },
  Outputs: { Data: { Value: { 'Fn::GetAtt': ['Works', 'Data'] } }, Id: { Value: { Ref: 'Template' } } },
};

async function begin(bench: Bench): Promise<CloudFormationClient> {
  const { cloudFormation } = bench.as('operator');
  const at = { StackName: 'stack', ChangeSetName: 'change' };
  await cloudFormation.send(
    new CreateChangeSetCommand({ ...at, ChangeSetType: 'CREATE', TemplateBody: JSON.stringify(template) }),
  );
  await cloudFormation.send(new ExecuteChangeSetCommand(at));
  return cloudFormation;
}

/** The address that the handle has got, as the template's events show it. */
async function addressIn(client: CloudFormationClient): Promise<string> {
  for (let attempt = 0; attempt < 500; attempt += 1) {
    const { StackEvents = [] } = await client.send(new DescribeStackEventsCommand({ StackName: 'stack' }));
    const of = (id: string) =>
      StackEvents.find(
        ({ LogicalResourceId, ResourceStatus }) =>
          LogicalResourceId === id && ResourceStatus === 'CREATE_COMPLETE',
      );
    // By then all else is there.
    if (of('Template') && of('Queue')) return of('Started')?.PhysicalResourceId ?? '';
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error('The rest of the stack is not made.');
}

async function signal(bench: Bench, url: string, Status: string, Reason: string): Promise<void> {
  const { host, pathname, search } = new URL(url);
  const { hostname, port } = new URL(bench.endpoint);
  const sent = request({
    host: hostname,
    port,
    method: 'PUT',
    path: pathname + search,
    headers: { host },
  });
  sent.end(JSON.stringify({ Status, Reason, UniqueId: 'ip-1', Data: '-' }));
  const [answer] = await once(sent, 'response');
  answer.resume();
  expect(answer.statusCode).toBe(200);
}

test('all else is made while it waits; with the signal it is complete', async () => {
  await using bench = await startBench({ signalled: true });
  const client = await begin(bench);
  const url = await addressIn(client);
  await signal(bench, url, 'SUCCESS', 'a worker works');
  const { Stacks } = await client.send(new DescribeStacksCommand({ StackName: 'stack' }));
  expect(Stacks?.[0]?.StackStatus).toBe('CREATE_COMPLETE');
  const outputs = new Map(
    Stacks?.[0]?.Outputs?.map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]),
  );
  expect(outputs.get('Data')).toBe('{"ip-1":"-"}');
  // An instance is launched with what the handle's address was then.
  const launch = bench.cloud.launchTemplates.find({ id: outputs.get('Id'), version: '1' });
  expect(launch).toEqual({ userData: url, instanceProfileArn: undefined });
});

test('with a signal of failure it is rolled back, and the event says why', async () => {
  await using bench = await startBench({ signalled: true });
  const client = await begin(bench);
  await signal(bench, await addressIn(client), 'FAILURE', 'worker ip-1: installing packages failed');
  const { Stacks } = await client.send(new DescribeStacksCommand({ StackName: 'stack' }));
  expect(Stacks?.[0]?.StackStatus).toBe('ROLLBACK_COMPLETE');
  const { StackEvents = [] } = await client.send(new DescribeStackEventsCommand({ StackName: 'stack' }));
  expect(StackEvents.find(({ ResourceStatus }) => ResourceStatus === 'CREATE_FAILED')).toMatchObject({
    LogicalResourceId: 'Works',
    ResourceStatusReason:
      "WaitCondition received failed message: 'worker ip-1: installing packages failed' for uniqueId: ip-1",
  });
  const { QueueUrls = [] } = await bench.as('operator').sqs.send(new ListQueuesCommand({}));
  expect(QueueUrls).toEqual([]);
});
