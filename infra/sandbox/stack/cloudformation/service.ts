import { errorTypeRegistries } from '@aws-sdk/client-cloudformation';
import type { CloudOptions, ServiceParts } from '../../cloud/cloud.ts';
import { operationTable } from '../../cloud/operations.ts';
import type { Service } from '../../cloud/service.ts';
import type { Permissions } from '../permissions.ts';
import { resourceTypes } from '../resources/index.ts';
import { changeSetOperations } from './change-set-operations.ts';
import type { CloudFormationParts, Engine } from './parts.ts';
import { stackOperations } from './stack-operations.ts';
import { Stacks } from './stacks.ts';

/** CloudFormation: it calls the other services with the key of whoever calls it, as AWS does without a role of its own. */
export function cloudFormationService(parts: ServiceParts, engine: Engine): Service {
  const all: CloudFormationParts = { ...parts, engine, stacks: new Stacks(parts) };
  return {
    name: 'cloudformation',
    protocol: 'query',
    selector: '2010-05-15',
    namespace: 'http://cloudformation.amazonaws.com/doc/2010-05-15/',
    errors: errorTypeRegistries,
    operations: operationTable([...changeSetOperations(all), ...stackOperations(all)]),
  };
}

/** For an account whose policies are those of its stacks. */
export function cloudFormationOf(account: {
  readonly permissions: Permissions;
  readonly cloud: Engine['cloud'];
  readonly loopback: Engine['loopback'];
  readonly describeWaitsMs?: number | undefined;
  readonly rolling?: Engine['rolling'];
}): NonNullable<CloudOptions['more']> {
  const { permissions, cloud, loopback, describeWaitsMs, rolling } = account;
  const remembered = new Set<string>();
  return (parts) => [
    cloudFormationService(parts, {
      types: resourceTypes,
      cloud,
      loopback,
      remembered,
      onCreated: (resource) => permissions.add(resource),
      onImported: (resource) => permissions.import(resource),
      onDeleted: (resource) => permissions.remove(resource),
      ...(describeWaitsMs === undefined ? {} : { describeWaitsMs }),
      ...(rolling && { rolling }),
    }),
  ];
}
