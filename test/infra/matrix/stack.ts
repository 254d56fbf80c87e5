/** The deployed policies that the matrix asks, and the ARNs of what they protect. */
import { deployedPolicies, type DeployedResource } from '../../../infra/sandbox/iam/from-template.ts';
import { everyEndpoint } from '../../../infra/sandbox/stack/network.ts';
import { policy, type Endpoint, type Policy } from '../../../infra/sandbox/iam/policies.ts';
import { defaultExemptions, denyPolicies, serviceControlPolicy } from '../../../infra/service-control.ts';
import { resolved, type Synthesized } from './synthesized.ts';

export const region = 'eu-central-1';
export const accountId = '123456789012';
export const deployment = 'adjoin';
export const sessionTag = 'operators';

export const roleArn = (name: string) => `arn:aws:iam::${accountId}:role/${name}`;

/** People by the names that the service control policies spare. */
export const people = {
  administrator: roleArn(`${deployment}-administrator`),
  breakGlass: roleArn(`${deployment}-break-glass`),
  workerAdministrator: roleArn(`${deployment}-worker-administrator`),
};

export const vpcId = 'vpc-0aaaaaaaaaaaaaaaa';

/** A deployment with everything switched on. Operators come from one network, in the year 2026. */
const parameters = {
  Deployment: deployment,
  VpcId: vpcId,
  SubnetA: 'subnet-0aaaaaaaaaaaaaaaa',
  SubnetB: 'subnet-0bbbbbbbbbbbbbbbb',
  DirectoryCidr: '10.0.0.0/24',
  DirectoryCaBase64: 'A'.repeat(100),
  AdministratorArns: people.administrator,
  BreakGlassRoleArn: people.breakGlass,
  ...everyEndpoint,
  AgentBucket: 'agent-files',
  S3PrefixListId: 'pl-0a',
  DynamoDbPrefixListId: 'pl-0b',
  WorkerShell: 'true',
  OperatorNetworks: '198.51.100.0/24',
  SessionsNotBefore: '2026-01-01T00:00:00Z',
  SessionsNotAfter: '2027-01-01T00:00:00Z',
  SessionTagValue: sessionTag,
};

/** What the organization's policies are told. */
const named = {
  deployment,
  exempt: defaultExemptions(deployment),
  vpcId,
  trailName: 'main',
  agentFile: { bucketName: parameters.AgentBucket, objectKey: 'adjoin/agent.mjs' },
};

export interface Arns {
  readonly queue: string;
  readonly deadLetters: string;
  readonly table: string;
  readonly secret: string;
  readonly secretKey: string;
  readonly systemKey: string;
  readonly sessionKey: string;
  readonly auditTopic: string;
  readonly alarmTopic: string;
  readonly sessionBucket: string;
  readonly agentFile: string;
  readonly joinDocument: string;
  readonly sessionDocument: string;
  readonly rdpDocument: string;
  /** Without the `:*` at its end. */
  readonly workerLog: string;
  readonly sessionLog: string;
  readonly workerRole: string;
  readonly publisherRole: string;
  readonly deadLetterOperatorRole: string;
  readonly membershipOperatorRole: string;
}

export interface Stack {
  readonly arns: Arns;
  readonly worker: readonly Policy[];
  readonly publisher: readonly Policy[];
  readonly deadLetterOperator: readonly Policy[];
  readonly membershipOperator: readonly Policy[];
  readonly node: Policy;
  readonly workerAdministrator: Policy;
  readonly operatorSession: Policy;
  readonly operatorPortForwarding: Policy;
  readonly operatorEcsExec: Policy;
  readonly denyPolicies: readonly Policy[];
  readonly serviceControlPolicies: readonly Policy[];
  readonly resourcePolicies: ReadonlyMap<string, Policy>;
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  /** ID of the endpoint by service, such as `sqs`. */
  readonly endpointOf: ReadonlyMap<string, string>;
}

/** @param over parameters other than those of a deployment with everything switched on */
export function deployedStack({ template }: Synthesized, over: Readonly<Record<string, string>> = {}): Stack {
  const resources = resolved(template, { ...parameters, ...over }, { region, accountId });
  const { identities, resourcePolicies, endpoints } = deployedPolicies(resources, accountId);
  const arns = arnsOf(resources);
  const own = (file: string) => {
    const found = resources.find(
      ({ properties }) => properties['ManagedPolicyName'] === `${deployment}-${region}-${file}`,
    );
    return policy(`${deployment}-${region}-${file}`, found?.properties['PolicyDocument']);
  };
  return {
    arns,
    worker: identities.get(arns.workerRole)?.policies ?? [],
    publisher: identities.get(arns.publisherRole)?.policies ?? [],
    deadLetterOperator: identities.get(arns.deadLetterOperatorRole)?.policies ?? [],
    membershipOperator: identities.get(arns.membershipOperatorRole)?.policies ?? [],
    node: own('node'),
    workerAdministrator: own('worker-administrator'),
    operatorSession: own('operator-session'),
    operatorPortForwarding: own('operator-port-forwarding'),
    operatorEcsExec: own('operator-ecs-exec'),
    denyPolicies: resources
      .map(({ properties }) => String(properties['ManagedPolicyName']))
      .filter((name) => name.startsWith(`${deployment}-${region}-deny-`))
      .map((name) => own(name.slice(`${deployment}-${region}-`.length))),
    serviceControlPolicies: denyPolicies.map((name) =>
      policy(`${name} of the organization`, serviceControlPolicy(name, named).document),
    ),
    resourcePolicies,
    endpoints,
    endpointOf: new Map(
      resources
        .filter(({ type }) => type === 'AWS::EC2::VPCEndpoint')
        .map(({ properties, ref }) => [String(properties['ServiceName']).split('.').at(-1) ?? '', ref]),
    ),
  };
}

function arnsOf(resources: readonly DeployedResource[]): Arns {
  const one = (type: string, like: RegExp): DeployedResource => {
    const [first, ...more] = resources.filter(
      (each) => each.type === type && like.test(`${each.ref} ${each.logicalId}`),
    );
    if (!first || more.length > 0) throw new Error(`The template has not one ${type} like ${like.source}.`);
    return first;
  };
  const arn = (type: string, like: RegExp) => one(type, like).attributes['Arn'] ?? '';
  const document = (like: RegExp) =>
    `arn:aws:ssm:${region}:${accountId}:document/${one('AWS::SSM::Document', like).ref}`;
  const log = (like: RegExp) => arn('AWS::Logs::LogGroup', like).replace(/:\*$/, '');
  return {
    queue: arn('AWS::SQS::Queue', /lifecycle /),
    deadLetters: arn('AWS::SQS::Queue', /dead-letters /),
    table: arn('AWS::DynamoDB::Table', /./),
    secret: one('AWS::SecretsManager::Secret', /./).ref,
    secretKey: arn('AWS::KMS::Key', /Credential/),
    systemKey: arn('AWS::KMS::Key', /MembershipKey/),
    sessionKey: arn('AWS::KMS::Key', /Sessions/),
    auditTopic: arn('AWS::SNS::Topic', /audit /),
    alarmTopic: arn('AWS::SNS::Topic', /alarm /),
    sessionBucket: arn('AWS::S3::Bucket', /./),
    agentFile: `arn:aws:s3:::${parameters.AgentBucket}/adjoin/agent.mjs`,
    joinDocument: document(/-join-linux-/),
    sessionDocument: document(/SessionDocument/),
    rdpDocument: document(/RdpDocument/),
    workerLog: log(/worker /),
    sessionLog: log(/sessions /),
    workerRole: arn('AWS::IAM::Role', /-worker /),
    publisherRole: arn('AWS::IAM::Role', /-hook-publisher /),
    deadLetterOperatorRole: arn('AWS::IAM::Role', /-dead-letter-operator /),
    membershipOperatorRole: arn('AWS::IAM::Role', /-membership-operator /),
  };
}
