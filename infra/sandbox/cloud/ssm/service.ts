import { errorTypeRegistries } from '@aws-sdk/client-ssm';
import type { Instances } from '../ec2/instances.ts';
import { operationTable } from '../operations.ts';
import type { Place } from '../place.ts';
import type { Service } from '../service.ts';
import { commandOperations } from './command-operations.ts';
import type { Commands } from './commands.ts';
import { documentOperations } from './document-operations.ts';
import type { Documents } from './documents.ts';
import { nodeOperations } from './node-operations.ts';
import type { Nodes } from './nodes.ts';
import { sessionOperations } from './session-operations.ts';
import type { Sessions } from './sessions.ts';

export interface SsmParts {
  readonly place: Place;
  readonly documents: Documents;
  readonly nodes: Nodes;
  readonly commands: Commands;
  readonly instances: Instances;
  readonly sessions: Sessions;
}

export function ssmService(parts: SsmParts): Service {
  return {
    name: 'ssm',
    protocol: 'json1.1',
    selector: 'AmazonSSM',
    errors: errorTypeRegistries,
    operations: operationTable([
      ...documentOperations(parts),
      ...commandOperations(parts),
      ...nodeOperations(parts),
      ...sessionOperations(parts),
    ]),
  };
}
