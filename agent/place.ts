/** What a worker looks at when it is asked how things are at its place (checks/place-checks.ts). */
import { randomBytes } from 'node:crypto';
import type { Clients } from './aws/clients.ts';
import { createSecretStore } from './aws/secret.ts';
import { createServices } from './aws/services.ts';
import type { PlacePorts, Trial } from './checks/place-checks.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import type { Directory } from './directory/directory.ts';
import { oneTimePassword } from './directory/one-time-password.ts';
import { createReach } from './directory/reach.ts';
import { parseSecret } from './directory/secret-format.ts';
import { AdjoinError } from './errors.ts';
import type { Redactor } from './redact.ts';
import type { StagedAccount, StagingWrite } from './terms.ts';

export interface PlaceOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly redactor: Redactor;
  readonly clients: Clients;
  readonly directory: Directory;
}

/** The ledger remembers nothing of a trial: what a crash leaves of it is found by its stamp, as an orphan. */
const unrecorded = async (): Promise<void> => undefined;

/** An account for an instance that does not exist, so that the sweep takes what is left of it for an orphan. */
export function createTrial(
  directory: Pick<Directory, 'stage' | 'setEnabled' | 'remove'>,
  redactor: Redactor,
): Trial {
  const instanceId = `i-${randomBytes(9).toString('hex').slice(0, 17)}`;
  let account: StagedAccount | undefined;
  /** What was begun to be written: the account may be there although no answer said so. */
  let begun: StagingWrite | undefined;

  const begin = async (write: StagingWrite): Promise<void> => {
    begun = write;
  };

  async function stage(signal: AbortSignal): Promise<StagedAccount> {
    const password = oneTimePassword(randomBytes);
    redactor.hide(password);
    try {
      return await directory.stage(instanceId, password, { ...account }, begin, signal);
    } finally {
      redactor.forget(password);
    }
  }

  async function forget(signal: AbortSignal): Promise<void> {
    const { computerName, domainController } = account ?? begun ?? {};
    if (computerName === undefined) return;
    const known = account && { objectGuid: account.objectGuid, objectSids: [account.objectSid] };
    await directory.remove(
      instanceId,
      { names: [computerName], domainController, ...known },
      unrecorded,
      signal,
    );
    account = undefined;
    begun = undefined;
  }

  const made = (): StagedAccount => {
    if (account === undefined) throw new AdjoinError('unexpected', 'No account was made.');
    return account;
  };

  return {
    async create(signal) {
      account = await stage(signal);
      return `${account.computerName} on ${account.domainController}`;
    },
    async reset(signal) {
      const before = made();
      account = await stage(signal);
      if (account.objectGuid !== before.objectGuid)
        throw new AdjoinError('directory-refused', `Another account was made than ${before.computerName}.`);
    },
    async disable(signal) {
      const { objectGuid, objectSid, computerName } = made();
      const known = { objectGuid, objectSids: [objectSid] };
      const changed = await directory.setEnabled(instanceId, known, { enabled: false }, unrecorded, signal);
      if (changed.length === 0)
        throw new AdjoinError('directory-refused', `${computerName} was not disabled.`);
    },
    async remove(signal) {
      made();
      await forget(signal);
    },
    async undo() {
      try {
        await forget(new AbortController().signal);
      } catch {
        // It carries the stamp of an instance that does not exist: an orphan.
      }
    },
  };
}

export function createPlace(options: PlaceOptions): PlacePorts {
  const { config, clients, clock, directory, redactor } = options;
  const { connectSeconds, operationSeconds, caFile, dnsCleanup } = config.directory;
  const services = createServices(clients, config, clock);
  const secret = createSecretStore(clients.secretsManager, config.secretId);
  const reach = createReach({
    controllers: config.directory.controllers,
    caFile,
    connectTimeoutMs: connectSeconds * 1000,
    operationTimeoutMs: operationSeconds * 1000,
    clock,
    randomBytes,
  });
  let domain: string | undefined;
  let versionId: string | undefined;
  return {
    services: services.calls,
    skewMs: services.skewMs,
    async readSecret() {
      const read = await secret.read();
      ({ domain, versionId } = parseSecret(read.versionId, read.text));
      return versionId;
    },
    controllers: (signal) => reach.controllers(domain ?? '', signal),
    reach: (controller, signal) => reach.reach(controller, signal),
    async logOn(signal) {
      if (versionId !== undefined) await directory.tryCredential(versionId, signal);
      return directory.domain(signal);
    },
    trial: createTrial(directory, redactor),
    missingDnsRights: (signal) => directory.missingDnsRights(signal),
    cleansDns: dnsCleanup !== 'none',
  };
}
