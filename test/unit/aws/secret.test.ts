import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { expect, test } from '@jest/globals';
import { createSecretStore } from '../../../agent/aws/secret.ts';
import { asked, inTurn, startAwsEndpoint, type AwsAnswer } from '../../support/aws-endpoint.ts';

async function start(answer: AwsAnswer) {
  const endpoint = await startAwsEndpoint(inTurn(answer));
  return { endpoint, store: createSecretStore(new SecretsManagerClient(endpoint.client), 'adjoin/service') };
}

test('the secret is its current version', async () => {
  const { endpoint, store } = await start({ SecretString: '{"user":"adjoin"}', VersionId: 'v-1' });
  await using _ = endpoint;
  await expect(store.read()).resolves.toEqual({ versionId: 'v-1', text: '{"user":"adjoin"}' });
  expect(asked(endpoint)).toEqual([
    { operation: 'GetSecretValue', input: { SecretId: 'adjoin/service', VersionStage: 'AWSCURRENT' } },
  ]);
});

test.each([
  ['a binary value', { SecretBinary: 'AAAA', VersionId: 'v-1' }],
  ['an empty value', { SecretString: '', VersionId: 'v-1' }],
  ['no version', { SecretString: 'text' }],
])('a secret with %s is invalid', async (_what, answer) => {
  const { endpoint, store } = await start(answer);
  await using _ = endpoint;
  await expect(store.read()).rejects.toMatchObject({
    code: 'secret-invalid',
    message: 'The secret adjoin/service has no text value.',
  });
});

test.each([
  ['AccessDeniedException', 400, 'secret-unreadable'],
  ['ResourceNotFoundException', 400, 'secret-unreadable'],
  ['ThrottlingException', 400, 'aws-throttled'],
  ['ExpiredTokenException', 400, 'aws-unauthenticated'],
  ['InternalServiceError', 500, 'aws-unavailable'],
])('a secret that Secrets Manager refuses with %s (%i) is %s', async (error, status, code) => {
  const { endpoint, store } = await start({ error, status, message: 'no' });
  await using _ = endpoint;
  await expect(store.read()).rejects.toMatchObject({
    code,
    message: `secretsmanager:GetSecretValue adjoin/service: ${error}: no`,
    cause: expect.any(Object),
  });
});
