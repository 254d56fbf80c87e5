/**
 * A termination: the node leaves, if it can; its account and DNS records are removed, whether or not it could. At the end
 * they are gone, or the ledger says that the removal is owed.
 */
import { AdjoinError, asAdjoinError } from '../errors.ts';
import { endedAt, mayHaveAccount } from '../ledger/membership.ts';
import { retry, until } from '../patience.ts';
import { matchAccount } from './match.ts';
import { leaveDocument } from './own-documents.ts';
import { removeAccountBy } from './removal.ts';
import { ANSWER_MARGIN_MS, noteError, targetOf, type Verdict, type Work, type WorkPorts } from './work.ts';

/** Best effort: the node deletes its caches and keys. Nothing depends on it, so its failure is not an error. */
async function leave(work: Work, ports: WorkPorts): Promise<void> {
  const { action, admission, signal, log } = work;
  const { instanceId } = action;
  const deadline = ports.clock.now() + ports.patience.leaveMs;
  const late = () => new AdjoinError('command-failed', `${instanceId} did not leave by itself in time.`);
  try {
    await until(ports.clock, deadline, signal, late, async (limited) => {
      if (!(await ports.nodes.readiness.isReady(instanceId, limited))) return;
      const domain = await ports.directory.domain(limited);
      // A late command could reach the next life of the same instance.
      work.check();
      const own = leaveDocument(admission.tags, ports.nodeDefaults.ownDocuments);
      const facts = await ports.nodes.leave(targetOf(action), domain, deadline, limited, own);
      log.info('node left', { result: facts.result, detail: facts.detail });
    });
  } catch (error) {
    signal.throwIfAborted();
    log.info('node did not leave by itself', { reason: asAdjoinError(error).message });
  }
}

/** A termination into a warm pool: the instance is stopped, not terminated. It stays a member, and its account stays. */
async function keep({ lease }: Work, { clock }: WorkPorts): Promise<void> {
  const { membership } = lease;
  const verified = membership.launch?.times.verify !== undefined;
  const state = verified ? 'member' : 'staged';
  await lease.update(mayHaveAccount(membership) ? { state } : { state: 'removed', ...endedAt(clock.now()) });
}

/**
 * Takes a slot again after a pause.
 * @throws AdjoinError `directory-unavailable` at the deadline: what is owed by then is written down without a slot
 */
function slotBy(deadline: number, { action, slot, signal }: Work, { clock }: WorkPorts): Promise<void> {
  const late = (): AdjoinError =>
    new AdjoinError('directory-unavailable', `${action.instanceId}: the hook's time is up.`);
  return until(clock, deadline, signal, late, (limited) => slot.take(limited));
}

/** Ends with `removed` or `owed` in the ledger; or `failed`, when it can't be told which account would have to go. */
async function leaveAndRemove(work: Work, ports: WorkPorts): Promise<void> {
  const { admission, lease, signal, log, slot } = work;
  const { clock, patience } = ports;
  const { state, terminate } = lease.membership;
  // An earlier worker has come to the end of this and died before it could answer. A debt that a void message has noted is
  // no end: there is time to pay it.
  const isEnded = terminate?.times.remove !== undefined;
  if (state === 'removed' || (isEnded && (state === 'owed' || state === 'failed'))) return;
  const began = lease.membership.terminate?.times.received ?? clock.now();
  const latest = admission.globalDeadline - ANSWER_MARGIN_MS;
  const deadline = Math.min(began + patience.unjoinMs, latest);
  // The proof takes the node's keys, which the leave deletes.
  const unmatched = await matchAccount(work, ports, began, deadline);
  // An instance that an event tells of is ending: no hook holds it, and it takes no more commands.
  if (work.action.source !== 'event') await leave(work, ports);
  lease.mark('leave');
  if (unmatched) {
    log.error('account not matched, it is left as it is', { error: unmatched });
    const lastError = { code: unmatched.code, message: unmatched.message, at: clock.now() };
    await lease.update({ state: 'failed', ...endedAt(clock.now()), lastError }, 'remove');
    return;
  }
  const onRetry = async (error: AdjoinError, pauseMs: number): Promise<void> => {
    log.warn('account not removed yet', { error, pauseMs: Math.round(pauseMs) });
    await noteError(lease, clock, error);
    slot.rest();
  };
  try {
    const removed = await retry({ clock, pauses: patience.pauses, deadline, signal, onRetry }, async () => {
      await slotBy(latest, work, ports);
      return removeAccountBy(latest, work, ports);
    });
    log.info('account removed', { ...removed });
    const { domainController } = removed;
    await lease.update(
      { state: 'removed', ...endedAt(clock.now()), domainController, lastError: undefined },
      'remove',
    );
  } catch (error) {
    signal.throwIfAborted();
    const known = asAdjoinError(error);
    if (known.disposition === 'yield' || known.disposition === 'acknowledge') throw known;
    log.error('account removal is owed to the sweep', { error: known });
    await lease.update(
      { state: 'owed', lastError: { code: known.code, message: known.message, at: clock.now() } },
      'remove',
    );
  }
}

/**
 * Takes the instance of a termination out of the domain. Whatever comes of it is answered `CONTINUE`.
 * @throws AdjoinError with disposition `yield` or `acknowledge` when the work must stop where it is
 */
export async function unjoin(work: Work, ports: WorkPorts): Promise<Verdict> {
  if (work.action.destination === 'WarmPool') {
    await keep(work, ports);
    return { answer: 'CONTINUE', ending: 'kept' };
  }
  await leaveAndRemove(work, ports);
  const { state } = work.lease.membership;
  const ending = state === 'owed' || state === 'failed' ? state : 'unjoined';
  return { answer: 'CONTINUE', ending };
}
