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
import type { Lease, Ledger } from '../ledger/ledger.ts';
import { endedAt, mayHaveAccount, type Membership } from '../ledger/membership.ts';
import { awaitStraggler } from '../ledger/staging.ts';
import type { Log } from '../log.ts';
import { retry, until } from '../patience.ts';
import { parseMessage, type Expectation } from './parse.ts';
import { admit, type Admission, type AdmissionPorts } from './admit.ts';
import { join } from './join.ts';
import { removeAccount } from './removal.ts';
import { createKeepAlive, type KeepAlive, type Renewable } from '../keep-alive.ts';
import { unjoin } from './unjoin.ts';
import type { CompletionPort, Work, WorkPorts } from './work.ts';
import type { Ending, LifecycleAction } from '../terms.ts';

export interface QueueMessage {
  readonly messageId: string;
  readonly body: string;
  readonly receiveCount: number;
}

export interface QueuePort<M extends QueueMessage> {
  remove(message: M): Promise<void>;
  hide(message: M, seconds: number): Promise<void>;
}

export interface HandlerOptions<M extends QueueMessage> {
  readonly expected: Expectation;
  readonly queue: QueuePort<M>;
  readonly admission: AdmissionPorts;
  readonly completion: CompletionPort;
  readonly ledger: Ledger;
  readonly work: WorkPorts;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds for which a receive hides a message. */
  readonly visibilityMs: number;
  /** Told how each message ended. */
  readonly count: (ending: Ending) => void;
}

/** Seconds after which SQS may hand out again what nobody could read: soon, so that it reaches the dead-letter queue. */
const MALFORMED_PAUSE = 1;
/** Milliseconds after the hook has timed out at which a held launch is looked at again: by then it is void. */
const HOLD_MARGIN_MS = 30_000;
/**
 * Milliseconds for which SQS hides a message at most, counted from its receive (12 hours), less a margin for clocks that
 * differ: what would take it beyond is refused.
 */
const LONGEST_HIDE_MS = 43_200_000 - 60_000;
/** Milliseconds that each step of removing the account of a void launch may take before it is owed. */
const SETTLE_MS = 60_000;
/**
 * States of an instance that does not live on. One that is not shown at all may only have come too early for a view that
 * lags behind; and a void answer may be our own, given twice by a client that missed the first one's answer.
 */
const dead = /^(Warmed:)?Terminat/;

interface Active {
  readonly action: LifecycleAction;
  readonly keepAlive: KeepAlive;
  readonly ended: Promise<void>;
}

export interface Handler<M extends QueueMessage> {
  /** Never throws; the message is deleted, hidden or left for the dead-letter queue. */
  handle(message: M, receivedAt: number): Promise<void>;
  /** Stops all work in progress; each message goes back to the queue, visible at once. */
  abortAll(reason: AdjoinError): void;
}

export function createHandler<M extends QueueMessage>(options: HandlerOptions<M>): Handler<M> {
  const { queue, admission: admissionPorts, completion, ledger, work: workPorts, clock, count } = options;
  const keepAlives = new Set<KeepAlive>();
  /** The action that this process works on, by instance. */
  const active = new Map<string, Active>();

  const keepAliveFor = (log: Log): KeepAlive =>
    createKeepAlive(clock, (error) => log.warn('renewal failed, trying again', { error }));

  /** Hides a message for so many milliseconds, or for as long as it can still be hidden. */
  function hideUpTo(message: M, receivedAt: number, ms: number): Promise<void> {
    const left = receivedAt + LONGEST_HIDE_MS - clock.now();
    return queue.hide(message, Math.max(0, Math.floor(Math.min(ms, left) / 1000)));
  }

  /** Whether SQS would still hide the message for as long as it has to be. */
  const isAged = (receivedAt: number): boolean =>
    clock.now() + options.visibilityMs > receivedAt + LONGEST_HIDE_MS;

  function keepMessage(message: M, receivedAt: number, log: Log): KeepAlive {
    const keepAlive = keepAliveFor(log);
    const visibility: Renewable = {
      name: 'message visibility',
      lastsMs: options.visibilityMs,
      async renew() {
        if (isAged(receivedAt)) {
          const why = 'SQS hides a message for 12 hours at most; it goes back and is received anew.';
          throw new AdjoinError('lease-lost', why);
        }
        await queue.hide(message, options.visibilityMs / 1000);
      },
    };
    keepAlive.add(visibility, receivedAt);
    return keepAlive;
  }

  /** Pauses of AWS calls around the work: an outage of theirs is not the instance's fault. */
  function patiently<T>(
    signal: AbortSignal,
    deadline: number,
    log: Log,
    event: string,
    call: (attempt: number) => Promise<T>,
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
    await work.lease.update({}, 'complete');
  }

  async function launch(work: Work): Promise<Ending> {
    const outcome = await join(work, workPorts);
    if (outcome.result === 'CONTINUE') {
      await answer(work, 'CONTINUE');
      return 'joined';
    }
    work.log.error('join failed', { error: outcome.error, policy: work.admission.failurePolicy });
    // No answer: Auto Scaling's own time-out decides, and people can look at the instance until then.
    if (work.admission.failurePolicy === 'HOLD') return 'held';
    await answer(work, 'ABANDON');
    return 'abandoned';
  }

  async function terminate(work: Work): Promise<Ending> {
    if (work.action.destination === 'WarmPool') {
      // The instance is put to sleep, not terminated: it stays a member, and its account with it.
      const { membership } = work.lease;
      const verified = membership.launch?.times.verify !== undefined;
      const state = verified ? 'member' : 'staged';
      await work.lease.update(
        mayHaveAccount(membership) ? { state } : { state: 'removed', ...endedAt(clock.now()) },
      );
      await answer(work, 'CONTINUE');
      return 'kept';
    }
    await unjoin(work, workPorts);
    await answer(work, 'CONTINUE');
    return work.lease.membership.state === 'owed' ? 'owed' : 'unjoined';
  }

  /**
   * A launch that ended without us: answered by somebody else, timed out, or terminated. If Auto Scaling shows that the
   * instance does not live on, its account goes now; no later message is promised. If it shows nothing, that is no proof:
   * the sweep asks EC2.
   */
  async function settleVoidLaunch(action: LifecycleAction, lease: Lease, log: Log): Promise<void> {
    if (!mayHaveAccount(lease.membership)) return;
    const unsettled = (): AdjoinError =>
      new AdjoinError(
        'directory-unavailable',
        `${action.instanceId}: no answer within ${SETTLE_MS / 1000} s.`,
      );
    // The action's own keepAlive is over. What is done here is held by the lease alone, and each step is bounded by time.
    const keepAlive = keepAliveFor(log);
    const leasedAt = clock.now();
    await lease.renew();
    keepAlive.add(lease, leasedAt);
    keepAlives.add(keepAlive);
    const bounded = <T>(task: (signal: AbortSignal) => Promise<T>): Promise<T> =>
      until(clock, clock.now() + SETTLE_MS, keepAlive.signal, unsettled, task);
    try {
      const state = await bounded((signal) => admissionPorts.instance(action.instanceId, signal));
      if (!state) log.warn('account of a void launch is left to the sweep: its instance is not shown');
      if (!state || !dead.test(state.lifecycleState)) return;
      await settleDead({ lease, action, check: () => keepAlive.check() }, keepAlive.signal, bounded, log);
    } finally {
      await keepAlive.stop();
      keepAlives.delete(keepAlive);
    }
  }

  async function settleDead(
    settling: Pick<Work, 'lease' | 'action' | 'check'>,
    signal: AbortSignal,
    bounded: <T>(task: (signal: AbortSignal) => Promise<T>) => Promise<T>,
    log: Log,
  ): Promise<void> {
    const { lease } = settling;
    try {
      await awaitStraggler(lease, clock, workPorts.patience.operationMs, signal);
      const removed = await bounded((limited) => removeAccount(settling, workPorts, limited));
      log.info('account of a void launch removed', { ...removed });
      const { domainController } = removed;
      await lease.update({ state: 'removed', ...endedAt(clock.now()), domainController });
    } catch (error) {
      log.error('account of a void launch is owed to the sweep', { error });
      await lease.update({ state: 'owed' });
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
    earlier.keepAlive.abort(
      new AdjoinError('action-void', `${action.instanceId}: another lifecycle action has followed this one.`),
    );
    await earlier.ended;
  }

  /**
   * Takes the lease, however long the ledger is out of reach: the action is kept alive meanwhile, and a message that
   * comes back each time is a dead letter in the end.
   */
  async function takeLease(
    action: LifecycleAction,
    admitted: Admission,
    keepAlive: KeepAlive,
    log: Log,
  ): Promise<{ readonly lease: Lease; readonly since: number }> {
    const { signal } = keepAlive;
    return patiently(signal, admitted.globalDeadline, log, 'lease not taken yet', async (attempt) => {
      // Time has passed since the admission: somebody else may have answered, and seen to the instance's end.
      if (attempt > 1) await admissionPorts.heartbeat(action, signal);
      const since = clock.now();
      return { lease: await ledger.take(action), since };
    });
  }

  /** What an outage of the ledger's keeps waiting, for as long as the lease lasts. */
  function withPatience(lease: Lease, deadline: number, keepAlive: KeepAlive, log: Log): Lease {
    return {
      name: lease.name,
      lastsMs: lease.lastsMs,
      get membership() {
        return lease.membership;
      },
      update: (change, step) =>
        patiently(keepAlive.signal, deadline, log, 'ledger not written yet', () =>
          lease.update(change, step),
        ),
      renew: () => lease.renew(),
      release: () => lease.release(),
    };
  }

  async function workOn(
    action: LifecycleAction,
    admitted: Admission,
    keepAlive: KeepAlive,
    log: Log,
  ): Promise<Ending> {
    await supersede(action);
    keepAlive.signal.throwIfAborted();
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const mine: Active = { action, keepAlive, ended };
    // Superseded while it waits for the lease, too; but a second message of one action does not stand for the first.
    if (active.get(action.instanceId)?.action.token !== action.token) active.set(action.instanceId, mine);
    let lease: Lease | undefined;
    try {
      const taken = await takeLease(action, admitted, keepAlive, log);
      lease = withPatience(taken.lease, admitted.globalDeadline, keepAlive, log);
      active.set(action.instanceId, mine);
      keepAlive.add(taken.lease, taken.since);
      const { signal } = keepAlive;
      const check = (): void => keepAlive.check();
      const work: Work = { action, admission: admitted, lease, signal, check, log };
      try {
        return action.transition === 'launching' ? await launch(work) : await terminate(work);
      } catch (error) {
        if (asAdjoinError(error).code === 'action-void' && action.transition === 'launching') {
          await settleVoidLaunch(action, taken.lease, log);
        }
        throw error;
      }
    } finally {
      if (active.get(action.instanceId) === mine) active.delete(action.instanceId);
      await keepAlive.stop();
      await lease?.release().catch((error: unknown) => log.warn('lease not given back', { error }));
      end();
    }
  }

  /** The action is kept alive from now on, whatever the work has to wait for first. */
  function workAlive(
    action: LifecycleAction,
    admitted: Admission,
    admittedAt: number,
    keepAlive: KeepAlive,
    log: Log,
  ): Promise<Ending> {
    const heartbeat: Renewable = {
      name: 'heartbeat',
      lastsMs: admitted.hook.heartbeatMs,
      renew: () => admissionPorts.heartbeat(action, keepAlive.signal),
    };
    keepAlive.add(heartbeat, admittedAt);
    return workOn(action, admitted, keepAlive, log);
  }

  async function process(message: M, receivedAt: number, keepAlive: KeepAlive, log: Log): Promise<Ending> {
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
    const known = (): Promise<Membership | undefined> => ledger.find(action.instanceId);
    const deadline = receivedAt + workPorts.patience.joinMs;
    let admittedAt = receivedAt;
    const admitted = await patiently(
      keepAlive.signal,
      deadline,
      actionLog,
      'admission not decided yet',
      () => {
        admittedAt = clock.now();
        return admit(action, admissionPorts, known, keepAlive.signal);
      },
    );
    const ending = admitted.isHeld
      ? 'held'
      : await workAlive(action, admitted, admittedAt, keepAlive, actionLog);
    // No renewal is on its way then that could shorten this.
    await keepAlive.stop();
    if (ending === 'held') await hideUpTo(message, receivedAt, admitted.hook.heartbeatMs + HOLD_MARGIN_MS);
    else await queue.remove(message);
    actionLog.info('lifecycle action ended', { ending });
    return ending;
  }

  /** What becomes of the message after an error. */
  async function dispose(message: M, receivedAt: number, error: AdjoinError, log: Log): Promise<Ending> {
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
        await queue.hide(
          message,
          error.code === 'draining' || isAged(receivedAt) ? 0 : options.visibilityMs / 1000,
        );
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
    const keepAlive = keepMessage(message, receivedAt, log);
    keepAlives.add(keepAlive);
    let ending: Ending = 'failed';
    try {
      ending = await process(message, receivedAt, keepAlive, log);
    } catch (error) {
      await keepAlive.stop();
      try {
        ending = await dispose(message, receivedAt, asAdjoinError(error), log);
      } catch (trouble) {
        log.warn('message not settled, SQS brings it back', { error: trouble });
      }
    } finally {
      await keepAlive.stop();
      keepAlives.delete(keepAlive);
      count(ending);
    }
  }

  return {
    handle,
    abortAll(reason) {
      for (const keepAlive of keepAlives) keepAlive.abort(reason);
    },
  };
}
