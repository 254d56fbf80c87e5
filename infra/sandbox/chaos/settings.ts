/** The sandbox of a chaos run: everything as short as it may be, so that minutes hold what is else hours apart. */
import type { AgentConfig } from '../stack/agent-config.ts';

/** Until another worker takes over from one that is silent. The least is 10; on a busy machine an answer takes seconds. */
export const visibilitySeconds = 15;

/**
 * Of both hooks. Longer than a worker's pause and the other one's taking over together, so that a time-out means that
 * no worker acted although one could have.
 */
export const heartbeatSeconds = 90;

/** Short, so that each run sees many sweeps; the emulated EC2 shows new instances at once. */
export const ageGuardSeconds = 10;

/** So that a node that never registers is given up while the run still lasts. */
const joinPatienceSeconds = 60;

export const agentConfig: AgentConfig = {
  receive: { waitSeconds: 2, visibilitySeconds },
  nodes: { deliverySeconds: 30, probeSeconds: 30, joinSeconds: 60, leaveSeconds: 10 },
  directory: { connectSeconds: 2, operationSeconds: 5 },
  patience: {
    joinSeconds: joinPatienceSeconds,
    unjoinSeconds: 60,
    leaveSeconds: 5,
    joinAttempts: 2,
    retrySeconds: 0.5,
    retryMaximumSeconds: 4,
  },
  sweep: { intervalSeconds: 15, ageGuardSeconds },
  drainSeconds: 10,
};

/** Auto Scaling's pause after a failed launch, doubled by each further one: failures are what these runs are made of. */
export const launchBackoffMs = 500;
