/** What `adjoin deploy` and `adjoin destroy` ask of CloudFormation, of the network, and of the person. */
import type { Terminal } from '../../cli/terminal.ts';
import type { Prompt } from '../prompt.ts';

export interface StackFacts {
  /** ARN: it names the stack even after it was deleted. */
  readonly id: string;
  readonly status: string;
  readonly reason: string | undefined;
  readonly parameters: ReadonlyMap<string, string>;
  readonly outputs: ReadonlyMap<string, string>;
}

export interface StackEvent {
  readonly id: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly logicalId: string;
  readonly type: string;
  readonly status: string;
  readonly reason: string | undefined;
  /** Whether it is of the stack itself. */
  readonly isStack: boolean;
}

export interface StackResource {
  readonly logicalId: string;
  readonly physicalId: string;
  readonly type: string;
  readonly status: string;
  readonly reason: string | undefined;
}

export interface Change {
  readonly action: 'Add' | 'Modify' | 'Remove';
  readonly logicalId: string;
  readonly type: string;
  readonly replaced: boolean;
}

export interface ChangeSet {
  readonly status: string;
  readonly reason: string | undefined;
  readonly changes: readonly Change[];
}

export interface ChangeSetWish {
  readonly stack: string;
  readonly name: string;
  readonly isNew: boolean;
  readonly templateUrl: string;
  /** A parameter without a value keeps the one that the stack has. */
  readonly parameters: ReadonlyMap<string, string | undefined>;
}

export interface StacksPort {
  /** By name or ID. Nothing when there is none. */
  find(stack: string, signal: AbortSignal): Promise<StackFacts | undefined>;
  /** Oldest first: those after the one with this ID. */
  events(stackId: string, after: string | undefined, signal: AbortSignal): Promise<readonly StackEvent[]>;
  resources(stack: string, signal: AbortSignal): Promise<readonly StackResource[]>;
  /** Text of the template that the stack has. */
  template(stack: string, signal: AbortSignal): Promise<string>;
  /** @returns the ID of the change set */
  propose(wish: ChangeSetWish, signal: AbortSignal): Promise<string>;
  changeSet(id: string, signal: AbortSignal): Promise<ChangeSet>;
  withdraw(changeSetId: string): Promise<void>;
  execute(changeSetId: string, signal: AbortSignal): Promise<void>;
  delete(stackId: string, signal: AbortSignal): Promise<void>;
}

export interface FilesPort {
  /** Overwrites what has the key. @returns the address, as CloudFormation takes it */
  put(key: string, body: Buffer, contentType: string, signal: AbortSignal): Promise<string>;
  remove(key: string): Promise<void>;
}

export interface Subnet {
  readonly id: string;
  readonly zone: string;
  readonly cidr: string;
  readonly isPublic: boolean;
}

export interface Endpoint {
  /** The last part of its service's name, such as `sqs`. */
  readonly service: string;
  readonly securityGroups: readonly string[];
}

/** Only reads. */
export interface NetworkPort {
  prefixList(service: 's3' | 'dynamodb', signal: AbortSignal): Promise<string | undefined>;
  subnets(vpcId: string, signal: AbortSignal): Promise<readonly Subnet[]>;
  endpoints(vpcId: string, signal: AbortSignal): Promise<readonly Endpoint[]>;
  /** Those of these subnets: their own, or the VPC's main one. */
  routeTables(vpcId: string, subnetIds: readonly string[], signal: AbortSignal): Promise<readonly string[]>;
}

/** Where the person is. */
export interface Desk {
  readonly terminal: Terminal;
  readonly prompt: Prompt;
  /** What to know after an interruption, as far as the work has got. */
  readonly stage: (whenStopped: string) => void;
}
