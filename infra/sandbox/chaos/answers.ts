/**
 * Looks over the workers' shoulder: when one is about to answer an action with CONTINUE, what the answer stands for must be
 * there to see at that very moment, past LDAP in the directory's own database.
 *
 * - A launch: one enabled account with the instance's stamp, under the organizational unit, whose password was changed
 *   after the worker staged it; on the machine the keytab that a join makes, and an sssd that resolves the account.
 * - A termination into the warm pool: what a launch must show, for the instance stays a member.
 * - Any other termination: no account with the instance's stamp or the ledger's GUID on the controller that took the removal, or a
 *   debt in the ledger.
 *
 * A look takes half a second, and seconds on a busy machine. An action that ended by itself meanwhile refuses the answer,
 * and may leave anything behind: judged is what took effect.
 */
import { type AttributeValue, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sandbox } from '../inside/sandbox.ts';
import type { Machine } from '../machine/machine.ts';
import { stampOf } from '../inside/subject.ts';
import { accountsOf, type StoredAccount } from './directory.ts';
import type { ActionRecord, CloudRecord } from './record.ts';

/** One CONTINUE that took effect. */
export interface Answer {
  readonly instanceId: string;
  readonly token: string;
  readonly transition: ActionRecord['transition'];
  /** What spoke against it; undefined for nothing. */
  readonly complaint: string | undefined;
  /** It was given for a debt: the account was left to the sweep. */
  readonly owed: boolean;
}

/** What was seen right before an answer. */
export type Verdict = Pick<Answer, 'complaint' | 'owed'>;

export interface AnswerWatch {
  /** Those that took effect, in their order. */
  readonly answers: readonly Answer[];
  /**
   * Looks at what a CompleteLifecycleAction stands for. Must be awaited before it is carried out.
   * @returns what to call once it was carried out; undefined when there is nothing to judge
   */
  before(input: unknown): Promise<(() => void) | undefined>;
}

export function createAnswerWatch(
  record: Pick<CloudRecord, 'actions'>,
  look: (action: ActionRecord) => Promise<Verdict>,
): AnswerWatch {
  const answers: Answer[] = [];
  return {
    answers,
    async before(input) {
      const { token, result } = answerOf(input);
      const action = token === undefined ? undefined : record.actions.get(token);
      if (!action || result !== 'CONTINUE' || action.ends.length > 0) return undefined;
      const verdict = await look(action);
      const { instanceId, transition } = action;
      return () => void answers.push({ instanceId, token: action.token, transition, ...verdict });
    },
  };
}

function answerOf(input: unknown): { token: string | undefined; result: string | undefined } {
  const text = (name: string): string | undefined => {
    const value: unknown = typeof input === 'object' && input !== null ? Reflect.get(input, name) : undefined;
    return typeof value === 'string' ? value : undefined;
  };
  return { token: text('LifecycleActionToken'), result: text('LifecycleActionResult') };
}

/** Asks the witnesses about the instance of an action. */
export async function lookAt(
  sandbox: Sandbox,
  { instanceId, transition, destination }: ActionRecord,
): Promise<Verdict> {
  if (transition === 'launch' || destination === 'WarmPool')
    return { complaint: complaintOfJoin(await lookAtJoin(sandbox, instanceId, transition)), owed: false };
  const look = await lookAtRemoval(sandbox, instanceId);
  return { complaint: complaintOfRemoval(look), owed: look.state === 'owed' };
}

export interface JoinLook {
  /** As each controller has them. */
  readonly accounts: readonly StoredAccount[];
  readonly organizationalUnit: string;
  /** `pwdLastSet` when the worker had staged the account, from the ledger. */
  readonly stagedPasswordLastSet: string | undefined;
  readonly keytab: boolean;
  /** Whether the machine resolves an account of the domain; undefined where it is not asked, or is dead by now. */
  readonly resolves: boolean | undefined;
}

/** What speaks against continuing a launch. The controllers need not agree yet: one that shows the join is enough. */
export function complaintOfJoin(look: JoinLook): string | undefined {
  const { accounts, organizationalUnit, stagedPasswordLastSet, keytab, resolves } = look;
  if (accounts.length === 0) return 'no account carries its stamp';
  if (!keytab) return 'the machine has no keytab';
  if (resolves === false) return 'the machine resolves no account of the domain';
  if (stagedPasswordLastSet === undefined) return 'the ledger does not know when the account was staged';
  const suffix = `,${organizationalUnit.toLowerCase()}`;
  const joined = accounts.some(
    (account) =>
      account.enabled &&
      account.distinguishedName.toLowerCase().endsWith(suffix) &&
      BigInt(account.passwordLastSet || '0') > BigInt(stagedPasswordLastSet),
  );
  return joined ? undefined : 'no controller shows a password that was changed after staging';
}

export interface RemovalLook {
  /** As the ledger has it; undefined for no record. */
  readonly state: string | undefined;
  /** As the controller has them that took the removal; undefined where the ledger names none. */
  readonly accounts: readonly StoredAccount[] | undefined;
}

/** What speaks against continuing a termination. Other controllers may still show the account: they hear of it later. */
export function complaintOfRemoval({ state, accounts }: RemovalLook): string | undefined {
  if (state === 'owed') return undefined;
  if (state !== 'removed') return `the ledger says ${state ?? 'nothing'}, neither removed nor owed`;
  if (!accounts) return 'the ledger names no controller that took the removal';
  const left = accounts.map(({ name }) => name);
  return left.length === 0 ? undefined : `${left.join(', ')} is still there`;
}

async function lookAtJoin(
  sandbox: Sandbox,
  instanceId: string,
  transition: ActionRecord['transition'],
): Promise<JoinLook> {
  const { baseDn, controllers, organizationalUnit } = sandbox.domain;
  const stamp = stampOf(sandbox, instanceId);
  const accounts: StoredAccount[] = [];
  for (const { machine } of controllers) accounts.push(...(await accountsOf(machine, baseDn, stamp)));
  const item = await ledgerItem(sandbox, instanceId);
  const machine = sandbox.fleet.machine(instanceId);
  const disk = machine?.disk;
  // One that goes into the warm pool may be stopped at any time.
  const name = transition === 'launch' ? accounts[0]?.name : undefined;
  const keytab =
    disk !== undefined &&
    (await access(join(disk, 'etc', 'krb5.keytab')).then(
      () => true,
      () => false,
    ));
  return {
    accounts,
    organizationalUnit,
    stagedPasswordLastSet: item?.['stagedPasswordLastSet']?.S,
    keytab,
    resolves:
      machine && name !== undefined ? await resolves(machine, sandbox.domain.domainName, name) : undefined,
  };
}

/** `getent` was answered, and knows no such entry. */
const noSuchEntry = 2;
const resolveLimitMs = 15_000;

/**
 * Its own account, as the join has made sure: sssd remembers it while no controller answers.
 * @returns undefined when there is no answer: the machine may have died meanwhile
 */
async function resolves(machine: Machine, domain: string, name: string): Promise<boolean | undefined> {
  const getent = ['getent', 'passwd', `${name}$@${domain}`];
  const outcome = await machine.exec(getent, { timeoutMs: resolveLimitMs }).catch(() => undefined);
  return outcome?.code === 0 ? true : outcome?.code === noSuchEntry ? false : undefined;
}

async function lookAtRemoval(sandbox: Sandbox, instanceId: string): Promise<RemovalLook> {
  const { baseDn, controllers } = sandbox.domain;
  const item = await ledgerItem(sandbox, instanceId);
  const name = item?.['domainController']?.S?.toLowerCase();
  const controller = controllers.find(({ hostName }) => hostName.toLowerCase() === name);
  return {
    state: item?.['state']?.S,
    accounts:
      controller &&
      (await accountsOf(controller.machine, baseDn, stampOf(sandbox, instanceId), item?.['objectGuid']?.S)),
  };
}

async function ledgerItem(
  { dynamodb, stack }: Sandbox,
  instanceId: string,
): Promise<Record<string, AttributeValue> | undefined> {
  const { Item } = await dynamodb.send(
    new GetItemCommand({
      TableName: stack.table,
      Key: { instanceId: { S: instanceId } },
      ConsistentRead: true,
    }),
  );
  return Item;
}
