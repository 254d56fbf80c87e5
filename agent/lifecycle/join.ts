/**
 * A launch: probe, stage, join, verify. The verdict says which answer the action gets; the handler gives it.
 *
 * Every attempt first looks at the node, and at the account that the ledger knows. If an earlier attempt, or an earlier
 * worker, has joined the node already, that join is adopted once the node has completed it; if the one-time password of a
 * staged account is lost, the account is staged again.
 */
import { AdjoinError, asAdjoinError, type ErrorCode } from '../errors.ts';
import { endedAt, isGivenUp, mayHaveAccount } from '../ledger/membership.ts';
import { withIdentifier } from '../ledger/remembered.ts';
import { intendToStage } from '../ledger/staging.ts';
import { complaintCode } from '../nodes/complaints.ts';
import type { JoinEntry, JoinFacts, ProbeFacts } from '../nodes/contract.ts';
import type { AccessSettings, JoinTarget, NodeSettings } from '../nodes/nodes.ts';
import { retry, until } from '../patience.ts';
import { confirmMember } from './member.ts';
import { accessSettings, nodeSettings } from './node-settings.ts';
import { launchDocuments } from './own-documents.ts';
import { postJoin } from './post-join.ts';
import { removeAccountBy } from './removal.ts';
import {
  ANSWER_MARGIN_MS,
  bootOf,
  JOIN_MARGIN_MS,
  noteError,
  targetOf,
  type Verdict,
  type Work,
  type WorkPorts,
} from './work.ts';
import type { StagedAccount, StagingWrite } from '../terms.ts';

/** Errors that say something about this node's own attempt; they count against `joinAttempts`. */
const COUNTED_CODES = new Set([
  'join-failed',
  'node-packages-not-installed',
  'node-password-refused',
  'node-account-locked',
  'node-clock-skew',
  'node-domain-not-found',
  'node-controller-unreachable',
  'node-account-exists',
  'node-account-reuse-blocked',
  'node-not-usable',
  'node-group-unknown',
  'node-name-unregistered',
  'join-unverified',
  'dns-name-taken',
  'command-failed',
  'node-facts-invalid',
]);
/** Milliseconds that removing a failed join's account may take before the removal is owed. */
const UNDO_MS = 120_000;

/** @param isOwn the group joins with a document of its own, which knows what it needs */
function checkNode(instanceId: string, found: ProbeFacts, domain: string, isOwn: boolean): void {
  if (found.family !== 'linux' && found.family !== 'windows') {
    throw new AdjoinError('node-unsupported', `${instanceId} runs ${found.os} ${found.osVersion}.`);
  }
  if (found.domain !== '' && found.domain.toLowerCase() !== domain) {
    throw new AdjoinError(
      'node-foreign-domain',
      `${instanceId} is a member of ${found.domain} already, or set up for it.`,
    );
  }
  if (found.renamedBy !== '') {
    throw new AdjoinError(
      'node-renames-itself',
      `${instanceId} is told by ${found.renamedBy} to take a name of its own.`,
    );
  }
  if (isOwn && found.key !== '') return;
  if (found.code === 'system-contradicted') {
    throw new AdjoinError('node-system-contradicted', `${instanceId}: ${found.detail}`);
  }
  if (!found.ready && found.detail !== '') {
    throw new AdjoinError('node-unsupported', `${instanceId}: ${found.detail}`);
  }
  if (!found.ready && found.missing.length === 0) {
    throw new AdjoinError('node-unsupported', `${instanceId} runs ${found.os} ${found.osVersion}.`);
  }
  if (!found.ready) {
    const system = found.system === '' ? found.os : found.system;
    throw new AdjoinError(
      'node-packages-missing',
      `${instanceId} (${system}) lacks ${found.missing.join(', ')}.`,
    );
  }
}

const platformOf = ({ family }: ProbeFacts): JoinTarget['platform'] =>
  family === 'windows' ? 'windows' : 'linux';

/** What the join script's codes mean here; every other one is a join that failed. */
const FAILURES: ReadonlyMap<string, ErrorCode> = new Map([
  ['packages-missing', 'node-packages-missing'],
  ['packages-not-installed', 'node-packages-not-installed'],
  ['group-unknown', 'node-group-unknown'],
  ['system-unsupported', 'node-unsupported'],
  ['system-contradicted', 'node-system-contradicted'],
  ['foreign-domain', 'node-foreign-domain'],
  ['adcli-too-old', 'node-adcli-too-old'],
  ['not-usable', 'node-not-usable'],
  ['name-unregistered', 'node-name-unregistered'],
]);

/** Codes whose detail may name the cause: what the tools of the node have said. */
const MAY_NAME_CAUSE: ReadonlySet<ErrorCode> = new Set(['join-failed', 'node-not-usable']);

function failureCode({ code, detail }: JoinFacts): ErrorCode {
  const known = FAILURES.get(code) ?? 'join-failed';
  return (MAY_NAME_CAUSE.has(known) ? complaintCode(detail) : undefined) ?? known;
}

function checkJoin(instanceId: string, joined: JoinFacts): void {
  if (joined.result !== 'failed') return;
  const why = `${instanceId}: ${joined.code}${joined.detail ? `: ${joined.detail}` : ''}.`;
  throw new AdjoinError(failureCode(joined), why);
}

/**
 * Whether the directory shows that the machine has set its own password since we staged it.
 * @throws AdjoinError `dns-name-taken`, and what the directory does
 */
async function isVerified(
  { action: { instanceId }, lease, signal }: Work,
  ports: WorkPorts,
  staged: {
    readonly objectGuid: string;
    readonly domainController: string;
    readonly passwordLastSet: bigint;
  },
): Promise<boolean> {
  const { objectSids } = lease.membership;
  const account = await ports.directory.inspect(instanceId, { ...staged, objectSids }, signal);
  if (account?.isNameTaken) {
    throw new AdjoinError(
      'dns-name-taken',
      `Another account of the domain has registered the name of ${instanceId} in DNS, so that it leads elsewhere.`,
    );
  }
  return (
    account !== undefined &&
    account.ours &&
    account.enabled &&
    account.passwordLastSet > staged.passwordLastSet
  );
}

/** What the ledger knows of the account that was staged; nothing where it does not know all that a look at it needs. */
function stagedOf({ lease }: Work): Parameters<typeof isVerified>[2] | undefined {
  const { objectGuid, domainController, stagedPasswordLastSet } = lease.membership;
  if (!objectGuid || !domainController || !stagedPasswordLastSet) return undefined;
  return { objectGuid, domainController, passwordLastSet: BigInt(stagedPasswordLastSet) };
}

/** The account that an earlier attempt joined, if node, ledger and directory agree on it. */
async function canAdopt(work: Work, ports: WorkPorts, found: ProbeFacts, domain: string): Promise<boolean> {
  const { computerName } = work.lease.membership;
  const staged = stagedOf(work);
  if (!computerName || !staged) return false;
  if (found.domain.toLowerCase() !== domain || found.computerName.toUpperCase() !== computerName)
    return false;
  try {
    return await isVerified(work, ports, staged);
  } catch (error) {
    // The controller of that join may be gone for good; staging again finds another.
    if (asAdjoinError(error).code === 'directory-unavailable') return false;
    throw error;
  }
}

/** Seals a one-time password to the key of the probe. @throws AdjoinError when the node has made no key, or a useless one */
function sealedFor(ports: WorkPorts, instanceId: string, found: ProbeFacts, oneTimePassword: string): string {
  if (found.key === '') throw new AdjoinError('node-facts-invalid', `${instanceId} made no key.`);
  return ports.seal(found.key, oneTimePassword);
}

/** What a join is told; the domain controller comes with the account. */
type Order = Omit<JoinTarget, 'domainController'> & NodeSettings & AccessSettings;

async function joinNode(
  work: Work,
  ports: WorkPorts,
  entry: Pick<JoinEntry, 'computerName' | 'sealed'>,
  target: Order & JoinTarget,
): Promise<void> {
  const { action, admission, lease, signal } = work;
  const { instanceId } = action;
  // Looking at the directory may have taken longer than the lease lasts: another worker may act on the node by now.
  work.check();
  const joined = await ports.nodes.join(
    targetOf(action),
    { instanceId, ...entry },
    target,
    signal,
    launchDocuments(admission.tags, ports.nodeDefaults.ownDocuments).join,
  );
  const staged = stagedOf(work);
  // The directory may know why: another account has the name.
  if (joined.result === 'failed' && joined.code === 'name-unregistered' && staged)
    await isVerified(work, ports, staged);
  checkJoin(instanceId, joined);
  lease.mark('join');
}

/**
 * Lets the node complete what a script that was killed after the password change has left undone. The script of a working
 * member never opens its entry: the password in it is good for nothing.
 */
async function completeJoin(work: Work, ports: WorkPorts, found: ProbeFacts, order: Order): Promise<void> {
  const { action, lease } = work;
  const { computerName = '', domainController = '' } = lease.membership;
  const unused = ports.newOneTimePassword();
  try {
    const sealed = sealedFor(ports, action.instanceId, found, unused.value);
    await joinNode(work, ports, { computerName, sealed }, { ...order, domainController });
  } finally {
    unused.forget();
  }
}

async function stageAndJoin(
  work: Work,
  ports: WorkPorts,
  found: ProbeFacts,
  order: Order,
): Promise<StagedAccount> {
  const { action, lease, signal, log } = work;
  const oneTimePassword = ports.newOneTimePassword();
  try {
    // First: for a key that is refused nothing is staged.
    const sealed = sealedFor(ports, action.instanceId, found, oneTimePassword.value);
    const intend = (write: StagingWrite): Promise<void> => intendToStage(lease, ports.clock, write);
    const { computerName: earlierName, domainController: earlierController } = lease.membership;
    const { objectGuid: earlierGuid, objectSids } = lease.membership;
    const staged = await ports.directory.stage(
      action.instanceId,
      oneTimePassword.value,
      {
        computerName: earlierName,
        domainController: earlierController,
        objectGuid: earlierGuid,
        objectSids,
      },
      intend,
      signal,
    );
    await lease.update(
      {
        state: 'staged',
        stagingBegan: undefined,
        computerName: staged.computerName,
        distinguishedName: staged.distinguishedName,
        objectGuid: staged.objectGuid,
        objectSids: withIdentifier(lease.membership, staged.objectSid),
        domainController: staged.domainController,
        stagedPasswordLastSet: staged.passwordLastSet.toString(),
      },
      'stage',
    );
    const { computerName, objectGuid, domainController } = staged;
    log.info('account staged', { computerName, objectGuid, domainController });

    await joinNode(work, ports, { computerName, sealed }, { ...order, domainController });
    return staged;
  } finally {
    oneTimePassword.forget();
  }
}

/** @returns what the node is a member of, and what it runs */
async function attempt(
  work: Work,
  ports: WorkPorts,
  deadline: number,
): Promise<Pick<JoinTarget, 'domain' | 'platform'>> {
  const { action, admission, lease, signal, slot } = work;
  const { instanceId } = action;
  const ofNode = nodeSettings(admission.tags, ports.nodeDefaults);
  // Before anything is asked: a tag that is wrong now is wrong for the join as well.
  const access = accessSettings(admission.tags, ports.nodeDefaults);
  const { join: own } = launchDocuments(admission.tags, ports.nodeDefaults.ownDocuments);
  await slot.take(signal);
  const late = (): AdjoinError =>
    new AdjoinError(
      'node-not-ready',
      `${instanceId} has not registered as a managed node for as long as a launch may wait.`,
    );
  // Asked first, so that the last attempt of all still finds out why it fails.
  if (!(await ports.nodes.readiness.isReady(instanceId, signal))) {
    slot.rest();
    await until(ports.clock, deadline, signal, late, (limited) =>
      ports.nodes.readiness.wait(instanceId, limited, bootOf(action)),
    );
    await slot.take(signal);
  }
  lease.mark('node');

  const domain = await ports.directory.domain(signal);
  work.check();
  const found = await ports.nodes.probe(targetOf(action), signal, ofNode);
  lease.mark('probe');
  checkNode(instanceId, found, domain, own !== undefined);

  const member = { domain, platform: platformOf(found) };
  const order: Order = { ...member, ...ofNode, ...access };
  if (await canAdopt(work, ports, found, domain)) {
    await completeJoin(work, ports, found, order);
    work.log.info('earlier join adopted', { computerName: found.computerName });
  } else {
    const staged = await stageAndJoin(work, ports, found, order);
    if (!(await isVerified(work, ports, staged))) {
      throw new AdjoinError(
        'join-unverified',
        `${instanceId} says that it joined as ${staged.computerName}, but ${staged.domainController} does not show it.`,
      );
    }
  }
  // What an earlier worker has noted of the post-join document stands.
  const isNoted = lease.membership.launch?.times['post-join'] !== undefined;
  await lease.update({ state: 'member', ...(isNoted ? {} : { lastError: undefined }) }, 'verify');
  return member;
}

/** Removes what was staged. What can't be removed in time is owed to the sweep. */
async function undo(work: Work, ports: WorkPorts, error: AdjoinError): Promise<void> {
  const { lease, signal, log } = work;
  const lastError = { code: error.code, message: error.message, at: ports.clock.now() };
  if (!mayHaveAccount(lease.membership)) {
    await lease.update({ state: 'failed', ...endedAt(ports.clock.now()), lastError }, 'give-up');
    return;
  }
  const latest = work.admission.globalDeadline - ANSWER_MARGIN_MS;
  const deadline = Math.min(ports.clock.now() + UNDO_MS, latest);
  const onRetry = (trouble: AdjoinError): void => log.warn('account not removed yet', { error: trouble });
  try {
    const removed = await retry(
      { clock: ports.clock, pauses: ports.patience.pauses, deadline, signal, onRetry },
      () => removeAccountBy(latest, work, ports),
    );
    log.info('staged account removed', { ...removed });
    const { domainController } = removed;
    await lease.update(
      { state: 'failed', ...endedAt(ports.clock.now()), domainController, lastError },
      'give-up',
    );
  } catch (trouble) {
    signal.throwIfAborted();
    log.error('staged account is owed to the sweep', { error: trouble });
    await lease.update({ state: 'owed', lastError }, 'give-up');
  }
}

/** The verdict on a launch that failed, as the group's policy has it. */
function failed({ admission, log }: Work, error: AdjoinError): Verdict {
  log.error('join failed', { error, policy: admission.failurePolicy });
  // No answer: Auto Scaling's own time-out decides, and people can look at the instance until then.
  if (admission.failurePolicy === 'HOLD') return { answer: undefined, ending: 'held' };
  return { answer: 'ABANDON', ending: 'abandoned' };
}

/**
 * Joins the instance of a launch, or removes what was staged for it.
 * @throws AdjoinError with disposition `yield` or `acknowledge` when the work must stop where it is
 */
export async function join(work: Work, ports: WorkPorts): Promise<Verdict> {
  const { lease, admission, signal, log } = work;
  const { membership } = lease;
  if (work.action.source !== undefined && membership.state === 'member') return confirmMember(work, ports);
  if (isGivenUp(work.action, membership)) {
    // An earlier worker gave up on this very action and died before it could answer.
    const why = membership.lastError?.message ?? 'It was given up, and its account is removed.';
    return failed(work, new AdjoinError('join-exhausted', why));
  }
  const began = membership.launch?.times.received ?? ports.clock.now();
  const latest = admission.globalDeadline - JOIN_MARGIN_MS;
  const deadline = Math.min(began + ports.patience.joinMs, latest);
  const late = (): AdjoinError => {
    const last = work.lease.membership.lastError;
    const because = last ? ` The last error: ${last.message}` : '';
    return new AdjoinError('join-exhausted', `The hook's global deadline is near.${because}`);
  };
  let counter = 0;
  const onRetry = async (error: AdjoinError, pauseMs: number): Promise<void> => {
    log.warn('join not done yet', { error, pauseMs: Math.round(pauseMs) });
    await noteError(work.lease, ports.clock, error);
    work.slot.rest();
  };
  try {
    const member = await retry(
      { clock: ports.clock, pauses: ports.patience.pauses, deadline, signal, onRetry },
      () => {
        const attempted = until(ports.clock, latest, signal, late, (limited) =>
          attempt({ ...work, signal: limited }, ports, deadline),
        );
        return attempted.catch((error: unknown) => {
          const known = asAdjoinError(error);
          if (COUNTED_CODES.has(known.code)) {
            counter += 1;
            work.attempted(known);
          }
          if (counter < ports.patience.joinAttempts) throw known;
          throw new AdjoinError('join-exhausted', `${counter} attempts failed. The last: ${known.message}`, {
            cause: known,
          });
        });
      },
    );
    work.attempted();
    await postJoin(work, ports, member);
    return { answer: 'CONTINUE', ending: 'joined' };
  } catch (error) {
    signal.throwIfAborted();
    const known = asAdjoinError(error);
    if (known.disposition === 'yield' || known.disposition === 'acknowledge') throw known;
    // What an attempt failed with was told at once.
    if (known.code.startsWith('node-')) work.attempted(known);
    await undo(work, ports, known);
    return failed(work, known);
  }
}
