/**
 * Removing an instance's accounts: each is disabled first and deleted then. What is ours and may not be deleted stays a debt,
 * and says where it is and why.
 */
import { AdjoinError } from '../errors.ts';
import type { Enabling, FoundAccount } from '../terms.ts';
import {
  ACCOUNT_DISABLED,
  deleteAccount,
  findAll,
  WORKSTATION_TRUST_ACCOUNT,
  type ComputerAccount,
  type PlacedAccount,
  type Traces,
} from './accounts.ts';
import type { Write } from './connection.ts';
import { isResult, LdapResult, Result, toAdjoinError } from './failures.ts';
import { accessListOnly, SECURITY_DESCRIPTOR } from './owner.ts';
import type { Session } from './sessions.ts';
import { deniesDeletion } from './values.ts';

/**
 * Disables an account, so that it is of no use should its deletion fail.
 * @throws LdapResult, ControllerFailure
 */
async function disableAccount(session: Session, account: ComputerAccount, write: Write): Promise<void> {
  if (!account.enabled) return;
  const flags = String(BigInt(WORKSTATION_TRUST_ACCOUNT) | ACCOUNT_DISABLED);
  try {
    await session.connection.replace(`<GUID=${account.objectGuid}>`, { userAccountControl: [flags] }, write);
  } catch (error) {
    // Gone already; or only its deletion is allowed, which says so itself if it is not.
    if (!isResult(error, Result.noSuchObject, Result.insufficientAccess)) throw error;
  }
}

async function isProtected(
  { connection }: Session,
  { objectGuid }: ComputerAccount,
  signal: AbortSignal,
): Promise<boolean> {
  const what = {
    attributes: [SECURITY_DESCRIPTOR],
    binary: [SECURITY_DESCRIPTOR],
    controls: [accessListOnly()],
  };
  const [row] = await connection.search({ base: `<GUID=${objectGuid}>`, scope: 'base', ...what }, signal);
  const descriptor = row?.bytes(SECURITY_DESCRIPTOR);
  return descriptor !== undefined && deniesDeletion(descriptor);
}

/** Why an account was not deleted, and where it is. */
async function reasonFor(
  session: Session,
  account: PlacedAccount,
  refusal: LdapResult,
  signal: AbortSignal,
): Promise<unknown> {
  const { distinguishedName, isInUnit } = account;
  if (refusal.result !== Result.insufficientAccess) return toAdjoinError(refusal);
  const what = `${distinguishedName} is not deleted`;
  let isDenied = false;
  try {
    isDenied = await isProtected(session, account, signal);
  } catch (error) {
    // Not even to be seen any more: the refusal itself says enough.
    if (!(error instanceof LdapResult)) throw error;
  }
  if (isDenied) return new AdjoinError('account-protected', `${what}: it is protected from deletion.`);
  if (isInUnit) return new AdjoinError('directory-denied', `${what} (${refusal.message}).`);
  return new AdjoinError(
    'account-out-of-reach',
    `${what}: it was moved there, and the service account may not delete it (${refusal.message}).`,
  );
}

/**
 * Disables the instance's accounts, or enables again those of them that are named; all else that their flags say stays.
 * @param beforeWrite called, and waited for, right before each write
 * @throws AdjoinError `organizational-unit-missing`; LdapResult; ControllerFailure; and what `beforeWrite` does
 */
export async function setEnabled(
  session: Session,
  traces: Traces,
  what: Enabling,
  beforeWrite: (account: FoundAccount) => Promise<void>,
  signal: AbortSignal,
): Promise<string[]> {
  const changed: string[] = [];
  for (const account of await findAll(session, traces, signal)) {
    const { objectSid } = account;
    if (account.enabled === what.enabled) continue;
    if (what.enabled && !what.objectSids.includes(objectSid)) continue;
    const flags = String(account.flags ^ ACCOUNT_DISABLED);
    const computerName = account.computerName.toUpperCase();
    const write = { signal, before: () => beforeWrite({ computerName, objectSid }) };
    await session.connection.replace(`<GUID=${account.objectGuid}>`, { userAccountControl: [flags] }, write);
    changed.push(account.computerName);
  }
  return changed;
}

/** What became of an instance's accounts. */
export interface AccountRemoval {
  /** All that were found, whether or not they were deleted. */
  readonly found: readonly ComputerAccount[];
  /** Names, in capitals, of the accounts that this call deleted. */
  readonly removed: readonly string[];
  /** Why the first one that was not deleted was not; the others went on. */
  readonly refusal: unknown;
}

/**
 * Disables and then deletes every account of an instance.
 * @param keep objectGuid of an account to spare
 * @param beforeWrite called, and waited for, right before each write
 * @returns nothing when nothing may be deleted, because this controller does not show the account to spare
 * @throws LdapResult, ControllerFailure, and what `beforeWrite` does
 */
export async function removeOurs(
  session: Session,
  traces: Traces,
  keep: string | undefined,
  beforeWrite: (account: FoundAccount) => Promise<void>,
  signal: AbortSignal,
): Promise<AccountRemoval | undefined> {
  const removed: string[] = [];
  let refusal: unknown;
  const all = await findAll(session, traces, signal);
  if (keep !== undefined && !all.some((account) => account.objectGuid === keep)) return undefined;
  const found = all.filter((account) => account.objectGuid !== keep);
  for (const account of found) {
    const { objectSid } = account;
    const computerName = account.computerName.toUpperCase();
    const before = (): Promise<void> => beforeWrite({ computerName, objectSid });
    try {
      await disableAccount(session, account, { signal, before });
      if (await deleteAccount(session, account, { signal, before })) removed.push(computerName);
    } catch (error) {
      if (!(error instanceof LdapResult)) throw error;
      refusal ??= await reasonFor(session, account, error, signal);
    }
  }
  return { found, removed, refusal };
}
