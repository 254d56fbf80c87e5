import { DescribeManagedPrefixListsCommand, type Filter } from '@aws-sdk/client-ec2';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { network } from '../../../../infra/sandbox/stack/network.ts';
import { region, startBench, type Bench } from '../bench.ts';

let bench: Bench;
beforeEach(async () => {
  bench = await startBench();
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
});

async function lists(...Filters: Filter[]): Promise<string[]> {
  const { PrefixLists = [] } = await bench
    .as('operator')
    .ec2.send(new DescribeManagedPrefixListsCommand({ Filters }));
  return PrefixLists.map(({ PrefixListId = '' }) => PrefixListId);
}

test('the prefix lists of the gateways are found by their names, and none under another', async () => {
  const named = (service: string) =>
    lists({ Name: 'prefix-list-name', Values: [`com.amazonaws.${region}.${service}`] });
  expect(await named('s3')).toEqual([network.S3PrefixListId]);
  expect(await named('dynamodb')).toEqual([network.DynamoDbPrefixListId]);
  expect(await named('sqs')).toEqual([]);
  expect(await lists({ Name: 'owner-id', Values: ['AWS'] })).toHaveLength(2);
});

test('what can not be asked for is refused', async () => {
  await expect(lists({ Name: 'colour', Values: ['red'] })).rejects.toThrow("The filter 'colour' is invalid");
  const missing = new DescribeManagedPrefixListsCommand({ PrefixListIds: ['pl-1'] });
  await expect(bench.as('operator').ec2.send(missing)).rejects.toThrow("'pl-1' does not exist");
});
