import { errorTypeRegistries } from '@aws-sdk/client-cloudformation';
import type { ServiceParts } from '../../cloud/cloud.ts';
import { operationTable } from '../../cloud/operations.ts';
import type { Service } from '../../cloud/service.ts';
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
