import { first } from '../cloud/ec2/networks.ts';
import { managed } from '../cloud/ec2/prefix-list-operations.ts';

/** The parameters with which the stack makes every endpoint, as in a VPC that has none. */
export const everyEndpoint = {
  EndpointAutoScaling: 'create',
  EndpointEc2: 'create',
  EndpointKms: 'create',
  EndpointLogs: 'create',
  EndpointSqs: 'create',
  EndpointSsm: 'create',
  EndpointSsmMessages: 'create',
  EndpointDynamoDb: 'create',
  EndpointS3: 'create',
  RouteTableIds: first.routeTableId,
} as const;

/** Where the stack lies: a VPC without endpoints. */
export const network = {
  VpcId: first.vpcId,
  SubnetA: first.subnetIds[0],
  SubnetB: first.subnetIds[1],
  S3PrefixListId: managed.s3,
  DynamoDbPrefixListId: managed.dynamodb,
  ...everyEndpoint,
} as const;
