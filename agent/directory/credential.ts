import type { AdjoinError } from '../errors.ts';
import type { ServiceCredential } from '../terms.ts';

export interface CredentialSource {
  /**
   * The present version of the credential, asked for whenever a connection is bound.
   * @throws AdjoinError `credential-*` while the directory is known to refuse this version (nothing is bound then),
   * or `secret-*`
   */
  current(signal: AbortSignal): Promise<ServiceCredential>;
  /** Remembers, durably, that the directory refused this version. */
  refused(versionId: string, error: AdjoinError): Promise<void>;
}
