/**
 * The mark on every computer account that adjoin makes: which deployment owns it, for which instance. It says
 * whose an account is, and proves nothing: a computer may rewrite its own (accounts.ts says what makes one ours). It sits in `msDS-cloudExtensionAttribute1`, which the Windows Server 2012 schema added
 * for applications to use freely.
 */

export const STAMP_ATTRIBUTE = 'msDS-cloudExtensionAttribute1';

export interface Stamp {
  readonly deployment: string;
  readonly accountId: string;
  readonly region: string;
  readonly instanceId: string;
}

const FORM = /^adjoin;deployment=([^;=]+);account=(\d{12});region=([a-z0-9-]+);instance=(m?i-[0-9a-f]{17})$/;

/** The owner of accounts: everything in a stamp but the instance. */
export type Owner = Omit<Stamp, 'instanceId'>;

/** How every stamp of one deployment in one account and Region begins. */
function stampPrefix({ deployment, accountId, region }: Owner): string {
  return `adjoin;deployment=${deployment};account=${accountId};region=${region};instance=`;
}

/** @throws RangeError when a value could not be read back as what it is */
export function formatStamp(stamp: Stamp): string {
  const text = `${stampPrefix(stamp)}${stamp.instanceId}`;
  const read = parseStamp(text);
  if (!read || !sameStamp(read, stamp)) throw new RangeError(`Not a stamp: ${JSON.stringify(text)}`);
  return text;
}

/** Reads a stamp strictly: anything that `formatStamp` would not have written is no stamp. */
export function parseStamp(text: string): Stamp | undefined {
  const [, deployment, accountId, region, instanceId] = FORM.exec(text) ?? [];
  if (!deployment || !accountId || !region || !instanceId) return undefined;
  return { deployment, accountId, region, instanceId };
}

/** Whether two stamps name the same deployment, account, Region and instance, to the letter. */
export function sameStamp(one: Stamp | undefined, other: Stamp | undefined): boolean {
  return (
    one !== undefined &&
    other !== undefined &&
    one.deployment === other.deployment &&
    one.accountId === other.accountId &&
    one.region === other.region &&
    one.instanceId === other.instanceId
  );
}
