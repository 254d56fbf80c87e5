import type { TypeRegistry } from '@smithy/core/schema';
import type { ServiceFailure } from './failure.ts';
import type { SignedRequest } from './signature.ts';

/** How a service writes its requests and answers. */
export type Protocol = 'json1.0' | 'json1.1' | 'query' | 'ec2' | 'rest-xml';

/** Who calls: the holder of the key that signed the request. */
export interface Principal {
  readonly name: string;
  /** Of the user, or of the session of a role. */
  readonly arn: string;
  readonly accessKeyId: string;
  /** The role of a session. */
  readonly roleArn?: string;
  /** Condition keys that come with the principal's key. */
  readonly context?: Readonly<Record<string, string>>;
}

/** Where a call comes in: from the internet, or from inside the VPC through the endpoint of its service. */
export type Door = 'internet' | 'vpc';

/** One call while it is carried out. */
export interface Call {
  readonly principal: Principal;
  readonly requestId: string;
  /** The address that the caller used, such as `http://127.0.0.1:4566`. */
  readonly origin: string;
  /** Aborts when the caller hangs up. */
  readonly signal: AbortSignal;
  /** The request as it was received. */
  readonly request: SignedRequest;
  /** What the caller is refused of this, with AWS's words for it; nothing when it is allowed. Where an answer depends on it. */
  refusal(requirement: Requirement): Promise<ServiceFailure | undefined>;
}

/** A resource that a call touches, as policies see it. */
export interface Resource {
  readonly arn: string;
  readonly tags?: Readonly<Record<string, string>>;
}

/** What a caller needs to be allowed. An operation may need several. */
export interface Requirement {
  /** As in a policy, such as `ssm:SendCommand`. */
  readonly action: string;
  /** Every one must be allowed. Empty where the action knows no resources: policies then see `*`. */
  readonly resources: readonly Resource[];
  /** Condition keys of the service, such as `secretsmanager:VersionStage`. */
  readonly context?: Readonly<Record<string, string | readonly string[]>>;
  /** The service that asks on the caller's behalf, such as `sqs` for the key of an encrypted queue. */
  readonly via?: string;
}

/** What is sent back. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string | Buffer;
}

export interface Operation {
  readonly name: string;
  /** The body of a request as the operation's input. @throws ServiceFailure when it is none */
  decode(service: Service, body: string, request: SignedRequest): unknown;
  requires(input: unknown): readonly Requirement[];
  /** Carries the operation out. @throws ServiceFailure */
  carryOut(service: Service, input: unknown, call: Call): Promise<Answer>;
}

export interface Service {
  /** The prefix of its actions in policies and the name in a signature's credential scope. */
  readonly name: string;
  readonly protocol: Protocol;
  /** What is before the dot of `x-amz-target` (JSON), the `Version` parameter (query), or its name in the signature's scope (REST). */
  readonly selector: string;
  /** XML namespace of answers; JSON has none. */
  readonly namespace?: string;
  readonly errors: readonly TypeRegistry[];
  readonly operations: ReadonlyMap<string, Operation>;
}
