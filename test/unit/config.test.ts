import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { type Config, configJsonSchema, loadConfig, overrides, parseConfig } from '../../agent/config.ts';
import { AdjoinError } from '../../agent/errors.ts';

const document = (name: string) => ({ name, version: '1', hash: '0'.repeat(64) });
const minimal = {
  region: 'eu-central-1',
  accountId: '123456789012',
  queueUrl: 'https://sqs.eu-central-1.amazonaws.com/123456789012/adjoin',
  table: 'adjoin',
  secretId: 'adjoin/service-account',
  documents: {
    probe: document('adjoin-probe'),
    joinLinux: document('adjoin-join-linux'),
    joinWindows: document('adjoin-join-windows'),
    leave: document('adjoin-leave'),
  },
};

const parse = (file: unknown, environment: Record<string, string | undefined> = {}): Config =>
  parseConfig(JSON.stringify(file), environment);

test.each(['eu-central-1', 'us-gov-west-1', 'cn-north-1', 'us-isob-east-1', 'eusc-de-east-1'])(
  '%s is a Region',
  (region) => {
    expect(parse({ ...minimal, region }).region).toBe(region);
  },
);

function refusal(work: () => unknown): AdjoinError {
  try {
    work();
  } catch (error) {
    if (error instanceof AdjoinError) return error;
    throw error;
  }
  throw new Error('It was accepted.');
}
const problems = (file: unknown, environment: Record<string, string> = {}): string[] => {
  const error = refusal(() => parse(file, environment));
  expect(error.code).toBe('config-invalid');
  return error.message.split('\n- ').slice(1);
};

describe('an environment', () => {
  test('in which no certificate would be checked is refused', () => {
    expect(problems(minimal, { NODE_TLS_REJECT_UNAUTHORIZED: '0' })).toEqual([
      'NODE_TLS_REJECT_UNAUTHORIZED: 0 would switch the check of all certificates off; unset it',
    ]);
    expect(parse(minimal, { NODE_TLS_REJECT_UNAUTHORIZED: '1' }).table).toBe('adjoin');
  });
});

describe('a configuration', () => {
  test('needs no more than where things are; everything else has a default', () => {
    expect(parse(minimal)).toMatchObject({
      ...minimal,
      deployment: 'adjoin',
      concurrency: 128,
      receive: { waitSeconds: 20, visibilitySeconds: 120 },
      directory: { namePrefixes: ['A', 'B', 'C'], dnsCleanup: 'records' },
      patience: { joinSeconds: 1800, joinAttempts: 5 },
      logLevel: 'info',
    });
  });

  test('names every problem at once', () => {
    const { table: _table, ...rest } = minimal;
    const found = problems({
      ...rest,
      region: 'Frankfurt',
      accountId: 123456789012,
      concurrency: 0,
      colour: 'blue',
      receive: { waitSeconds: 21, visibility: 5 },
      documents: {
        ...minimal.documents,
        joinLinux: { ...minimal.documents.joinLinux, version: '$LATEST' },
      },
    });
    expect(new Set(found.map((problem) => problem.split(':')[0]))).toEqual(
      new Set([
        '(the whole file)',
        'accountId',
        'concurrency',
        'documents.joinLinux.version',
        'receive',
        'receive.waitSeconds',
        'region',
        'table',
      ]),
    );
    expect(found).toHaveLength(8);
    expect(found.join('\n')).toContain('"colour"');
    expect(found.join('\n')).toContain('"visibility"');
    expect(found.join('\n')).toContain('must be a pinned version number, not $LATEST or $DEFAULT');
  });

  test.each(['', '{', 'null', '[]', '"text"'])('that is %j is refused', (text) => {
    expect(refusal(() => parseConfig(text, {})).code).toBe('config-invalid');
  });

  test('may name its schema, for an editor', () => {
    expect(() => parse({ $schema: '../config/schema.json', ...minimal })).not.toThrow();
  });

  test('is read from a file; a file that is not there is a problem like any other', () => {
    const folder = mkdtempSync(join(tmpdir(), 'config-'));
    try {
      const file = join(folder, 'agent.json');
      expect(refusal(() => loadConfig(file, {})).code).toBe('config-invalid');
      writeFileSync(file, JSON.stringify(minimal));
      expect(loadConfig(file, { ADJOIN_TABLE: 'another' }).table).toBe('another');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('an environment variable', () => {
  test('overrides the file, at any depth', () => {
    const config = parse(
      { ...minimal, patience: { joinAttempts: 9 } },
      {
        ADJOIN_TABLE: 'another',
        ADJOIN_CONCURRENCY: '7',
        ADJOIN_NODES_COALESCE_SECONDS: ' 0.5 ',
        ADJOIN_DOCUMENTS_PROBE_VERSION: '12',
        ADJOIN_PATIENCE_RETRY_MAXIMUM_SECONDS: '60',
      },
    );
    expect(config.table).toBe('another');
    expect(config.concurrency).toBe(7);
    expect(config.nodes.coalesceSeconds).toBe(0.5);
    expect(config.documents.probe).toEqual({ ...minimal.documents.probe, version: '12' });
    expect(config.patience).toMatchObject({ joinAttempts: 9, retryMaximumSeconds: 60 });
  });

  test('keeps digits of a text setting a text', () => {
    expect(parse(minimal, { ADJOIN_ACCOUNT_ID: '000000000012' }).accountId).toBe('000000000012');
  });

  test('holds a list with commas', () => {
    const { directory } = parse(minimal, {
      ADJOIN_DIRECTORY_CONTROLLERS: 'dc1.example.test, dc_02.example.test:3269',
      ADJOIN_DIRECTORY_NAME_PREFIXES: 'X',
    });
    expect(directory.controllers).toEqual(['dc1.example.test', 'dc_02.example.test:3269']);
    expect(directory.namePrefixes).toEqual(['X']);
  });

  test.each([
    ['ADJOIN_CONCURRENCY', 'many', 'concurrency'],
    ['ADJOIN_CONCURRENCY', '', 'concurrency'],
    ['ADJOIN_CONCURRENCY', '1.5', 'concurrency'],
    ['ADJOIN_CONCURRENCY', 'Infinity', 'concurrency'],
    ['ADJOIN_PATIENCE_JOIN_SECONDS', '-1', 'patience.joinSeconds'],
    ['ADJOIN_LOG_LEVEL', 'loud', 'logLevel'],
    ['ADJOIN_DIRECTORY_CONTROLLERS', '', 'directory.controllers.0'],
    ['ADJOIN_DIRECTORY_CONTROLLERS', 'dc1,a b', 'directory.controllers.1'],
  ])('%s=%j is a problem that names both variable and setting', (variable, value, setting) => {
    const found = problems(minimal, { [variable]: value });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(new RegExp(`^${variable} \\(${setting}\\): `));
  });

  test('names as many groups as one parameter of a document takes, however long each is', () => {
    const groups = Array.from({ length: 15 }, () => 'g'.repeat(64));
    expect(groups.join(':').length).toBeLessThanOrEqual(1024);
    for (const whose of ['GROUPS', 'SUDO_GROUPS']) {
      const set = (names: readonly string[]) => ({ [`ADJOIN_LOG_IN_${whose}`]: names.join(',') });
      expect(() => parse(minimal, set(groups))).not.toThrow();
      expect(problems(minimal, set([...groups, 'one more']))).toHaveLength(1);
    }
  });

  test('that no setting has is a problem, beside all others', () => {
    const found = problems(minimal, { ADJOIN_CONCURENCY: '5', ADJOIN_TABLE: 'a b', ADJOIN_RECEIVE: '{}' });
    expect(found).toEqual([
      'ADJOIN_CONCURENCY: no setting has this name',
      'ADJOIN_RECEIVE: no setting has this name',
      'ADJOIN_TABLE (table): is not the name of a DynamoDB table',
    ]);
  });

  test('that is not ours, or not set, is not looked at', () => {
    expect(() => parse(minimal, { PATH: '/bin', ADJOINING: 'x', ADJOIN_TABLE: undefined })).not.toThrow();
  });

  test('can bring what the file lacks, and its problem is then no longer one', () => {
    const { documents: _documents, ...rest } = minimal;
    const environment: Record<string, string> = {};
    for (const purpose of ['PROBE', 'JOIN_LINUX', 'JOIN_WINDOWS', 'LEAVE']) {
      environment[`ADJOIN_DOCUMENTS_${purpose}_NAME`] = `adjoin-${purpose.toLowerCase().replace('_', '-')}`;
      environment[`ADJOIN_DOCUMENTS_${purpose}_VERSION`] = '1';
      environment[`ADJOIN_DOCUMENTS_${purpose}_HASH`] = '0'.repeat(64);
    }
    expect(parse(rest, environment).documents).toEqual(minimal.documents);
  });

  test('does not change the file that it overrides', () => {
    const file = structuredClone(minimal);
    parse(file, { ADJOIN_DOCUMENTS_PROBE_VERSION: '2' });
    expect(file).toEqual(minimal);
  });
});

describe('the overrides', () => {
  test('have names of their own, made from the path', () => {
    const variables = overrides().map((override) => override.variable);
    expect(new Set(variables).size).toBe(variables.length);
    expect(variables).toEqual(
      expect.arrayContaining(['ADJOIN_REGION', 'ADJOIN_DIRECTORY_CA_FILE', 'ADJOIN_DOCUMENTS_LEAVE_HASH']),
    );
    for (const variable of variables) expect(variable).toMatch(/^ADJOIN(_[A-Z]+)+$/);
  });

  test('know the kind of each setting', () => {
    const kinds = new Map(overrides().map((override) => [override.variable, override.type]));
    expect(kinds.get('ADJOIN_CONCURRENCY')).toBe('integer');
    expect(kinds.get('ADJOIN_PATIENCE_RETRY_SECONDS')).toBe('number');
    expect(kinds.get('ADJOIN_DIRECTORY_NAME_PREFIXES')).toBe('array');
    expect(kinds.get('ADJOIN_LOG_LEVEL')).toBe('string');
    expect([...kinds.keys()]).not.toContain('ADJOIN_$SCHEMA');
  });
});

test('the JSON schema describes every setting in a sentence', () => {
  const bare: string[] = [];
  const visit = (node: unknown, name: string): void => {
    if (typeof node !== 'object' || node === null) return;
    const description: unknown = Reflect.get(node, 'description');
    if (name !== '' && (typeof description !== 'string' || !/^[A-Z].*\.$/.test(description))) bare.push(name);
    const properties: unknown = Reflect.get(node, 'properties');
    if (typeof properties !== 'object' || properties === null) return;
    for (const [key, child] of Object.entries(properties)) visit(child, `${name}/${key}`);
  };
  visit(configJsonSchema(), '');
  expect(bare).toEqual([]);
});
