/** What must hold after a run, whatever happened in it: each claim, proven or contradicted by what the witnesses say. */
import { absence, type Proof, proofOf } from '../story/proof.ts';
import type { Membership } from '../story/memberships.ts';
import type { Answer } from './answers.ts';
import type { ServiceAccountState, StoredAccount } from './directory.ts';
import { type LedgerWrite, type Sleep, sleptThrough, staleWrites } from './ledger.ts';
import { type ActionRecord, inService, type MessageRecord, tokenOf } from './record.ts';
import type { Life } from '../story/lives.ts';
import { findingsOf, type SweepOutcome } from './sweep.ts';

/** A controller's view of the organizational unit. */
export interface ControllerView {
  readonly name: string;
  readonly accounts: readonly StoredAccount[];
  /** objectGUIDs of all computer accounts of the domain, wherever they are. */
  readonly identifiers: readonly string[];
  readonly serviceAccount: ServiceAccountState;
}

/** How one worker lived and ended. */
export interface WorkerLife {
  readonly name: string;
  /** How often it died. */
  readonly deaths: number;
  /** How often it was killed. */
  readonly kills: number;
  /** Its exit code after SIGTERM; null when it had to be killed. */
  readonly exitCode: number | null;
}

export interface Evidence {
  readonly actions: readonly ActionRecord[];
  readonly instances: readonly Life[];
  /** Of the workers' queue. */
  readonly messages: readonly MessageRecord[];
  /** CONTINUEs of workers that took effect, each as it was about to be given. */
  readonly answers: readonly Answer[];
  /** Every write to the ledger that was accepted, in order. */
  readonly writes: readonly LedgerWrite[];
  /** Workers that were suspended beyond their leases. */
  readonly sleeps: readonly Sleep[];
  readonly memberships: readonly Membership[];
  readonly controllers: readonly ControllerView[];
  /** Lower case, without the domain; those of before the run left out. */
  readonly dnsNames: readonly string[];
  /** What `adcli testjoin` said where it failed, by instance. */
  readonly testjoin: ReadonlyMap<string, string>;
  /** Instances in service that resolve no user of the domain. */
  readonly unresolved: readonly string[];
  /** Accounts of others in the organizational unit, as they were placed. */
  readonly strangers: readonly StoredAccount[];
  /** What kept the system from coming to rest; empty when it did. */
  readonly unrest: readonly string[];
  /** After all had come to rest: one that settled what was left, and one more. */
  readonly sweeps: readonly SweepOutcome[];
  readonly workers: readonly WorkerLife[];
  /** Versions of the service account's secret that the directory has refused. */
  readonly refusedVersions: number;
  readonly secrets: {
    readonly searched: number;
    /** Where one was found: files, the ledger, Run Command. */
    readonly places: readonly string[];
    /** Of the ledger, and of Run Command: what there was to be searched besides the files. */
    readonly records: number;
    readonly invocations: number;
  };
  readonly leftovers: readonly string[];
  stampOf(instanceId: string): string;
}

/** Below the domain's lockout threshold by far: a worker that goes on with a wrong password would be above it at once. */
const saneBadPasswords = 3;

export function audit(evidence: Evidence): Proof[] {
  return [
    absence('all came to rest after the heal', evidence.unrest),
    actionsProof(evidence),
    launchesProof(evidence),
    terminationsProof(evidence),
    accountsProof(evidence),
    membersProof(evidence),
    usersProof(evidence),
    dnsProof(evidence),
    ledgerProof(evidence),
    removedProof(evidence),
    fencingProof(evidence),
    sleepProof(evidence),
    messagesProof(evidence),
    strangersProof(evidence),
    credentialProof(evidence),
    workersProof(evidence),
    sweepProof(evidence),
    secretsProof(evidence),
    absence('machines: nothing left of terminated instances', evidence.leftovers),
  ];
}

/**
 * A time-out is a failure, too: no plan makes one. Both workers are down together for at most their longest pause, and
 * whoever takes over next restarts the hook's clock (settings.ts); a node that stays silent is given up while the clock is
 * kept going; no group holds its failed launches (`HOLD`), which would leave them to their time-out.
 */
function actionsProof({ actions }: Evidence): Proof {
  const count = (end: string): number =>
    actions.filter((action) => action.ends.length === 1 && action.ends[0]?.end === end).length;
  const failures = actions.flatMap((action) => {
    if (action.ends.length !== 1) return [`${nameOf(action)} ended ${action.ends.length} times`];
    return action.ends[0]?.end === 'deadline' ? [`${nameOf(action)} was left to its time-out`] : [];
  });
  const detail = `${count('answer')} answered, ${count('void')} void, ${count('deadline')} timed out`;
  return proofOf('every lifecycle action ended once', actions.length, failures, detail);
}

const nameOf = (action: ActionRecord): string => `${action.instanceId} ${action.transition}`;

function launchesProof(evidence: Evidence): Proof {
  const { given, failures } = continued(evidence, 'launch');
  return proofOf('CONTINUE only after the directory showed the join', given.length, failures);
}

function terminationsProof(evidence: Evidence): Proof {
  const { given, failures } = continued(evidence, 'terminate');
  const owed = evidence.answers.filter((answer) => answer.owed).length;
  const claim = 'a termination is answered only after the account was gone, or owed';
  return proofOf(claim, given.length, failures, owed === 0 ? '' : `${owed} owed`);
}

/** The actions that were continued, and what speaks against it: each must have been looked at. */
function continued(
  { actions, answers }: Evidence,
  transition: Answer['transition'],
): { given: ActionRecord[]; failures: string[] } {
  const given = actions.filter(
    (action) =>
      action.transition === transition &&
      action.ends.some((each) => each.end === 'answer' && each.result === 'CONTINUE'),
  );
  const looked = new Set(answers.map((answer) => answer.token));
  const failures = [
    ...answers.flatMap((answer) =>
      answer.transition !== transition || answer.complaint === undefined
        ? []
        : [`${answer.instanceId}: ${answer.complaint}`],
    ),
    ...given
      .filter((action) => !looked.has(action.token))
      .map((action) => `${nameOf(action)} was continued by somebody who is no worker`),
  ];
  return { given, failures };
}

function accountsProof(evidence: Evidence): Proof {
  const living = inService(mapped(evidence));
  const failures: string[] = [];
  for (const { name, accounts } of evidence.controllers) {
    const strangers = new Set(evidence.strangers.map((stranger) => stranger.name));
    const ours = accounts.filter((account) => !strangers.has(account.name));
    for (const { instanceId } of living) {
      const own = ours.filter((account) => account.stamp === evidence.stampOf(instanceId));
      if (own.length !== 1) failures.push(`${name}: ${own.length} accounts of ${instanceId}`);
      else if (own[0]?.enabled === false) failures.push(`${name}: the account of ${instanceId} is disabled`);
    }
    const stamps = new Set(living.map(({ instanceId }) => evidence.stampOf(instanceId)));
    for (const account of ours) {
      if (!stamps.has(account.stamp)) failures.push(`${name}: ${account.name} belongs to no living instance`);
    }
  }
  const detail = `on ${evidence.controllers.length} controllers`;
  return proofOf('accounts in the OU = living members', living.length, failures, detail);
}

const mapped = ({ instances }: Evidence) => ({
  instances: new Map(instances.map((instance) => [instance.instanceId, instance])),
});

function membersProof(evidence: Evidence): Proof {
  const living = inService(mapped(evidence));
  const failures = living.flatMap(({ instanceId }) => {
    const said = evidence.testjoin.get(instanceId);
    return said === undefined ? [] : [`${instanceId}: ${said}`];
  });
  return proofOf('machines: adcli testjoin', living.length, failures);
}

function usersProof(evidence: Evidence): Proof {
  const living = inService(mapped(evidence)).length;
  return proofOf('machines: getent passwd of a domain user', living, evidence.unresolved);
}

function dnsProof(evidence: Evidence): Proof {
  const living = new Set(inService(mapped(evidence)).map(({ instanceId }) => evidence.stampOf(instanceId)));
  const names = new Set(
    evidence.controllers.flatMap(({ accounts }) =>
      accounts.filter(({ stamp }) => living.has(stamp)).map(({ name }) => name.toLowerCase()),
    ),
  );
  const strays = evidence.dnsNames.filter((name) => !names.has(name));
  return absence('DNS: records of terminated instances', strays);
}

function ledgerProof({ memberships, instances }: Evidence): Proof {
  const living = new Set(
    instances.filter(({ goneAt }) => goneAt === undefined).map(({ instanceId }) => instanceId),
  );
  const failures = memberships.flatMap(({ instanceId, state }) => {
    const right = living.has(instanceId) ? state === 'member' : state === 'removed' || state === 'failed';
    return right ? [] : [`${instanceId} ${living.has(instanceId) ? 'lives' : 'is gone'} and is ${state}`];
  });
  for (const instanceId of living) {
    if (!memberships.some((membership) => membership.instanceId === instanceId))
      failures.push(`${instanceId} lives and is not in the ledger`);
  }
  return proofOf('ledger: members live, nothing is owed', memberships.length, failures);
}

function removedProof({ memberships, controllers }: Evidence): Proof {
  const over = memberships.filter(({ state }) => state === 'removed' || state === 'failed');
  const failures = controllers.flatMap(({ name, identifiers }) =>
    over
      .filter(({ objectGuid }) => objectGuid !== undefined && identifiers.includes(objectGuid))
      .map(({ instanceId, state }) => `${name}: the account of ${instanceId}, which is ${state}, exists`),
  );
  return proofOf('no account in the ledger outlives its record', over.length, failures);
}

function fencingProof({ writes }: Evidence): Proof {
  const holds = new Set(writes.map(({ key, fencingToken }) => `${key} ${fencingToken}`)).size;
  const detail = `${holds} holds`;
  return proofOf('ledger: each write by the newest holder', writes.length, staleWrites(writes), detail);
}

function sleepProof({ sleeps, writes }: Evidence): Proof {
  const all = sleeps.flatMap((sleep) =>
    sleptThrough(sleep, writes).map((hold) => ({ ...hold, worker: sleep.worker })),
  );
  const failures = all
    .filter(({ end }) => end === 'still held' || end === 'written')
    .map(({ key, end, worker }) => `${worker} slept, ${key} is ${end}`);
  const detail = `${all.filter(({ end }) => end === 'taken over').length} taken over`;
  return proofOf('whoever slept through a lease changed nothing afterwards', all.length, failures, detail);
}

function messagesProof({ messages, actions }: Evidence): Proof {
  const byToken = new Map(actions.map((action) => [action.token, action]));
  const failures = messages.flatMap((message) => {
    const token = tokenOf(message.body);
    const action = token === undefined ? undefined : byToken.get(token);
    const what = action ? nameOf(action) : message.body.slice(0, 50);
    switch (message.end) {
      case undefined:
        return [`still in the queue: ${what}`];
      case 'expired':
        return [`lost by age: ${what}`];
      case 'dead':
        return isReadable(message.body) ? [`a dead letter after ${message.receives} receives: ${what}`] : [];
      case 'deleted': {
        if (!isReadable(message.body)) return [`deleted though nobody could read it: ${what}`];
        const early = action?.ends.every(({ at }) => at > (message.endedAt ?? 0));
        return early === true ? [`deleted before its action ended: ${what}`] : [];
      }
    }
  });
  const dead = messages.filter((message) => message.end === 'dead').length;
  const detail = `${dead} malformed in the dead-letter queue`;
  return proofOf('every message accounted for', messages.length, failures, detail);
}

/** A lifecycle message, or the test message of a new hook: what a worker may delete. */
function isReadable(body: string): boolean {
  return tokenOf(body) !== undefined || body.includes('autoscaling:TEST_NOTIFICATION');
}

function strangersProof({ controllers, strangers }: Evidence): Proof {
  const failures = controllers.flatMap(({ name, accounts }) =>
    strangers.flatMap((stranger) => {
      const now = accounts.find((account) => account.name === stranger.name);
      if (!now) return [`${name}: ${stranger.name} is gone`];
      return now.fingerprint === stranger.fingerprint ? [] : [`${name}: ${stranger.name} was changed`];
    }),
  );
  return proofOf('accounts of others untouched', strangers.length, failures);
}

/** Each version that was wrong may cost each worker one logon; all others are the sane few. */
function credentialProof({ controllers, refusedVersions, workers }: Evidence): Proof {
  const most = saneBadPasswords + refusedVersions * workers.length;
  const failures = controllers.flatMap(({ name, serviceAccount: { locked, badPasswords } }) => [
    ...(locked ? [`${name}: it is locked`] : []),
    ...(badPasswords > most ? [`${name}: ${badPasswords} refused binds`] : []),
  ]);
  const counted = Math.max(0, ...controllers.map(({ serviceAccount }) => serviceAccount.badPasswords));
  return {
    claim: 'service account not locked',
    proven: failures.length === 0,
    figures: `badPwdCount ${counted}, versions refused: ${refusedVersions}`,
    failures,
  };
}

function workersProof({ workers }: Evidence): Proof {
  const failures = workers.flatMap(({ name, deaths, kills, exitCode }) => [
    ...(deaths === kills ? [] : [`${name} was killed ${kills} times and died ${deaths} times`]),
    ...(exitCode === 0 ? [] : [`${name} ended with ${exitCode ?? 'SIGKILL'}`]),
  ]);
  return proofOf('workers: died only when killed, ended with 0', workers.length, failures);
}

function sweepProof(evidence: Evidence): Proof {
  const { sweeps } = evidence;
  const last = sweeps.at(-1);
  const findings = last && findingsOf(last);
  const members = inService(mapped(evidence)).length;
  const failures = sweeps.flatMap(({ code, text }) =>
    code === 0 ? [] : [`one ended with ${code ?? 'a signal'}: ${text.slice(-400)}`],
  );
  if (sweeps.length < 2 || !findings) failures.push('the second one does not say what it found');
  else if (findings.found > 0) failures.push(`the second one says: ${last.text.slice(0, 400)}`);
  else if (findings.accounts !== members)
    failures.push(`the second one examined ${findings.accounts} accounts, and there are ${members} members`);
  const { accounts = 0, memberships = 0 } = findings ?? {};
  return {
    claim: 'a sweep, and one more that found nothing to do',
    proven: failures.length === 0,
    figures: `${accounts} accounts, ${memberships} records`,
    failures,
  };
}

function secretsProof({ secrets: { searched, places, records, invocations } }: Evidence): Proof {
  // A search for nothing, or in nothing, finds nothing: the service password and at least one one-time password.
  const vain = [
    ...(searched >= 2 ? [] : ['no one-time password was overheard, so none could be searched for']),
    ...(records > 0 ? [] : ['the ledger showed no record to search']),
    ...(invocations > 0 ? [] : ['Run Command showed no invocation to search']),
  ];
  return absence(`${searched} secrets: in logs, ledger, Run Command, files`, [...places, ...vain]);
}
