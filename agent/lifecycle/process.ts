/**
 * One message from receive to delete.
 *
 *     received ─▶ parsed ─▶ admitted ─▶ leased ─▶ worked ─▶ answered ─▶ deleted
 *
 * What an error makes of the message is its disposition (errors.ts). The message is deleted last, and only when Auto
 * Scaling has the answer or has shown that it wants none; until then SQS brings it back, to us or to another worker.
 */
import { AdjoinError, asAdjoinError } from '../errors.ts';
import type { Clock } from '../clock.ts';
import type { Holding, Ledger } from '../ledger/ledger.ts';
import { expiryFrom, mayHaveAccount } from '../ledger/membership.ts';
import type { Log } from '../log.ts';
import { retry, until } from '../patience.ts';
import type { LifecycleAction } from './action.ts';
import { parseMessage, type Expectation } from './action.ts';
import { admit, type Admission, type AdmissionPorts } from './admit.ts';
import { join } from './join.ts';
import { awaitStraggler, removeAccount } from './removal.ts';
import { createHold, type Hold, type Renewable } from './lease.ts';
import { unjoin } from './unjoin.ts';
import { type Work, type WorkPorts } from './work.ts';

export interface QueueMessage {
  readonly messageId: string;
  readonly body: string;
  readonly receiveCount: number;
}

export interface MessagePort<M extends QueueMessage> {
  remove(message: M): Promise<void>;
  hide(message: M, seconds: number): Promise<void>;
}

export interface CompletionPort {
  /** @throws AdjoinError `action-void` when the action is no longer active */
  complete(action: LifecycleAction, result: 'CONTINUE' | 'ABANDON', signal?: AbortSignal): Promise<void>;
}

export interface ProcessOptions<M extends QueueMessage> {
  readonly expected: Expectation;
  readonly queue: MessagePort<M>;
  readonly admission: AdmissionPorts;
  readonly completion: CompletionPort;
  readonly ledger: Ledger;
  readonly work: WorkPorts;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds for which a receive hides a message, and for which a lease holds. */
  readonly visibilityMs: number;
  readonly leaseMs: number;
  /** Told how each message ended. */
  readonly count: (ending: Ending) => void;
}

export type Ending =
  | 'joined'
  | 'abandoned'
  | 'held'
  | 'unjoined'
  | 'owed'
  | 'kept'
  | 'void'
  | 'not-opted-in'
  | 'test-notification'
  | 'malformed'
  | 'handed-back'
  | 'failed';

/** Seconds after which SQS may hand out again what nobody could read: soon, so that it reaches the dead-letter queue. */
const MALFORMED_PAUSE = 1;
/** Seconds after the hook has timed out at which a held launch is looked at again: by then it is void. */
const HOLD_MARGIN = 30;
/** Seconds; the most that SQS hides a message for (12 hours). */
const LONGEST_HIDE = 43_200;
/** Milliseconds that each step of removing the account of a void launch may take before it is owed. */
const SETTLE_MS = 60_000;
/** What an account's removal checks after the hold is over: nothing, for the lease was renewed a moment ago. */
const leaseIsFresh = (): void => undefined;
/** States of an instance that lives on, whoever answered its launch. */
const alive = /^(InService|Standby|Pending|Entering|Detach|Warmed:(Running|Stopped|Hibernated|Pending))/;

interface Active {
  readonly action: LifecycleAction;
  readonly hold: Hold;
  readonly ended: Promise<void>;
}

export interface MessageProcess<M extends QueueMessage> {
  /** Never throws; the message is deleted, hidden or left for the dead-letter queue. */
  handle(message: M, receivedAt: number): Promise<void>;
  /** Stops all work in progress; each message goes back to the queue, visible at once. */
  abortAll(reason: AdjoinError): void;
}

export function createProcess<M extends QueueMessage>(options: ProcessOptions<M>): MessageProcess<M> {
  const { queue, admission: admissionPorts, completion, ledger, work: workPorts, clock, count } = options;
  const holds = new Set<Hold>();
  /** The action that this process works on, by instance. */
  const active = new Map<string, Active>();

  function messageHold(message: M, receivedAt: number, log: Log): Hold {
    const hold = createHold(clock, (error) => log.warn('renewal failed, trying again', { error }));
    const visibility: Renewable = {
      name: 'message visibility',
      lastsMs: options.visibilityMs,
      renew: () => queue.hide(message, options.visibilityMs / 1000),
    };
    hold.add(visibility, receivedAt);
    return hold;
  }

  /** Pauses of AWS calls around the work: an outage of theirs is not the instance's fault. */
  function patiently<T>(
    signal: AbortSignal,
    deadline: number,
    log: Log,
    event: string,
    call: () => Promise<T>,
  ): Promise<T> {
    const onRetry = (error: AdjoinError): void => log.warn(event, { error });
    return retry({ clock, pauses: workPorts.patience.pauses, deadline, signal, onRetry }, call);
  }

  /** Answers the action. An answer whose own answer was lost is found void the second time: then it was given. */
  async function answer(work: Work, result: 'CONTINUE' | 'ABANDON'): Promise<void> {
    const { action, signal, log, admission } = work;
    await patiently(signal, admission.globalDeadline, log, 'answer not given yet', async () => {
      work.check();
      await completion.complete(action, result, signal);
    });
    log.info('lifecycle action completed', { result });
    await work.holding.update(
      work.holding.membership.state === 'removed' || work.holding.membership.state === 'failed'
        ? { expiresAt: expiryFrom(clock.now()) }
        : {},
      'complete',
    );
  }

  async function launch(work: Work, message: M): Promise<Ending> {
    const outcome = await join(work, workPorts);
    if (outcome.result === 'CONTINUE') {
      await answer(work, 'CONTINUE');
      return 'joined';
    }
    work.log.error('join failed', { error: outcome.error, policy: work.admission.failurePolicy });
    if (work.admission.failurePolicy === 'HOLD') {
      // No answer: Auto Scaling's own time-out decides, and people can look at the instance until then.
      await queue.hide(message, Math.min(work.admission.hook.heartbeatMs / 1000 + HOLD_MARGIN, LONGEST_HIDE));
      return 'held';
    }
    await answer(work, 'ABANDON');
    return 'abandoned';
  }

  async function terminate(work: Work): Promise<Ending> {
    if (work.action.destination === 'WarmPool') {
      // The instance is put to sleep, not terminated: it stays a member, and its account with it.
      const { membership } = work.holding;
      const verified = membership.launch?.times.verify !== undefined;
      const state = verified ? 'member' : 'staged';
      await work.holding.update({ state: mayHaveAccount(membership) ? state : 'removed' });
      await answer(work, 'CONTINUE');
      return 'kept';
    }
    await unjoin(work, workPorts);
    await answer(work, 'CONTINUE');
    return work.holding.membership.state === 'owed' ? 'owed' : 'unjoined';
  }

  /**
   * A launch that ended without us: answered by somebody else, timed out, or terminated. If the instance does not live on,
   * its account goes now; no later message is promised.
   */
  async function settleVoidLaunch(action: LifecycleAction, holding: Holding, log: Log): Promise<void> {
    if (!mayHaveAccount(holding.membership)) return;
    const unsettled = (): AdjoinError =>
      new AdjoinError(
        'directory-unavailable',
        `${action.instanceId}: no answer within ${SETTLE_MS / 1000} s.`,
      );
    // The action's own hold is over; what is done here is bounded by time instead, and each step by a lease of its own.
    const bounded = async <T>(task: (signal: AbortSignal) => Promise<T>): Promise<T> => {
      await holding.renew();
      return until(clock, clock.now() + SETTLE_MS, new AbortController().signal, unsettled, task);
    };
    const state = await bounded((signal) => admissionPorts.instance(action.instanceId, signal));
    if (state && alive.test(state.lifecycleState)) return;
    try {
      await bounded((signal) => awaitStraggler(holding, clock, signal));
      const settling = { holding, action, check: leaseIsFresh };
      const removed = await bounded((signal) => removeAccount(settling, workPorts, signal));
      log.info('account of a void launch removed', { ...removed });
      await holding.update({ state: 'removed', stagingBegan: undefined });
    } catch (error) {
      log.error('account of a void launch is owed to the sweep', { error });
      await holding.update({ state: 'owed' });
    }
  }

  /** A termination that Auto Scaling vouches for makes a launch of the same instance void: no need to wait for its heartbeat. */
  async function supersede(action: LifecycleAction): Promise<void> {
    const earlier = active.get(action.instanceId);
    if (!earlier || earlier.action.token === action.token) return;
    if (earlier.action.startedAt > action.startedAt) {
      // Admitted before that one began, and only told so now. Once it comes back, Auto Scaling shows it void.
      throw new AdjoinError(
        'action-owned-elsewhere',
        `${action.instanceId}: a later lifecycle action is worked on.`,
      );
    }
    earlier.hold.abort(
      new AdjoinError('action-void', `${action.instanceId}: another lifecycle action has followed this one.`),
    );
    await earlier.ended;
  }

  async function workOn(
    message: M,
    action: LifecycleAction,
    admitted: Admission,
    admittedAt: number,
    hold: Hold,
    log: Log,
  ): Promise<Ending> {
    await supersede(action);
    hold.signal.throwIfAborted();
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const leasedAt = clock.now();
    const holding = await ledger.take(action);
    const mine: Active = { action, hold, ended };
    active.set(action.instanceId, mine);
    try {
      const heartbeat: Renewable = {
        name: 'heartbeat',
        lastsMs: admitted.hook.heartbeatMs,
        renew: () => admissionPorts.heartbeat(action, hold.signal),
      };
      hold.add(heartbeat, admittedAt);
      hold.add({ name: 'lease', lastsMs: options.leaseMs, renew: () => holding.renew() }, leasedAt);
      const { signal } = hold;
      const check = (): void => hold.check();
      const work: Work = { action, admission: admitted, holding, signal, check, log };
      try {
        return action.transition === 'launching' ? await launch(work, message) : await terminate(work);
      } catch (error) {
        if (asAdjoinError(error).code === 'action-void' && action.transition === 'launching') {
          await settleVoidLaunch(action, holding, log);
        }
        throw error;
      }
    } finally {
      if (active.get(action.instanceId) === mine) active.delete(action.instanceId);
      await hold.stop();
      await holding.release().catch((error: unknown) => log.warn('lease not given back', { error }));
      end();
    }
  }

  async function process(message: M, receivedAt: number, hold: Hold, log: Log): Promise<Ending> {
    const parsed = parseMessage(message.body, options.expected, receivedAt);
    if (parsed.kind === 'test-notification') {
      log.info('test notification received', { group: parsed.group });
      await queue.remove(message);
      return 'test-notification';
    }
    const { action } = parsed;
    const actionLog = log.with({
      correlationId: action.token,
      instanceId: action.instanceId,
      group: action.group,
      transition: action.transition,
    });
    actionLog.info('lifecycle action received', { receiveCount: message.receiveCount });
    const isMember = async (): Promise<boolean> => (await ledger.find(action.instanceId)) !== undefined;
    const deadline = receivedAt + workPorts.patience.joinMs;
    let admittedAt = receivedAt;
    const admitted = await patiently(hold.signal, deadline, actionLog, 'admission not decided yet', () => {
      admittedAt = clock.now();
      return admit(action, admissionPorts, isMember, hold.signal);
    });
    const ending = await workOn(message, action, admitted, admittedAt, hold, actionLog);
    if (ending !== 'held') await queue.remove(message);
    actionLog.info('lifecycle action ended', { ending });
    return ending;
  }

  /** What becomes of the message after an error. */
  async function dispose(message: M, error: AdjoinError, log: Log): Promise<Ending> {
    switch (error.disposition) {
      case 'acknowledge':
        log.info('message deleted without work', { error });
        await queue.remove(message);
        return error.code === 'action-not-opted-in' ? 'not-opted-in' : 'void';
      case 'dead-letter':
        log.error('message left for the dead-letter queue', { error, receiveCount: message.receiveCount });
        await queue.hide(message, MALFORMED_PAUSE);
        return 'malformed';
      case 'yield':
        log.info('message handed back', { error });
        await queue.hide(message, error.code === 'draining' ? 0 : options.visibilityMs / 1000);
        return 'handed-back';
      case 'retry':
      case 'abandon':
      case 'report':
      case 'fatal':
        // Not worked out here; the queue brings it back, and in the end keeps it for a person.
        log.error('action failed, message stays in the queue', { error, receiveCount: message.receiveCount });
        return 'failed';
    }
  }

  async function handle(message: M, receivedAt: number): Promise<void> {
    const log = options.log.with({ messageId: message.messageId });
    const hold = messageHold(message, receivedAt, log);
    holds.add(hold);
    let ending: Ending = 'failed';
    try {
      ending = await process(message, receivedAt, hold, log);
    } catch (error) {
      await hold.stop();
      try {
        ending = await dispose(message, asAdjoinError(error), log);
      } catch (trouble) {
        log.warn('message not settled, SQS brings it back', { error: trouble });
      }
    } finally {
      await hold.stop();
      holds.delete(hold);
      count(ending);
    }
  }

  return {
    handle,
    abortAll(reason) {
      for (const hold of holds) hold.abort(reason);
    },
  };
}
