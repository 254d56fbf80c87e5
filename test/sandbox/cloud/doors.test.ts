import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AuthorizationRequest } from '../../../infra/sandbox/cloud/seams.ts';
import { accountId, region, startBench, type Bench } from './bench.ts';

const roleArn = `arn:aws:iam::${accountId}:role/path/worker`;

function client(
  bench: Bench,
  credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string },
) {
  const systemClockOffset = bench.clock.now() - Date.now();
  return new STSClient({ endpoint: bench.endpoint, region, credentials, maxAttempts: 1, systemClockOffset });
}

test('a session is its role’s, with the condition keys that came with its key', async () => {
  const asked: AuthorizationRequest[] = [];
  await using bench = await startBench({
    authorize(request) {
      asked.push(request);
      return { allowed: true };
    },
  });
  const key = bench.cloud.issue({ roleArn, sessionName: 'i-1', context: { 'ec2:RoleDelivery': '2.0' } });
  const { Arn } = await client(bench, key).send(new GetCallerIdentityCommand({}));
  expect(Arn).toBe(`arn:aws:sts::${accountId}:assumed-role/worker/i-1`);
  expect(asked[0]?.context).toMatchObject({
    'aws:PrincipalArn': roleArn,
    'ec2:RoleDelivery': '2.0',
    'aws:ViaAWSService': 'false',
  });
});

test('a temporary key is worth nothing without its token, nor after its time', async () => {
  await using bench = await startBench();
  const { accessKeyId, secretAccessKey } = bench.cloud.issue({ roleArn, sessionName: 'me' });
  const withoutToken = client(bench, { accessKeyId, secretAccessKey });
  await expect(withoutToken.send(new GetCallerIdentityCommand({}))).rejects.toMatchObject({
    name: 'InvalidClientTokenId',
  });

  const { Credentials } = await bench
    .as('operator')
    .sts.send(new AssumeRoleCommand({ RoleArn: roleArn, RoleSessionName: 'me', DurationSeconds: 900 }));
  const key = {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  };
  await client(bench, key).send(new GetCallerIdentityCommand({}));
  await bench.clock.advance(900_000);
  await expect(client(bench, key).send(new GetCallerIdentityCommand({}))).rejects.toMatchObject({
    name: 'ExpiredToken',
  });
});

test('what comes from the VPC names the endpoint it came through, and what has none does not get through', async () => {
  const asked: AuthorizationRequest[] = [];
  await using bench = await startBench({
    authorize(request) {
      asked.push(request);
      return { allowed: true };
    },
    endpointOf: (service) => (service === 'sqs' ? 'vpce-1' : undefined),
  });
  const server = createServer(bench.cloud.vpcHandler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const configuration = {
    endpoint: `http://127.0.0.1:${port}`,
    region,
    credentials: bench.cloud.issue({ roleArn, sessionName: 'i-1' }),
    maxAttempts: 1,
    systemClockOffset: bench.clock.now() - Date.now(),
  };
  await new SQSClient(configuration).send(new ListQueuesCommand({}));
  expect(asked[0]?.context).toMatchObject({ 'aws:SourceVpce': 'vpce-1' });
  expect(asked[0]?.context).not.toHaveProperty('aws:SourceIp');
  const reading = new SecretsManagerClient(configuration).send(new GetSecretValueCommand({ SecretId: 'x' }));
  await expect(reading).rejects.toThrow('no endpoint of secretsmanager');
  server.closeAllConnections();
  server.close();
});
