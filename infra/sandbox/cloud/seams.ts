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

export type Faults = (call: FaultyCall) => Fault | undefined;

/** How often one principal called one operation. */
export interface CallCount {
  readonly principal: string;
  readonly service: string;
  readonly operation: string;
  readonly count: number;
  /** How many of them were answered with an error. */
  readonly errors: number;
}
