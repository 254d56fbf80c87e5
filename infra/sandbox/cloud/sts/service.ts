import {
  AssumeRole$,
  errorTypeRegistries,
  GetCallerIdentity$,
  GetSessionToken$,
  type AssumeRoleCommandInput,
  type AssumeRoleResponse,
  type Credentials,
  type GetCallerIdentityResponse,
  type GetSessionTokenCommandInput,
  type GetSessionTokenResponse,
} from '@aws-sdk/client-sts';
import { ServiceFailure } from '../failure.ts';
import type { KeyRing, MfaDevice, SessionKey } from '../key-ring.ts';
import { enforce } from '../limits/limit.ts';
import { chainedSeconds, codeRefusal, fromSession, userSeconds } from '../limits/sts.ts';
import { operationsOn, operationTable } from '../operations.ts';
import type { Place } from '../place.ts';
import type { Call, Service } from '../service.ts';
import type { Timers } from '../timers.ts';
import { codeLifeMs, oneTimeCode } from './one-time-code.ts';

/** AssumeRole's bounds, in seconds. */
const life = { least: 900, most: 43_200, otherwise: 3600 } as const;

interface StsParts {
  readonly place: Place;
  readonly keys: KeyRing;
  readonly timers: Timers;
}

interface Sts extends StsParts {
  /** Codes that were taken: none is a second time. By device. */
  readonly taken: Map<string, string>;
}

export function stsService(parts: StsParts): Service {
  const on = operationsOn<Sts>('sts', { ...parts, taken: new Map() });
  return {
    name: 'sts',
    protocol: 'query',
    selector: '2011-06-15',
    namespace: 'https://sts.amazonaws.com/doc/2011-06-15/',
    errors: errorTypeRegistries,
    operations: operationTable([
      on(GetCallerIdentity$, getCallerIdentity),
      on(AssumeRole$, assumeRole, (_, input) => [{ arn: input.RoleArn ?? '' }]),
      // No policy has a say in it: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
      { ...on(GetSessionToken$, getSessionToken), requires: () => [] },
    ]),
  };
}

function getCallerIdentity({ place }: Sts, _input: object, call: Call): GetCallerIdentityResponse {
  return {
    UserId: call.principal.context?.['aws:userid'],
    Account: place.accountId,
    Arn: call.principal.arn,
  };
}

/** https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html */
function getSessionToken(
  sts: Sts,
  { DurationSeconds = userSeconds.usual, SerialNumber, TokenCode }: GetSessionTokenCommandInput,
  call: Call,
): GetSessionTokenResponse {
  const { keys, timers } = sts;
  const holder = keys.find(call.principal.accessKeyId);
  if (holder === undefined || holder.sessionToken !== undefined) throw fromSession();
  enforce(userSeconds.limit, DurationSeconds);
  const showsMfa = SerialNumber !== undefined || TokenCode !== undefined;
  if (showsMfa) checkCode(sts, holder.mfa, SerialNumber, TokenCode);
  const key = keys.issueToUser(
    call.principal,
    { 'aws:MultiFactorAuthPresent': String(showsMfa) },
    DurationSeconds * 1000,
  );
  return {
    Credentials: credentialsOf(key, timers.now() + DurationSeconds * 1000),
  };
}

/** The code that is shown, or was until just now, and only once. @throws ServiceFailure */
function checkCode(
  { taken, timers }: Sts,
  device: MfaDevice | undefined,
  serialNumber: string | undefined,
  code: string | undefined,
): void {
  if (serialNumber === undefined || code === undefined) throw codeRefusal('incomplete');
  if (device === undefined || device.serialNumber !== serialNumber) throw codeRefusal('foreign');
  const now = timers.now();
  const shown = [now, now - codeLifeMs].map((at) => oneTimeCode(device.secret, at));
  if (!shown.includes(code) || taken.get(serialNumber) === code) throw codeRefusal('wrong');
  taken.set(serialNumber, code);
}

function assumeRole({ keys, timers }: Sts, input: AssumeRoleCommandInput, call: Call): AssumeRoleResponse {
  const roleArn = input.RoleArn ?? '';
  const sessionName = input.RoleSessionName ?? '';
  const seconds = input.DurationSeconds ?? life.otherwise;
  if (!/^[\w+=,.@-]{2,64}$/.test(sessionName) || seconds < life.least || seconds > life.most) {
    throw new ServiceFailure('ValidationError', 'RoleSessionName or DurationSeconds is out of bounds.');
  }
  const caller = keys.find(call.principal.accessKeyId);
  if (caller?.roleArn !== undefined) enforce(chainedSeconds, seconds);
  // As the tools report that build on it (policies/README.md, Who can show MFA).
  const shown = caller?.context?.['aws:MultiFactorAuthPresent'];
  const key = keys.issue({
    roleArn,
    sessionName,
    lifeMs: seconds * 1000,
    ...(shown !== undefined && { context: { 'aws:MultiFactorAuthPresent': shown } }),
  });
  const holder = keys.find(key.accessKeyId);
  return {
    Credentials: credentialsOf(key, timers.now() + seconds * 1000),
    AssumedRoleUser: {
      AssumedRoleId: holder?.context?.['aws:userid'],
      Arn: holder?.arn,
    },
  };
}

/** As both operations answer with them. @param expiresAt milliseconds since the Unix epoch */
const credentialsOf = (key: SessionKey, expiresAt: number): Credentials => ({
  AccessKeyId: key.accessKeyId,
  SecretAccessKey: key.secretAccessKey,
  SessionToken: key.sessionToken,
  Expiration: new Date(expiresAt),
});
