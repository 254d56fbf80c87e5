/** What the package offers to CDK apps. */
export { type AgentFile, agentAsset, sha256Of } from './agent-file.ts';
export type { AgentSettings } from './agent-settings.ts';
export type { AttachableGroup, AttachOptions } from './attach.ts';
export { DomainMembership, type DomainMembershipProps } from './domain-membership.ts';
export type { EndpointService } from './endpoints.ts';
export {
  defaultExemptions,
  denyPolicies,
  type DenyPolicy,
  resourceControlPolicy,
  type ServiceControlPolicy,
  serviceControlPolicy,
  type ServiceControlPolicyProps,
} from './service-control.ts';
