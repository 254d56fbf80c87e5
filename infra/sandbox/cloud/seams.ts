import type { HookResult } from './auto-scaling/hook.ts';
import type { LifecycleTransition } from './auto-scaling/message.ts';
import type { Principal, Resource } from './service.ts';

/** One question to the authorizer: may this principal do this to this resource? */
export interface AuthorizationRequest {
  readonly principal: Principal;
  /** As in a policy, such as `ssm:SendCommand`. */
  readonly action: string;
  /** `*` as ARN where the action knows no resources. */
  readonly resource: Resource;
  /** Condition keys: the global ones that the front door knows, and those of the service. */
  readonly context: Readonly<Record<string, string | readonly string[]>>;
}

export type Decision = { readonly allowed: true } | { readonly allowed: false; readonly reason: string };

/** Decides on every resource of every call; a call needs all of them allowed. */
export type Authorize = (request: AuthorizationRequest) => Decision | Promise<Decision>;

/** What an injected fault may look at. */
export interface FaultyCall {
  readonly principal: Principal;
  readonly service: string;
  readonly operation: string;
  readonly input: unknown;
}

/** What goes wrong with one call. Several may be combined. */
export interface Fault {
  /** Wait before the operation is carried out, in milliseconds. */
  readonly delayBeforeMs?: number;
  /** Answer with the service's own throttling error; the operation is not carried out. */
  readonly throttle?: boolean;
  /** Answer with this error; the operation is not carried out. */
  readonly fail?: { readonly code: string; readonly message: string; readonly status: number };
  /** Called right after the operation was carried out without an error, before anything is answered. */
  readonly carriedOut?: () => void;
  /** Wait after the operation was carried out, in milliseconds. */
  readonly delayAfterMs?: number;
  /** Carry the operation out, then cut the connection instead of answering. */
  readonly loseAnswer?: boolean;
}

/** A call that was answered, as an audit trail tells it. */
export interface AnsweredCall {
  readonly principal: Principal;
  /** The VPC endpoint that it came through. */
  readonly endpoint?: string;
  readonly service: string;
  readonly operation: string;
  readonly input: unknown;
  readonly requestId: string;
  readonly sourceAddress: string;
  /** Absent when the call succeeded. */
  readonly error?: { readonly code: string; readonly message: string };
}

/** Asked about each verified call, right before it is carried out; the call waits for the answer. */
export type Faults = (call: FaultyCall) => Fault | undefined | Promise<Fault | undefined>;

/** How often one principal called one operation. */
export interface CallCount {
  readonly principal: string;
  readonly service: string;
  readonly operation: string;
  readonly count: number;
  /** How many of them were answered with an error. */
  readonly errors: number;
}

/** How a lifecycle action ended. `answer`: by CompleteLifecycleAction; `deadline`: by its heartbeat or its global limit; `void`: with its instance, its hook or another action. */
export type ActionEnd = 'answer' | 'deadline' | 'void';

/** One step of a message, a lifecycle action, an instance or a node. */
export type CloudEvent =
  | {
      readonly kind: 'message-sent';
      readonly queue: string;
      readonly messageId: string;
      readonly body: string;
    }
  | {
      readonly kind: 'message-received' | 'message-deleted' | 'message-dead' | 'message-expired';
      readonly queue: string;
      readonly messageId: string;
    }
  | {
      readonly kind: 'action-begun';
      readonly group: string;
      readonly transition: LifecycleTransition;
      /** Where it leads, as its message says. */
      readonly destination: string;
      readonly instanceId: string;
      readonly token: string;
    }
  | {
      readonly kind: 'action-ended';
      readonly token: string;
      readonly end: ActionEnd;
      /** Of an answer, or of a deadline: the hook's default. */
      readonly result?: HookResult;
    }
  | {
      readonly kind: 'instance';
      readonly instanceId: string;
      readonly group: string;
      readonly step: InstanceStep;
    }
  /** Its agent has registered it: it is a managed node now. */
  | { readonly kind: 'node-registered'; readonly instanceId: string };

/** `pooled`: out of service for now, back to the warm pool or for a new root volume; the instance lives on. */
export type InstanceStep = 'launched' | 'in-service' | 'pooled' | 'leaving' | 'gone';

/** Told each step as it happens; it changes nothing. */
export type Witness = (event: CloudEvent) => void;
