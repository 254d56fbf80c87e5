import { describe, expect, test } from '@jest/globals';
import { isThrottlingError } from '@smithy/core/retry';
import { awsErrorOf, callAws } from '../../../agent/aws/errors.ts';
import { AdjoinError } from '../../../agent/errors.ts';

function sdkError(name: string, status?: number): Error {
  return Object.assign(new Error('as the service says it'), {
    name,
    $metadata: status === undefined ? {} : { httpStatusCode: status },
  });
}

async function translated(error: unknown, signal?: AbortSignal): Promise<unknown> {
  const call = callAws('ssm:SendCommand to i-1', signal, async () => {
    throw error;
  });
  return call.catch((reason: unknown) => reason);
}

const throttlingNames = [
  'BandwidthLimitExceeded',
  'EC2ThrottledException',
  'LimitExceededException',
  'PriorRequestNotComplete',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'SlowDown',
  'ThrottledException',
  'Throttling',
  'ThrottlingException',
  'TooManyRequestsException',
  'TransactionInProgressException',
];

describe('an error of an AWS service', () => {
  test.each(throttlingNames)('named %s is throttling, to the SDK and to us', async (name) => {
    const error = sdkError(name, 400);
    expect(isThrottlingError({ name, message: error.message, $fault: 'client', $metadata: {} })).toBe(true);
    await expect(translated(error)).resolves.toMatchObject({ code: 'aws-throttled' });
  });

  test.each([
    ['whatever', 429, 'aws-throttled'],
    ['AccessDeniedException', 400, 'aws-denied'],
    ['AccessDenied', 403, 'aws-denied'],
    ['UnauthorizedOperation', 403, 'aws-denied'],
    ['ExpiredTokenException', 400, 'aws-unauthenticated'],
    ['ExpiredToken', 403, 'aws-unauthenticated'],
    ['SignatureDoesNotMatch', 403, 'aws-unauthenticated'],
    ['InvalidClientTokenId', 403, 'aws-unauthenticated'],
    ['CredentialsProviderError', undefined, 'aws-unauthenticated'],
    ['InternalServerError', 500, 'aws-unavailable'],
    ['ServiceUnavailable', 503, 'aws-unavailable'],
    ['TimeoutError', undefined, 'aws-unavailable'],
    ['Error', undefined, 'aws-unavailable'],
    ['ValidationException', 400, 'aws-refused'],
    ['ResourceNotFoundException', 404, 'aws-refused'],
    ['NotAccessDeniedException', 400, 'aws-refused'],
  ])('named %s with status %s is %s', async (name, status, code) => {
    await expect(translated(sdkError(name, status))).resolves.toMatchObject({ code });
  });

  test('says which call it was, and keeps its cause', async () => {
    const error = sdkError('ValidationException', 400);
    await expect(translated(error)).resolves.toMatchObject({
      message: 'ssm:SendCommand to i-1: ValidationException: as the service says it',
      cause: error,
    });
  });

  test.each([new TypeError('x is not a function'), new RangeError('too deep'), 'text', undefined])(
    'that is a mistake of our own (%s) is unexpected',
    async (error) => {
      await expect(translated(error)).resolves.toMatchObject({ code: 'unexpected' });
    },
  );

  test('that adjoin has named already stays as it is', async () => {
    const error = new AdjoinError('action-void', 'over');
    await expect(translated(error)).resolves.toBe(error);
    await expect(translated(error, AbortSignal.abort(new Error('stop')))).resolves.toBe(error);
  });

  test("after an abort is the signal's own reason", async () => {
    const stop = new AdjoinError('draining', 'stop');
    await expect(translated(sdkError('AbortError'), AbortSignal.abort(stop))).resolves.toBe(stop);
    const open = new AbortController().signal;
    await expect(translated(sdkError('AbortError'), open)).resolves.toMatchObject({
      code: 'aws-unavailable',
    });
  });
});

test('a call that works passes its answer on', async () => {
  await expect(callAws('what', undefined, async () => 7)).resolves.toBe(7);
});

describe('name and status', () => {
  test('are those of the SDK', () => {
    expect(awsErrorOf(sdkError('Name', 418))).toEqual({ name: 'Name', status: 418 });
  });

  test('are missing where there are none', () => {
    expect(awsErrorOf(new Error('plain'))).toEqual({ name: 'Error', status: undefined });
    expect(awsErrorOf(Object.assign(new Error('odd'), { $metadata: null }))?.status).toBeUndefined();
    expect(
      awsErrorOf(Object.assign(new Error('odd'), { $metadata: { httpStatusCode: '500' } }))?.status,
    ).toBeUndefined();
    expect(awsErrorOf('text')).toBeUndefined();
  });
});
