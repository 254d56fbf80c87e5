/** What a join and an unjoin are given to work with. */
import type { Clock } from '../clock.ts';
import { asAdjoinError, type AdjoinError } from '../errors.ts';
import type { Lease } from '../ledger/ledger.ts';
import type { Log } from '../log.ts';
import type { Directory } from '../directory/directory.ts';
import type { Nodes, Target } from '../nodes/nodes.ts';
import type { Boot } from '../nodes/readiness.ts';
import type { Pauses } from '../patience.ts';
import type { Admission } from './admission.ts';
import type { NodeDefaults } from './node-settings.ts';
import type { Place } from './slots.ts';
import type { Ending, LifecycleAction, LifecycleResult } from '../terms.ts';

/** One admitted action, under its lease. */
export interface Work {
  readonly action: LifecycleAction;
  readonly admission: Admission;
  readonly lease: Lease;
  /** Aborts when a lease, visibility or heartbeat is lost, the action is void, or the worker stops. */
  readonly signal: AbortSignal;
  /** The work begins with a slot. While it waits it may do without: it rests, and takes one again before it goes on. */
  readonly slot: Pick<Place, 'take' | 'rest'>;
  /** Told when the node has joined, and of each error that is the node's. */
  readonly attempted: (error?: AdjoinError) => void;
  /** Called right before an effect that no fencing token guards. Throws what `KeepAlive.check` throws. */
  readonly check: () => void;
  readonly log: Log;
}

/** What a join or an unjoin has come to. */
export interface Verdict {
  /** What Auto Scaling is answered; undefined for a launch that is held. */
  readonly answer: LifecycleResult | undefined;
  readonly ending: Ending;
  /** Why it is not what was asked for, where nothing was done about it. */
  readonly error?: AdjoinError | undefined;
}

/** What a join and an unjoin ask of the directory. */
export interface DirectoryPort extends Pick<Directory, 'stage' | 'remove' | 'prove'> {
  /**
   * A staged account as its own domain controller shows it now: `ours` when it carries this instance's stamp, `isNameTaken`
   * when another account of the domain has registered its name in DNS.
   */
  inspect(
    instanceId: string,
    staged: Parameters<Directory['inspect']>[0],
    signal: AbortSignal,
  ): Promise<
    | {
        readonly passwordLastSet: bigint;
        readonly enabled: boolean;
        readonly ours: boolean;
        readonly isNameTaken: boolean;
      }
    | undefined
  >;
  /** The name of the domain that the service account belongs to. */
  domain(signal: AbortSignal): Promise<string>;
}

export interface CompletionPort {
  /** Answers the action. @throws AdjoinError `action-void` when it is no longer active: answered, timed out or never there */
  complete(action: LifecycleAction, result: LifecycleResult, signal?: AbortSignal): Promise<void>;
}

export interface Patience {
  /** Milliseconds, all but the attempts. */
  readonly joinMs: number;
  readonly unjoinMs: number;
  readonly leaveMs: number;
  readonly postJoinMs: number;
  readonly joinAttempts: number;
  /** Milliseconds after which one operation of the directory is given up. */
  readonly operationMs: number;
  readonly pauses: Pauses;
}

export interface WorkPorts {
  readonly directory: DirectoryPort;
  readonly nodes: Nodes;
  readonly clock: Clock;
  readonly patience: Patience;
  readonly nodeDefaults: NodeDefaults;
  /** A fresh one-time password, hidden from logs until it is forgotten. */
  readonly newOneTimePassword: () => { readonly value: string; forget(): void };
  /** A name that nobody can guess, for a node to register in DNS. */
  readonly newChallenge: () => string;
  /** Seals a one-time password to a node's public key. @throws AdjoinError `node-key-refused` */
  readonly seal: (publicKey: string, oneTimePassword: string) => string;
}

/**
 * Milliseconds before the hook's global deadline by which an answer must be on its way: what is not removed by then is
 * owed, and the ledger says so.
 */
export const ANSWER_MARGIN_MS = 60_000;
/** Milliseconds before that deadline at which a join is cut off: what it staged is removed in between. */
export const JOIN_MARGIN_MS = 2 * ANSWER_MARGIN_MS;

export const targetOf = (action: LifecycleAction): Target => ({
  instanceId: action.instanceId,
  correlationId: action.token,
});

/**
 * The boot that a launch waits for: those of one group from one place take about the same time. An instance that was there before
 * its action, or has no group, has none.
 */
export const bootOf = ({ source, group, origin, startedAt }: LifecycleAction): Boot | undefined =>
  source === undefined ? { kind: `${group} ${origin}`, since: startedAt } : undefined;

/** Writes into the ledger why an action is not done yet, unless it says so already. @throws AdjoinError `lease-lost` */
export async function noteError(lease: Lease, clock: Clock, error: AdjoinError): Promise<void> {
  const { lastError } = lease.membership;
  if (lastError?.code === error.code && lastError.message === error.message) return;
  try {
    await lease.update({ lastError: { code: error.code, message: error.message, at: clock.now() } });
  } catch (trouble) {
    // A note that can't be made is no reason to give the action up.
    if (asAdjoinError(trouble).disposition !== 'retry') throw trouble;
  }
}
