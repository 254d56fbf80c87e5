/** What `adjoin doctor` looks at from an operator's desk: only reads. */
import type { Config } from '../../config.ts';
import type { Refusal } from '../../directory/service-credential.ts';
import type { Membership } from '../../ledger/membership.ts';

export interface QueueFacts {
  /** Messages that wait to be received, those that are worked on, and those that are hidden until later. */
  readonly waiting: number;
  readonly inFlight: number;
  readonly deadLetterQueueArn: string | undefined;
  readonly isEncrypted: boolean;
}

export interface DocumentFacts {
  /** As Systems Manager names it; `Active` can be run. */
  readonly status: string;
  /** SHA-256 of the content, computed here and not as Systems Manager says it. */
  readonly sha256: string;
}

export interface SecretFacts {
  /** The version that workers read; nothing before a value was put. */
  readonly currentVersion: string | undefined;
  /** The resource policy, parsed; nothing when there is none. */
  readonly policy: unknown;
}

export interface GroupInstance {
  readonly instanceId: string;
  readonly lifecycleState: string;
  readonly isHealthy: boolean;
  /** Launch template and version, as one text. */
  readonly template: string;
}

export interface GroupTag {
  readonly value: string;
  readonly propagates: boolean;
}

export interface GroupFacts {
  readonly name: string;
  readonly desired: number;
  readonly template: string;
  readonly instances: readonly GroupInstance[];
  readonly tags: ReadonlyMap<string, GroupTag>;
}

export interface HookFacts {
  readonly name: string;
  readonly transition: string;
  readonly targetArn: string;
  readonly roleArn: string;
  readonly defaultResult: string;
}

export interface InstanceFacts {
  readonly state: string;
  readonly tags: ReadonlyMap<string, string>;
  readonly group: string | undefined;
}

export interface ManagedFacts {
  readonly isOnline: boolean;
  readonly agentVersion: string;
  readonly platform: string;
}

export interface DeskPorts {
  readonly config: Config;
  /** Who calls, and how many milliseconds this computer's clock is ahead of AWS's, where the answer says. */
  readonly identity: (signal: AbortSignal) => Promise<{
    readonly account: string;
    readonly arn: string;
    readonly skewMs: number | undefined;
  }>;
  readonly queue: (signal: AbortSignal) => Promise<QueueFacts>;
  /** Messages in the queue with this ARN. */
  readonly depth: (queueArn: string, signal: AbortSignal) => Promise<number>;
  readonly tableStatus: (signal: AbortSignal) => Promise<string>;
  /** Nothing when there is no such document. */
  readonly document: (
    name: string,
    version: string,
    signal: AbortSignal,
  ) => Promise<DocumentFacts | undefined>;
  readonly secret: (signal: AbortSignal) => Promise<SecretFacts>;
  readonly refusal: (versionId: string) => Promise<Refusal | undefined>;
  /** When the last sweep ended, milliseconds since the Unix epoch. */
  readonly sweepEndedAt: () => Promise<number | undefined>;
  readonly now: () => number;
  readonly group: (name: string, signal: AbortSignal) => Promise<GroupFacts | undefined>;
  readonly hooks: (group: string, signal: AbortSignal) => Promise<readonly HookFacts[]>;
  readonly instance: (instanceId: string, signal: AbortSignal) => Promise<InstanceFacts | undefined>;
  /** Those of the instances that Systems Manager knows. */
  readonly managed: (
    instanceIds: readonly string[],
    signal: AbortSignal,
  ) => Promise<ReadonlyMap<string, ManagedFacts>>;
  readonly membership: (instanceId: string) => Promise<Membership | undefined>;
}
