/**
 * The template's parameter for the endpoint of each service, `existing` or `create`. The template declares them, and `adjoin deploy`
 * finds their values.
 */
export const INTERFACE_PARAMETERS = {
  autoscaling: 'EndpointAutoScaling',
  ec2: 'EndpointEc2',
  kms: 'EndpointKms',
  logs: 'EndpointLogs',
  sqs: 'EndpointSqs',
  ssm: 'EndpointSsm',
  ssmmessages: 'EndpointSsmMessages',
} as const;

export const GATEWAY_PARAMETERS = { dynamodb: 'EndpointDynamoDb', s3: 'EndpointS3' } as const;

/** Security groups of interface endpoints that are there. */
export const ENDPOINT_GROUP_PARAMETERS = [
  'EndpointSecurityGroupId',
  'SecondEndpointSecurityGroupId',
  'ThirdEndpointSecurityGroupId',
] as const;
