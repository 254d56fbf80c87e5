/** The secret as an administrator writes it. Nothing here reads a value. */
import {
  DescribeSecretCommand,
  PutSecretValueCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { callAws } from '../../aws/errors.ts';
import { AdjoinError } from '../../errors.ts';
import type { PutPorts } from '../secret/put.ts';

/** Who may is not said by the service's own words, nor is the worker's role the one to look at. */
async function asAdministrator<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof AdjoinError) || error.code !== 'aws-denied') throw error;
    throw new AdjoinError(
      'aws-denied',
      `${error.message} Only the roles of the stack's AdministratorArns may write the secret: assume one of them.`,
      { cause: error },
    );
  }
}

export function createSecretValue(
  client: SecretsManagerClient,
  SecretId: string,
): Pick<PutPorts, 'look' | 'put'> {
  return {
    async look(signal) {
      await asAdministrator(() =>
        callAws(`secretsmanager:DescribeSecret of ${SecretId}`, signal, () =>
          client.send(new DescribeSecretCommand({ SecretId }), { abortSignal: signal }),
        ),
      );
    },
    async put(versionId, text, signal) {
      // The SDK repeats a call whose answer was lost. With this token the service takes it for the same one.
      const command = new PutSecretValueCommand({
        SecretId,
        ClientRequestToken: versionId,
        SecretString: text,
      });
      await asAdministrator(() =>
        callAws(`secretsmanager:PutSecretValue of ${SecretId}`, signal, () =>
          client.send(command, { abortSignal: signal }),
        ),
      );
    },
  };
}
