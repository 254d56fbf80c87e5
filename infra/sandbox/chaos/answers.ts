/**
 * Looks over the workers' shoulder: when one is about to answer a launch with CONTINUE, the join must be there to see at
 * that very moment. In the directory's own database one enabled account with the instance's stamp, under the
 * organizational unit, whose password was changed after the worker staged it; on the machine the keytab that a join makes.
 */
import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sandbox } from '../inside/sandbox.ts';
import { accountsWithStamp, type StoredAccount } from './directory.ts';

/** One CONTINUE for a launch, about to be given. */
export interface LaunchAnswer {
  readonly instanceId: string;
  readonly token: string;
  /** What speaks against it; undefined for nothing. */
  readonly complaint: string | undefined;
}

export interface Look {
  /** As each controller has them. */
  readonly accounts: readonly StoredAccount[];
  readonly organizationalUnit: string;
  /** `pwdLastSet` when the worker had staged the account, from the ledger. */
  readonly stagedPasswordLastSet: string | undefined;
  readonly keytab: boolean;
}

/** What speaks against a CONTINUE. The controllers need not agree yet: one that shows the join is enough. */
export function complaintOf(look: Look): string | undefined {
  const { accounts, organizationalUnit, stagedPasswordLastSet, keytab } = look;
  if (accounts.length === 0) return 'no account carries its stamp';
  if (!keytab) return 'the machine has no keytab';
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

/** Asks the witnesses about one instance. Takes about half a second. */
export async function lookAtJoin(sandbox: Sandbox, stamp: string, instanceId: string): Promise<Look> {
  const { baseDn, controllers, organizationalUnit } = sandbox.domain;
  const accounts: StoredAccount[] = [];
  for (const { machine } of controllers) accounts.push(...(await accountsWithStamp(machine, baseDn, stamp)));
  const { Item } = await sandbox.dynamodb.send(
    new GetItemCommand({
      TableName: sandbox.stack.table,
      Key: { instanceId: { S: instanceId } },
      ConsistentRead: true,
    }),
  );
  const disk = sandbox.fleet.machine(instanceId)?.disk;
  const keytab =
    disk !== undefined &&
    (await access(join(disk, 'etc', 'krb5.keytab')).then(
      () => true,
      () => false,
    ));
  return {
    accounts,
    organizationalUnit,
    stagedPasswordLastSet: Item?.['stagedPasswordLastSet']?.S,
    keytab,
  };
}
