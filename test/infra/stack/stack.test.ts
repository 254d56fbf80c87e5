import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parseConfig } from '../../../agent/config.ts';
import { roleNameOf } from '../../../agent/operator/roles.ts';
import { commandDocuments } from '../../../documents/index.ts';
import type { PolicyDocument } from '../../../infra/policy-file.ts';
import { deploymentPattern } from '../../../infra/site.ts';
import {
  deployedTemplates,
  filled,
  flat,
  launchDataOf,
  mfaDemands,
  ofType,
  only,
  propertiesOf,
  userDataOf,
  type Json,
} from '../templates.ts';

const { membership: template, agentFile } = await deployedTemplates();
const { Outputs: outputs, Parameters: parameters, Resources: resources } = template;
const launchData = () => launchDataOf(template);
const userData = () => userDataOf(template);
/** What the user data's first lines assign to a variable. */
const said = (name: string): string => {
  const script = userData();
  const assignments = script.slice(0, script.indexOf('set -euo pipefail'));
  return spawnSync('bash', [], { input: `${assignments}\nprintf %s "$${name}"`, encoding: 'utf8' }).stdout;
};

/** The agent's configuration in the template's output, as the agent reads it. */
const configOf = (holds: Record<string, boolean> = {}) =>
  parseConfig(
    filled(
      flat(outputs['AgentConfig']?.Value, {
        SweepEnabledIs: true,
        StandaloneInstancesIs: false,
        DirectorySiteGiven: false,
        DirectoryControllersGiven: false,
        OwnDocumentsGiven: false,
        ...holds,
      }),
    ),
    {},
  );

describe('queues', () => {
  test('both are sealed with a key of our own, and messages move to the second after as many receives as asked', () => {
    const key = { 'Fn::GetAtt': [expect.stringMatching(/^MembershipKey/), 'KeyId'] };
    const queues = propertiesOf(template, 'AWS::SQS::Queue');
    expect(queues).toHaveLength(2);
    expect(queues).toContainEqual(
      expect.objectContaining({
        QueueName: { 'Fn::Join': ['', [{ Ref: 'Deployment' }, '-lifecycle']] },
        KmsMasterKeyId: key,
        RedrivePolicy: {
          maxReceiveCount: { Ref: 'MaxReceiveCount' },
          deadLetterTargetArn: { 'Fn::GetAtt': [expect.stringMatching('DeadLetters'), 'Arn'] },
        },
      }),
    );
    expect(queues).toContainEqual(
      expect.objectContaining({ KmsMasterKeyId: key, MessageRetentionPeriod: 1209600 }),
    );
    expect(ofType(template, 'AWS::SQS::QueuePolicy')).toHaveLength(2);
  });
});

describe('what must not be lost', () => {
  test('the table has point-in-time recovery and encryption, and a policy that keeps all but administrators from deleting it', () => {
    const table = only(template, 'AWS::DynamoDB::Table');
    // A rollback of the first deployment could not delete a table that DynamoDB itself protects.
    expect(table.Properties['DeletionProtectionEnabled']).toBeUndefined();
    expect(table).toMatchObject({
      DeletionPolicy: 'RetainExceptOnCreate',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        ResourcePolicy: {
          PolicyDocument: {
            Statement: [
              {
                Effect: 'Deny',
                Principal: '*',
                Action: expect.arrayContaining(['dynamodb:DeleteTable']),
                Condition: { ArnNotLike: { 'aws:PrincipalArn': { Ref: 'AdministratorArns' } } },
              },
            ],
          },
        },
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        SSESpecification: { SSEEnabled: true },
      },
    });
  });

  test.each(['AWS::KMS::Key', 'AWS::SecretsManager::Secret', 'AWS::S3::Bucket', 'AWS::Logs::LogGroup'])(
    '%s stays when the stack goes, but not when its first deployment fails: the next try needs its name',
    (type) => {
      const policies = ofType(template, type).map(({ DeletionPolicy, UpdateReplacePolicy }) => [
        DeletionPolicy,
        UpdateReplacePolicy,
      ]);
      expect(policies).toEqual(policies.map(() => ['RetainExceptOnCreate', 'Retain']));
      expect(policies.length).toBeGreaterThan(0);
    },
  );

  test('every key rotates', () => {
    const keys = propertiesOf(template, 'AWS::KMS::Key');
    expect(keys.length).toBeGreaterThan(0);
    expect(keys).toEqual(keys.map(() => expect.objectContaining({ EnableKeyRotation: true })));
  });
});

describe('the secret', () => {
  test('is made without a value, sealed with a key of its own', () => {
    const { Properties } = only(template, 'AWS::SecretsManager::Secret');
    expect(Object.keys(Properties).toSorted()).toEqual(['Description', 'KmsKeyId', 'Name', 'Tags']);
    expect(JSON.stringify(Properties['KmsKeyId'])).toContain('MembershipCredentialKey');
  });

  test('has its resource policy, and can never be public', () => {
    expect(only(template, 'AWS::SecretsManager::ResourcePolicy').Properties['BlockPublicPolicy']).toBe(true);
  });

  test('is read through the endpoint that was made or named, and no other', () => {
    const text = JSON.stringify(only(template, 'AWS::SecretsManager::ResourcePolicy').Properties);
    expect(text).toContain(
      '"aws:SourceVpce":{"Fn::If":["SecretsManagerEndpointIdGiven",{"Ref":"SecretsManagerEndpointId"},{"Ref":"MembershipSecretEndpoint',
    );
  });
});

describe('command documents', () => {
  const documents = ofType(template, 'AWS::SSM::Document').filter(
    ({ Properties }) => Properties['DocumentType'] === 'Command',
  );
  const config = configOf();
  /** Those that the worker runs. */
  const run = documents.filter(({ Properties }) => !flat(Properties['Name']).includes('prepare-image'));

  test('the agent pins the very bytes that are deployed', () => {
    expect(run).toHaveLength(4);
    const deployed = run.map(({ Properties }) => {
      const content = flat(Properties['Content']);
      return createHash('sha256').update(content).digest('hex');
    });
    const pinned = Object.values(config.documents).map(({ hash }) => hash);
    expect(pinned.toSorted()).toEqual(deployed.toSorted());
    expect(new Set(Object.values(config.documents).map(({ version }) => version))).toEqual(new Set(['1']));
  });

  test('what is deployed is what documents/ holds', () => {
    const deployed = documents.map(({ Properties }): unknown => JSON.parse(flat(Properties['Content'])));
    expect(deployed).toEqual(commandDocuments().map(({ content }): unknown => JSON.parse(content)));
  });

  test('other content is another document, so that a pinned version never changes under a running worker', () => {
    for (const { Properties } of documents) {
      const hash = createHash('sha256').update(flat(Properties['Content'])).digest('hex');
      expect(flat(Properties['Name'])).toMatch(
        new RegExp(`^<Deployment>-(probe|join-linux|join-windows|leave|prepare-image)-${hash.slice(0, 12)}$`),
      );
    }
  });

  test("have the names that the worker's policy admits, and so have those of earlier and later agents", () => {
    const { Statement } = policyNamed('worker');
    const resources = Statement.find(({ Sid }) => Sid === 'RunCommandDocuments')?.['Resource'];
    const names = run.map(({ Properties }) =>
      flat(Properties['Name']).replace(/[0-9a-f]{12}$/, '????????????'),
    );
    // 0.1.0 has one document for the joins of both platforms: its workers go on with it until they are replaced.
    names.push('<Deployment>-join-????????????', '<Deployment>-own-*');
    // No other but those of customers: workers prepare no images.
    const admitted = listOf(resources).map((resource) => flat(resource).split('document/')[1] ?? '');
    expect(admitted.toSorted()).toEqual(names.toSorted());
  });
});

function policyNamed(file: string): PolicyDocument {
  const found = ofType(template, 'AWS::IAM::ManagedPolicy').find(
    ({ Properties }) => flat(Properties['ManagedPolicyName']) === `<Deployment>-<AWS::Region>-${file}`,
  );
  return JSON.parse(JSON.stringify(found?.Properties['PolicyDocument']));
}

const listOf = (value: unknown): Json[] => JSON.parse(JSON.stringify(Array.isArray(value) ? value : [value]));

test.each(['hook-publisher', 'membership-operator', 'worker'] as const)(
  'the role %s has the name that an operator’s desk knows',
  (role) => {
    const names = propertiesOf(template, 'AWS::IAM::Role').map(({ RoleName }) => flat(RoleName));
    const deployment = '<Deployment>';
    expect(names).toContain(roleNameOf({ deployment, region: '<AWS::Region>' }, role));
  },
);

test('state changes of instances go to the queue if a parameter asks for them, by a rule that its policy lets in', () => {
  const rules = ofType(template, 'AWS::Events::Rule');
  const found = rules.filter(({ Properties }) => flat(Properties['Name']).includes('-lifecycle-'));
  expect(found).toHaveLength(1);
  expect(found[0]).toMatchObject({
    Condition: 'StandaloneInstancesIs',
    // Its first event would be refused until the queue's policy is there.
    DependsOn: [expect.stringContaining('LifecyclePolicy')],
    Properties: {
      State: 'ENABLED',
      EventPattern: {
        source: ['aws.ec2'],
        'detail-type': ['EC2 Instance State-change Notification'],
        detail: { state: ['running', 'shutting-down', 'terminated'] },
      },
      Targets: [{ Id: 'queue', Arn: { 'Fn::GetAtt': [expect.stringMatching('LifecycleQueue'), 'Arn'] } }],
    },
  });
  expect(flat(found[0]?.Properties['Name'])).toBe('<Deployment>-lifecycle-standalone');
  expect(alarmNamed('lost-state-changes')).toMatchObject({ Condition: 'StandaloneInstancesIs' });
});

describe("the agent's configuration", () => {
  test('in the output is the one that workers get', () => {
    expect(userData()).toContain(`\n${flat(outputs['AgentConfig']?.Value)}\n`);
  });

  test('leaves the sweep to a parameter', () => {
    expect(configOf().sweep.enabled).toBe(true);
    expect(configOf({ SweepEnabledIs: false }).sweep.enabled).toBe(false);
  });

  test('leaves instances outside groups alone unless a parameter asks for them', () => {
    expect(parameters['StandaloneInstances']?.Default).toBe('false');
    expect(configOf().standaloneInstances).toBe(false);
    expect(configOf({ StandaloneInstancesIs: true }).standaloneInstances).toBe(true);
  });

  test('names the site of the directory only if one was given', () => {
    const { site, ...others } = configOf({ DirectorySiteGiven: true }).directory;
    expect(site).toBe('Branch');
    expect(configOf().directory).toEqual(others);
  });

  test('names the documents that groups may run on their nodes, if any are given', () => {
    expect(configOf().ownDocuments).toEqual([]);
    expect(configOf({ OwnDocumentsGiven: true }).ownDocuments).toEqual(
      ['harden', 'join'].map((name) => `adjoin-own-${name}:1:${'0'.repeat(64)}`),
    );
  });

  test('pins the domain controllers only if they were given', () => {
    const { controllers, ...others } = configOf({ DirectoryControllersGiven: true }).directory;
    expect(controllers).toEqual(['dc1.corp.example.test', 'dc2.corp.example.test:3269']);
    expect(configOf().directory).toEqual(others);
  });

  test("systemd waits longer than the agent's own drain", () => {
    expect(said('UNIT')).toContain(`\nTimeoutStopSec=${configOf().drainSeconds + 30}\n`);
  });

  test("the alarm's own patience is the agent's", () => {
    const { joinSeconds, unjoinSeconds } = configOf().patience;
    const alarm = alarmNamed('oldest-message');
    expect(alarm?.Properties['Threshold']).toBe(Math.max(joinSeconds, unjoinSeconds) + 600);
  });
});

function alarmNamed(name: string) {
  return ofType(template, 'AWS::CloudWatch::Alarm').find(
    ({ Properties }) => flat(Properties['AlarmName']) === `<Deployment>-${name}`,
  );
}

test('a name of a deployment is refused by the parameter as it is by the construct', () => {
  expect(parameters['Deployment']?.AllowedPattern).toBe(deploymentPattern);
});

describe('workers', () => {
  test('are two in two subnets unless told otherwise', () => {
    expect(parameters['WorkerCount']?.Default).toBe(2);
    expect(propertiesOf(template, 'AWS::AutoScaling::AutoScalingGroup')).toContainEqual(
      expect.objectContaining({
        MinSize: { Ref: 'WorkerCount' },
        VPCZoneIdentifier: [{ Ref: 'SubnetA' }, { Ref: 'SubnetB' }],
      }),
    );
  });

  test('speak to the metadata service in version 2 only, from the instance itself only', () => {
    expect(launchData()['MetadataOptions']).toEqual({
      HttpEndpoint: 'enabled',
      HttpTokens: 'required',
      HttpPutResponseHopLimit: 1,
    });
  });

  test('have no key pair and no public address, and sealed volumes', () => {
    expect(launchData()['KeyName']).toBeUndefined();
    expect(launchData()['NetworkInterfaces']).toMatchObject([{ AssociatePublicIpAddress: false }]);
    expect(launchData()['BlockDeviceMappings']).toMatchObject([{ Ebs: { Encrypted: true } }]);
  });

  test('run Amazon Linux 2023 for arm64, the newest at each launch, unless told otherwise', () => {
    expect(launchData()['ImageId']).toEqual({ Ref: 'ImageId' });
    expect(parameters['ImageId']?.Default).toMatch(/^resolve:ssm:.*al2023.*arm64$/);
    expect(launchData()['InstanceType']).toEqual({ Ref: 'InstanceType' });
    expect(parameters['InstanceType']?.Default).toMatch(/^t4g\./);
  });

  test('check the hash of the agent before they run it', () => {
    const script = userData();
    const sha256 = createHash('sha256').update(readFileSync(agentFile)).digest('hex');
    expect(script).toContain(`AGENT_SHA256='${sha256}'`);
    const compares = script.indexOf('\nreviewed ||');
    expect(compares).toBeGreaterThan(script.indexOf('\npatiently fetch'));
    expect(script.indexOf('systemctl enable')).toBeGreaterThan(compares);
  });

  test('user data is a script whose first lines say the very configuration and unit', () => {
    const script = userData();
    expect(spawnSync('bash', ['-n'], { input: script, encoding: 'utf8' })).toMatchObject({
      status: 0,
      stderr: '',
    });
    expect(said('AGENT_CONFIG')).toBe(flat(outputs['AgentConfig']?.Value));
    expect(said('UNIT')).toMatch(/^\[Unit\]\n[^]+\nWantedBy=multi-user\.target$/);
  });

  test("user data stays below EC2's 16 KB with the longest CA that the parameter takes", () => {
    expect(userData().length + 4000).toBeLessThan(16_384);
  });

  test('are powered off, and so replaced, when their set-up fails: whatever fails, and before anything is installed', () => {
    const script = userData();
    const steps = script.slice(script.indexOf('set -euo pipefail')).split('\n');
    const commands = [
      'systemctl() { echo "systemctl $*"; [ "$1" != is-active ]; }',
      'rm() { :; }',
      'swapoff() { echo swapoff; return 1; }',
      'dnf() { echo dnf; }',
      'sleep() { :; }',
      'curl() { case "$*" in *PUT*) echo "signal $(cat)";; esac; }',
    ];
    const assigned = script.slice(0, script.indexOf('set -euo pipefail'));
    const run = (extra: string) =>
      spawnSync('bash', [], {
        input: [assigned, 'HOSTNAME=worker-1', ...commands, extra, ...steps].join('\n'),
        encoding: 'utf8',
      });
    const failed = run('');
    expect(failed.stdout.split('\n').filter((line) => line !== '')).toEqual([
      'systemctl disable --now amazon-ssm-agent',
      'systemctl mask amazon-ssm-agent',
      'systemctl is-active --quiet amazon-ssm-agent',
      'swapoff',
      'systemctl poweroff',
    ]);
    expect(failed.stderr).toContain('set-up failed: installing packages: power off');
    expect(failed.stderr).toContain(
      'signal {"Status":"FAILURE","Reason":"worker worker-1: installing packages failed","UniqueId":"worker-1","Data":"-"}',
    );
    expect(run('unset AGENT_KEY').status).not.toBe(0);
    // What is not set is found by the shell itself.
    expect(run('dnf() { echo "$NOT_THERE"; }\nswapoff() { :; }').stdout).toContain('systemctl poweroff');
    const blind = run(
      'curl() { case "$*" in *PUT*) echo "signal $(cat)";; *sqs.*|*vpce-*) return 6;; esac; }\nSECRETS_MANAGER_URL=https://vpce-0a.example',
    );
    expect(blind.stdout).not.toContain('dnf');
    expect(blind.stderr).toContain(
      '"worker worker-1: reaching the VPC endpoints (name resolution, port 443, TLS) of sqs secretsmanager failed"',
    );
  });

  test('tell the stack that they work, and it waits for the first; each turn has a pair of its own, of which one is made', () => {
    const waits = ofType(template, 'AWS::CloudFormation::WaitCondition');
    const handles = Object.entries(resources).filter(
      ([, { Type }]) => Type === 'AWS::CloudFormation::WaitConditionHandle',
    );
    expect(waits).toHaveLength(2);
    expect(handles).toHaveLength(2);
    const script = (SecondTurn: boolean): string => flat(launchDataOf(template)['UserData'], { SecondTurn });
    for (const [index, [name, turn]] of (
      [
        ['First', /^MembershipWorkerFirstTurn/],
        ['Second', /^SecondTurn$/],
      ] as const
    ).entries()) {
      const [id = '', { Condition = '' } = {}] = handles[index] ?? [];
      expect(id).toMatch(new RegExp(`^MembershipWorkerStarted${name}[0-9a-f]{8}`));
      expect(script(name === 'Second')).toContain(`SIGNAL_URL='<${id}>'`);
      const wait = waits.find(({ Properties }) => flat(Properties['Handle']) === `<${id}>`);
      expect(wait?.Properties['Count']).toBe(1);
      expect(wait?.DependsOn).toEqual([expect.stringMatching(/^MembershipWorkerGroup/)]);
      expect(Condition).toMatch(turn);
      expect(template.Conditions[wait?.Condition ?? '']).toEqual({
        'Fn::And': [{ Condition }, { Condition: 'WorkersWanted' }],
      });
    }
  });

  test('are replaced within a week, so that none runs an old image', () => {
    expect(propertiesOf(template, 'AWS::AutoScaling::AutoScalingGroup')).toContainEqual(
      expect.objectContaining({ MaxInstanceLifetime: 604_800 }),
    );
  });

  test('have the directory of the log before the service starts: systemd opens the file ahead of LogsDirectory', () => {
    const script = userData();
    const files = [...said('UNIT').matchAll(/=append:(.+)$/gm)].map(([, file = '']) => file);
    expect(files).not.toEqual([]);
    for (const file of files) {
      const made = script.indexOf(
        `\ninstall --directory --mode=0750 --owner=adjoin --group=adjoin ${dirname(file)}\n`,
      );
      expect(made).toBeGreaterThan(script.indexOf('\nuseradd '));
      expect(script.indexOf('systemctl enable')).toBeGreaterThan(made);
    }
  });

  test.each([
    ['does', 'true', '0', false],
    ['is not running', 'false', '0', true],
    ['was started again', 'true', '1', true],
  ])('are powered off unless the agent stays up for some seconds: it %s', (_, active, restarts, off) => {
    const script = userData();
    const trap = /^trap .*$/m.exec(script)?.[0] ?? '';
    const steps = [
      'set -euo pipefail',
      /^ended\(\) \{[^]*?^\}/m.exec(script)?.[0] ?? '',
      trap,
      'sleep() { echo "sleep $*"; }',
      'tail() { echo "tail $*"; }',
      'signal() { echo "signal $1: $2"; }',
      "step=''",
      `systemctl() { case "$1" in is-active) ${active};; show) echo ${restarts};; *) echo "systemctl $*";; esac; }`,
      script.slice(script.indexOf('systemctl daemon-reload')),
    ];
    const { stdout, stderr } = spawnSync('bash', [], { input: steps.join('\n'), encoding: 'utf8' });
    expect(stdout).toMatch(/systemctl enable --now [^\n]*adjoin\nsleep \d\d\n/);
    expect(stdout.includes('signal SUCCESS')).toBe(!off);
    expect(stderr.includes('signal FAILURE: worker')).toBe(off);
    expect(stdout.includes('systemctl poweroff')).toBe(off);
    // What it said goes to the console, too: the log may not have been delivered.
    expect(stderr.includes('tail --lines=20 /var/log/adjoin/agent.log')).toBe(off);
  });

  test('deliver what the agent and the set-up say, the last moments included', () => {
    expect(userData()).toContain('"/var/log/adjoin/agent.log"');
    expect(userData()).toContain('"/var/log/cloud-init-output.log"');
    expect(said('UNIT')).toContain('\nStandardError=append:/var/log/adjoin/agent.log\n');
    expect(said('UNIT')).toMatch(/\nAfter=.*\bamazon-cloudwatch-agent\.service\b/);
  });

  test('have no SSM agent unless a shell was asked for', () => {
    expect(userData()).toContain("SHELL_ALLOWED='<WorkerShellIs>'");
    const shell = ofType(template, 'AWS::IAM::ManagedPolicy').filter(
      ({ Condition }) => Condition !== undefined,
    );
    expect(shell.map(({ Condition }) => Condition)).toEqual(['WorkerShellIs']);
  });

  const policies = () => propertiesOf(template, 'AWS::AutoScaling::ScalingPolicy');
  const filterOf = (metric: string) =>
    propertiesOf(template, 'AWS::Logs::MetricFilter').find(({ MetricTransformations }) =>
      JSON.stringify(MetricTransformations).includes(`"MetricName":"${metric}"`),
    );

  test('come and go with the backlog of each', () => {
    expect(policies()).toContainEqual(
      expect.objectContaining({
        PolicyType: 'TargetTrackingScaling',
        TargetTrackingConfiguration: expect.objectContaining({
          CustomizedMetricSpecification: expect.objectContaining({
            Metrics: expect.arrayContaining([
              expect.objectContaining({ Expression: 'waiting / IF(workers > 0, workers, 1)' }),
            ]),
          }),
        }),
      }),
    );
  });

  test('come and go with what each works on, which each of them tells by itself', () => {
    const { MetricTransformations } = filterOf('BusyPercent') ?? {};
    // A default would count as one more worker that has nothing to do.
    expect(MetricTransformations).toEqual([expect.not.objectContaining({ DefaultValue: expect.anything() })]);
    const { MetricNamespace, MetricName } = Object(MetricTransformations)[0];
    expect(policies()).toContainEqual(
      expect.objectContaining({
        PolicyType: 'TargetTrackingScaling',
        TargetTrackingConfiguration: {
          TargetValue: 60,
          CustomizedMetricSpecification: { Namespace: MetricNamespace, MetricName, Statistic: 'Average' },
        },
      }),
    );
  });

  test('come when an action has waited for a worker for long, and no alarm of them ends one', () => {
    const { MetricTransformations } = filterOf('LongestWait') ?? {};
    const { MetricNamespace, MetricName } = Object(MetricTransformations)[0];
    const [id = '', policy] =
      Object.entries(resources).find(([, { Properties }]) => Properties?.['PolicyType'] === 'StepScaling') ??
      [];
    expect(policy?.Properties['StepAdjustments']).toEqual([
      { MetricIntervalLowerBound: 0, MetricIntervalUpperBound: 240, ScalingAdjustment: 1 },
      { MetricIntervalLowerBound: 240, ScalingAdjustment: 2 },
    ]);
    expect(alarmNamed('long-wait')?.Properties).toMatchObject({
      AlarmActions: [{ Ref: id }],
      Threshold: 60,
      TreatMissingData: 'notBreaching',
      Metrics: [
        {
          MetricStat: {
            Metric: { Namespace: MetricNamespace, MetricName },
            Stat: 'Maximum',
          },
        },
      ],
    });
  });

  test("are not scaled by the queue's oldest message: it may be one that waits for its node", () => {
    const scaling = JSON.stringify([policies(), alarmNamed('long-wait')]);
    expect(scaling).not.toContain('ApproximateAgeOfOldestMessage');
  });

  test('that start count as capacity, until they can have taken their part', () => {
    expect(propertiesOf(template, 'AWS::AutoScaling::AutoScalingGroup')).toContainEqual(
      expect.objectContaining({ DefaultInstanceWarmup: 300 }),
    );
  });

  test('carry the tag that keeps people off, on instance, volume and network interface', () => {
    const tag = { Key: 'adjoin:worker', Value: { Ref: 'Deployment' } };
    const specifications = launchData()['TagSpecifications'];
    expect(specifications).toEqual(
      ['instance', 'volume', 'network-interface'].map((ResourceType) =>
        expect.objectContaining({ ResourceType, Tags: expect.arrayContaining([tag]) }),
      ),
    );
  });

  test.each([
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    'User=adjoin',
    'CapabilityBoundingSet=',
    'LimitCORE=0',
    'MemorySwapMax=0',
  ])('the service is hardened: %s', (setting) => {
    const unit = readFileSync(join(import.meta.dirname, '../../../infra/worker/adjoin.service'), 'utf8');
    expect(unit.split('\n')).toContain(setting);
    expect(userData()).toContain(unit.replaceAll(/^#.*\n/gm, ''));
  });

  test('a replaced worker needs no policy change: no policy and no rule names an instance', () => {
    const policies = Object.values(resources).filter(({ Type }) => /Policy|Key|Endpoint|Rule/.test(Type));
    expect(JSON.stringify(policies)).not.toMatch(/\bi-[0-9a-f]{8}|:instance\/i-|aws:userid":"[^$]/);
  });
});

describe('VPC endpoints', () => {
  const endpoints = ofType(template, 'AWS::EC2::VPCEndpoint');

  const secret = endpoints.find(({ Condition }) => Condition === 'MembershipSecretEndpointMade4C9D60A0');
  const shared = endpoints.filter((each) => each !== secret);

  test('are made each if asked for, with a policy of its own', () => {
    expect(shared.map(({ Condition = '' }) => Condition).toSorted()).toEqual([
      'EndpointAutoScalingMade',
      'EndpointDynamoDbMade',
      'EndpointEc2Made',
      'EndpointKmsMade',
      'EndpointLogsMade',
      'EndpointS3Made',
      'EndpointSqsMade',
      'EndpointSsmMade',
      'EndpointSsmMessagesMade',
    ]);
    for (const { Condition = '' } of shared)
      expect(parameters[Condition.replace(/Made$/, '')]?.Default).toBe('existing');
    expect(endpoints.filter(({ Properties }) => !Properties['PolicyDocument'])).toEqual([]);
  });

  test("let all of this account's principals pass, since private DNS leads all calls of the VPC through them", () => {
    const open = shared.map(({ Properties }) => {
      const { Statement }: PolicyDocument = JSON.parse(JSON.stringify(Properties['PolicyDocument']));
      return Statement.filter(
        ({ Condition }) => !/"aws:PrincipalAccount"/.test(JSON.stringify(Condition ?? {})),
      ).map(({ Sid }) => Sid);
    });
    expect(open.toSorted((one, other) => one.length - other.length)).toEqual([
      ...Array.from({ length: 8 }, () => []),
      ['AmazonLinuxPackages', 'WorkersReportTheirSetUp'],
    ]);
    for (const { Properties } of shared)
      expect(JSON.stringify(Properties['PolicyDocument'])).toMatch(/"Action":"\w+:\*","Resource":"\*"/);
  });

  test('of the secret lets the worker read, and takes no name from others: workers call it by its own', () => {
    expect(secret?.Properties['PrivateDnsEnabled']).toBe(false);
    expect(JSON.stringify(secret?.Properties['PolicyDocument'])).toContain(
      '"Action":"secretsmanager:GetSecretValue"',
    );
    const addresses = userData().match(/^SECRETS_MANAGER_URL='(.*)'$/m)?.[1];
    expect(addresses).toBe('<SecretsManagerEndpointIdGiven>');
    expect(said('UNIT')).toContain('\nEnvironmentFile=-/etc/adjoin/environment\n');
    expect(userData()).toContain(
      'printf \'AWS_ENDPOINT_URL_SECRETS_MANAGER=%s\\n\' "$SECRETS_MANAGER_URL" >/etc/adjoin/environment',
    );
  });

  test('of another VPC are told to the guard of the worker, and only then', () => {
    expect(JSON.stringify(policyNamed('worker-guard'))).toContain(
      '"aws:SourceVpc":[{"Ref":"VpcId"},{"Fn::If":["EndpointVpcIdGiven",{"Ref":"EndpointVpcId"},{"Ref":"AWS::NoValue"}]}]',
    );
  });
});

test('an alarm says that a group has the hooks and not the tag', () => {
  expect(alarmNamed('not-opted-in')?.Properties['Threshold']).toBe(1);
});

describe('sessions', () => {
  const content = (name: string): Json => {
    const found = ofType(template, 'AWS::SSM::Document').find(
      ({ Properties }) => flat(Properties['Name']) === `<Deployment>-${name}`,
    );
    return found?.Properties['Content'] ?? null;
  };

  test('are sealed, recorded twice, and end when idle; key, log group and bucket are those that were made for them', () => {
    expect(content('session')).toMatchObject({
      sessionType: 'Standard_Stream',
      inputs: {
        kmsKeyId: { 'Fn::GetAtt': [expect.stringMatching(/^MembershipSessionsKey/), 'KeyId'] },
        cloudWatchLogGroupName: { Ref: expect.stringMatching(/^MembershipSessionsLogGroup/) },
        cloudWatchEncryptionEnabled: true,
        s3BucketName: { Ref: expect.stringMatching(/^MembershipSessionsRecords/) },
        s3EncryptionEnabled: true,
        idleSessionTimeout: '15',
        runAsEnabled: false,
      },
    });
    const key = { 'Fn::GetAtt': [expect.stringMatching(/^MembershipSessionsKey/), 'Arn'] };
    expect(propertiesOf(template, 'AWS::Logs::LogGroup')).toContainEqual(
      expect.objectContaining({ KmsKeyId: key }),
    );
    expect(only(template, 'AWS::S3::Bucket').Properties['BucketEncryption']).toEqual({
      ServerSideEncryptionConfiguration: [
        expect.objectContaining({
          ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: key },
        }),
      ],
    });
  });

  test('of tasks are recorded by what the stack says for clusters, in the bucket too unless it is locked', () => {
    const value = outputs['EcsExecConfiguration']?.Value;
    const joined = JSON.stringify(value);
    expect(joined).toContain('cloudWatchEncryptionEnabled');
    expect(joined).toContain('{"Fn::If":["RecordsLocked","",');
  });

  test('run as the user that the SSM agent makes, unless one is named', () => {
    expect(content('session')).not.toHaveProperty(['inputs', 'runAsDefaultUser']);
  });

  test('forward to RDP or to one database; whoever forwards chooses no host and no port but his own', () => {
    expect(content('forward-rdp')).toMatchObject({ properties: { portNumber: '3389' } });
    expect(content('forward-database')).toMatchObject({
      properties: { portNumber: { Ref: 'DatabasePort' }, host: { Ref: 'DatabaseHost' } },
    });
    for (const name of ['forward-rdp', 'forward-database']) {
      expect(content(name)).toHaveProperty('parameters', { localPortNumber: expect.anything() });
    }
  });
});

describe('MFA', () => {
  test('is demanded for sessions, shells and dead letters, unless the parameter says otherwise', () => {
    expect(parameters['RequireMfa']).toMatchObject({ Default: 'true', AllowedValues: ['true', 'false'] });
    const text = JSON.stringify(resources);
    const conditional =
      '"Bool":{"Fn::If":["RequireMfaIs",{"aws:MultiFactorAuthPresent":"true"},{"Ref":"AWS::NoValue"}]}';
    expect(text.split('aws:MultiFactorAuthPresent')).toHaveLength(text.split(conditional).length);
    expect(text.split(conditional).length).toBe(mfaDemands + 1);
  });
});

describe('notices', () => {
  const rules = ofType(template, 'AWS::Events::Rule')
    .map(({ Properties }) => Properties)
    .filter(({ Name }) => flat(Name).startsWith('<Deployment>-audit-'));

  test('every audit rule sees reads as well, and goes to the topic', () => {
    expect(rules).toHaveLength(10);
    for (const rule of rules) {
      expect(rule['State']).toBe('ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS');
      expect(rule['Targets']).toMatchObject([
        { Arn: { Ref: expect.stringMatching(/^MembershipAuditTopic/) } },
      ]);
    }
  });

  test('say who, what, when and from where; no request and no answer', () => {
    for (const rule of rules) {
      const text = JSON.stringify(rule['Targets']);
      expect(text).toContain('$.detail.userIdentity.arn');
      expect(text).not.toMatch(/requestParameters|responseElements|additionalEventData|\$\.detail"/);
    }
  });

  test('topics are sealed', () => {
    const topics = propertiesOf(template, 'AWS::SNS::Topic');
    expect(topics.length).toBeGreaterThan(0);
    expect(topics).toEqual(topics.map(() => expect.objectContaining({ KmsMasterKeyId: expect.anything() })));
  });

  test.each([
    'oldest-message',
    'dead-letters',
    'abandoned-launches',
    'failed-unjoins',
    'cancelled-commands',
    'failing-groups',
    'halted-sweeps',
    'no-worker',
    'few-workers',
    'lost-notices',
    'lost-state-changes',
    'slow-joins',
  ])('there is an alarm on %s, and somebody is told', (name) => {
    expect(alarmNamed(name)?.Properties['AlarmActions']).toEqual([
      { Ref: expect.stringMatching(/^MembershipMonitoringTopic/) },
    ]);
  });

  test('what any rule cannot send is heard of', () => {
    const alarms = ['lost-notices', 'lost-state-changes'].map(
      (name) => alarmNamed(name)?.Properties['Metrics'],
    );
    const metrics = JSON.stringify(alarms);
    const names = Object.entries(resources)
      .filter(([, { Type }]) => Type === 'AWS::Events::Rule')
      .map(([id]) => id);
    expect(names.filter((id) => !metrics.includes(`{"Name":"RuleName","Value":{"Ref":"${id}"}}`))).toEqual(
      [],
    );
    expect(metrics).toContain('"FailedInvocations"');
  });
  test("alarms count the words that the agent's log uses", () => {
    const source = (name: string): string =>
      readFileSync(join(import.meta.dirname, '../../../agent/lifecycle', name), 'utf8');
    expect(source('join.ts')).toContain("ending: 'abandoned'");
    expect(source('join.ts')).toContain("ending: 'held'");
    expect(source('handler.ts')).toContain("('lifecycle action ended', { ending })");
    expect(source('unjoin.ts')).toContain("'account removal is owed to the sweep'");
    expect(source('../compose.ts')).toContain("('command cancelled', {");
    expect(source('post-join.ts')).toContain("log.error('post-join document failed', {");
    expect(source('../sweep/sweep.ts')).toContain("log.error('sweep halted', {");
    expect(source('handler.ts')).toContain("log.info('join timed', { seconds })");
    expect(source('load.ts')).toContain("log.info('worker load', {");
    for (const value of ['busyPercent', 'longestWaitSeconds'])
      expect(source('load.ts')).toContain(`      ${value}: `);
    expect(source('dispose.ts')).toContain("('message deleted without work', { error })");
    const patterns = ofType(template, 'AWS::Logs::MetricFilter').map(
      ({ Properties }) => Properties['FilterPattern'],
    );
    expect(patterns).toEqual([
      '{ $.event = "worker load" }',
      '{ $.event = "worker load" }',
      '{ $.ending = "abandoned" || $.ending = "held" }',
      '{ $.event = "*owed to the sweep" }',
      '{ $.event = "command cancelled" }',
      '{ $.event = "group keeps failing" }',
      '{ $.event = "post-join document failed" }',
      '{ $.event = "sweep halted" }',
      '{ $.error.code = "action-not-opted-in" }',
      '{ $.event = "join timed" }',
    ]);
  });

  test('the time to join is one metric, compared with its own past; its steps and groups are in the dashboard', () => {
    const [filter] = ofType(template, 'AWS::Logs::MetricFilter').filter(
      ({ Properties }) => Properties['FilterPattern'] === '{ $.event = "join timed" }',
    );
    // A dimension makes a metric of each of its values, which costs, and a default would be a join of no time.
    expect(filter?.Properties['MetricTransformations']).toEqual([
      {
        MetricNamespace: expect.anything(),
        MetricName: 'TimeToJoin',
        MetricValue: '$.seconds.total',
        Unit: 'Seconds',
      },
    ]);
    const { Threshold, ThresholdMetricId, ComparisonOperator } = alarmNamed('slow-joins')?.Properties ?? {};
    expect({ Threshold, ThresholdMetricId, ComparisonOperator }).toEqual({
      ThresholdMetricId: 'usual',
      ComparisonOperator: 'GreaterThanUpperThreshold',
    });
    const dashboard = JSON.stringify(propertiesOf(template, 'AWS::CloudWatch::Dashboard'));
    for (const step of ['total', 'slot', 'probe', 'stage', 'join', 'verify', 'postJoin', 'complete'])
      expect(dashboard).toContain(`pct(seconds.${step}, 99) as ${step}P99`);
  });
});

test('every parameter says what it is for, and refuses what could break out of the script it ends in', () => {
  for (const [name, { Type, Description, AllowedPattern, AllowedValues }] of Object.entries(parameters)) {
    expect([name, Description]).toEqual([name, expect.stringMatching(/.{8,}/)]);
    if (Type !== 'String') continue;
    if (AllowedValues) continue;
    for (const bad of ["a'b", 'a$(b)', 'a\nb', '"']) {
      expect([name, new RegExp(AllowedPattern ?? '').test(bad)]).toEqual([name, false]);
    }
  }
});

describe('what a console asks for', () => {
  test('has every parameter in one group, and no other', () => {
    const { ParameterGroups = [] } = template.Metadata?.['AWS::CloudFormation::Interface'] ?? {};
    const asked = ParameterGroups.flatMap(({ Parameters }) => Parameters);
    expect(asked).toHaveLength(Object.keys(parameters).length);
    expect(new Set(asked)).toEqual(new Set(Object.keys(parameters)));
    for (const { Label, Parameters } of ParameterGroups) {
      expect(Label.default).toMatch(/\S/);
      expect(Parameters.length).toBeGreaterThan(0);
    }
  });

  test('is an address for the alarms, which get no mail without one', () => {
    const { Condition = '', Properties: mail } = only(template, 'AWS::SNS::Subscription');
    expect(mail).toMatchObject({ Protocol: 'email', Endpoint: { Ref: 'AlarmEmail' } });
    expect(template.Conditions[Condition]).toEqual({
      'Fn::Not': [{ 'Fn::Equals': [{ Ref: 'AlarmEmail' }, ''] }],
    });
    const actions = propertiesOf(template, 'AWS::CloudWatch::Alarm').flatMap(
      ({ AlarmActions }) => AlarmActions,
    );
    const topics = Object.keys(resources).filter((id) => resources[id]?.Type === 'AWS::SNS::Topic');
    const told = topics.filter((id) => actions.some((action) => flat(action) === flat({ Ref: id })));
    expect(told.map((Ref) => ({ Ref }))).toEqual([mail['TopicArn']]);
  });
});
