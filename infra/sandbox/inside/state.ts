/** `.sandbox/state.json`: all that a person, or a test from outside, needs to drive the sandbox. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { giveToOwner } from '../host/namespace.ts';

export interface State {
  /** AWS as the internet has it. */
  readonly endpoint: string;
  /** AWS as the VPC has it: calls come through the VPC's endpoints. */
  readonly vpcEndpoint: string;
  readonly region: string;
  readonly accountId: string;
  readonly autoScalingGroup: string;
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
  readonly table: string;
  readonly secretId: string;
  /** The first worker's process as the host numbers it; null while it is down, or left to the person. */
  readonly agentPid: number | null;
  /** The same of every worker, the first one's among them. */
  readonly agentPids: readonly (number | null)[];
  readonly directory: {
    readonly domain: string;
    /** LDAPS on the host's loopback. */
    readonly url: string;
    /** The domain controller inside the sandbox. */
    readonly address: string;
    readonly caFile: string;
    readonly organizationalUnit: string;
    readonly auditUser: string;
    readonly auditPassword: string;
  };
  /** Names of the command documents. */
  readonly documents: Readonly<Record<'probe' | 'joinLinux' | 'joinWindows' | 'leave', string>>;
  /**
   * `operator`: the person at the sandbox, whom no policy binds. All others are bound: `developer`, an account
   * administrator with the stack's deny policies; `administrator`, the secret's; `worker`.
   */
  readonly credentials: Readonly<Record<'operator' | 'developer' | 'administrator' | 'worker', Key>>;
}

export interface Key {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary keys. */
  readonly sessionToken?: string;
}

/** Writes a file that only its owner may read, whole or not at all. Under sudo, the owner is the person who called it. */
export async function writePrivate(file: string, text: string): Promise<void> {
  const draft = `${file}.new`;
  await rm(draft, { force: true });
  await writeFile(draft, text, { mode: 0o600, flag: 'wx' });
  await giveToOwner(draft);
  await rename(draft, file);
}

/** Keeps the file up to date: changes are written one after the other, and the last one wins. */
export function stateFile(file: string, first: State): { update(change: Partial<State>): Promise<void> } {
  let state = first;
  let writing = Promise.resolve();
  return {
    update(change) {
      state = { ...state, ...change };
      const text = `${JSON.stringify(state, null, 2)}\n`;
      writing = writing.then(() => writePrivate(file, text));
      return writing;
    },
  };
}
