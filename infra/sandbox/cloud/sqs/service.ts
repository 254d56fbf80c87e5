import { errorTypeRegistries } from '@aws-sdk/client-sqs';
import { operationTable } from '../operations.ts';
import type { Service } from '../service.ts';
import { messageOperations } from './message-operations.ts';
import type { SqsParts } from './parts.ts';
import { queueOperations } from './queue-operations.ts';

export function sqsService(parts: SqsParts): Service {
  return {
    name: 'sqs',
    protocol: 'json1.0',
    selector: 'AmazonSQS',
    errors: errorTypeRegistries,
    operations: operationTable([...queueOperations(parts), ...messageOperations(parts)]),
  };
}
