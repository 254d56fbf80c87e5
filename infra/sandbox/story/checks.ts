/**
 * What the story claims, proven without a word from the agent: by the directory (as a plain domain user), DNS, each machine,
 * Auto Scaling, and the kernel.
 */
import type { Clock } from '../clock.ts';
import type { AuditedAccount, Auditor } from './auditor.ts';
import { absence, type Proof, proofOf } from './proof.ts';

/** A program that a machine proves something with. */
export interface MachineCheck {
  readonly claim: string;
  readonly argv: readonly string[];
  /** Whether what it printed, with exit code 0, is a proof. */
  readonly shows: (stdout: string) => boolean;
}

/** How a machine shows that it is a member, and that it knows the users of the domain. */
export interface MachineChecks {
  readonly member: MachineCheck;
  readonly users: MachineCheck;
  /** What its system has besides. */
  readonly others?: readonly MachineCheck[];
}

/** @param machines whose checks these are, in the claims */
export function linuxChecks(domain: string, machines = 'machines'): MachineChecks {
  const user = `administrator@${domain}`;
  return {
    member: { claim: `${machines}: adcli testjoin`, argv: ['adcli', 'testjoin'], shows: () => true },
    users: {
      claim: `${machines}: getent passwd ${user}`,
      argv: ['getent', 'passwd', user],
      shows: (stdout) => stdout.startsWith(`${user}:`),
    },
  };
}

/** Where the proofs come from. */
export interface Witnesses {
  readonly auditor: Auditor;
  /** IPv4 addresses that the domain's name server gives for a name; empty when it knows none. */
  resolve(name: string): Promise<string[]>;
  /** The address of the instance's machine, undefined when it has none. */
  addressOf(instanceId: string): string | undefined;
  /** Runs a program on the machine. */
  onMachine(
    instanceId: string,
    argv: readonly string[],
    timeoutMs: number,
  ): Promise<{ code: number | null; stdout: string; stderr: string }>;
  /** How this machine shows what a Linux machine shows otherwise. */
  checksOf?(instanceId: string): MachineChecks | undefined;
  /** Auto Scaling's lifecycle state of every instance of the group. */
  lifecycleStates(): Promise<ReadonlyMap<string, string>>;
  /** When each instance entered service, in milliseconds since the epoch; undefined where nothing holds instances back. */
  readonly inServiceTimes: (() => Promise<ReadonlyMap<string, number>>) | undefined;
  /** Names of processes, namespaces, mounts, interfaces and files of machines other than these. */
  leftovers(living: readonly string[]): Promise<string[]>;
}

export interface Expectations {
  readonly domain: string;
  readonly organizationalUnit: string;
  /** Who says that an instance is in service. Default: `Auto Scaling: InService`. */
  readonly inService?: string;
  /** The stamp that the account of an instance must carry. */
  stampOf(instanceId: string): string;
}

/** Accounts and DNS names that were there before the fleet, and are no leftovers. */
export interface Baseline {
  readonly computers: ReadonlySet<string>;
  readonly dnsNames: ReadonlySet<string>;
}

export async function takeBaseline(auditor: Auditor): Promise<Baseline> {
  const [computers, dnsNames] = await Promise.all([auditor.computers(), auditor.dnsNames()]);
  return {
    computers: new Set(computers.map((account) => account.computerName)),
    dnsNames: new Set(dnsNames),
  };
}

/**
 * sssd registers the machine's address by itself, 10 seconds after its start, and starts to answer only then; with every
 * machine of a fleet doing so on two cores, that is not the end of it.
 */
const settleMs = 90_000;
const settlePollMs = 500;
/** Two at a time are as many as a small machine runs well; each is a process or two. */
const machinesAtOnce = 4;
const commandLimitMs = 15_000;

/** Runs over the items, a few at a time, in order of arrival. */
async function each<Item>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const lane = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
}

/** Asks until there is no complaint or the time is over; the last complaint, or undefined. */
async function settle(
  clock: Clock,
  signal: AbortSignal,
  ask: () => Promise<string | undefined>,
): Promise<string | undefined> {
  const deadline = clock.now() + settleMs;
  for (;;) {
    const complaint = await ask();
    if (complaint === undefined || clock.now() >= deadline) return complaint;
    await clock.sleep(settlePollMs, signal);
  }
}

const present = (complaint: string | undefined): complaint is string => complaint !== undefined;

/** The first line of what a failed program said, short enough for a line of the summary. */
const said = (outcome: { stdout: string; stderr: string; code: number | null }): string => {
  const words = (outcome.stderr.trim() || outcome.stdout.trim()).split('\n').at(-1)?.slice(0, 120);
  return words === undefined || words === '' ? `exit code ${outcome.code}` : words;
};

/** One account for each instance, as the directory shows it. */
function directoryProof(
  living: readonly string[],
  accounts: readonly AuditedAccount[],
  expected: Expectations,
): Proof {
  const failures = living.flatMap((instanceId) => {
    const own = accounts.filter((account) => account.stamp === expected.stampOf(instanceId));
    const [account] = own;
    if (account === undefined) return [`${instanceId}: no account carries its stamp`];
    if (own.length > 1) return [`${instanceId}: ${own.length} accounts carry its stamp`];
    const under = account.distinguishedName
      .toLowerCase()
      .endsWith(`,${expected.organizationalUnit.toLowerCase()}`);
    if (!under) return [`${instanceId}: ${account.distinguishedName} is outside the organizational unit`];
    if (!account.enabled) return [`${instanceId}: ${account.computerName} is disabled`];
    if (account.passwordLastSet === 0) return [`${instanceId}: ${account.computerName} never got a password`];
    return [];
  });
  const strangers = accounts.filter(
    (account) => !living.some((id) => expected.stampOf(id) === account.stamp),
  );
  failures.push(...strangers.map((account) => `${account.computerName} belongs to no instance in service`));
  return proofOf('directory: one enabled, stamped account in the OU each', living.length, failures);
}

/**
 * A password that was last set before the instance entered service, and that the machine proves to know (`adcli testjoin`),
 * can only be the one that its join set: the join came first.
 */
function orderProof(
  living: readonly string[],
  accounts: readonly AuditedAccount[],
  entered: ReadonlyMap<string, number>,
  expected: Expectations,
): Proof {
  let smallest = Infinity;
  const failures = living.flatMap((instanceId) => {
    const account = accounts.find((candidate) => candidate.stamp === expected.stampOf(instanceId));
    const at = entered.get(instanceId);
    if (account === undefined) return [`${instanceId}: no account`];
    if (at === undefined) return [`${instanceId}: Auto Scaling knows no successful launch of it`];
    const lead = at - account.passwordLastSet;
    if (lead < 0) return [`${instanceId}: in service ${-lead} ms before its password was set`];
    smallest = Math.min(smallest, lead);
    return [];
  });
  const detail = Number.isFinite(smallest) ? `by ${(smallest / 1000).toFixed(2)} s or more` : '';
  return proofOf('the directory showed each join before it was in service', living.length, failures, detail);
}

/** Proves that exactly `size` instances are in service and that each is a member of the domain. */
export async function proveMembers(
  size: number,
  witnesses: Witnesses,
  expected: Expectations,
  baseline: Baseline,
  clock: Clock,
  signal: AbortSignal,
): Promise<Proof[]> {
  const [states, entered, computers] = await Promise.all([
    witnesses.lifecycleStates(),
    witnesses.inServiceTimes?.(),
    witnesses.auditor.computers(),
  ]);
  const living = [...states.keys()];
  const accounts = computers.filter((account) => !baseline.computers.has(account.computerName));

  const unready = [...states]
    .filter(([, state]) => state !== 'InService')
    .map(([id, state]) => `${id} is ${state}`);
  if (living.length !== size) unready.push(`Auto Scaling lists ${living.length} instances`);

  const dns: string[] = [];
  const checksOf = (instanceId: string): MachineChecks =>
    witnesses.checksOf?.(instanceId) ?? linuxChecks(expected.domain);
  // Each claim is about the machines that prove it so.
  const claims = new Map<string, { count: number; failures: string[] }>();
  const note = ({ claim }: MachineCheck, failure: string | undefined): void => {
    const { count, failures } = claims.get(claim) ?? { count: 0, failures: [] };
    claims.set(claim, { count: count + 1, failures: failure ? [...failures, failure] : failures });
  };
  // In the order of the instances, whichever machine answers first.
  for (const instanceId of living) {
    const { member, users, others = [] } = checksOf(instanceId);
    for (const { claim } of [member, users, ...others])
      if (!claims.has(claim)) claims.set(claim, { count: 0, failures: [] });
  }
  await each(living, machinesAtOnce, async (instanceId) => {
    const account = accounts.find((candidate) => candidate.stamp === expected.stampOf(instanceId));
    const { member, users, others = [] } = checksOf(instanceId);
    const ask = async ({ argv, shows }: MachineCheck): Promise<string | undefined> => {
      const outcome = await witnesses.onMachine(instanceId, argv, commandLimitMs);
      return outcome.code === 0 && shows(outcome.stdout) ? undefined : said(outcome);
    };
    const unjoined = await ask(member);
    note(member, unjoined && `${instanceId}: ${unjoined}`);
    const unknown = await settle(clock, signal, () => ask(users));
    note(users, unknown && `${instanceId}: ${unknown}`);
    for (const other of others) {
      const failure = await ask(other);
      note(other, failure && `${instanceId}: ${failure}`);
    }

    const address = witnesses.addressOf(instanceId);
    const name = `${(account?.computerName ?? '').toLowerCase()}.${expected.domain}`;
    const unresolved = await settle(clock, signal, async () => {
      const addresses = account ? await witnesses.resolve(name) : [];
      const right = address !== undefined && addresses.length === 1 && addresses[0] === address;
      return right
        ? undefined
        : `${instanceId}: ${name} is ${addresses.join(', ') || 'unknown'}, not ${address}`;
    });
    if (present(unresolved)) dns.push(unresolved);
  });

  return [
    proofOf(expected.inService ?? 'Auto Scaling: InService', size, unready),
    directoryProof(living, accounts, expected),
    ...(entered ? [orderProof(living, accounts, entered, expected)] : []),
    proofOf("DNS: the computer's name leads to the instance's address", living.length, dns),
    ...[...claims].map(([claim, { count, failures }]) => proofOf(claim, count, failures)),
  ];
}

/** Proves that nothing is left of the instances that are not among `living`. */
export async function proveAbsence(
  living: readonly string[],
  witnesses: Witnesses,
  expected: Expectations,
  baseline: Baseline,
): Promise<Proof[]> {
  const [computers, dnsNames, leftovers] = await Promise.all([
    witnesses.auditor.computers(),
    witnesses.auditor.dnsNames(),
    witnesses.leftovers(living),
  ]);
  const stamps = new Set(living.map((instanceId) => expected.stampOf(instanceId)));
  const own = new Set(
    computers.filter((account) => stamps.has(account.stamp)).map((a) => a.computerName.toLowerCase()),
  );
  const accounts = computers
    .filter(
      (account) =>
        !baseline.computers.has(account.computerName) && !own.has(account.computerName.toLowerCase()),
    )
    .map((account) => account.distinguishedName);
  const records = dnsNames.filter((name) => !baseline.dnsNames.has(name) && !own.has(name.toLowerCase()));
  return [
    absence('computer accounts of terminated instances', accounts),
    absence('DNS records of terminated instances', records),
    absence('namespaces, mounts, processes of terminated instances', leftovers),
  ];
}
