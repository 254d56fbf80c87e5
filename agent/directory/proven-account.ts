/**
 * Which account a node has that others have joined. What a node says of itself proves nothing; what it registers in DNS does:
 * the directory makes the account that registers a name the owner of the record, and only that account's key can do it
 * (or an administrator). So the worker gives the node a name that nobody else knows, and looks who registered it.
 */
import { AdjoinError } from '../errors.ts';
import type { StagedAccount } from '../terms.ts';
import { findBySid, type ComputerAccount } from './accounts.ts';
import { registrarOf } from './dns-records.ts';
import { hostLabel, instanceIdOf } from './names.ts';
import type { Session } from './sessions.ts';
import { sameStamp, type Stamp } from './stamp.ts';

/** What is to be proven. */
export interface Challenge {
  /** The label that the node was told to register. */
  readonly label: string;
  /** The name of the node's account, as the node says. */
  readonly computerName: string;
}

/** An account that a node has proven to have. */
export interface ProvenAccount extends StagedAccount {
  /** The names, in capitals, under which it may be in DNS. */
  readonly hostNames: readonly string[];
}

/** Why this account is not the instance's own, whoever has its key; nothing when it may be. */
function against(
  account: ComputerAccount | undefined,
  { computerName }: Challenge,
  stamp: Stamp,
): string | undefined {
  if (!account?.isPlain) return 'what registered the name is no computer account';
  if (!account.isMemberComputer) return 'the account is not a member computer’s';
  if (account.computerName.toUpperCase() !== computerName.toUpperCase()) {
    return `it says that it is ${computerName}, and has the key of ${account.computerName}`;
  }
  const named = instanceIdOf(account.computerName.toUpperCase());
  const isOthers =
    (named !== undefined && named !== stamp.instanceId) ||
    (account.stamp && !sameStamp(account.stamp, stamp));
  return isOthers ? `the account ${account.computerName} is another instance’s` : undefined;
}

/** The host's label of the account's own DNS name, if that is a name of the domain. */
function labelOf({ dnsHostName }: ComputerAccount, domain: string): string | undefined {
  const [label, ...rest] = dnsHostName?.toLowerCase().split('.') ?? [];
  return rest.join('.') === domain ? label : undefined;
}

/**
 * The account that has met the challenge.
 * @returns nothing while this controller does not show the name
 * @throws AdjoinError `account-unmatched` when the account that registered it is not the instance's own; LdapResult;
 * ControllerFailure
 */
export async function provenAccount(
  session: Session,
  challenge: Challenge,
  stamp: Stamp,
  signal: AbortSignal,
): Promise<ProvenAccount | undefined> {
  const registrar = await registrarOf(session, challenge.label, signal);
  if (registrar === undefined) return undefined;
  const account = await findBySid(session, registrar, signal);
  const reason = against(account, challenge, stamp);
  if (!account || reason !== undefined)
    throw new AdjoinError('account-unmatched', `${stamp.instanceId}: ${reason}.`);
  const { computerName, distinguishedName, objectGuid, objectSid, domainController, passwordLastSet } =
    account;
  const labels = [hostLabel(computerName), labelOf(account, session.domain) ?? '', challenge.label];
  const hostNames = [...new Set(labels.filter(Boolean).map((label) => label.toUpperCase()))];
  return {
    computerName,
    distinguishedName,
    objectGuid,
    objectSid,
    domainController,
    passwordLastSet,
    hostNames,
  };
}
