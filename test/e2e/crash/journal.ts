/**
 * What one agent calls in the course of one action, in order; and the trap that kills it at one of these calls.
 *
 *     idle ── begin ──▶ watching ── the trap's call ──▶ sprung ── begin ──▶ watching
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { AwsAnswer, AwsCall, AwsWatcher } from './aws-tap.ts';
import type { LdapWatcher } from './ldap-tap.ts';
import type { CallName, Names } from './names.ts';

/** Right before the call goes out, or when its answer is about to arrive. */
export type Side = 'before' | 'after';

export interface Trap {
  readonly call: string;
  readonly side: Side;
}

export interface Watch {
  readonly trap?: Trap;
  /** Calls of this name are held up for so many milliseconds before they go out. */
  readonly slow?: { readonly call: RegExp; readonly ms: number };
  /** Resolves once there is a message to be received: a poll is worth a kill only then. */
  readonly messageSent: () => Promise<void>;
}

export interface Completion {
  readonly token: string;
  readonly result: string;
  readonly at: number;
}

export interface Journal {
  readonly aws: AwsWatcher;
  readonly ldap: LdapWatcher;
  begin(watch: Watch): void;
  /** The calls since `begin`, each once, in the order of their first time. Ends with the trap. */
  calls(): readonly string[];
  /** When the trap killed; milliseconds since the epoch. */
  sprungAt(): number | undefined;
  /** Answers to lifecycle actions that Auto Scaling took, since `begin`. */
  completions(): readonly Completion[];
  /** Messages that SQS deleted, since `begin`. */
  deletions(): number;
  /** When the directory was last asked which DNS records there are, since `begin`; milliseconds since the epoch. */
  recordsSoughtAt(): number | undefined;
}

const poll = 'sqs:ReceiveMessage';
/** Of all places where a directory may keep zones, the one in which the sandbox's domain keeps its own. */
const recordsOfTheDomain = /,CN=MicrosoftDNS,DC=DomainDnsZones,/i;

export function createJournal(names: Names, kill: () => void): Journal {
  let watch: Watch | undefined;
  let times = new Map<string, number>();
  let calls: string[] = [];
  let sprung: number | undefined;
  let completions: Completion[] = [];
  let deletions = 0;
  let soughtAt: number | undefined;

  /** The name of this very call among those of the action. */
  function number({ name, repeats }: CallName): string {
    if (repeats) return name;
    const time = (times.get(name) ?? 0) + 1;
    times.set(name, time);
    return time === 1 ? name : `${name} #${time}`;
  }

  function isTrap(call: string, side: Side): boolean {
    return sprung === undefined && watch?.trap?.call === call && watch.trap.side === side;
  }

  function spring(): false {
    sprung = Date.now();
    kill();
    return false;
  }

  function note(call: string): void {
    if (sprung === undefined && !calls.includes(call)) calls.push(call);
  }

  async function before(call: string): Promise<boolean> {
    const current = watch;
    if (sprung !== undefined || !current) return true;
    if (current.slow?.call.test(call)) await wait(current.slow.ms);
    if (!isTrap(call, 'before')) return true;
    if (call === poll) await current.messageSent();
    // The agent that asked may be gone by now.
    return watch === current ? spring() : false;
  }

  /** By the object that the tap hands over before and after. */
  const numbered = new WeakMap<object, string>();

  function afterAws(call: AwsCall, { status, body }: AwsAnswer): void {
    if (status !== 200) return;
    if (call.action === 'dynamodb:PutItem') names.written(call);
    if (call.action === 'sqs:DeleteMessage') deletions += 1;
    if (call.action === 'autoscaling:CompleteLifecycleAction') {
      const token = String(call.input['LifecycleActionToken']);
      completions.push({ token, result: String(call.input['LifecycleActionResult']), at: Date.now() });
    }
    if (call.action === poll && body.includes('"ReceiptHandle"')) note(poll);
  }

  return {
    aws: {
      async before(call) {
        const own = number(names.aws(call));
        numbered.set(call, own);
        // Only a poll that brings a message belongs to an action; that is known afterwards.
        if (own !== poll) note(own);
        return before(own);
      },
      after(call, answer) {
        const own = numbered.get(call) ?? '';
        afterAws(call, answer);
        if (!isTrap(own, 'after')) return true;
        if (own === poll && !answer.body.includes('"ReceiptHandle"')) return true;
        return spring();
      },
    },
    ldap: {
      async before(request) {
        const own = number(names.ldap(request));
        numbered.set(request, own);
        note(own);
        const goesOn = await before(own);
        if (goesOn && request.operation === 'search' && recordsOfTheDomain.test(request.target))
          soughtAt = Date.now();
        return goesOn;
      },
      after(request) {
        return isTrap(numbered.get(request) ?? '', 'after') ? spring() : true;
      },
    },
    begin(next) {
      watch = next;
      times = new Map();
      calls = [];
      sprung = undefined;
      completions = [];
      deletions = 0;
      soughtAt = undefined;
      names.reset();
    },
    calls: () => calls,
    sprungAt: () => sprung,
    completions: () => completions,
    deletions: () => deletions,
    recordsSoughtAt: () => soughtAt,
  };
}
