import { GetSecretValueCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { SecretStore } from '../directory/service-credential.ts';
import { AdjoinError } from '../errors.ts';
import { callAws } from './errors.ts';

/** The current version of one secret. @throws AdjoinError `secret-unreadable`, `secret-invalid`, or another `aws-…` */
export function createSecretStore(client: SecretsManagerClient, secretId: string): SecretStore {
  return {
    async read() {
      try {
        const answer = await callAws(`secretsmanager:GetSecretValue ${secretId}`, undefined, () =>
          client.send(new GetSecretValueCommand({ SecretId: secretId, VersionStage: 'AWSCURRENT' })),
        );
        if (!answer.SecretString || !answer.VersionId) {
          throw new AdjoinError('secret-invalid', `The secret ${secretId} has no text value.`);
        }
        return { versionId: answer.VersionId, text: answer.SecretString };
      } catch (error) {
        if (error instanceof AdjoinError && (error.code === 'aws-denied' || error.code === 'aws-refused')) {
          throw new AdjoinError('secret-unreadable', error.message, { cause: error });
        }
        throw error;
      }
    },
  };
}
