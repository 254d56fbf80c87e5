/** What a join and an unjoin are given to work with. */
import type { Clock } from '../clock.ts';
import { asAdjoinError, type AdjoinError } from '../errors.ts';
import type { Holding } from '../ledger/ledger.ts';
import type { Log } from '../log.ts';
import type { JoinEntry, JoinFacts, LeaveFacts, ProbeFacts } from '../nodes/contract.ts';
import type { JoinTarget, Target } from '../nodes/nodes.ts';
import type { Pauses } from '../patience.ts';
import type { LifecycleAction } from './action.ts';
import type { Admission } from './admit.ts';

/** One admitted action, held. */
export interface Work {
  readonly action: LifecycleAction;
  readonly admission: Admission;
  readonly holding: Holding;
  /** Aborts when the hold is lost, the action is void, or the worker stops. */
  readonly signal: AbortSignal;
  /** Asked right before something on the outside begins that no fencing token guards. Throws what `Hold.check` does. */
  readonly check: () => void;
  readonly log: Log;
}

export interface StagedAccount {
  readonly computerName: string;
  readonly distinguishedName: string;
  readonly objectGuid: string;
  /** The domain controller that took the write; the join goes to the same one. */
  readonly domainController: string;
  /** FILETIME, as read back after the staging write. */
  readonly passwordLastSet: bigint;
}

/** What the ledger knows of an account that is to go. */
export interface Remembered {
  /** What it was called when it was staged. */
  readonly names: readonly string[];
  /** What `beforeDelete` told, in this removal or an earlier one that did not come to its end. */
  readonly foundNames: readonly string[];
  /** The domain controller that took the staging write: it shows the account even if no other does yet. */
  readonly domainController: string | undefined;
  /** objectGuid of an account to spare: all others of this instance go. When it is not shown, that is refused. */
  readonly keep?: string | undefined;
}

export interface Removed {
  readonly accounts: readonly string[];
  readonly dnsRecords: readonly string[];
  /** Host name of the domain controller that took the deletes: it is the first to know of them. */
  readonly domainController: string;
}

/** Which account is written, and where. */
export interface StagingWrite {
  readonly computerName: string | undefined;
  /** Host name. */
  readonly domainController: string | undefined;
}

export interface DirectoryPort {
  /**
   * @param earlier an account that may be there already, also if the controller that is asked does not show it yet
   * @param beforeWrite called, and waited for, right before anything in the directory may change
   */
  stage(
    instanceId: string,
    oneTimePassword: string,
    earlier: Partial<StagingWrite>,
    beforeWrite: (write: StagingWrite) => Promise<void>,
    signal: AbortSignal,
  ): Promise<StagedAccount>;
  /** A staged account as its own domain controller shows it now; `ours` when it carries this instance's stamp. */
  inspect(
    instanceId: string,
    staged: { readonly objectGuid: string; readonly domainController: string },
    signal: AbortSignal,
  ): Promise<
    { readonly passwordLastSet: bigint; readonly enabled: boolean; readonly ours: boolean } | undefined
  >;
  /** Deletes the accounts with this instance's stamp, and their DNS records; done already is done. */
  remove(
    instanceId: string,
    remembered: Remembered,
    beforeDelete: (computerName: string) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Removed>;
  /** The name of the domain that the service account belongs to. */
  domain(signal: AbortSignal): Promise<string>;
}

export interface NodesPort {
  readonly readiness: {
    isReady(instanceId: string, signal: AbortSignal): Promise<boolean>;
    wait(instanceId: string, signal: AbortSignal): Promise<void>;
  };
  probe(node: Target, signal: AbortSignal): Promise<ProbeFacts>;
  join(node: Target, entry: JoinEntry, target: JoinTarget, signal: AbortSignal): Promise<JoinFacts>;
  /** @param notAfter milliseconds since the Unix epoch: the node does nothing from then on, by its own clock */
  leave(node: Target, domain: string, notAfter: number, signal: AbortSignal): Promise<LeaveFacts>;
}

export interface Patience {
  /** Milliseconds, all but the attempts. */
  readonly joinMs: number;
  readonly unjoinMs: number;
  readonly leaveMs: number;
  readonly joinAttempts: number;
  /** Milliseconds after which one operation of the directory is given up. */
  readonly operationMs: number;
  readonly pauses: Pauses;
}

export interface WorkPorts {
  readonly directory: DirectoryPort;
  readonly nodes: NodesPort;
  readonly clock: Clock;
  readonly patience: Patience;
  /** A fresh one-time password, hidden from logs until it is forgotten. */
  readonly newOneTimePassword: () => { readonly value: string; forget(): void };
  /** Seals a one-time password to a node's public key. @throws AdjoinError `node-facts-invalid` */
  readonly seal: (publicKey: string, oneTimePassword: string) => string;
}

/**
 * Milliseconds before the hook's global deadline by which an answer must be on its way: what is not removed by then is a
 * debt in the ledger.
 */
export const ANSWER_MARGIN_MS = 60_000;
/** Milliseconds before that deadline at which a join is cut off: what it staged is removed in between. */
export const JOIN_MARGIN_MS = 2 * ANSWER_MARGIN_MS;

export const targetOf = (action: LifecycleAction): Target => ({
  instanceId: action.instanceId,
  correlationId: action.token,
});

/** Writes down why an action is not done yet, unless that is what stands there. @throws AdjoinError `lease-lost` */
export async function noteError(holding: Holding, clock: Clock, error: AdjoinError): Promise<void> {
  const { lastError } = holding.membership;
  if (lastError?.code === error.code && lastError.message === error.message) return;
  try {
    await holding.update({ lastError: { code: error.code, message: error.message, at: clock.now() } });
  } catch (trouble) {
    // A note that can't be made is no reason to give the action up.
    if (asAdjoinError(trouble).disposition !== 'retry') throw trouble;
  }
}
