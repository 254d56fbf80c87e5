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
  RouteTableIds: 'rtb-0a77000000000000a',
} as const;

/** Where the stack lies: a VPC without endpoints. The sandbox's network has no IDs; these only have to be the same everywhere. */
export const network = {
  VpcId: 'vpc-0a77000000000000a',
  SubnetA: 'subnet-0a77000000000000a',
  SubnetB: 'subnet-0a77000000000000b',
  S3PrefixListId: 'pl-0a77000a',
  DynamoDbPrefixListId: 'pl-0a77000b',
  ...everyEndpoint,
} as const;
