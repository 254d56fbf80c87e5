/** What tests of the constructs give them and find again in their templates. Loads nothing of the construct library. */
import type { AgentSettings } from '../../../infra/agent-settings.ts';

/** Every setting of the agent that does not follow from the stack, each other than its default. */
export const agentSettings: Required<AgentSettings> = {
  concurrency: 8,
  ownDocuments: [`adjoin-own-harden:2:${'a'.repeat(64)}`],
  receive: { waitSeconds: 10, visibilitySeconds: 60 },
  nodes: {
    registrationPollSeconds: 3,
    commandPollSeconds: 2,
    coalesceSeconds: 0.5,
    deliverySeconds: 60,
    probeSeconds: 61,
    joinSeconds: 181,
    postJoinSeconds: 182,
    leaveSeconds: 21,
    packageRepository: 'https://packages.example.test/@id@/@version@/@arch@',
  },
  logIn: { groups: ['Staff'], sudoGroups: ['Domain Admins'], groupPolicy: 'permissive' },
  directory: {
    controllers: ['dc1.corp.example.test'],
    site: 'Branch',
    namePrefixes: ['X'],
    dnsCleanup: 'none',
    connectSeconds: 6,
    operationSeconds: 14,
  },
  patience: {
    joinSeconds: 1000,
    unjoinSeconds: 7200,
    leaveSeconds: 16,
    joinAttempts: 4,
    retrySeconds: 3,
    retryMaximumSeconds: 31,
  },
  sweep: {
    enabled: false,
    intervalSeconds: 60,
    ageGuardSeconds: 61,
    maximumRemovals: 7,
    largestLossPercent: 51,
    quarantineDays: 3,
  },
  credentialPollSeconds: 16,
  drainSeconds: 200,
  logLevel: 'debug',
};

export const longestDeployment = 'a'.repeat(21);
/** Names that some resource could not have. */
export const badDeployments = ['Adjoin', 'a', 'ad_join', '2nd', 'a'.repeat(22)] as const;

/** A text that is a PEM by its form, which is all that a template looks at. */
export const pem = '-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n';
