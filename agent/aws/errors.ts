/** Foreign errors of the AWS SDK become adjoin's, once, here. */
import { AdjoinError, reasonOf, type ErrorCode } from '../errors.ts';

/** Names that the services give to throttling; the list is the SDK's own (`@smithy/service-error-classification`). */
const THROTTLED =
  /^(BandwidthLimitExceeded|EC2ThrottledException|LimitExceededException|PriorRequestNotComplete|ProvisionedThroughputExceededException|RequestLimitExceeded|RequestThrottled|RequestThrottledException|SlowDown|ThrottledException|Throttling|ThrottlingException|TooManyRequestsException|TransactionInProgressException|RateExceeded)$/;
const DENIED = /^(AccessDenied|AccessDeniedException|UnauthorizedOperation)$/;
/** Says nothing about what was asked for: the caller is not believed to be who it says. */
const UNAUTHENTICATED =
  /^(AuthFailure|CredentialsProviderError|ExpiredToken|ExpiredTokenException|IncompleteSignature|InvalidClientTokenId|InvalidSignatureException|MissingAuthenticationToken|MissingAuthenticationTokenException|RequestExpired|SignatureDoesNotMatch|UnrecognizedClientException)$/;

/** The name and HTTP status of an SDK error; of anything else, nothing. */
export function awsErrorOf(error: unknown): { name: string; status: number | undefined } | undefined {
  if (!(error instanceof Error)) return undefined;
  const metadata: unknown = Reflect.get(error, '$metadata');
  const status: unknown =
    typeof metadata === 'object' && metadata !== null ? Reflect.get(metadata, 'httpStatusCode') : undefined;
  return { name: error.name, status: typeof status === 'number' ? status : undefined };
}

function codeOf(error: unknown): ErrorCode {
  const known = awsErrorOf(error);
  // A mistake in our own code is nobody's outage.
  if (!known || error instanceof TypeError || error instanceof RangeError) return 'unexpected';
  if (THROTTLED.test(known.name) || known.status === 429) return 'aws-throttled';
  if (DENIED.test(known.name)) return 'aws-denied';
  if (UNAUTHENTICATED.test(known.name)) return 'aws-unauthenticated';
  if (known.status === undefined || known.status >= 500) return 'aws-unavailable';
  return 'aws-refused';
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
    if (error instanceof AdjoinError) throw error;
    if (signal?.aborted) throw signal.reason;
    const name = error instanceof Error ? error.name : 'Error';
    throw new AdjoinError(codeOf(error), `${what}: ${name}: ${reasonOf(error)}`, { cause: error });
  }
}
