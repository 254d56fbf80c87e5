/** The page of the sandbox says of each emulated operation how it was checked: here the page is compared with the code. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { startBench } from './bench.ts';

const root = join(import.meta.dirname, '../../..');

/** The SDK's client of each service that is checked by calls. DynamoDB's operations are dynalite's, which has tests of its own. */
const clients = {
  autoscaling: 'auto-scaling',
  cloudformation: 'cloudformation',
  ec2: 'ec2',
  logs: 'cloudwatch-logs',
  secretsmanager: 'secrets-manager',
  sqs: 'sqs',
  ssm: 'ssm',
  sts: 'sts',
} as const;

/** The names in the code spans of one line of the page, such as `- **ssm**, tests: …`; empty when there is no such line. */
function listed(service: string, how: string): string[] {
  const page = readFileSync(join(root, 'infra/sandbox/README.md'), 'utf8').replaceAll(/\n {2}/g, ' ');
  const line = page.split('\n').find((each) => each.startsWith(`- **${service}**, ${how}: `)) ?? '';
  return [...line.matchAll(/`([A-Z]\w+)`/g)].map(([, name = '']) => name);
}

/** The operations of a service that files in these folders call by the SDK's client. */
function called(client: string, folders: readonly string[]): Set<string> {
  const imported = new RegExp(`import \\{([^}]*)\\} from '@aws-sdk/client-${client}'`, 'g');
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
      .map((name) => readFileSync(join(root, folder, name), 'utf8')),
  );
  const names = files.flatMap((text) =>
    [...text.matchAll(imported)].flatMap(([, list = '']) => list.split(',')),
  );
  return new Set(
    names
      .flatMap((name) => /^\s*(?:paginate(\w+)|(\w+)Command)\s*$/.exec(name)?.slice(1) ?? [])
      .filter(Boolean),
  );
}

describe('the page of the sandbox lists', () => {
  let operations: ReadonlyMap<string, readonly string[]>;
  beforeAll(async () => {
    await using bench = await startBench();
    operations = bench.cloud.operations;
  });

  test('every service', () => {
    expect([...operations.keys()].toSorted()).toEqual([...Object.keys(clients), 'dynamodb', 's3'].toSorted());
  });

  test('the operations that are dynalite’s, and the transactions beside them', () => {
    const all = [...listed('dynamodb', 'dynalite'), ...listed('dynamodb', 'tests')];
    expect(all.toSorted()).toEqual(operations.get('dynamodb')?.toSorted());
  });

  test('the operations of S3, which tests call without the SDK’s client', () => {
    expect(listed('s3', 'tests').toSorted()).toEqual(operations.get('s3')?.toSorted());
  });

  test.each(Object.entries(clients))(
    'each operation of %s once, by how it was checked',
    (service, client) => {
      const tested = called(client, ['test/sandbox']);
      const used = called(client, ['agent', 'infra/sandbox']);
      const all = operations.get(service)?.toSorted() ?? [];
      expect(all.length).toBeGreaterThan(0);
      expect({
        tests: listed(service, 'tests').toSorted(),
        use: listed(service, 'use').toSorted(),
        documentation: listed(service, 'documentation').toSorted(),
      }).toEqual({
        tests: all.filter((name) => tested.has(name)),
        use: all.filter((name) => !tested.has(name) && used.has(name)),
        documentation: all.filter((name) => !tested.has(name) && !used.has(name)),
      });
    },
  );
});
