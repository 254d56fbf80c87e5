import {
  DeleteResourcePolicy$,
  GetResourcePolicy$,
  PutResourcePolicy$,
  type DeleteResourcePolicyCommandInput,
  type DeleteResourcePolicyResponse,
  type GetResourcePolicyCommandInput,
  type GetResourcePolicyResponse,
  type PutResourcePolicyCommandInput,
  type PutResourcePolicyResponse,
} from '@aws-sdk/client-secrets-manager';
import { operationsOn } from '../operations.ts';
import type { Operation, Requirement } from '../service.ts';
import { named, ofSecret, type SecretsManagerParts } from './parts.ts';
import { checkResourcePolicy } from './resource-policy.ts';

export function policyOperations(parts: SecretsManagerParts): Operation[] {
  const on = operationsOn('secretsmanager', parts);
  return [
    on(PutResourcePolicy$, putPolicy, ofPolicy),
    on(GetResourcePolicy$, getPolicy, ofSecret),
    on(DeleteResourcePolicy$, deletePolicy, ofSecret),
  ];
}

function ofPolicy(parts: SecretsManagerParts, input: PutResourcePolicyCommandInput): Requirement[] {
  return [
    {
      action: 'secretsmanager:PutResourcePolicy',
      resources: ofSecret(parts, input),
      context: { 'secretsmanager:BlockPublicPolicy': String(input.BlockPublicPolicy ?? false) },
    },
  ];
}

function putPolicy(
  { secrets }: SecretsManagerParts,
  input: PutResourcePolicyCommandInput,
): PutResourcePolicyResponse {
  const secret = secrets.get(input.SecretId);
  checkResourcePolicy(input.ResourcePolicy ?? '', input.BlockPublicPolicy ?? false);
  secret.policy = input.ResourcePolicy;
  return named(secret);
}

function getPolicy(
  { secrets }: SecretsManagerParts,
  input: GetResourcePolicyCommandInput,
): GetResourcePolicyResponse {
  const secret = secrets.get(input.SecretId);
  return { ...named(secret), ResourcePolicy: secret.policy };
}

function deletePolicy(
  { secrets }: SecretsManagerParts,
  input: DeleteResourcePolicyCommandInput,
): DeleteResourcePolicyResponse {
  const secret = secrets.get(input.SecretId);
  secret.policy = undefined;
  return named(secret);
}
