/** Gathers what the audit judges. Nothing is asked of the workers. */
import { type AttributeValue, paginateScan } from '@aws-sdk/client-dynamodb';
import { paginateListCommandInvocations, paginateListCommands, SSMClient } from '@aws-sdk/client-ssm';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sandbox } from '../inside/sandbox.ts';
import { leftovers } from '../machine/leftovers.ts';
import type { Machine } from '../machine/machine.ts';
import { lookAtFleet } from '../story/watch.ts';
import type { Answer } from './answers.ts';
import type { ControllerView, Evidence, WorkerLife } from './audit.ts';
import { accountsUnder, serviceAccountState, type StoredAccount } from './directory.ts';
import type { LedgerWrite } from './ledger.ts';
import { isOfWorkers } from './quiet.ts';
import { type CloudRecord, inService } from './record.ts';
import { filesWith, textsWith } from './secrets.ts';
import type { Suspension } from './world.ts';

/** What was known before the end. */
export interface Known {
  readonly record: CloudRecord;
  readonly answers: readonly Answer[];
  readonly writes: readonly LedgerWrite[];
  readonly suspensions: readonly Suspension[];
  readonly strangers: readonly StoredAccount[];
  readonly unrest: readonly string[];
  readonly sweeps: Evidence['sweeps'];
  readonly workers: readonly WorkerLife[];
  readonly secrets: readonly string[];
  /** DNS names of before the fleet. */
  readonly dnsBefore: ReadonlySet<string>;
  /** Where the sandbox keeps its files. */
  readonly directory: string;
  readonly stampOf: (instanceId: string) => string;
}

type Item = Record<string, AttributeValue>;

/** Under such keys the workers remember, in the ledger's table, versions of the secret that the directory has refused. */
const refusalPrefix = 'refused-credential/';
const commandLimitMs = 20_000;
/** sssd that was left alone by every controller tries again after a minute to a minute and a half. */
const usersLimitMs = 120_000;
const usersPollMs = 500;

/** Whether the machine comes to resolve a user that it was not asked for before. */
async function resolvesUsers(machine: Machine, domain: string): Promise<boolean> {
  const deadline = performance.now() + usersLimitMs;
  for (;;) {
    const getent = ['getent', 'passwd', `administrator@${domain}`];
    const { code } = await machine.exec(getent, { timeoutMs: commandLimitMs });
    if (code === 0 || performance.now() > deadline) return code === 0;
    await sleep(usersPollMs);
  }
}

export async function gather(sandbox: Sandbox, known: Known): Promise<Evidence> {
  const { domain, stack } = sandbox;
  const { record } = known;
  const living = inService(record).map(({ instanceId }) => instanceId);
  const machines = living.flatMap((instanceId) => sandbox.fleet.machine(instanceId) ?? []);
  const testjoin = new Map<string, string>();
  for (const machine of machines) {
    const { code, stderr } = await machine.exec(['adcli', 'testjoin'], { timeoutMs: commandLimitMs });
    if (code !== 0) testjoin.set(machine.name, stderr.trim().split('\n').at(-1) ?? `exit code ${code}`);
  }
  const unresolved: string[] = [];
  await Promise.all(
    machines.map(async (machine) => {
      if (!(await resolvesUsers(machine, domain.domainName))) unresolved.push(machine.name);
    }),
  );
  const controllers: ControllerView[] = [];
  for (const { hostName, machine } of domain.controllers) {
    controllers.push({
      name: hostName.split('.')[0] ?? hostName,
      accounts: await accountsUnder(machine, domain.organizationalUnit),
      identifiers: (await accountsUnder(machine, domain.baseDn)).map(({ objectGuid }) => objectGuid),
      serviceAccount: await serviceAccountState(machine, domain.baseDn, domain.serviceAccount.user),
    });
  }
  const dnsNames = (await sandbox.auditor.dnsNames())
    .map((name) => name.toLowerCase())
    .filter((name) => !known.dnsBefore.has(name));
  const { memberships } = await lookAtFleet(
    sandbox.autoscaling,
    sandbox.dynamodb,
    [stack.autoScalingGroup],
    stack.table,
  );
  const records = await ledgerItems(sandbox);
  return {
    actions: [...record.actions.values()],
    instances: [...record.instances.values()],
    messages: [...record.messages.values()].filter(({ queue }) => isOfWorkers(queue, sandbox)),
    answers: known.answers,
    writes: known.writes,
    sleeps: known.suspensions.map(({ worker, held, after, deaths }) => ({
      worker: `worker ${worker}`,
      held,
      after,
      died: (sandbox.agents()[worker - 1]?.deaths.length ?? 0) > deaths,
    })),
    memberships: [...memberships.values()],
    controllers,
    dnsNames,
    testjoin,
    unresolved,
    strangers: known.strangers,
    unrest: known.unrest,
    sweeps: known.sweeps,
    workers: known.workers,
    refusedVersions: records.filter((item) => item['instanceId']?.S?.startsWith(refusalPrefix)).length,
    secrets: await searchForSecrets(sandbox, known, records),
    leftovers: await leftovers(sandbox.runtime, [
      ...domain.controllers.map((each) => each.machine),
      ...machines,
    ]),
    stampOf: known.stampOf,
  };
}

/** Looks into the files of the sandbox, and into what the ledger and Run Command show to a reader with the right to them. */
async function searchForSecrets(
  sandbox: Sandbox,
  { secrets, directory }: Known,
  records: readonly Item[],
): Promise<Evidence['secrets']> {
  const names = (await readdir(directory)).filter((name) => name !== 'run' && !name.endsWith('.sock'));
  const synthesized = dirname(dirname(sandbox.stack.agentFile));
  const files = [synthesized, ...names.map((name) => join(directory, name))];
  const { commands, invocations } = await commandHistory(sandbox);
  const texts = new Map([
    ['the ledger', JSON.stringify(records)],
    ['Run Command', JSON.stringify({ commands, invocations })],
  ]);
  return {
    searched: secrets.length,
    places: [...(await filesWith(secrets, files)), ...textsWith(secrets, texts)],
    records: records.length,
    invocations: invocations.length,
  };
}

async function ledgerItems({ dynamodb, stack }: Sandbox): Promise<Item[]> {
  const items: Item[] = [];
  const pages = paginateScan({ client: dynamodb }, { TableName: stack.table, ConsistentRead: true });
  for await (const { Items = [] } of pages) items.push(...Items);
  return items;
}

async function commandHistory(
  sandbox: Sandbox,
): Promise<{ commands: readonly unknown[]; invocations: readonly unknown[] }> {
  const client = new SSMClient(sandbox.developer);
  const commands: unknown[] = [];
  const invocations: unknown[] = [];
  try {
    for await (const { Commands = [] } of paginateListCommands({ client }, {})) commands.push(...Commands);
    for await (const { CommandInvocations = [] } of paginateListCommandInvocations(
      { client },
      { Details: true },
    ))
      invocations.push(...CommandInvocations);
  } finally {
    client.destroy();
  }
  return { commands, invocations };
}
