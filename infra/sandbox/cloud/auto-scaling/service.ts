import { errorTypeRegistries } from '@aws-sdk/client-auto-scaling';
import { operationTable } from '../operations.ts';
import type { Service } from '../service.ts';
import { groupOperations } from './group-operations.ts';
import { hookOperations } from './hook-operations.ts';
import { instanceOperations } from './instance-operations.ts';
import type { AutoScalingParts } from './parts.ts';
import { refreshOperations } from './refresh-operations.ts';
import { scheduledOperations } from './scheduled-operations.ts';
import { tagOperations } from './tag-operations.ts';
import { warmPoolOperations } from './warm-pool-operations.ts';

export function autoScalingService(parts: AutoScalingParts): Service {
  return {
    name: 'autoscaling',
    protocol: 'query',
    selector: '2011-01-01',
    namespace: 'http://autoscaling.amazonaws.com/doc/2011-01-01/',
    errors: errorTypeRegistries,
    operations: operationTable([
      ...groupOperations(parts),
      ...instanceOperations(parts),
      ...hookOperations(parts),
      ...tagOperations(parts),
      ...scheduledOperations(parts),
      ...warmPoolOperations(parts),
      ...refreshOperations(parts),
    ]),
  };
}
