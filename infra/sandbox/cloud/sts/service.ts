import { errorTypeRegistries, GetCallerIdentity$, type GetCallerIdentityResponse } from '@aws-sdk/client-sts';
import type { Place } from '../place.ts';
import { operation, operationTable, type Call, type Service } from '../service.ts';

export function stsService(place: Place): Service {
  const getCallerIdentity = (_input: object, call: Call): GetCallerIdentityResponse => ({
    UserId: call.principal.accessKeyId,
    Account: place.accountId,
    Arn: call.principal.arn,
  });
  return {
    name: 'sts',
    protocol: 'query',
    selector: '2011-06-15',
    namespace: 'https://sts.amazonaws.com/doc/2011-06-15/',
    errors: errorTypeRegistries,
    operations: operationTable([operation('sts', GetCallerIdentity$, getCallerIdentity)]),
  };
}
