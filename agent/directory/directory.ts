/** Active Directory, as the rest of the agent uses it. Nothing outside this room speaks LDAP. */
import type { SrvRecord } from 'node:dns';
import type { Clock } from '../clock.ts';
import { AdjoinError } from '../errors.ts';
import type { Log } from '../log.ts';
import type {
  EarlierStaging,
  Enabling,
  FoundAccount,
  KnownAccounts,
  RememberedAccounts,
  Removal,
  StagedAccount,
  StagingWrite,
} from '../terms.ts';
import { removeOurs, setEnabled, type AccountRemoval } from './account-removal.ts';
import {
  findByGuid,
  findAll,
  findOurs,
  findOwned,
  namesInUse,
  type ComputerAccount,
  type OwnedAccount,
  type PlacedAccount,
} from './accounts.ts';
import { Controllers } from './controllers.ts';
import type { CredentialSource } from './credential.ts';
import { namesTaken, namesWithRecords, removeRecords, type NamedAccounts } from './dns-records.ts';
import { missingDnsRights } from './dns-rights.ts';
import { ControllerFailure } from './failures.ts';
import { candidateNames, instanceIdOf } from './names.ts';
import type { RandomBytes } from './one-time-password.ts';
import { lookUpSrv } from './srv-lookup.ts';
import { provenAccount, type Challenge, type ProvenAccount } from './proven-account.ts';
import { stageAccount } from './staging.ts';
import type { Stamp } from './stamp.ts';
import { KnownZones } from './zones.ts';

/**
 * All operations may be repeated after any failure, and reject with an AdjoinError (`directory-*`, `credential-*`,
 * `secret-*` and those named below) or with the signal's reason.
 */
export interface Directory {
  /**
   * The domain's DNS name, in lower case: that of the open connections, also while the secret names a version of the
   * credential that is of no use; without any, the one that the secret names.
   */
  domain(signal: AbortSignal): Promise<string>;

  /**
   * Creates the instance's computer account with this one-time password, or resets the one that exists. The controller
   * of the earlier staging is asked first. On another one, which does not show that account, its name is left alone: two
   * accounts of one name would meet when the controllers replicate, and the computer could log on with neither.
   * @param beforeWrite called, and waited for, right before each write
   * @throws AdjoinError `name-taken`, `organizational-unit-missing`, `message-malformed`
   */
  stage(
    instanceId: string,
    oneTimePassword: string,
    earlier: EarlierStaging,
    beforeWrite: (write: StagingWrite) => Promise<void>,
    signal: AbortSignal,
  ): Promise<StagedAccount>;

  /**
   * A staged account as its own domain controller shows it now; nothing when it is not in our organizational unit (any
   * more). A join is verified when the account is enabled, carries our stamp, and `passwordLastSet` is greater than it was
   * when staged; and when nobody else has registered its name in DNS (`isNameTaken`): nobody but the instance's own accounts.
   */
  inspect(
    staged: Pick<StagedAccount, 'objectGuid' | 'domainController'> & Pick<EarlierStaging, 'objectSids'>,
    signal: AbortSignal,
  ): Promise<(ComputerAccount & { readonly isNameTaken: boolean }) | undefined>;

  /**
   * The account that a node of this instance has proven to have, wherever it is and whoever made it: it has registered the
   * challenge in DNS. Nothing while the controller does not show that.
   * @throws AdjoinError `account-unmatched` when the account that did so is not the instance's own
   */
  prove(instanceId: string, challenge: Challenge, signal: AbortSignal): Promise<ProvenAccount | undefined>;

  /** All accounts of this instance in our organizational unit that our service account made. */
  find(instanceId: string, signal: AbortSignal): Promise<ComputerAccount[]>;

  /**
   * All accounts of this instance in the whole domain, as a removal finds them: outside of our organizational unit by what the
   * ledger knows, or by their name and their maker, our service account.
   */
  locate(instanceId: string, known: KnownAccounts, signal: AbortSignal): Promise<PlacedAccount[]>;

  /**
   * All of this deployment's accounts in our organizational unit, as one controller shows them now.
   * @param of what is kept of each, for there may be tens of thousands; called again should another controller be asked
   */
  list<Kept>(signal: AbortSignal, of: (account: OwnedAccount) => Kept): Promise<Kept[]>;

  /**
   * Which of these computers have DNS records that one of their own accounts registered, although no account in the domain
   * has the name, as one controller shows it now: a machine registers itself, and may do so after its account is gone, or on
   * a controller that is behind.
   * @param computers names in capitals, not more than a filter takes
   */
  strays(computers: readonly NamedAccounts[], signal: AbortSignal): Promise<string[]>;

  /**
   * Disables and deletes the instance's accounts with all below them, and deletes the DNS records that they own. Whatever is
   * gone already counts as done: an account that was staged is gone when the controller of its staging shows neither its GUID
   * nor its name, anywhere in the domain. An object that can't be deleted keeps no other from being deleted.
   * @throws AdjoinError `directory-refused` when the account to spare is not shown; `account-protected`,
   * `account-out-of-reach`, `directory-denied`, `directory-refused` when something is left; `removal-unproven`; `dns-record-denied`
   * when nothing but a record is left
   * @param beforeWrite called, and waited for, right before each change of an account or of a DNS record; its error ends the
   * removal and comes out as it is
   */
  remove(
    instanceId: string,
    remembered: RememberedAccounts,
    beforeWrite: (account: FoundAccount) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Removal>;

  /**
   * Disables the instance's accounts, or enables again those of them that are named.
   * @param beforeWrite called, and waited for, right before each write
   * @returns names of the accounts that were changed
   */
  setEnabled(
    instanceId: string,
    known: KnownAccounts,
    what: Enabling,
    beforeWrite: (account: FoundAccount) => Promise<void>,
    signal: AbortSignal,
  ): Promise<string[]>;

  /**
   * The rights on DNS records that a removal needs and the service account does not have, asked of the records of our own accounts;
   * nothing when none of them has any.
   */
  missingDnsRights(signal: AbortSignal): Promise<string[] | undefined>;

  /**
   * Tries this version of the credential by a bind of its own, unless it is in use already. Connections that are open go
   * on, whatever comes of it; once it is accepted, and its organizational unit found, it is in use.
   * @throws AdjoinError `organizational-unit-missing`
   */
  tryCredential(versionId: string, signal: AbortSignal): Promise<void>;

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
  /** The Active Directory site whose controllers come first. @default the one that a controller takes us for */
  readonly site?: string | undefined;
  /** First letters of computer names, in the order in which they are tried. */
  readonly namePrefixes: readonly string[];
  /** What becomes of the DNS records that an instance's accounts registered. @default 'records': they are removed */
  readonly dnsCleanup?: 'records' | 'none' | undefined;
  readonly credentials: CredentialSource;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  readonly connectTimeoutMs: number;
  readonly operationTimeoutMs: number;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** Looks up SRV records. @default the system's DNS servers */
  readonly resolveSrv?: (name: string) => Promise<readonly SrvRecord[]>;
}

/** Milliseconds after which a silent DNS server is left for the next one: as long as c-ares, Node's resolver, waits. */
const DNS_TIMEOUT_MS = 2_000;

/**
 * Milliseconds after a staging by which every controller knows of it, if it was to last: AD replicates between sites every
 * three hours unless told otherwise. A controller that is gone for good keeps no debt open for longer.
 */
const REPLICATED_MS = 24 * 3_600_000;

export function openDirectory(options: DirectoryOptions): Directory {
  const { deployment, accountId, region, namePrefixes, caFile, controllers: configured, site } = options;
  const controllers = new Controllers({
    ...options,
    caFile,
    controllers: configured,
    site,
    resolveSrv:
      options.resolveSrv ?? ((name) => lookUpSrv(name, Math.min(options.connectTimeoutMs, DNS_TIMEOUT_MS))),
  });
  /** Names that the instance's accounts can have had, in capitals; others are ignored, whoever remembers them. */
  const namesOf = (instanceId: string, remembered: readonly string[] = []): string[] => {
    const known = remembered.map((name) => name.toUpperCase());
    const possible = known.filter((name) => instanceIdOf(name) === instanceId);
    return [...new Set([...candidateNames(instanceId, namePrefixes), ...possible])];
  };
  const knownZones = new KnownZones(options.clock);
  const cleansDns = options.dnsCleanup !== 'none';
  const stampOf = (instanceId: string): Stamp => ({ deployment, accountId, region, instanceId });

  /**
   * Whether what this controller does not show may still be on the one that took the staging, which did not answer.
   * @throws AdjoinError `removal-unproven`
   */
  function mustBeProven(here: string, remembered: RememberedAccounts, { found }: AccountRemoval): void {
    const { domainController, objectGuid, staged } = remembered;
    if (domainController === undefined || domainController.toLowerCase() === here || !staged) return;
    if (options.clock.now() - staged.at > REPLICATED_MS) return;
    const isShown =
      found.some(({ computerName }) => computerName.toUpperCase() === staged.computerName) &&
      (objectGuid === undefined || found.some((account) => account.objectGuid === objectGuid.toLowerCase()));
    if (isShown) return;
    throw new AdjoinError(
      'removal-unproven',
      `${domainController} took the staging of ${staged.computerName} and does not answer; that ${here} does not show the account proves nothing.`,
    );
  }

  return {
    domain: (signal) => controllers.domain(signal),

    async stage(instanceId, oneTimePassword, earlier, beforeWrite, signal) {
      const names = candidateNames(instanceId, namePrefixes);
      const stamp = stampOf(instanceId);
      /** Which controller may have an account of which name, though we have not seen it. */
      const unseen = new Map<string, string>();
      const { computerName, domainController, objectGuid, objectSids = [] } = earlier;
      if (computerName && domainController) unseen.set(computerName, domainController.toLowerCase());
      return controllers.onAny(
        async (session) => {
          const here = session.connection.controller;
          const avoid = names.filter((name) => (unseen.get(name) ?? here) !== here);
          const written: string[] = [];
          const note = async (write: StagingWrite): Promise<void> => {
            await beforeWrite(write);
            written.push(write.computerName);
            unseen.set(write.computerName, here);
          };
          try {
            const zones = (): Promise<readonly string[]> => knownZones.of(session, signal);
            return await stageAccount(
              session,
              { stamp, names, avoid, objectGuid, objectSids, oneTimePassword, zones, beforeWrite: note },
              signal,
            );
          } catch (error) {
            // It said that it did not do it.
            if (error instanceof ControllerFailure && error.kind === 'declined') {
              for (const name of written) unseen.delete(name);
            }
            throw error;
          }
        },
        signal,
        domainController,
      );
    },

    async inspect({ objectGuid, objectSids = [], domainController }, signal) {
      return controllers.onOne(
        domainController,
        async (session) => {
          const account = await findByGuid(session, objectGuid, signal);
          if (!account) return undefined;
          const { computerName, objectSid } = account;
          const taken = await namesTaken(session, [computerName], [...objectSids, objectSid], signal);
          return { ...account, isNameTaken: taken.length > 0 };
        },
        signal,
      );
    },

    async prove(instanceId, challenge, signal) {
      return controllers.onAny(
        (session) => provenAccount(session, challenge, stampOf(instanceId), signal),
        signal,
      );
    },

    async find(instanceId, signal) {
      const traces = { stamp: stampOf(instanceId), names: namesOf(instanceId) };
      return controllers.onAny((session) => findOurs(session, traces, signal), signal);
    },

    async locate(instanceId, known, signal) {
      const traces = { stamp: stampOf(instanceId), names: namesOf(instanceId), ...known };
      return controllers.onAny((session) => findAll(session, traces, signal), signal);
    },

    async list(signal, of) {
      const owner = { deployment, accountId, region };
      return controllers.onAny((session) => findOwned(session, owner, of, signal), signal);
    },

    async strays(computers, signal) {
      if (!cleansDns) return [];
      return controllers.onAny(async (session) => {
        const named = await namesWithRecords(session, computers, signal);
        if (named.length === 0) return [];
        const used = await namesInUse(session, named, signal);
        return named.filter((name) => !used.includes(name));
      }, signal);
    },

    async remove(instanceId, remembered, beforeWrite, signal) {
      const { keep, objectGuid } = remembered;
      /** Should the controller fail between an account and its records, nothing else knows whose they are. */
      const told = new Set(remembered.foundNames);
      const identifiers = new Set(remembered.objectSids);
      const tell = async (account: FoundAccount): Promise<void> => {
        await beforeWrite(account);
        told.add(account.computerName);
        if (account.objectSid !== undefined) identifiers.add(account.objectSid);
      };
      const stamp = stampOf(instanceId);
      const traces = {
        stamp,
        names: namesOf(instanceId, remembered.names),
        objectGuid,
        objectSids: remembered.objectSids ?? [],
      };
      return controllers.onAny(
        async (session) => {
          const domainController = session.connection.controller;
          const accounts = await removeOurs(session, traces, keep, tell, signal);
          // Its name does not show as used either, and the DNS records may be its own.
          if (!accounts) {
            throw new AdjoinError(
              'directory-refused',
              `${domainController} does not show the account that ${instanceId} joined as: nothing of it is deleted.`,
            );
          }
          // An account that was joined by other means may have any name.
          const names = [...new Set([...traces.names, ...[...told].map((name) => name.toUpperCase())])];
          // A name that is still in use is a stranger's, or of the account that is kept, and so are its records.
          const used = await namesInUse(session, names, signal);
          const free = names.filter((name) => !used.includes(name));
          const owners = [...identifiers, ...accounts.found.map(({ objectSid }) => objectSid)];
          const records = cleansDns
            ? await removeRecords(session, free, owners, tell, options.clock.now(), signal)
            : { removed: [], left: [], refusal: undefined };
          if (accounts.refusal !== undefined) throw accounts.refusal;
          if (keep === undefined) mustBeProven(domainController, remembered, accounts);
          if (records.refusal !== undefined) throw records.refusal;
          return {
            accounts: accounts.removed,
            dnsRecords: records.removed,
            othersRecords: records.left,
            domainController,
          };
        },
        signal,
        remembered.domainController,
      );
    },

    async setEnabled(instanceId, known, what, beforeWrite, signal) {
      const traces = { stamp: stampOf(instanceId), names: namesOf(instanceId), ...known };
      return controllers.onAny((session) => setEnabled(session, traces, what, beforeWrite, signal), signal);
    },

    async missingDnsRights(signal) {
      const owner = { deployment, accountId, region };
      return controllers.onAny(async (session) => {
        const names = await findOwned(session, owner, ({ computerName }) => computerName, signal);
        return missingDnsRights(session, names, signal);
      }, signal);
    },

    tryCredential: (versionId, signal) => controllers.tryCredential(versionId, signal),

    close: () => controllers.close(),
  };
}
