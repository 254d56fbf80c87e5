import { policy, type DeployedPolicies, type Identity } from '../../../infra/sandbox/iam/policies.ts';

export const accountId = '123456789012';
export const workerRole = `arn:aws:iam::${accountId}:role/service/worker`;
export const worker = `arn:aws:sts::${accountId}:assumed-role/worker/i-0123456789abcdef0`;
export const secret = `arn:aws:secretsmanager:eu-central-1:${accountId}:secret:service-account-AbCdEf`;
export const queue = `arn:aws:sqs:eu-central-1:${accountId}:lifecycle`;
export const key = `arn:aws:kms:eu-central-1:${accountId}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;

export function allow(sid: string, action: string | string[], more: Record<string, unknown> = {}) {
  return { Sid: sid, Effect: 'Allow', Action: action, Resource: '*', ...more };
}

export function deny(sid: string, action: string | string[], more: Record<string, unknown> = {}) {
  return { ...allow(sid, action, more), Effect: 'Deny' };
}

export function document(...statements: Record<string, unknown>[]) {
  return { Version: '2012-10-17', Statement: statements };
}

export function named(name: string, ...statements: Record<string, unknown>[]) {
  return policy(name, document(...statements));
}

export function identity(...statements: Record<string, unknown>[]): Identity {
  return { policies: [named('own', ...statements)] };
}

/** An account in which the worker's role may do what these statements say, and nothing else is deployed. */
export function deployed(parts: Partial<DeployedPolicies>): DeployedPolicies {
  return {
    accountId,
    identities: new Map(),
    resourcePolicies: new Map(),
    endpoints: new Map(),
    serviceControlPolicies: [],
    ...parts,
  };
}
