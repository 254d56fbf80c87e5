/** Errors of the AWS SDK become adjoin's, once, here. */
import { isThrottlingError } from '@smithy/core/retry';
import { AdjoinError, reasonOf, type ErrorCode } from '../errors.ts';

/** Services' names for "later" that the SDK's list does not have. The second one: a transaction has the same item in work. */
const ALSO_THROTTLED: ReadonlySet<string> = new Set(['RateExceeded', 'TransactionConflictException']);
const DENIED = /^(AccessDenied|AccessDeniedException|UnauthorizedOperation)$/;
/** The credentials were not accepted, so the answer says nothing about what was asked for. */
const UNAUTHENTICATED =
  /^(AuthFailure|CredentialsProviderError|ExpiredToken|ExpiredTokenException|IncompleteSignature|InvalidClientTokenId|InvalidSignatureException|MissingAuthenticationToken|MissingAuthenticationTokenException|RequestExpired|SignatureDoesNotMatch|UnrecognizedClientException)$/;

/** The name of an SDK error, its HTTP status, and how often the request was sent; of anything else, nothing. */
export function awsErrorOf(
  error: unknown,
):
  | { readonly name: string; readonly status: number | undefined; readonly attempts: number | undefined }
  | undefined {
  if (!(error instanceof Error)) return undefined;
  return {
    name: error.name,
    status: metadataOf(error, 'httpStatusCode'),
    attempts: metadataOf(error, 'attempts'),
  };
}

/** A number that the SDK puts beside an answer or an error. */
function metadataOf(answer: object, key: string): number | undefined {
  const metadata: unknown = Reflect.get(answer, '$metadata');
  const value: unknown =
    typeof metadata === 'object' && metadata !== null ? Reflect.get(metadata, key) : undefined;
  return typeof value === 'number' ? value : undefined;
}

const isThrottled = (error: unknown): boolean =>
  (isError(error) && isThrottlingError(error)) || ALSO_THROTTLED.has(awsErrorOf(error)?.name ?? '');

/**
 * Whether a request was refused because there were too many, for good or at first: the SDK has sent it again by itself, and says so
 * beside the answer. A connection that was lost looks the same there.
 */
export function wasThrottled(answer: unknown): boolean {
  if (answer instanceof AdjoinError) return answer.code === 'aws-throttled';
  if (isThrottled(answer)) return true;
  return typeof answer === 'object' && answer !== null && (metadataOf(answer, 'attempts') ?? 1) > 1;
}

/** The SDK's classification looks at fields that any error may have, and expects none of them. */
const isError = (error: unknown): error is Parameters<typeof isThrottlingError>[0] => error instanceof Error;

function codeOf(error: unknown): ErrorCode {
  const known = awsErrorOf(error);
  // A mistake in our own code is no outage.
  if (!known || error instanceof TypeError || error instanceof RangeError) return 'unexpected';
  if (isThrottled(error)) return 'aws-throttled';
  if (DENIED.test(known.name)) return 'aws-denied';
  if (UNAUTHENTICATED.test(known.name)) return 'aws-unauthenticated';
  if (known.status === undefined || known.status >= 500) return 'aws-unavailable';
  return 'aws-refused';
}

function translated(error: unknown, what: string, signal: AbortSignal | undefined): unknown {
  if (error instanceof AdjoinError) return error;
  if (signal?.aborted) return signal.reason;
  const name = error instanceof Error ? error.name : 'Error';
  return new AdjoinError(codeOf(error), `${what}: ${name}: ${reasonOf(error)}`, { cause: error });
}

/**
 * Runs one call to AWS. An abort comes out as the signal's own reason.
 * @param what names the operation and its subject, as in `ssm:SendCommand to i-…`.
 * @throws AdjoinError `aws-throttled`, `aws-denied`, `aws-unauthenticated`, `aws-unavailable` or `aws-refused`
 */
export async function callAws<T>(
  what: string,
  signal: AbortSignal | undefined,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw translated(error, what, signal);
  }
}

/**
 * The pages of one listing (one of the SDK's `paginate…`), each asked for when it is wanted. Errors of the calls are
 * translated as by `callAws`; those of the code that reads the pages are not.
 * @throws AdjoinError as `callAws`
 */
export async function* pagesOfAws<Page>(
  what: string,
  signal: AbortSignal | undefined,
  pages: AsyncIterable<Page>,
): AsyncGenerator<Page, void, undefined> {
  try {
    yield* pages;
  } catch (error) {
    throw translated(error, what, signal);
  }
}
