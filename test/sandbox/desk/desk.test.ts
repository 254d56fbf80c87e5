/** An operator's commands against the sandbox's AWS: from an empty account to a stack, and what each run finds of the one before. */
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bucket, typist, type Typist } from './typed.ts';

let desk: Typist;
let cloudFormation: CloudFormationClient;

beforeAll(async () => {
  desk = await typist();
  desk.settings();
  const { empty } = desk;
  cloudFormation = new CloudFormationClient(empty.session(empty.account.administratorRoleArn, 'internet'));
  // Milliseconds: the synthesis, if it is not there.
}, 120_000);
afterAll(async () => {
  cloudFormation.destroy();
  await desk[Symbol.asyncDispose]();
});

async function statusOf(StackName = 'adjoin'): Promise<string | undefined> {
  try {
    const { Stacks } = await cloudFormation.send(new DescribeStacksCommand({ StackName }));
    return Stacks?.[0]?.StackStatus;
  } catch {
    return undefined;
  }
}
const keys = (): string[] => desk.empty.cloud.buckets.objects(bucket).map(({ key }) => key);

describe('adjoin deploy', () => {
  test('asks nobody where nobody is: then --yes or --dry-run has to be said', async () => {
    const { code, err } = await desk.type(['deploy']);
    expect([code, err]).toEqual([64, expect.stringContaining('--yes')]);
    expect(await statusOf()).toBeUndefined();
  });

  test('shows by a dry run what it would make and what that costs, and leaves nothing', async () => {
    const { code, out, err } = await desk.type(['deploy', '--dry-run']);
    expect([code, err]).toEqual([0, expect.stringContaining('S3PrefixListId=pl-')]);
    expect(out).toMatch(/^1 .*AWS::DynamoDB::Table$/m);
    expect(out).toMatch(/116\.80|interface endpoints: 8/);
    expect(out.split('\n').every((line) => line.length <= 80)).toBe(true);
    expect(await statusOf()).toBeUndefined();
    expect(keys()).toEqual([]);
    expect(existsSync(join(desk.folder, 'adjoin-config.json'))).toBe(false);
  });

  test('leaves nothing either when the person does not agree', async () => {
    const { code, err } = await desk.type(['deploy'], ['no']);
    expect([code, err]).toEqual([70, expect.stringContaining('Nothing was changed.')]);
    expect(await statusOf()).toBeUndefined();
    expect(keys()).toEqual([]);
  });

  test('makes the stack, follows it, compares the documents, and writes the configuration', async () => {
    const { code, out, err } = await desk.type(['deploy'], ['yes']);
    expect([code, err]).toEqual([0, expect.anything()]);
    expect(out).toMatch(/CREATE_COMPLETE +DynamoDB::Table/);
    expect(out).toContain('The documents are those that the workers pin.');
    expect(await statusOf()).toBe('CREATE_COMPLETE');
    expect(keys()).toEqual([expect.stringMatching(/^adjoin\/agent-[0-9a-f]{12}\.mjs$/)]);
    const config = JSON.parse(readFileSync(join(desk.folder, 'adjoin-config.json'), 'utf8'));
    expect(config.directory.caFile).toBe(join(desk.folder, 'ca.pem'));
  });

  test('changes nothing when it is done again, and says so for machines', async () => {
    const { code, out } = await desk.type(['deploy', '--yes', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      action: 'unchanged',
      status: 'CREATE_COMPLETE',
      changes: [],
      problem: null,
    });
  });

  test('changes what the settings change, and keeps the values that they do not name', async () => {
    desk.settings({ AlarmEmail: 'on-call@example.test' });
    const { code, out } = await desk.type(['deploy', '--yes']);
    expect([code, out]).toEqual([0, expect.stringMatching(/^1 .*AWS::SNS::Subscription$/m)]);
    expect(await statusOf()).toBe('UPDATE_COMPLETE');
    desk.settings();
    const again = await desk.type(['deploy', '--yes', '--json']);
    expect(JSON.parse(again.out)).toMatchObject({ action: 'unchanged' });
  });
});
