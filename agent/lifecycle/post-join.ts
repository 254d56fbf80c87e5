/**
 * What a group wants done on its nodes after the join: a document of its own, once the membership is verified.
 *
 * It can't break the membership. Whatever comes of it, nothing is staged or joined again; when it fails, the launch goes on, or, where
 * the group says so, is given up like a join that failed. It may run more than once: a worker that dies while it runs does not know
 * how it ended, and the next one runs it again.
 */
import { AdjoinError, asAdjoinError } from '../errors.ts';
import type { JoinTarget } from '../nodes/nodes.ts';
import { retry, until } from '../patience.ts';
import { launchDocuments, mustPostJoinSucceed } from './own-documents.ts';
import { JOIN_MARGIN_MS, targetOf, type Work, type WorkPorts } from './work.ts';

/** @throws AdjoinError why it has not succeeded; the signal's reason */
async function run(
  work: Work,
  ports: WorkPorts,
  member: Pick<JoinTarget, 'domain' | 'platform'>,
): Promise<void> {
  const { action, admission, signal, log } = work;
  const { clock, nodes, nodeDefaults, patience } = ports;
  const { postJoin: document } = launchDocuments(admission.tags, nodeDefaults.ownDocuments);
  if (!document) return;
  const deadline = Math.min(clock.now() + patience.postJoinMs, admission.globalDeadline - JOIN_MARGIN_MS);
  const late = (): AdjoinError =>
    new AdjoinError(
      'post-join-failed',
      `The post-join document ${document.name} has not ended on ${action.instanceId} in time.`,
    );
  const onRetry = (error: AdjoinError): void => log.warn('post-join document not run yet', { error });
  await until(clock, deadline, signal, late, (limited) =>
    retry({ clock, pauses: patience.pauses, deadline, signal: limited, onRetry }, () => {
      // Time has passed: another worker may act on the node by now.
      work.check();
      return nodes.postJoin(targetOf(action), document, member, limited);
    }),
  );
}

/**
 * Runs the group's post-join document, if it has one.
 * @throws AdjoinError `post-join-failed` and others with which the launch must not go on
 */
export async function postJoin(
  work: Work,
  ports: WorkPorts,
  member: Pick<JoinTarget, 'domain' | 'platform'>,
): Promise<void> {
  const { admission, lease, signal, log, slot } = work;
  const hasDocument = launchDocuments(admission.tags, ports.nodeDefaults.ownDocuments).postJoin !== undefined;
  if (!hasDocument || lease.membership.launch?.times['post-join'] !== undefined) return;
  // Minutes of somebody's script are no reason to keep other launches waiting.
  slot.rest();
  try {
    await run(work, ports, member);
    await lease.update({}, 'post-join');
  } catch (error) {
    signal.throwIfAborted();
    const known = asAdjoinError(error);
    if (known.disposition === 'yield' || known.disposition === 'acknowledge') throw known;
    if (mustPostJoinSucceed(admission.tags)) throw known;
    log.error('post-join document failed', { error: known, policy: 'CONTINUE' });
    const lastError = { code: known.code, message: known.message, at: ports.clock.now() };
    await lease.update({ lastError }, 'post-join');
  }
}
