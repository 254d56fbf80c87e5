import { errorTypeRegistries } from '@aws-sdk/client-secrets-manager';
import { operationTable } from '../operations.ts';
import type { Service } from '../service.ts';
import type { SecretsManagerParts } from './parts.ts';
import { policyOperations } from './policy-operations.ts';
import { secretOperations } from './secret-operations.ts';

export function secretsManagerService(parts: SecretsManagerParts): Service {
  return {
    name: 'secretsmanager',
    protocol: 'json1.1',
    selector: 'secretsmanager',
    errors: errorTypeRegistries,
    operations: operationTable([...secretOperations(parts), ...policyOperations(parts)]),
  };
}
