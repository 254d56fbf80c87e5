/** Active Directory, as the rest of the agent uses it. Nothing outside this room speaks LDAP. */
import type { SrvRecord } from 'node:dns';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import {
  findByGuid,
  findOwned,
  findStamped,
  namesInUse,
  removeStamped,
  stageAccount,
  type ComputerAccount,
  type OwnedAccount,
  type StagedAccount,
} from './accounts.ts';
import { Controllers } from './controllers.ts';
import type { CredentialSource } from './credential.ts';
import { removeRecords } from './dns-records.ts';
import { candidateNames, instanceIdOf } from './names.ts';
import type { RandomBytes } from './one-time-password.ts';
import { lookUpSrv } from './srv-lookup.ts';
import type { Stamp } from './stamp.ts';

interface Removal {
  /** Names of the computer accounts that were deleted. */
  readonly accounts: readonly string[];
  /** Fully qualified names whose DNS records were deleted. */
  readonly dnsRecords: readonly string[];
}

/**
 * All operations may be repeated after any failure, and reject with an AdjoinError (`directory-*`, `credential-*`,
 * `secret-*` and those named below) or with the signal's reason.
 */
export interface Directory {
  /**
   * Creates the instance's computer account with this one-time password, or resets the one that exists.
   * @param beforeWrite called, and waited for, right before each write
   * @throws AdjoinError `name-taken`, `organizational-unit-missing`, `message-malformed`
   */
  stage(
    instanceId: string,
    oneTimePassword: string,
    beforeWrite: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<StagedAccount>;

  /**
   * A staged account as its own domain controller shows it now; nothing when it is not under our organizational unit
   * (any more). A join is verified when the account is enabled, carries our stamp, and `passwordLastSet` is greater
   * than it was when staged.
   */
  inspect(
    staged: Pick<StagedAccount, 'objectGuid' | 'domainController'>,
    signal: AbortSignal,
  ): Promise<ComputerAccount | undefined>;

  /** All accounts under our organizational unit that carry this instance's stamp. */
  find(instanceId: string, signal: AbortSignal): Promise<ComputerAccount[]>;

  /** All accounts under our organizational unit that carry this deployment's stamp, as one controller shows them now. */
  list(signal: AbortSignal): Promise<OwnedAccount[]>;

  /**
   * Deletes the instance's accounts with all below them, and its DNS records. Whatever is gone already counts as done.
   * @param knownNames names that the instance's account is remembered to have had; those that no account of this
   * instance could have had are ignored
   */
  remove(instanceId: string, knownNames: readonly string[], signal: AbortSignal): Promise<Removal>;

  /** Closes all connections; operations in progress reject. */
  close(): Promise<void>;
}

export interface DirectoryOptions {
  readonly deployment: string;
  readonly accountId: string;
  readonly region: string;
  /** PEM file with the CA of the LDAPS certificates. @default the system's CAs */
  readonly caFile?: string | undefined;
  /** `host` or `host:port`. @default those that DNS names for the domain */
  readonly controllers?: readonly string[] | undefined;
  /** First letters of computer names, in the order in which they are tried. */
  readonly namePrefixes: readonly string[];
  readonly credentials: CredentialSource;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  readonly connectTimeoutMs: number;
  readonly operationTimeoutMs: number;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** Looks up SRV records. @default the system's DNS servers */
  readonly resolveSrv?: (name: string) => Promise<readonly SrvRecord[]>;
}

export function openDirectory(options: DirectoryOptions): Directory {
  const { deployment, accountId, region, namePrefixes, caFile, controllers: configured } = options;
  const controllers = new Controllers({
    ...options,
    caFile,
    controllers: configured,
    resolveSrv: options.resolveSrv ?? ((name) => lookUpSrv(name, options.connectTimeoutMs)),
  });
  const stampOf = (instanceId: string): Stamp => ({ deployment, accountId, region, instanceId });

  return {
    async stage(instanceId, oneTimePassword, beforeWrite, signal) {
      const names = candidateNames(instanceId, namePrefixes);
      const stamp = stampOf(instanceId);
      return controllers.onAny(
        (session) => stageAccount(session, stamp, names, oneTimePassword, beforeWrite, signal),
        signal,
      );
    },

    async inspect({ objectGuid, domainController }, signal) {
      return controllers.onOne(
        domainController,
        (session) => findByGuid(session, objectGuid, signal),
        signal,
      );
    },

    async find(instanceId, signal) {
      candidateNames(instanceId, []);
      return controllers.onAny((session) => findStamped(session, stampOf(instanceId), signal), signal);
    },

    async list(signal) {
      const owner = { deployment, accountId, region };
      return controllers.onAny((session) => findOwned(session, owner, signal), signal);
    },

    async remove(instanceId, knownNames, signal) {
      const ours = knownNames.filter((name) => instanceIdOf(name) === instanceId);
      const generated = [...candidateNames(instanceId, namePrefixes), ...ours];
      return controllers.onAny(async (session) => {
        const accounts = await removeStamped(session, stampOf(instanceId), signal);
        // An account that somebody else made and stamped for us may have any name.
        const names = [...new Set([...generated, ...accounts.map((name) => name.toUpperCase())])];
        // A name that is still in use is a stranger's, and so are its records.
        const strangers = await namesInUse(session, names, signal);
        const free = names.filter((name) => !strangers.includes(name));
        return { accounts, dnsRecords: await removeRecords(session, free, signal) };
      }, signal);
    },

    close: () => controllers.close(),
  };
}
