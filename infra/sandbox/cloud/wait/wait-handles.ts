/**
 * CloudFormation's wait conditions: an address that CloudFormation has signed, in a bucket of its own, takes the signals that a
 * condition waits for.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-waitcondition.html
 */
import { ServiceFailure } from '../failure.ts';
import type { Place } from '../place.ts';
import { hexDigits, type Random } from '../random.ts';
import type { SignedRequest } from '../signature.ts';
import type { Timers } from '../timers.ts';

interface Signal {
  readonly Status: 'SUCCESS' | 'FAILURE';
  readonly Reason: string;
  readonly UniqueId: string;
  readonly Data: string;
}

interface Handle {
  readonly url: URL;
  readonly endsAt: number;
  /** By unique ID: a second signal of the same one counts no more than the first. */
  readonly signals: Map<string, Signal>;
  changed: () => void;
}

export interface WaitHandlesParts {
  readonly place: Place;
  readonly timers: Timers;
  readonly random: Random;
  /** Whether anything here sends signals. Otherwise each condition holds at once. */
  readonly signalled: boolean;
}

/** Seconds that an address is good for: "the presigned URL expires after 24 hours" or a second before that. */
const addressLifeSeconds = 86_399;

/** The bucket of the addresses: the account that signs them is AWS's. */
export const waitBucket = (region: string): string => `cloudformation-waitcondition-${region}`;

export class WaitHandles {
  readonly #handles = new Map<string, Handle>();
  readonly #parts: WaitHandlesParts;

  constructor(parts: WaitHandlesParts) {
    this.#parts = parts;
  }

  /** A new address. @param name that nothing else has */
  make(name: string): string {
    const { place, timers, random } = this.#parts;
    const now = timers
      .date()
      .toISOString()
      .replaceAll(/[-:]|\.\d+/g, '');
    const path = encodeURIComponent(
      `arn:aws:cloudformation:${place.region}:${place.accountId}:stack/${name}`,
    );
    const query = [
      'X-Amz-Algorithm=AWS4-HMAC-SHA256',
      `X-Amz-Date=${now}`,
      'X-Amz-SignedHeaders=host',
      `X-Amz-Expires=${addressLifeSeconds}`,
      `X-Amz-Credential=AKIAEMULATEDEMULATED%2F${now.slice(0, 8)}%2F${place.region}%2Fs3%2Faws4_request`,
      `X-Amz-Signature=${hexDigits(random, 64)}`,
    ];
    const text = `https://${waitBucket(place.region)}.s3.${place.region}.amazonaws.com/${path}?${query.join('&')}`;
    const url = new URL(text);
    const endsAt = timers.now() + addressLifeSeconds * 1_000;
    this.#handles.set(text, { url, endsAt, signals: new Map(), changed: () => undefined });
    return text;
  }

  /** The key of the object that a request is to write; undefined where it asks for none of these addresses. */
  keyOf({ method, url, headers }: Pick<SignedRequest, 'method' | 'url' | 'headers'>): string | undefined {
    const handle = this.#at({ url, headers });
    return method === 'PUT' && handle ? decodeURIComponent(handle.url.pathname.slice(1)) : undefined;
  }

  /** Takes a signal. @throws ServiceFailure where S3 refuses the request; what says nothing is stored and ignored, as there */
  receive({ url, headers, body }: SignedRequest): void {
    const handle = this.#at({ url, headers });
    if (handle === undefined || this.#parts.timers.now() >= handle.endsAt)
      throw new ServiceFailure('AccessDenied', 'Request has expired', 403);
    // "Content-Type header … must be an empty string", as the address is signed for none.
    if ((headers['content-type'] ?? '') !== '')
      throw new ServiceFailure(
        'SignatureDoesNotMatch',
        'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
        403,
      );
    const signal = read(body.toString());
    if (signal === undefined) return;
    handle.signals.set(signal.UniqueId, signal);
    handle.changed();
  }

  /**
   * Waits for as many signals of success, by the time that is given.
   * @returns what the signals said, as JSON, by their IDs
   * @throws Error in CloudFormation's words, after a signal of failure or when the time is over
   */
  async wait(url: string, count: number, seconds: number): Promise<string> {
    if (!this.#parts.signalled) return '{}';
    const handle = this.#handles.get(url);
    if (handle === undefined) throw new Error('Handle of WaitCondition is none of this account.');
    const { timers } = this.#parts;
    const endsAt = timers.now() + seconds * 1_000;
    for (;;) {
      const signals = [...handle.signals.values()];
      const failed = signals.find(({ Status }) => Status === 'FAILURE');
      if (failed)
        throw new Error(
          `WaitCondition received failed message: '${failed.Reason}' for uniqueId: ${failed.UniqueId}`,
        );
      if (signals.length >= count)
        return JSON.stringify(Object.fromEntries(signals.map(({ UniqueId, Data }) => [UniqueId, Data])));
      const left = endsAt - timers.now();
      if (left <= 0)
        throw new Error(
          `WaitCondition timed out. Received ${signals.length} conditions when expecting ${count}`,
        );
      const came = new AbortController();
      handle.changed = () => came.abort();
      if (!(await timers.pause(left, came.signal)) && !came.signal.aborted)
        throw new Error('The cloud was closed.');
    }
  }

  #at({ url, headers }: Pick<SignedRequest, 'url' | 'headers'>): Handle | undefined {
    return this.#handles.get(`https://${headers.host}${url}`);
  }
}

function read(text: string): Signal | undefined {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isSignal(given) ? given : undefined;
}

function isSignal(given: unknown): given is Signal {
  if (typeof given !== 'object' || given === null) return false;
  const { Status, Reason, UniqueId, Data }: Partial<Record<keyof Signal, unknown>> = given;
  return (
    (Status === 'SUCCESS' || Status === 'FAILURE') &&
    [Reason, UniqueId, Data].every((each) => typeof each === 'string' && each !== '')
  );
}
