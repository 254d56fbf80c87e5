/** Sessions of users, with the code of an MFA device and without, and the roles that are taken from there. */
import {
  AssumeRoleCommand,
  GetCallerIdentityCommand,
  GetSessionTokenCommand,
  STSClient,
  type Credentials,
} from '@aws-sdk/client-sts';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { oneTimeCode } from '../../../infra/sandbox/cloud/sts/one-time-code.ts';
import { accountId, operatorsMfa, region, startBench, type Bench } from './bench.ts';

let bench: Bench;
let seen: { action: string; mfa: unknown }[];
const clients: STSClient[] = [];

beforeEach(async () => {
  seen = [];
  bench = await startBench({
    authorize({ action, context }) {
      seen.push({ action, mfa: context['aws:MultiFactorAuthPresent'] });
      return { allowed: true };
    },
  });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await bench[Symbol.asyncDispose]();
});

const { serialNumber: SerialNumber, secret } = operatorsMfa;
const code = (): string => oneTimeCode(secret, bench.clock.now());
const roleArn = (name: string) => `arn:aws:iam::${accountId}:role/${name}`;
const take = (name: string, DurationSeconds = 3600) =>
  new AssumeRoleCommand({ RoleArn: roleArn(name), RoleSessionName: 'me', DurationSeconds });

function as({ AccessKeyId = '', SecretAccessKey = '', SessionToken = '' }: Partial<Credentials> = {}) {
  const client = new STSClient({
    endpoint: bench.endpoint,
    region,
    maxAttempts: 1,
    systemClockOffset: bench.clock.now() - Date.now(),
    credentials: { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken },
  });
  clients.push(client);
  return client;
}

test('a code is that of RFC 6238’s test vectors', () => {
  const codes = [59, 1_111_111_109, 20_000_000_000].map((seconds) => oneTimeCode(secret, seconds * 1000));
  expect(codes).toEqual(['287082', '081804', '353130']);
});

test('a user who shows the code has it in the session, and in the roles that are taken from there', async () => {
  const { sts } = bench.as('operator');
  await sts.send(take('first'));
  const { Credentials: session } = await sts.send(
    new GetSessionTokenCommand({ SerialNumber, TokenCode: code() }),
  );
  const { Arn } = await as(session).send(new GetCallerIdentityCommand({}));
  expect(Arn).toBe(`arn:aws:iam::${accountId}:user/operator`);
  const { Credentials: role } = await as(session).send(take('second', 43_200));
  await as(role).send(take('third'));
  expect(seen).toEqual([
    { action: 'sts:AssumeRole', mfa: undefined },
    { action: 'sts:GetCallerIdentity', mfa: 'true' },
    { action: 'sts:AssumeRole', mfa: 'true' },
    { action: 'sts:AssumeRole', mfa: 'true' },
  ]);
});

test('a session without a code says so, and lasts for half a day or as long as is asked for', async () => {
  const { sts } = bench.as('operator');
  const { Credentials: session } = await sts.send(new GetSessionTokenCommand({}));
  expect(session?.Expiration?.getTime()).toBe(bench.clock.now() + 43_200_000);
  await as(session).send(take('role'));
  expect(seen).toEqual([{ action: 'sts:AssumeRole', mfa: 'false' }]);
  for (const DurationSeconds of [899, 129_601])
    await expect(sts.send(new GetSessionTokenCommand({ DurationSeconds }))).rejects.toMatchObject({
      name: 'ValidationError',
    });
});

test('a code counts once, for its own device, and not much later', async () => {
  const { sts } = bench.as('operator');
  const refused = (input: { SerialNumber?: string; TokenCode?: string }) =>
    sts.send(new GetSessionTokenCommand(input)).then(
      () => 'taken',
      (error: unknown) => String(error),
    );
  const first = code();
  expect(await refused({ SerialNumber, TokenCode: first })).toBe('taken');
  expect(await refused({ SerialNumber, TokenCode: first })).toMatch('invalid MFA one time pass code');
  await bench.clock.advance(60_000);
  expect(await refused({ SerialNumber, TokenCode: first })).toMatch('invalid MFA one time pass code');
  expect(await refused({ SerialNumber })).toMatch('must provide both');
  expect(await refused({ SerialNumber: `${SerialNumber}s`, TokenCode: code() })).toMatch(
    'verify your MFA serial number',
  );
  expect(await refused({ SerialNumber, TokenCode: code() })).toBe('taken');
});

test('a session begins no session, and a role that another has taken lasts an hour at most', async () => {
  const { Credentials: session } = await bench.as('operator').sts.send(new GetSessionTokenCommand({}));
  await expect(as(session).send(new GetSessionTokenCommand({}))).rejects.toMatchObject({
    name: 'AccessDenied',
    message: 'Cannot call GetSessionToken with session credentials',
  });
  const { Credentials: role } = await as(session).send(take('role'));
  await expect(as(role).send(take('other', 3601))).rejects.toThrow('1 hour session limit');
});
