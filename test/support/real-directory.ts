/** The directory room on a real domain, for tests of it, and of those who would abuse it. */
import { randomBytes } from 'node:crypto';
import { systemClock } from '../../agent/clock.ts';
import { openDirectory, type Directory, type DirectoryOptions } from '../../agent/directory/directory.ts';
import type { Domain } from '../../infra/sandbox/domain/domain.ts';
import { silentLog } from './memory-log.ts';

/** Bound with the domain's service account as it is now. */
export function openDirectoryOf(
  domain: Domain,
  options: Pick<DirectoryOptions, 'deployment' | 'accountId' | 'region'> & Partial<DirectoryOptions>,
): Directory {
  const { user, password } = domain.serviceAccount;
  return openDirectory({
    caFile: domain.caFile,
    namePrefixes: ['A', 'B'],
    credentials: {
      current: async () => ({
        versionId: 'v1',
        domain: domain.domainName,
        user,
        password,
        organizationalUnit: domain.organizationalUnit,
      }),
      refused: async () => undefined,
    },
    clock: systemClock,
    randomBytes,
    connectTimeoutMs: 5_000,
    operationTimeoutMs: 20_000,
    log: silentLog,
    ...options,
  });
}
