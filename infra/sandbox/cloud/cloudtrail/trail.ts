import type { BusEvent } from '../events/bus.ts';
import type { Place } from '../place.ts';
import { uuid, type Random } from '../random.ts';
import type { AnsweredCall } from '../seams.ts';
import type { Timers } from '../timers.ts';
import { isRecord } from '../wire/shape.ts';

/** Calls that are data events: a trail has them only when it asks, and no rule sees them. */
const dataEvents: Readonly<Record<string, RegExp>> = {
  sqs: /^(Send|Receive|Delete|ChangeMessageVisibility)(Message)?(Batch)?$/,
  dynamodb: /^(Batch|Transact)?(Get|Put|Update|Delete|Write)Items?$|^(Query|Scan)$/,
};

/** What the trail never tells, by the name of the parameter. */
const hidden = new Set(['SecretString', 'SecretBinary', 'Parameters', 'MessageBody', 'TokenValue']);
const hiddenValue = 'HIDDEN_DUE_TO_SECURITY_REASONS';

/** A management call as CloudTrail puts it on the event bus; undefined for calls that it leaves out. */
export function trailEvent(
  call: AnsweredCall,
  { place, timers, random }: { place: Place; timers: Timers; random: Random },
): BusEvent | undefined {
  const { service, operation, principal } = call;
  if (dataEvents[service]?.test(operation)) return undefined;
  return {
    source: `aws.${service}`,
    detailType: 'AWS API Call via CloudTrail',
    detail: {
      eventVersion: '1.11',
      userIdentity: {
        type: principal.roleArn === undefined ? 'IAMUser' : 'AssumedRole',
        arn: principal.arn,
        accountId: place.accountId,
        accessKeyId: principal.accessKeyId,
        ...(principal.roleArn === undefined
          ? { userName: principal.name }
          : {
              sessionContext: {
                sessionIssuer: {
                  type: 'Role',
                  arn: principal.roleArn,
                  accountId: place.accountId,
                  userName: principal.roleArn.split('/').at(-1),
                },
              },
            }),
      },
      eventTime: timers
        .date()
        .toISOString()
        .replace(/\.\d+Z$/, 'Z'),
      eventSource: `${service}.amazonaws.com`,
      eventName: operation,
      awsRegion: place.region,
      sourceIPAddress: call.sourceAddress,
      ...(call.endpoint && { vpcEndpointId: call.endpoint, vpcEndpointAccountId: place.accountId }),
      ...(call.error && { errorCode: errorCode(call), errorMessage: call.error.message }),
      requestParameters: told(call.input),
      requestID: call.requestId,
      eventID: uuid(random),
      readOnly: /^(Get|List|Describe|BatchGet|Validate)/.test(operation),
      eventType: 'AwsApiCall',
      managementEvent: true,
      recipientAccountId: place.accountId,
      eventCategory: 'Management',
    },
  };
}

/** The trail writes refusals the same way for all services but EC2. */
function errorCode({ service, error }: AnsweredCall): string | undefined {
  if (service === 'ec2') return `Client.${error?.code ?? ''}`;
  return error?.code === 'AccessDeniedException' ? 'AccessDenied' : error?.code;
}

/** The parameters, named as CloudTrail names them (`secretId`), without what it hides. */
function told(input: unknown): unknown {
  if (!isRecord(input)) return null;
  return Object.fromEntries(
    Object.entries(input).map(([name, value]) => [
      name.charAt(0).toLowerCase() + name.slice(1),
      hidden.has(name) ? hiddenValue : value,
    ]),
  );
}
