/** How an action must have ended, whatever happened on the way: asked of everybody but the agent. */
import { GetItemCommand, type AttributeValue } from '@aws-sdk/client-dynamodb';
import { filetimeToMs } from '../../../infra/sandbox/story/auditor.ts';
import { dnsZoneDn } from '../../../infra/sandbox/domain/domain.ts';
import type { System } from '../sandbox.ts';
import type { Lane } from './lane.ts';

type Item = Readonly<Record<string, AttributeValue>>;

async function itemOf(system: System, instanceId: string): Promise<Item> {
  const { Item = {} } = await system.dynamodb.send(
    new GetItemCommand({
      TableName: system.stack.table,
      Key: { instanceId: { S: instanceId } },
      ConsistentRead: true,
    }),
  );
  return Item;
}

/**
 * Whether a lease is somebody's who lives. One that a killed agent held runs out by itself, at the latest when its message
 * shows again; had anybody taken or renewed it since the kill, it would last longer.
 * @param expiresAt as the ledger has it, and the kill, if there was one: milliseconds since the epoch
 */
export function isHeld(
  expiresAt: number,
  now: number,
  killedAt: number | undefined,
  visibilityMs: number,
): boolean {
  if (expiresAt <= now) return false;
  return killedAt === undefined || expiresAt > killedAt + visibilityMs;
}

/**
 * Whether a record came into being after the agent had asked which there are. A machine may send an update for as long as
 * it lives, and it lives until the action is answered; what arrives after the agent's look is a stray, and those are the
 * sweep's. The record that the agent could see is its own to delete.
 * @param whenCreated as the directory has it, in whole seconds: `20260102030405.0Z`
 * @param soughtAt milliseconds since the epoch
 */
export function isStray(whenCreated: string, soughtAt: number): boolean {
  const iso = whenCreated.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d).*$/, '$1-$2-$3T$4:$5:$6Z');
  const oneSecond = 1_000;
  return Date.parse(iso) + oneSecond > soughtAt;
}

/** The computer's DNS records that its unjoin should have deleted. */
async function leftRecords(system: System, lane: Lane, computerName: string): Promise<string[]> {
  const label = computerName.toLowerCase();
  if (!(await system.auditor.dnsNames()).includes(label)) return [];
  const records = await system.domain.search({
    base: dnsZoneDn(system.domain.domainName),
    filter: `(dc=${label})`,
    attributes: ['whenCreated'],
  });
  const soughtAt = lane.journal.recordsSoughtAt() ?? Infinity;
  const times = records.map(({ attributes }) => attributes.get('whenCreated')?.[0] ?? '');
  return times.some((time) => !isStray(time, soughtAt)) ? [label] : [];
}

function leaseProblems(item: Item, lane: Lane): string[] {
  const expiresAt = Number(item['leaseExpiresAt']?.N ?? 0);
  const held = isHeld(expiresAt, Date.now(), lane.journal.sprungAt(), lane.visibilityMs);
  return held ? [`${item['leaseOwner']?.S ?? 'somebody'} still holds the lease`] : [];
}

/** What speaks against the action having been answered once, with `CONTINUE`, and its message being gone. */
async function unsettled(lane: Lane): Promise<string[]> {
  const problems: string[] = [];
  const completions = lane.journal.completions();
  const results = completions.map((completion) => completion.result).join(', ');
  if (results !== 'CONTINUE') problems.push(`completed with: ${results || 'nothing'}`);
  const depth = await lane.depth();
  if (depth !== 0) problems.push(`${depth} messages in the queue`);
  return problems;
}

/** What speaks against the instance being a member of the domain and in service. */
export async function notJoined(system: System, lane: Lane, instanceId: string): Promise<string[]> {
  const problems = await unsettled(lane);
  const instance = await lane.instance();
  if (instance?.id !== instanceId || instance.state !== 'InService') {
    problems.push(`${instanceId} is not in service: ${instance?.id} is ${instance?.state}`);
  }
  const item = await itemOf(system, instanceId);
  if (item['state']?.S !== 'member') problems.push(`the ledger says ${item['state']?.S}`);
  problems.push(...leaseProblems(item, lane));

  const stamp = system.subject.expected.stampOf(instanceId);
  const accounts = (await system.auditor.computers()).filter((account) => account.stamp === stamp);
  const [account] = accounts;
  if (!account || accounts.length > 1) return [...problems, `${accounts.length} accounts carry its stamp`];
  if (!account.enabled) problems.push(`${account.computerName} is disabled`);
  if (!account.distinguishedName.endsWith(`,${system.domain.organizationalUnit}`)) {
    problems.push(`${account.distinguishedName} is not in the organizational unit`);
  }
  const staged = filetimeToMs(item['stagedPasswordLastSet']?.S ?? '');
  if (account.passwordLastSet <= staged) problems.push('its password is the one-time password');
  const [answered] = lane.journal.completions();
  if (answered && answered.at < account.passwordLastSet)
    problems.push('it was answered before it had joined');

  const { witnesses } = system.subject;
  const tested = await witnesses.onMachine(instanceId, ['adcli', 'testjoin'], 15_000);
  if (tested.code !== 0) problems.push(`adcli testjoin: ${tested.stderr.trim().split('\n').at(-1) ?? ''}`);
  const name = `${account.computerName.toLowerCase()}.${system.domain.domainName}`;
  const addresses = (await witnesses.resolve(name)).join(', ');
  // The machine registers its address by itself, in its own time.
  if (addresses && addresses !== witnesses.addressOf(instanceId))
    problems.push(`${name} leads to ${addresses}`);
  return problems;
}

/** What speaks against the instance being gone, and the domain having forgotten it. */
export async function notRemoved(
  system: System,
  lane: Lane,
  instanceId: string,
  computerName: string,
): Promise<string[]> {
  const problems = await unsettled(lane);
  const instance = await lane.instance();
  if (instance) problems.push(`${instance.id} is ${instance.state}`);
  if (system.fleet.machine(instanceId)) problems.push('its machine is there');
  const item = await itemOf(system, instanceId);
  if (item['state']?.S !== 'removed') problems.push(`the ledger says ${item['state']?.S}`);
  if (item['expiresAt'] === undefined) problems.push('the ledger will never forget it');
  problems.push(...leaseProblems(item, lane));

  const stamp = system.subject.expected.stampOf(instanceId);
  const accounts = (await system.auditor.computers()).filter(
    (account) => account.stamp === stamp || account.computerName === computerName,
  );
  problems.push(...accounts.map((account) => `${account.distinguishedName} is there`));
  const records = await leftRecords(system, lane, computerName);
  problems.push(...records.map((name) => `DNS knows ${name}`));
  return problems;
}

/** The name under which an instance joined. */
export async function computerNameOf(system: System, instanceId: string): Promise<string> {
  return (await itemOf(system, instanceId))['computerName']?.S ?? '';
}
