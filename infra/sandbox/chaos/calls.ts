/** Spoils the AWS calls of the workers, as the plan says: each armed fault meets the next calls of its operation. */
import type { Fault, FaultyCall } from '../cloud/seams.ts';
import type { CallFault } from './plan.ts';

export interface SpoiltCalls {
  /** From now on it waits for its calls. */
  arm(fault: CallFault): void;
  /** What befalls this call of a worker; undefined for nothing. */
  meet(call: Pick<FaultyCall, 'service' | 'operation'>): Fault | undefined;
  /** No call is spoilt any more. @returns what no call has met */
  disarm(): CallFault[];
}

/** Longer than the agent's own patience with nothing, shorter than any of its time-outs. */
const delayMs = 2_500;

const faults: Readonly<Record<CallFault['kind'], Fault>> = {
  'call-throttled': { throttle: true },
  'call-failed': { fail: { code: 'InternalFailure', message: 'We broke.', status: 500 } },
  'answer-lost': { loseAnswer: true },
  'call-delayed': { delayBeforeMs: delayMs },
};

const transactions: Readonly<Record<string, string>> = {
  TransactGetItems: 'GetItem',
  TransactWriteItems: 'PutItem',
};

/** A plan names what a policy allows, and a policy knows a batch or a transaction by the name of its single form. */
const permissionOf = (operation: string): string =>
  transactions[operation] ?? operation.replace(/Batch$/, '');

/** @param onMet told each call that was spoilt */
export function createSpoiltCalls(onMet: (fault: CallFault) => void): SpoiltCalls {
  const armed = new Map<string, { readonly fault: CallFault; left: number }[]>();
  return {
    arm(fault) {
      const waiting = armed.get(fault.operation) ?? [];
      waiting.push({ fault, left: fault.times });
      armed.set(fault.operation, waiting);
    },
    meet({ service, operation }) {
      const waiting = armed.get(`${service}:${permissionOf(operation)}`);
      const [first] = waiting ?? [];
      if (!waiting || !first) return undefined;
      first.left -= 1;
      if (first.left <= 0) waiting.shift();
      onMet(first.fault);
      return faults[first.fault.kind];
    },
    disarm() {
      const left = [...armed.values()].flat();
      armed.clear();
      // What met at least one call was injected.
      return left.filter((each) => each.left === each.fault.times).map((each) => each.fault);
    },
  };
}
