import {
  AssumeRole$,
  errorTypeRegistries,
  GetCallerIdentity$,
  type AssumeRoleCommandInput,
  type AssumeRoleResponse,
  type GetCallerIdentityResponse,
} from '@aws-sdk/client-sts';
import { ServiceFailure } from '../failure.ts';
import type { KeyRing } from '../key-ring.ts';
import { operationsOn, operationTable } from '../operations.ts';
import type { Place } from '../place.ts';
import type { Call, Service } from '../service.ts';
import type { Timers } from '../timers.ts';

/** AssumeRole's bounds, in seconds. */
const life = { least: 900, most: 43_200, otherwise: 3600 } as const;

interface StsParts {
  readonly place: Place;
  readonly keys: KeyRing;
  readonly timers: Timers;
}

export function stsService(parts: StsParts): Service {
  const on = operationsOn('sts', parts);
  return {
    name: 'sts',
    protocol: 'query',
    selector: '2011-06-15',
    namespace: 'https://sts.amazonaws.com/doc/2011-06-15/',
    errors: errorTypeRegistries,
    operations: operationTable([
      on(GetCallerIdentity$, getCallerIdentity),
      on(AssumeRole$, assumeRole, (_, input) => [{ arn: input.RoleArn ?? '' }]),
    ]),
  };
}

function getCallerIdentity({ place }: StsParts, _input: object, call: Call): GetCallerIdentityResponse {
  return {
    UserId: call.principal.context?.['aws:userid'],
    Account: place.accountId,
    Arn: call.principal.arn,
  };
}

function assumeRole({ keys, timers }: StsParts, input: AssumeRoleCommandInput): AssumeRoleResponse {
  const roleArn = input.RoleArn ?? '';
  const sessionName = input.RoleSessionName ?? '';
  const seconds = input.DurationSeconds ?? life.otherwise;
  if (!/^[\w+=,.@-]{2,64}$/.test(sessionName) || seconds < life.least || seconds > life.most) {
    throw new ServiceFailure('ValidationError', 'RoleSessionName or DurationSeconds is out of bounds.');
  }
  const key = keys.issue({ roleArn, sessionName, lifeMs: seconds * 1000 });
  const holder = keys.find(key.accessKeyId);
  return {
    Credentials: {
      AccessKeyId: key.accessKeyId,
      SecretAccessKey: key.secretAccessKey,
      SessionToken: key.sessionToken,
      Expiration: new Date(timers.now() + seconds * 1000),
    },
    AssumedRoleUser: {
      AssumedRoleId: holder?.context?.['aws:userid'],
      Arn: holder?.arn,
    },
  };
}
