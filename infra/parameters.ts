/** What the parameters of the template say together, and how a console shows them. */
import { type CfnParameter, CfnRule, Fn, type ICfnRuleConditionExpression, type Stack } from 'aws-cdk-lib';
import {
  ENDPOINT_GROUP_PARAMETERS,
  GATEWAY_PARAMETERS,
  INTERFACE_PARAMETERS,
} from '../config/endpoint-parameters.ts';

export interface EndpointParameters {
  readonly interfaces: readonly CfnParameter[];
  readonly gateways: readonly CfnParameter[];
  readonly routeTables: CfnParameter;
  readonly nodeGroup: CfnParameter;
  readonly endpointGroups: readonly CfnParameter[];
  readonly endpointCidr: CfnParameter;
  readonly endpointVpc: CfnParameter;
}

/** Contradictions that CloudFormation finds before it makes anything. */
export function parameterRules(stack: Stack, given: EndpointParameters): void {
  const is = (parameter: CfnParameter, value: string): ICfnRuleConditionExpression =>
    Fn.conditionEquals(parameter, value);
  const not = (expression: ICfnRuleConditionExpression): ICfnRuleConditionExpression =>
    Fn.conditionNot(expression);
  const any = (expressions: readonly ICfnRuleConditionExpression[]): ICfnRuleConditionExpression =>
    Fn.conditionOr(...expressions);
  const rule = (
    id: string,
    when: ICfnRuleConditionExpression,
    assert: ICfnRuleConditionExpression,
    assertDescription: string,
  ): void => {
    new CfnRule(stack, id, { ruleCondition: when, assertions: [{ assert, assertDescription }] });
  };
  const created = (parameters: readonly CfnParameter[]) => any(parameters.map((each) => is(each, 'create')));

  rule(
    'GatewaysNeedRouteTables',
    created(given.gateways),
    // An empty list has one empty member.
    not(Fn.conditionEachMemberEquals(given.routeTables.valueAsList, '')),
    'EndpointS3 and EndpointDynamoDb are created in route tables: give RouteTableIds, or leave them on existing.',
  );
  rule(
    'ExistingEndpointsAreReachable',
    any(given.interfaces.map((each) => is(each, 'existing'))),
    any([...given.endpointGroups, given.endpointCidr].map((each) => not(is(each, '')))),
    'Workers need a way to the existing interface endpoints: give EndpointSecurityGroupId, or EndpointCidr for endpoints in another VPC, or set every Endpoint… parameter to create.',
  );
  rule(
    'AnotherVpcIsSaidWhole',
    any([not(is(given.endpointCidr, '')), not(is(given.endpointVpc, ''))]),
    Fn.conditionAnd(not(is(given.endpointCidr, '')), not(is(given.endpointVpc, ''))),
    'Endpoints in another VPC need both EndpointCidr and EndpointVpcId.',
  );
  rule(
    'NodeGroupNeedsAnEndpoint',
    not(is(given.nodeGroup, '')),
    created(given.interfaces),
    'NodeSecurityGroupId lets nodes reach interface endpoints that are created, and none is: leave it empty.',
  );
}

const groups: readonly (readonly [label: string, parameters: readonly string[]])[] = [
  [
    'The deployment',
    [
      'Deployment',
      'AdministratorArns',
      'BreakGlassRoleArn',
      'WorkerAdministratorRole',
      'RequireMfa',
      'PermissionsBoundaryArn',
      'RolePath',
    ],
  ],
  ['Network of the workers', ['VpcId', 'SubnetA', 'SubnetB', 'S3PrefixListId', 'DynamoDbPrefixListId']],
  [
    'The directory',
    [
      'DirectoryCidr',
      'SecondDirectoryCidr',
      'ThirdDirectoryCidr',
      'FourthDirectoryCidr',
      'DirectoryCidrIpv6',
      'DirectoryCaBase64',
      'DirectoryCaBase64More',
      'DirectorySite',
      'DirectoryControllers',
    ],
  ],
  [
    'The agent',
    [
      'AgentBucket',
      'AgentKey',
      'MaxReceiveCount',
      'PackageRepository',
      'OwnDocuments',
      'DnsCleanup',
      'SweepEnabled',
      'SweepQuarantineDays',
      'StandaloneInstances',
    ],
  ],
  [
    'Workers',
    ['WorkerCount', 'WorkerMaximum', 'ImageId', 'InstanceType', 'UpdateTurn', 'WorkerShell', 'AlarmEmail'],
  ],
  [
    'Endpoints that are there',
    [
      'SecretsManagerEndpointId',
      ...ENDPOINT_GROUP_PARAMETERS,
      'OpenEndpointSecurityGroups',
      'EndpointCidr',
      'EndpointVpcId',
    ],
  ],
  [
    'Endpoints to create',
    [
      ...Object.values(INTERFACE_PARAMETERS),
      ...Object.values(GATEWAY_PARAMETERS),
      'RouteTableIds',
      'NodeSecurityGroupId',
    ],
  ],
  [
    'Sessions',
    [
      'OperatorNetworks',
      'SessionsNotBefore',
      'SessionsNotAfter',
      'SessionTagValue',
      'TrailName',
      'RecordLockDays',
      'DatabaseHost',
      'DatabasePort',
    ],
  ],
];

/** The order in which a console asks for the parameters. */
export function parameterGroups(stack: Stack): void {
  stack.addMetadata('AWS::CloudFormation::Interface', {
    ParameterGroups: groups.map(([label, parameters]) => ({
      Label: { default: label },
      Parameters: parameters,
    })),
  });
}
