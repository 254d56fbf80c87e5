import type { AdjoinError } from '../errors.ts';

/** The service account, as one version of the secret gives it. */
export interface ServiceCredential {
  readonly versionId: string;
  readonly domain: string;
  /** `user`, `user@domain` or `DOMAIN\user`. */
  readonly user: string;
  readonly password: string;
  readonly organizationalUnit: string;
}

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
