import { describe, expect, test } from '@jest/globals';
import { awsErrorOf, callAws, pagesOfAws } from '../../../agent/aws/errors.ts';
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

/** All that the services are known to call it. */
const throttlingNames = [
  'BandwidthLimitExceeded',
  'EC2ThrottledException',
  'LimitExceededException',
  'PriorRequestNotComplete',
  'ProvisionedThroughputExceededException',
  'RateExceeded',
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
  test.each(throttlingNames)('named %s is throttling', async (name) => {
    await expect(translated(sdkError(name, 400))).resolves.toMatchObject({ code: 'aws-throttled' });
    // The whole name counts.
    await expect(translated(sdkError(`${name}s`, 400))).resolves.toMatchObject({ code: 'aws-refused' });
  });

  test('that the SDK marks as throttling is throttling, whatever its name', async () => {
    const error = Object.assign(sdkError('Unheard', 400), { $retryable: { throttling: true } });
    await expect(translated(error)).resolves.toMatchObject({ code: 'aws-throttled' });
    Object.assign(error, { $retryable: {} });
    await expect(translated(error)).resolves.toMatchObject({ code: 'aws-refused' });
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

  test.each([
    ['a TypeError', new TypeError('x is not a function')],
    ['a RangeError', new RangeError('too deep')],
    ['a text', 'text'],
    ['nothing', undefined],
  ])('that is a mistake of our own (%s) is unexpected', async (_what, error) => {
    await expect(translated(error)).resolves.toMatchObject({ code: 'unexpected' });
  });

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

/** Two pages, and a third that fails. */
async function* pages(last: Error) {
  yield 1;
  yield 2;
  throw last;
}

describe('a listing', () => {
  test('gives its pages, and translates the error of a page like that of a call', async () => {
    const seen: number[] = [];
    const read = async (): Promise<void> => {
      for await (const page of pagesOfAws('ssm:List', undefined, pages(sdkError('Throttling', 400))))
        seen.push(page);
    };
    await expect(read()).rejects.toMatchObject({
      code: 'aws-throttled',
      message: 'ssm:List: Throttling: as the service says it',
    });
    expect(seen).toEqual([1, 2]);
  });

  test("after an abort fails with the signal's own reason", async () => {
    const stop = new AdjoinError('draining', 'stop');
    const listing = pagesOfAws('ssm:List', AbortSignal.abort(stop), pages(sdkError('AbortError')));
    await listing.next();
    await listing.next();
    await expect(listing.next()).rejects.toBe(stop);
  });

  test('leaves an error of the code that reads it as it is, and asks for no further page', async () => {
    const own = new TypeError('of the reader');
    let closed = false;
    async function* endless() {
      try {
        for (;;) yield 1;
      } finally {
        closed = true;
      }
    }
    const read = async (): Promise<void> => {
      for await (const page of pagesOfAws('ssm:List', undefined, endless())) {
        if (page === 1) throw own;
      }
    };
    await expect(read()).rejects.toBe(own);
    expect(closed).toBe(true);
  });
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
