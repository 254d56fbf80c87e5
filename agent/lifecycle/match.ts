/**
 * Unjoin only: finding the account of an instance that others have joined, while the node lives and can prove which one it is.
 *
 *     a challenge in the ledger ─▶ the node registers it with its account's key ─▶ the directory shows whose key it was
 *     ─▶ GUID, security identifier and names in the ledger ─▶ removed like any other account, by its GUID
 *
 * After a crash in between, the same challenge is given again. The challenge stands among the names that a removal deletes
 * from DNS, so nothing of it is left.
 */
import { AdjoinError, asAdjoinError } from '../errors.ts';
import { CHALLENGE } from '../ledger/membership.ts';
import { withIdentifier } from '../ledger/remembered.ts';
import { retry } from '../patience.ts';
import { noteError, targetOf, type Work, type WorkPorts } from './work.ts';

/**
 * Milliseconds that a node has to prove its account. One that does not answer by then is gone, and its termination waits for
 * nothing; but for a directory that is down it waits as any other does.
 */
const NODE_MS = 300_000;
const ABOUT_NODE = /^(account-unmatched|command-|node-)/;

function unmatchedBy(error: AdjoinError): AdjoinError {
  if (error.code === 'account-unmatched') return error;
  return new AdjoinError('account-unmatched', error.message, { cause: error });
}

/** The challenge that the ledger has, or a new one, which the ledger has from now on. */
async function challengeOf({ lease }: Work, { newChallenge }: WorkPorts): Promise<string> {
  const { foundNames = [] } = lease.membership;
  const known = foundNames.find((name) => CHALLENGE.test(name));
  if (known !== undefined) return known.toLowerCase();
  const challenge = newChallenge();
  await lease.update({ foundNames: [...foundNames, challenge.toUpperCase()] });
  return challenge;
}

/** The account that met the challenge, or why it is not this instance's. @throws AdjoinError what the directory does */
async function proven(
  directory: WorkPorts['directory'],
  ...asked: Parameters<WorkPorts['directory']['prove']>
): Promise<Awaited<ReturnType<WorkPorts['directory']['prove']>> | AdjoinError> {
  try {
    return await directory.prove(...asked);
  } catch (error) {
    if (error instanceof AdjoinError && error.code === 'account-unmatched') return error;
    throw error;
  }
}

/** @throws AdjoinError `account-unmatched`, and what nodes and directory do */
async function attempt(work: Work, ports: WorkPorts, challenge: string): Promise<AdjoinError | undefined> {
  const { action, lease, signal, check, log } = work;
  const { directory, nodes } = ports;
  const { instanceId } = action;
  const unmatched = (why: string): AdjoinError =>
    new AdjoinError('account-unmatched', `${instanceId}: ${why}.`);
  if (!(await nodes.readiness.isReady(instanceId, signal)))
    throw unmatched('it is no managed node, or does not answer');
  const domain = await directory.domain(signal);
  check();
  const facts = await nodes.probe(targetOf(action), signal, { challenge });
  const { computerName, proof } = facts;
  // That will not change.
  if (computerName === '') return unmatched('it says that it is a member of no domain');
  if (facts.domain !== domain) return unmatched(`it says that it is a member of ${facts.domain}`);
  const account = await proven(directory, instanceId, { label: challenge, computerName }, signal);
  // A record has one owner for ever.
  if (account instanceof AdjoinError) return account;
  if (!account) throw unmatched(`${computerName} has not proven its account yet (${proof || 'no proof'})`);
  const { objectGuid, objectSid, distinguishedName, domainController, hostNames } = account;
  const { foundNames = [] } = lease.membership;
  await lease.update(
    {
      objectGuid,
      computerName: account.computerName,
      distinguishedName,
      domainController,
      objectSids: withIdentifier(lease.membership, objectSid),
      foundNames: [...new Set([...foundNames, ...hostNames])],
      lastError: undefined,
    },
    'match',
  );
  log.info('account of others matched', { computerName, objectGuid, distinguishedName });
  return undefined;
}

/**
 * Lets the ledger learn the account of an instance that others have joined, if its group has opted in.
 * @param began when the termination came; milliseconds since the Unix epoch, as the deadline
 * @param deadline at which it is given up
 * @returns why no account is known to be the instance's, if none is
 * @throws AdjoinError with disposition `yield` or `acknowledge` when the work must stop where it is
 */
export async function matchAccount(
  work: Work,
  ports: WorkPorts,
  began: number,
  deadline: number,
): Promise<AdjoinError | undefined> {
  const { admission, lease, log, signal } = work;
  const { clock, patience } = ports;
  const { launch, terminate } = lease.membership;
  // What adjoin has joined is known already.
  if (!admission.isUnjoinOnly || launch !== undefined || terminate?.times.match !== undefined)
    return undefined;
  const challenge = await challengeOf(work, ports);
  const onRetry = async (error: AdjoinError, pauseMs: number): Promise<void> => {
    log.warn('account not matched yet', { error, pauseMs: Math.round(pauseMs) });
    await noteError(lease, clock, error);
  };
  try {
    return await retry({ clock, pauses: patience.pauses, deadline, signal, onRetry }, async () => {
      try {
        return await attempt(work, ports, challenge);
      } catch (error) {
        const known = asAdjoinError(error);
        if (!ABOUT_NODE.test(known.code) || clock.now() < began + NODE_MS) throw known;
        return unmatchedBy(known);
      }
    });
  } catch (error) {
    signal.throwIfAborted();
    const known = asAdjoinError(error);
    if (known.disposition === 'yield' || known.disposition === 'acknowledge') throw known;
    return unmatchedBy(known);
  }
}
