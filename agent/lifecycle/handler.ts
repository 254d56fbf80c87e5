/**
 * One message from its delivery to its removal.
 *
 *     delivery ─▶ parsed ─▶ admitted ─▶ (a launch: parked until its node is there) ─▶ in a slot ─▶ leased ─▶ worked on
 *       ─▶ answered ─▶ deleted
 *
 * After an error, the disposition of its code decides what becomes of the message (dispose.ts). The message is deleted
 * last, and only when Auto Scaling has the answer or has shown that it wants none; until then SQS brings it back, to this
 * worker or to another.
 */
import { AdjoinError, asAdjoinError } from '../errors.ts';
import { createKeepAlive, type KeepAlive, type Renewable, type Renewal } from '../keep-alive.ts';
import type { Lease, Ledger } from '../ledger/ledger.ts';
import type { Membership, MembershipChange, Step } from '../ledger/membership.ts';
import type { Log } from '../log.ts';
import { retry, until } from '../patience.ts';
import type { Ending, InstanceState, LifecycleAction, LifecycleResult } from '../terms.ts';
import type { Admission, AdmissionPorts } from './admission.ts';
import { admit } from './admit.ts';
import { createBreaker } from './breaker.ts';
import type { Delivery } from './delivery.ts';
import { dispose } from './dispose.ts';
import { createInProgress } from './in-progress.ts';
import { join } from './join.ts';
import { joinSeconds } from './join-times.ts';
import type { Expectation } from './envelope.ts';
import { INQUIRY_MS, type Inquiry, type InquiryPort } from './inquiry.ts';
import { parseMessage } from './parse.ts';
import type { Outcome, OutcomePort } from './request.ts';
import type { Place, Slots } from './slots.ts';
import { forEverySource } from './unhooked.ts';
import { unjoin } from './unjoin.ts';
import { isEnding, settleVoidMessage, settleVoidTermination, type ExistencePorts } from './void-action.ts';
import { settleVoidLaunch, type VoidLaunch } from './void-launch.ts';
import { bootOf, JOIN_MARGIN_MS, type CompletionPort, type Work, type WorkPorts } from './work.ts';

export interface HandlerOptions {
  readonly expected: Expectation;
  readonly admission: AdmissionPorts & ExistencePorts;
  readonly completion: CompletionPort;
  readonly ledger: Ledger;
  readonly outcomes: OutcomePort;
  readonly inquiries: InquiryPort;
  readonly work: WorkPorts;
  readonly slots: Slots;
  readonly log: Log;
  /** Told how each delivery ended. */
  readonly count: (ending: Ending) => void;
}

export interface Handler {
  /**
   * Never throws; the message is deleted, hidden or left for the dead-letter queue. Its action has its place, or is turned
   * away, by the time of the first await.
   */
  handle(delivery: Delivery): Promise<void>;
  /** Stops all work in progress; each message goes back to the queue, visible at once. */
  abortAll(reason: AdjoinError): void;
}

/** A lease ends before its message shows again, so that the next worker which receives it finds the lease free. */
export const LEASE_SHARE = 0.8;
/** Milliseconds between two looks at a lease that another worker has: it may be given back before it ends. */
const LONGEST_LOOK_MS = 10_000;
const SHORTEST_LOOK_MS = 1_000;
/** Milliseconds after the hook has timed out at which a held launch is looked at again: by then it is void. */
const HELD_MARGIN_MS = 30_000;

/** Whether the instance is where this answer has brought it. A termination ends the same way whoever answers it. */
function fits(result: LifecycleResult, action: LifecycleAction, state: InstanceState | undefined): boolean {
  if (action.transition === 'terminating') return true;
  return result === 'CONTINUE'
    ? state !== undefined && !isEnding(state)
    : state === undefined || isEnding(state);
}

/** Where a message's action is, once it has a place. */
interface At {
  place: Place | undefined;
}

/** One action, kept alive from its receive on. */
interface Task {
  readonly action: LifecycleAction;
  readonly keepAlive: KeepAlive;
  readonly place: Place;
  readonly log: Log;
  /** When the node was seen to be there, milliseconds since the Unix epoch. */
  onlineAt?: number;
}

/** The hook's time-out, which starts again with each heartbeat. A class, for thousands of these wait. */
class Heartbeat implements Renewable {
  readonly name = 'heartbeat';
  readonly lastsMs: number;
  readonly #action: LifecycleAction;
  readonly #signal: AbortSignal;
  readonly #ports: AdmissionPorts;

  constructor(action: LifecycleAction, lastsMs: number, signal: AbortSignal, ports: AdmissionPorts) {
    this.#action = action;
    this.lastsMs = lastsMs;
    this.#signal = signal;
    this.#ports = ports;
  }

  renew(renewal?: Renewal): Promise<void> {
    return this.#ports.heartbeat(this.#action, this.#signal, renewal);
  }
}

/** A message that asks for nothing is only deleted. */
async function removed(delivery: Delivery, ending: Ending): Promise<Ending> {
  await delivery.remove();
  return ending;
}

/** Tries a call to AWS again while there is time. */
type Patiently = (event: string, call: () => Promise<void>) => Promise<void>;

/**
 * The lease as the work uses it: an update waits for a ledger that is out of reach, for as long as the lease lasts. A class, because
 * an object with a getter of its own has a hidden class of its own, which keeps all that the getter reaches until a full collection.
 */
class PatientLease implements Lease {
  readonly name: string;
  readonly lastsMs: number;
  readonly #lease: Lease;
  readonly #patiently: Patiently;

  constructor(lease: Lease, patiently: Patiently) {
    this.name = lease.name;
    this.lastsMs = lease.lastsMs;
    this.#lease = lease;
    this.#patiently = patiently;
  }

  get membership(): Membership {
    return this.#lease.membership;
  }

  update(change: MembershipChange, step?: Step): Promise<void> {
    return this.#patiently('ledger not written yet', () => this.#lease.update(change, step));
  }

  mark(step: Step): void {
    this.#lease.mark(step);
  }

  renew(): Promise<void> {
    return this.#lease.renew();
  }

  release(): Promise<void> {
    return this.#lease.release();
  }
}

export function createHandler(options: HandlerOptions): Handler {
  const { expected, ledger, work: ports, count } = options;
  const { admission: admissionPorts, completion } = forEverySource(options.admission, options.completion);
  const { clock, patience } = ports;
  const inProgress = createInProgress();
  const breaker = createBreaker(clock, options.log);

  /** Made when it is needed: an action that waits has another one, and each takes memory. */
  const logOf = ({ messageId }: Delivery): Log => options.log.with({ messageId });

  /** No async function: thousands of messages wait here, and the state of one takes half a kilobyte. */
  function handle(delivery: Delivery): Promise<void> {
    const { random } = patience.pauses;
    const onTrouble = (error: AdjoinError): void =>
      logOf(delivery).warn('renewal failed, trying again', { error });
    const keepAlive = createKeepAlive(clock, onTrouble, random);
    keepAlive.add(delivery.visibility, delivery.receivedAt);
    inProgress.add(keepAlive);
    const at: At = { place: undefined };
    let steps: Promise<Ending>;
    try {
      steps = runSteps(delivery, keepAlive, logOf(delivery), at);
    } catch (error) {
      steps = Promise.reject(asAdjoinError(error));
    }
    return steps.then(
      (ending) => finish(delivery, keepAlive, at, ending),
      (error: unknown) => finish(delivery, keepAlive, at, asAdjoinError(error)),
    );
  }

  /** @param result how the message ended, or why it did not come to its end: then that says what becomes of it */
  async function finish(
    delivery: Delivery,
    keepAlive: KeepAlive,
    { place }: At,
    result: Ending | AdjoinError,
  ): Promise<void> {
    let ending: Ending = 'failed';
    try {
      place?.leave();
      await keepAlive.stop();
      ending =
        result instanceof AdjoinError
          ? await dispose(delivery, result, { clock, log: logOf(delivery) })
          : result;
    } catch (trouble) {
      logOf(delivery).warn('message not settled, SQS brings it back', { error: trouble });
    } finally {
      await keepAlive.stop();
      inProgress.remove(keepAlive);
      count(ending);
    }
  }

  /** The way of a message, step by step. @throws AdjoinError when the message does not come to its end */
  function runSteps(delivery: Delivery, keepAlive: KeepAlive, log: Log, at: At): Promise<Ending> {
    // 1. Parse.
    // A message says when its action began. What the receive took counts against deadlines, and is no doubt of that.
    const message = parseMessage(delivery.body, expected, clock.now(), delivery.senderId);
    if (message.kind === 'test-notification') {
      log.info('test notification received', { group: message.group });
      return removed(delivery, 'test-notification');
    }
    if (message.kind === 'nothing') {
      log.debug('message asks for nothing', { what: message.what });
      return removed(delivery, 'void');
    }
    if (message.kind === 'inquiry') return inquired(message.inquiry, delivery, keepAlive, log);
    const { action } = message;
    const place = options.slots.enter(action);
    if (!place) {
      throw new AdjoinError('worker-full', `${action.instanceId}: as many actions wait here as may.`);
    }
    at.place = place;
    const { token: correlationId, instanceId, group, transition } = action;
    const actionLog = log.with({ correlationId, instanceId, group, transition });
    const task: Task = { action, keepAlive, place, log: actionLog };
    return action.source === 'request' ? settled(delivery, task) : runAction(delivery, task);
  }

  /** Answers a question, which costs no slot: it takes seconds, and few are asked. */
  async function inquired(
    { id, askedAt }: Inquiry,
    delivery: Delivery,
    keepAlive: KeepAlive,
    log: Log,
  ): Promise<Ending> {
    const isAwaited = clock.now() - askedAt <= INQUIRY_MS;
    if (isAwaited) {
      log.info('inquiry received', { correlationId: id });
      await options.inquiries.answer(id, keepAlive.signal);
    }
    await keepAlive.stop();
    await delivery.remove();
    return isAwaited ? 'answered' : 'void';
  }

  /**
   * The way of an operator's request, whose outcome is noted before its message is deleted: it is done once, however often it is
   * delivered.
   */
  async function settled(delivery: Delivery, task: Task): Promise<Ending> {
    const { action } = task;
    const deadline = delivery.receivedAt + patience.joinMs;
    const find = (): Promise<Outcome | undefined> => options.outcomes.find(action.token);
    if (await patiently(task, deadline, 'outcome not looked for yet', find)) {
      await delivery.remove();
      return 'void';
    }
    try {
      return await runAction(delivery, task);
    } catch (error) {
      const known = asAdjoinError(error);
      if (known.disposition === 'acknowledge') await noteOutcome(task, 'void', known);
      throw error;
    }
  }

  /** Tells the operator who waits for it how a request ended. @throws AdjoinError when the message must come back */
  async function noteOutcome({ action }: Task, ending: Ending, error: Outcome['error']): Promise<void> {
    const at = clock.now();
    await options.outcomes.note(action.token, {
      ending,
      at,
      ...(error && { error: { code: error.code, message: error.message } }),
    });
  }

  /**
   * The way of a message that asks for something. No async function: thousands wait for their admission, and then for their node.
   * @throws AdjoinError when the message does not come to its end
   */
  function runAction(delivery: Delivery, task: Task): Promise<Ending> {
    task.log.info('lifecycle action received', { receiveCount: delivery.receiveCount });
    // 2. Admit.
    return admitted(task, delivery).then(
      (admission) => runAdmitted(delivery, task, admission),
      (error: unknown) => notAdmitted(delivery, task, error),
    );
  }

  async function notAdmitted(delivery: Delivery, task: Task, error: unknown): Promise<Ending> {
    // What an event without a hook leaves behind is the sweep's: a hook may be waiting for the same instance.
    if (asAdjoinError(error).code !== 'action-void' || task.action.source !== undefined) throw error;
    if (!(await settledVoid(task, delivery))) throw error;
    await delivery.remove();
    task.log.info('message deleted after its action was answered');
    return 'void';
  }

  function runAdmitted(delivery: Delivery, task: Task, admission: Admission): Promise<Ending> {
    if (admission.isHeld) return ended(delivery, task, admission, 'held');
    let failure: Outcome['error'];
    // 3. Slot and lease.
    return underLease(task, admission, delivery, async (work) => {
      // 4. Work.
      const isLaunch = task.action.transition === 'launching';
      const verdict = isLaunch ? await join(work, ports) : await unjoin(work, ports);
      // 5. Answer. It may have to wait for a quota, and another action can have the slot meanwhile.
      task.place.rest();
      if (verdict.answer) await answer(work, task, verdict.answer);
      failure = verdict.error ?? work.lease.membership.lastError;
      return verdict.ending;
    }).then((ending) => ended(delivery, task, admission, ending, failure));
  }

  /** What is left to do once the action is answered, or held. */
  async function ended(
    delivery: Delivery,
    task: Task,
    admission: Admission,
    ending: Ending,
    failure?: Outcome['error'],
  ): Promise<Ending> {
    if (task.action.source === 'request') await noteOutcome(task, ending, failure);

    // 6. Delete. No renewal may be on its way by then: it could shorten what a held message is hidden for.
    await task.keepAlive.stop();
    task.log.info('lifecycle action ended', { ending });
    try {
      if (ending === 'held') await delivery.hide(admission.hook.heartbeatMs + HELD_MARGIN_MS);
      else await delivery.remove();
    } catch (error) {
      // The work is done and answered all the same: Auto Scaling shows that to the next worker, which deletes the message.
      task.log.warn('message not deleted after its action ended, SQS brings it back', { error });
    }
    return ending;
  }

  /** Writes down what a void action leaves behind. @returns whether its work had come to an end */
  function settledVoid(task: Task, delivery: Delivery): Promise<boolean> {
    const { action, keepAlive, log } = task;
    const { signal } = keepAlive;
    const deadline = delivery.receivedAt + patience.unjoinMs;
    return whenFree(task, () =>
      patiently(task, deadline, 'void action not settled yet', () =>
        settleVoidMessage(action, { ledger, ports: admissionPorts, signal, log }),
      ),
    );
  }

  /** Admits the action. From then on its heartbeats are sent, whatever the work has to wait for first. */
  function admitted(task: Task, delivery: Delivery): Promise<Admission> {
    const { action, keepAlive } = task;
    const { receivedAt } = delivery;
    const { signal } = keepAlive;
    const known = (): ReturnType<Ledger['find']> => ledger.find(action.instanceId);
    const deadline = receivedAt + patience.joinMs;
    let admittedAt = receivedAt;
    const decided = patiently(task, deadline, 'admission not decided yet', () => {
      admittedAt = clock.now();
      return admit(action, { ...admissionPorts, known, clock, signal });
    });
    return decided.then((admission) => {
      if (!admission.isHeld) {
        const heartbeat = new Heartbeat(action, admission.hook.heartbeatMs, signal, admissionPorts);
        delivery.follow(heartbeat.lastsMs);
        keepAlive.add(heartbeat, admittedAt);
      }
      return admission;
    });
  }

  /** Does the work in a slot and under a lease, instead of an earlier action of the same instance if there is one. */
  async function underLease(
    task: Task,
    admission: Admission,
    delivery: Delivery,
    work: (work: Work) => Promise<Ending>,
  ): Promise<Ending> {
    const { action, keepAlive, place, log } = task;
    const { signal } = keepAlive;
    await inProgress.supersede(action);
    signal.throwIfAborted();
    const entry = inProgress.enter(action, keepAlive);
    let lease: Lease | undefined;
    try {
      place.due(admission.globalDeadline);
      if (action.transition === 'launching') await park(task, admission, delivery);
      lease = await leased(task, admission, delivery);
      entry.leased();
      const check = (): void => keepAlive.check();
      const patient: Patiently = (event, call) => patiently(task, admission.globalDeadline, event, call);
      return await work({
        action,
        admission,
        lease: new PatientLease(lease, patient),
        signal,
        slot: place,
        attempted: (error) => (error ? breaker.failed(action, error) : breaker.joined(action)),
        check,
        log,
      });
    } catch (error) {
      if (lease && asAdjoinError(error).code === 'action-void') await settleVoid({ action, lease, log });
      throw error;
    } finally {
      entry.leave();
      await keepAlive.stop();
      await lease?.release().catch((error: unknown) => log.warn('lease not given back', { error }));
      entry.end();
    }
  }

  /**
   * A launch waits for its node, and for its turn where its group keeps failing, without a slot and without a lease: it costs
   * heartbeats and renewals of its message. Whatever comes of it, the work looks for itself. A launch that was worked on
   * before may only have its answer left to get, and waits for nothing; nor does a member that runs again.
   */
  async function park(task: Task, { globalDeadline }: Admission, delivery: Delivery): Promise<void> {
    const { action, keepAlive, log } = task;
    const { signal } = keepAlive;
    const { firstReceivedAt, receiveCount } = delivery;
    const deadline = Math.min(firstReceivedAt + patience.joinMs, globalDeadline - JOIN_MARGIN_MS);
    try {
      if (receiveCount > 1 || action.source !== undefined) {
        const known = await ledger.find(action.instanceId);
        if (known?.launch?.actionToken === action.token) return;
        if (action.source !== undefined && known?.state === 'member') return;
      }
      await ports.nodes.readiness.wait(action.instanceId, signal, bootOf(action), deadline);
      task.onlineAt = clock.now();
      if (!breaker.isFailing(action)) return;
      const late = (): AdjoinError =>
        new AdjoinError('node-not-ready', `${action.instanceId} waits for as long as it may.`);
      await until(clock, deadline, signal, late, (limited) => breaker.pass(action, limited));
    } catch (error) {
      signal.throwIfAborted();
      log.info('launch waits no longer', { error });
    }
  }

  /** What an action that became void in the middle of the work leaves behind. */
  function settleVoid(found: VoidLaunch): Promise<void> {
    if (found.action.transition === 'launching') {
      return settleVoidLaunch(found, { ...ports, admission: admissionPorts, inProgress });
    }
    const late = (): AdjoinError =>
      new AdjoinError('aws-unavailable', `${found.action.instanceId}: not settled within its lease.`);
    const deadline = clock.now() + found.lease.lastsMs;
    return until(clock, deadline, new AbortController().signal, late, (signal) =>
      settleVoidTermination(found, admissionPorts, signal),
    );
  }

  /**
   * Takes a slot and the lease, however long the ledger is out of reach, or another worker has the lease: the action is kept
   * alive meanwhile. A message that went back each time would be a dead letter in the end. Should the other worker be dead,
   * its lease ends, and this one is here to go on.
   */
  async function leased(task: Task, { globalDeadline }: Admission, delivery: Delivery): Promise<Lease> {
    const { action, keepAlive, place } = task;
    const { signal } = keepAlive;
    // What a launch has waited for its node counts.
    const receivedAt = action.transition === 'launching' ? delivery.firstReceivedAt : clock.now();
    // Of an instance that comes from the warm pool, or has a new root volume, there is a record.
    const isNew = action.transition === 'launching' && action.origin === 'EC2' && delivery.receiveCount === 1;
    const owner = ledger.newOwner();
    const lastsMs = delivery.visibility.lastsMs * LEASE_SHARE;
    let tries = 0;
    const take = async (): Promise<Lease> => {
      tries += 1;
      // Time has passed since the admission: another worker may have answered the action and removed the account.
      if (tries > 1) await admissionPorts.heartbeat(action, signal);
      const askedAt = clock.now();
      const lease = await ledger.take(action, { owner, lastsMs, receivedAt, isNew: isNew && tries === 1 });
      keepAlive.add(lease, askedAt);
      return lease;
    };
    return whenFree(task, () =>
      place.take(signal).then(() => patiently(task, globalDeadline, 'lease not taken yet', take)),
    );
  }

  /** Waits, without a slot, for as long as another worker has the lease. As a rule, none has. */
  function whenFree<T>(task: Task, take: () => Promise<T>): Promise<T> {
    return take().catch((error: unknown) => whenOver(error, task, take));
  }

  /** Goes on after a first try. */
  async function whenOver<T>(
    failure: unknown,
    { keepAlive, place, log }: Task,
    take: () => Promise<T>,
  ): Promise<T> {
    let error = failure;
    for (let waits = 0; ; waits += 1) {
      const known = asAdjoinError(error);
      if (known.code !== 'action-owned-elsewhere') throw known;
      place.rest();
      if (waits === 0) log.info('waiting for the lease of another worker', { error: known });
      const left = (known.until ?? clock.now()) - clock.now();
      const pause = Math.min(LONGEST_LOOK_MS, Math.max(SHORTEST_LOOK_MS, left));
      await clock.sleep(pause, keepAlive.signal);
      try {
        return await take();
      } catch (next) {
        error = next;
      }
    }
  }

  /**
   * Answers the action. When the response to an answer is lost, the next one finds the action void: then Auto Scaling's view
   * of the instance says whether it was this answer that ended it.
   */
  async function answer(work: Work, task: Task, result: LifecycleResult): Promise<void> {
    const { action, admission, signal, log } = work;
    const { globalDeadline } = admission;
    const responseLost = await patiently(task, globalDeadline, 'answer not given yet', async (attempt) => {
      work.check();
      try {
        await completion.complete(action, result, signal);
        return false;
      } catch (error) {
        const known = asAdjoinError(error);
        // Whatever an earlier request came to, it may have been carried out: of those that the client sends by itself, only the last
        // one's error is known.
        const mayBeGiven = attempt > 1 || known.isRepeated;
        if (known.code !== 'action-void' || !mayBeGiven) throw known;
        if (!fits(result, action, await admissionPorts.instance(action.instanceId, signal))) throw known;
        return true;
      }
    });
    log.info('lifecycle action completed', { result, ...(responseLost && { responseLost }) });
    // Written when the lease is given back: that the action is over shows in Auto Scaling.
    work.lease.mark('complete');
    if (action.transition !== 'launching' || result !== 'CONTINUE') return;
    const seconds = joinSeconds(work.lease.membership.launch?.times ?? {}, task.onlineAt, clock.now());
    if (seconds) log.info('join timed', { seconds });
  }

  /** Retries a call to AWS that is needed around the work: an outage of theirs is not the instance's fault. */
  function patiently<T>(
    { keepAlive, log }: Task,
    deadline: number,
    event: string,
    call: (attempt: number) => Promise<T>,
  ): Promise<T> {
    const onRetry = (error: AdjoinError): void => log.warn(event, { error });
    return retry({ clock, pauses: patience.pauses, deadline, signal: keepAlive.signal, onRetry }, call);
  }

  return { handle, abortAll: (reason) => inProgress.abortAll(reason) };
}
