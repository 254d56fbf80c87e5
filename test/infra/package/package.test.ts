/** The package as strangers have it: packed, installed into a project of their own, and used from there. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { pem } from '../constructs/given.ts';
import { flat, ofType, propertiesOf, type Template, userDataOf } from '../templates.ts';
import { emptyProject, type Project } from './project.ts';

const root = join(import.meta.dirname, '../../..');
const page = readFileSync(join(root, 'docs/package.md'), 'utf8');
const example = page.match(/```ts\n([^]*?)```/)?.[1] ?? '';

/** Groups of every make, in an app whose own copy of the construct library is another than the package's. */
const groups = `
import type * as autoscaling from 'aws-cdk-lib/aws-autoscaling';
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import type * as iam from 'aws-cdk-lib/aws-iam';
import type * as cdk from 'aws-cdk-lib';
import { createRequire } from 'node:module';
import { DomainMembership } from 'adjoin';
const require = createRequire(import.meta.url);
const { App, Stack, Duration }: typeof cdk = require('../other/aws-cdk-lib');
const { AutoScalingGroup, CfnAutoScalingGroup }: typeof autoscaling = require('../other/aws-cdk-lib/aws-autoscaling');
const { InstanceType, LaunchTemplate, MachineImage, PrefixList, Vpc }: typeof ec2 = require('../other/aws-cdk-lib/aws-ec2');
const { Role, ServicePrincipal }: typeof iam = require('../other/aws-cdk-lib/aws-iam');

const stack = new Stack(new App(), 'groups');
const vpc = Vpc.fromVpcAttributes(stack, 'Vpc', {
  vpcId: 'vpc-0123456789abcdef0',
  availabilityZones: ['a', 'b'],
  privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
});
const role = (name: string) => Role.fromRoleName(stack, name, name);
const membership = new DomainMembership(stack, 'Membership', {
  vpc,
  administrators: [role('administrator')],
  breakGlassRole: role('break-glass'),
  directoryCidrs: ['10.77.0.0/24'],
  directoryCa: ${JSON.stringify(pem)},
  prefixLists: ['pl-0123456789abcdef0'].map((id) => PrefixList.fromPrefixListId(stack, id, id)),
  operatorNetworks: ['192.0.2.0/24'],
  joinPatience: Duration.minutes(20),
});
const instanceType = new InstanceType('t3.small');
const machineImage = MachineImage.genericLinux({ 'eu-central-1': 'ami-0123456789abcdef0' });
const launchTemplate = (id: string, given: ec2.LaunchTemplateProps = {}) =>
  new LaunchTemplate(stack, id, { instanceType, machineImage, ...given });
const imported = LaunchTemplate.fromLaunchTemplateAttributes(stack, 'Theirs', { launchTemplateId: 'lt-0123456789abcdef0' });
const theirs = role('theirs');
const own = new Role(stack, 'Own', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });

membership.attach(new AutoScalingGroup(stack, 'Plain', { vpc, instanceType, machineImage }));
membership.attach(
  new AutoScalingGroup(stack, 'Templated', { vpc, launchTemplate: launchTemplate('Mine', { role: own }) }),
);
membership.attach(new CfnAutoScalingGroup(stack, 'Resource', { minSize: '0', maxSize: '1' }), { nodePolicy: false });
membership.attach(AutoScalingGroup.fromAutoScalingGroupName(stack, 'Imported', 'imported'));
membership.attach(new AutoScalingGroup(stack, 'OfTheirs', { vpc, launchTemplate: imported }), { nodePolicy: false });
const errors = [
  new AutoScalingGroup(stack, 'Unknown', { vpc, launchTemplate: imported }),
  new AutoScalingGroup(stack, 'WithoutRole', { vpc, launchTemplate: launchTemplate('Roleless') }),
  new AutoScalingGroup(stack, 'RoleOfTheirs', { vpc, instanceType, machineImage, role: theirs }),
].map((group) => {
  try {
    membership.attach(group);
    return 'attached';
  } catch (error) {
    return String(error);
  }
});
membership.grantNode(theirs);
process.stdout.write(JSON.stringify(errors));
`;

let project: Project;
beforeAll(() => {
  project = emptyProject();
  project.write('ca.pem', pem);
  for (const name of ['example.mts', 'example.cts', 'example.ts']) project.write(name, example);
  project.write('groups.mts', groups);
  // Nothing is skipped: the declarations of the package are checked, too.
  project.compile({ module: 'node16', skipLibCheck: false }, ['example.mts', 'example.cts', 'groups.mts']);
  // Milliseconds, for a bundle, a synthesis, a pack, an install and a compilation.
}, 300_000);
afterAll(() => project.remove());

function synthesized(file: string, stack: string): { readonly template: Template; readonly printed: string } {
  const out = `out-${file}`;
  const { status, stdout, stderr } = project.node([`compiled/${file}`], {
    CDK_OUTDIR: out,
    CDK_VALIDATION: 'false',
  });
  if (status !== 0) throw new Error(stderr);
  return { template: JSON.parse(project.read(`${out}/${stack}.template.json`)), printed: stdout };
}

describe('the packed files', () => {
  test('are what people use, and nothing of sandbox, tests and sources', () => {
    const paths = project.packed.files.map(({ path }) => path);
    const allowed = [
      /^(LICENSE|README\.md|package\.json)$/,
      /^(agent\/agent|bin\/adjoin)\.mjs$/,
      /^lib\/(index\.js|infra\/[\w-]+\.d\.ts)$/,
      /^infra\/worker\/(setup\.sh|adjoin\.service)$/,
      /^config\/[\w-]+\.json$/,
      /^documents\/[\w-]+\/[\w-]+\.(sh|ps1)$/,
      /^policies\/[\w-]+\.json$/,
      /^templates\/(prepare-image\.sh|(policies\/)?[\w.-]+\.json)$/,
    ];
    expect(paths.filter((path) => !allowed.some((each) => each.test(path)))).toEqual([]);
    for (const kind of allowed) expect(paths.some((path) => kind.test(path))).toBe(true);
  });

  test('are as large as their page says', () => {
    const [, packed, installed] =
      page.match(/less than ([\d.]+) MB, installed less than\s+([\d.]+) MB/) ?? [];
    for (const [said, bytes] of [
      [Number(packed) * 1e6, project.packed.size],
      [Number(installed) * 1e6, project.packed.unpackedSize],
    ] as const) {
      expect(bytes).toBeLessThan(said);
      expect(bytes).toBeGreaterThan(said * 0.7);
    }
    for (const file of ['README.md', 'docs/deploy.md'])
      expect([file, /less than\s+([\d.]+) MB/.exec(readFileSync(join(root, file), 'utf8'))?.[1]]).toEqual([
        file,
        packed,
      ]);
  });

  test('have a manifest that asks a stranger for nothing but Node, and an app for its own construct library', () => {
    const manifest = JSON.parse(project.read('node_modules/adjoin/package.json'));
    expect(manifest).toMatchObject({
      engines: { node: '>=22' },
      bin: { adjoin: 'bin/adjoin.mjs' },
      peerDependencies: { 'aws-cdk-lib': '^2.276.0', constructs: '^10.5.0' },
    });
    for (const key of [
      'dependencies',
      'devDependencies',
      'optionalDependencies',
      'scripts',
      'workspaces',
      'private',
      'overrides',
    ])
      expect(Object.keys(manifest)).not.toContain(key);
  });

  test('have an agent that is the one of the template', () => {
    const hash = createHash('sha256')
      .update(project.read('node_modules/adjoin/agent/agent.mjs'))
      .digest('hex');
    expect(project.read('node_modules/adjoin/templates/adjoin.template.json')).toContain(
      `AGENT_SHA256='${hash}'`,
    );
  });
});

describe("the page's example", () => {
  test.each(['example.mjs', 'example.cjs'])('type-checks and synthesizes as %s', (file) => {
    const { template } = synthesized(file, 'adjoin');
    const fleet = propertiesOf(template, 'AWS::AutoScaling::AutoScalingGroup').find(
      ({ LifecycleHookSpecificationList }) => LifecycleHookSpecificationList !== undefined,
    );
    expect(fleet?.['LifecycleHookSpecificationList']).toHaveLength(2);
    // The agent is an asset, whose hash the workers compare.
    const hash = createHash('sha256')
      .update(project.read('node_modules/adjoin/agent/agent.mjs'))
      .digest('hex');
    expect(userDataOf(template)).toContain(`AGENT_SHA256='${hash}'`);
  });

  test('type-checks as CommonJS with a bundler’s resolution, too', () => {
    const compile = () =>
      project.compile({ module: 'commonjs', moduleResolution: 'bundler', noEmit: true, skipLibCheck: true }, [
        'example.ts',
      ]);
    expect(compile).not.toThrow();
  });
});

test('groups of every make, of another copy of the construct library: hooks, tag and policy, or an error', () => {
  const { template, printed } = synthesized('groups.mjs', 'groups');
  const groupsWithHooks = ofType(template, 'AWS::AutoScaling::AutoScalingGroup').filter(
    ({ Properties }) => Properties['LifecycleHookSpecificationList'] !== undefined,
  );
  expect(groupsWithHooks).toHaveLength(4);
  for (const { Properties } of groupsWithHooks) {
    expect(Properties['Tags']).toContainEqual({ Key: 'JoinAD', Value: 'true', PropagateAtLaunch: true });
  }
  expect(propertiesOf(template, 'AWS::AutoScaling::LifecycleHook')).toEqual([
    expect.objectContaining({ AutoScalingGroupName: 'imported' }),
    expect.objectContaining({ AutoScalingGroupName: 'imported' }),
  ]);
  const withPolicy = Object.entries(template.Resources).filter(
    ([, { Type, Properties }]) =>
      Type === 'AWS::IAM::Role' &&
      JSON.stringify(Properties['ManagedPolicyArns'] ?? '').includes('NodePolicy'),
  );
  expect(withPolicy.map(([id]) => id.replace(/[0-9A-F]{8}$/, ''))).toEqual(['Own', 'PlainInstanceRole']);
  const node = propertiesOf(template, 'AWS::IAM::ManagedPolicy').find(
    ({ ManagedPolicyName }) => flat(ManagedPolicyName) === 'adjoin-<AWS::Region>-node',
  );
  expect(node?.['Roles']).toEqual(['theirs']);
  const errors: string[] = JSON.parse(printed);
  expect(errors).toEqual(
    ['Unknown', 'WithoutRole', 'RoleOfTheirs'].map((name) =>
      expect.stringContaining(`attach: the role of the instances of groups/${name} is not made in this app`),
    ),
  );
});

test('npx adjoin shows its commands, and says what is wrong', () => {
  const help = project.npm(['exec', '--offline', '--', 'adjoin', '--help']);
  expect([help.status, help.stdout]).toEqual([0, expect.stringContaining('dead-letters')]);
  const wrong = project.npm(['exec', '--offline', '--', 'adjoin', 'sweep', '--config', 'nowhere.json']);
  expect([wrong.status, wrong.stderr]).toEqual([78, expect.stringContaining('nowhere.json')]);
  // It gets as far as the Region only with a template and an agent that belong together.
  const deploy = project.npm(['exec', '--offline', '--', 'adjoin', 'deploy', '--dry-run']);
  expect([deploy.status, deploy.stderr]).toEqual([78, expect.stringContaining('region is missing')]);
});
