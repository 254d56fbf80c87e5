import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { commandDocuments } from '../../../documents/index.ts';
import type { PolicyDocument } from '../../../infra/policy-file.ts';
import { denyPolicies } from '../../../infra/service-control.ts';
import { slice } from '../../support/slice.ts';

const root = join(import.meta.dirname, '../../..');
const canary = 'canary-7f3a9c51e2';
/** Where the construct library's own validator has nothing to say, it need not take most of the time. */
const unvalidated = { CDK_VALIDATION: 'false' };
let folder = '';
let home = '';

/** Runs without a network where that is allowed, so that "offline" is tried and not believed. */
function run(command: string, args: string[], environment: NodeJS.ProcessEnv = {}) {
  const isolated = process.getuid?.() === 0 && spawnSync('unshare', ['--net', 'true']).status === 0;
  const [program, ...rest] = isolated ? ['unshare', '--net', '--', command, ...args] : [command, ...args];
  return spawnSync(program ?? command, rest, {
    cwd: root,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: home, ...environment },
  });
}

const filesBelow = (path: string): string[] =>
  readdirSync(path, { recursive: true, encoding: 'utf8' })
    .map((name) => join(path, name))
    .filter((name) => statSync(name).isFile());
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

/** The rules that the report of a synthesis names; a plugin that found nothing is not in it. */
function violations(outdir: string): string[] {
  const {
    pluginReports,
  }: {
    pluginReports: { violations: { ruleName: string }[] }[];
  } = JSON.parse(readFileSync(join(outdir, 'validation-report.json'), 'utf8'));
  return pluginReports.flatMap((report) => report.violations.map(({ ruleName }) => ruleName));
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'adjoin-synth-'));
  home = mkdtempSync(join(tmpdir(), 'adjoin-home-'));
  const cdk = join(root, 'node_modules/aws-cdk/bin/cdk');
  const app = `${process.execPath} scripts/synth.ts`;
  const made = run(
    process.execPath,
    [cdk, 'synth', '--quiet', '--no-notices', '--app', app, '--output', folder],
    {
      AWS_ACCESS_KEY_ID: canary,
      AWS_SECRET_ACCESS_KEY: canary,
      AWS_SESSION_TOKEN: canary,
      ADJOIN_SECRET_ID: canary,
    },
  );
  if (made.status !== 0) throw new Error(`${made.stdout}\n${made.stderr}`);
}, 120_000);

afterAll(() => {
  for (const path of [folder, home]) rmSync(path, { recursive: true, force: true });
});

describe('cdk synth', () => {
  test('writes templates, agent and service control policies, without an account and without a network', () => {
    expect(filesBelow(folder).map((name) => name.slice(folder.length + 1))).toEqual(
      expect.arrayContaining([
        'adjoin.template.json',
        'adjoin-attach.template.json',
        'adjoin-import.template.json',
        'agent/agent.mjs',
        'prepare-image.sh',
        'policies/deny-bypassing.json',
        'policies/deny-disarming.json',
        'policies/deny-rerouting.json',
        'policies/deny-tampering.json',
        'policies/deny-worker-access.json',
      ]),
    );
  });

  test('the templates need no bootstrap, no assets, no transform and no code of ours in the account', () => {
    for (const name of ['adjoin.template.json', 'adjoin-attach.template.json']) {
      const text = read(name);
      expect(text).not.toMatch(
        /BootstrapVersion|cdk-hnb659fds|AWS::CloudFormation::(?!Interface|WaitCondition)|Custom::|"Transform"|AWS::Lambda/,
      );
      expect(text.length).toBeLessThan(1_000_000);
    }
  });

  test('what the template pins is the hash of the agent beside it', () => {
    const hash = createHash('sha256')
      .update(readFileSync(join(folder, 'agent/agent.mjs')))
      .digest('hex');
    expect(read('adjoin.template.json')).toContain(`AGENT_SHA256='${hash}'`);
  });

  test('nothing of the environment, and no path of the machine, gets into what is deployed', () => {
    for (const file of filesBelow(folder))
      expect([file, readFileSync(file).includes(canary)]).toEqual([file, false]);
    for (const name of ['adjoin.template.json', 'adjoin-attach.template.json', 'agent/agent.mjs']) {
      expect([name, read(name).includes(`${root}/`)]).toEqual([name, false]);
    }
  });

  // All in one: a synthesis takes long.
  test('names another deployment, its VPC, its trail, its file and the roles of a landing zone in the service control policies when it is told so', () => {
    const branch = mkdtempSync(join(tmpdir(), 'adjoin-branch-'));
    const synth = (...args: string[]) =>
      run(process.execPath, ['scripts/synth.ts', '--output', branch, ...args], unvalidated);
    const told = {
      deployment: 'branch',
      vpc: 'vpc-0123456789abcdef0',
      trail: 'organization',
      'agent-file': 'bucket/adjoin/agent.mjs',
    };
    const exempt = [
      'arn:aws:iam::*:role/AWSControlTowerExecution',
      'arn:aws:iam::*:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_Admin_*',
    ];
    const made = synth(
      ...Object.entries(told).flatMap(([name, value]) => [`--${name}`, value]),
      '--exempt',
      ...exempt,
    );
    expect([made.status, made.stderr]).toEqual([0, '']);
    expect(JSON.parse(made.stdout)).toMatchObject({ leftOut: [] });
    const written = denyPolicies.map((name) =>
      readFileSync(join(branch, 'policies', `${name}.json`), 'utf8'),
    );
    for (const text of written) for (const arn of exempt) expect(text).toContain(JSON.stringify(arn));
    const texts = written.map((text) =>
      exempt.reduce((rest, arn) => rest.replaceAll(`,${JSON.stringify(arn)}`, ''), text),
    );
    for (const [index, name] of denyPolicies.entries()) {
      const named: PolicyDocument = JSON.parse((texts[index] ?? '').replaceAll('branch', 'adjoin'));
      // Without these two, what needs them is left out; all else is the same.
      const untold: PolicyDocument = JSON.parse(read(join('policies', `${name}.json`)));
      const sids = new Set(untold.Statement.map(({ Sid }) => Sid));
      expect([name, named.Statement.filter(({ Sid }) => sids.has(Sid))]).toEqual([name, untold.Statement]);
    }
    expect(texts.join('')).toContain(`:vpc/${told.vpc}"`);
    expect(texts.join('')).toContain(`"arn:*:s3:::${told['agent-file']}"`);
    rmSync(branch, { recursive: true });
    for (const [option, value, why] of [
      ['--deployment', 'Branch', 'It must match '],
      ['--vpc', 'subnet-0123456789abcdef0', 'It must be the ID of a VPC.'],
      ['--agent-file', 'bucket', 'It must be a bucket and a key'],
      ['--exempt', 'Admin', 'It must be the ARN of a role.'],
    ] as const) {
      const refused = synth(option, value);
      expect([refused.status, refused.stderr]).toEqual([
        2,
        expect.stringContaining(`argument '${value}' is invalid. ${why}`),
      ]);
    }
  }, 180_000);

  test("cdk-nag's AwsSolutions rules and CloudFormation's own find nothing that is not justified", () => {
    expect(violations(folder)).toEqual([]);
  });
});

describe('the bundled agent', () => {
  test('runs from one file, wherever it lies', () => {
    const ran = run(process.execPath, [join(folder, 'agent/agent.mjs')]);
    expect([ran.status, ran.stderr]).toEqual([64, expect.stringContaining('Usage:')]);
  });

  test('reads its configuration and starts to work', () => {
    const config = join(folder, 'config.json');
    writeFileSync(config, '{"region":"nowhere"}');
    const ran = run(process.execPath, [join(folder, 'agent/agent.mjs'), '--config', config]);
    rmSync(config);
    expect([ran.status, ran.stderr]).toEqual([
      78,
      expect.stringContaining('is not the name of an AWS Region'),
    ]);
  });
});

const lint = spawnSync('cfn-lint', ['--version'], { encoding: 'utf8' });
const whereInstalled = lint.status === 0 ? describe : describe.skip;

whereInstalled('cfn-lint, where it is installed', () => {
  const lintFiles = (...files: string[]) => {
    const { stdout, status } = spawnSync('cfn-lint', files, { encoding: 'utf8' });
    return { stdout, status };
  };

  // The larger one is looked at below, with its documents as objects, by a run of everything, too.
  test('finds nothing in the templates', () => {
    const small = ['adjoin-attach.template.json', 'adjoin-import.template.json'];
    const all = [...small, ...slice(['adjoin.template.json'], 0)].map((name) => join(folder, name));
    expect(lintFiles(...all)).toEqual({ stdout: '', status: 0 });
  }, 180_000);

  test('finds nothing in the command documents, shown as objects', () => {
    const template: {
      Resources: Record<string, { Type: string; Properties: { Content?: unknown }; Metadata?: unknown }>;
    } = JSON.parse(read('adjoin.template.json'));
    const documents = Object.values(template.Resources).filter(
      ({ Type, Properties }) => Type === 'AWS::SSM::Document' && typeof Properties.Content === 'string',
    );
    expect(documents).toHaveLength(commandDocuments().length);
    for (const document of documents) {
      document.Properties.Content = JSON.parse(String(document.Properties.Content));
      delete document.Metadata;
    }
    const file = join(folder, 'linted.template.json');
    writeFileSync(file, JSON.stringify(template));
    expect(lintFiles(file)).toEqual({ stdout: '', status: 0 });
    rmSync(file);
  }, 180_000);
});
