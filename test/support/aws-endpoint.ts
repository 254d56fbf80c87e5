/**
 * An AWS endpoint on the loopback that answers as a test says and keeps what it was asked. Adapters are tested through the
 * SDK's own clients, so that what goes over the wire is compared, and not what was meant to.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';

export interface AwsRequest {
  readonly operation: string;
  /** The JSON of the body, or the parameters of a form without `Action` and `Version`. */
  readonly input: Readonly<Record<string, unknown>>;
  /** Resolves when the client hangs up before it has an answer. */
  readonly cut: Promise<void>;
}

/** An error as the service would send it, in JSON. */
export interface AwsFailure {
  readonly error: string;
  readonly message?: string;
  readonly status?: number;
  /** What the error says beside its message. */
  readonly fields?: object;
  /** The code of the former query protocol, which SQS still sends beside the new name. */
  readonly queryError?: string;
}

/** JSON (an `AwsFailure` is an error), or XML for a service that speaks it; `silence` keeps the connection open. */
export type AwsAnswer = object | string;

export interface AwsEndpoint extends AsyncDisposable {
  readonly requests: readonly AwsRequest[];
  /** What a client needs to come here; one attempt, so that each request is the adapter's own. */
  readonly client: {
    readonly endpoint: string;
    readonly region: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
    readonly maxAttempts: number;
  };
  /** Resolves when the request with this index (the first is 0) has come in. */
  asked(index: number): Promise<AwsRequest>;
}

async function read(incoming: IncomingMessage): Promise<Omit<AwsRequest, 'cut'>> {
  const pieces: Buffer[] = [];
  for await (const piece of incoming) if (Buffer.isBuffer(piece)) pieces.push(piece);
  const body = Buffer.concat(pieces).toString();
  const target = incoming.headers['x-amz-target'];
  if (typeof target === 'string') {
    return { operation: target.slice(target.lastIndexOf('.') + 1), input: JSON.parse(body) };
  }
  const {
    Action: operation = '',
    Version: _version,
    ...input
  } = Object.fromEntries(new URLSearchParams(body));
  return { operation, input };
}

const isFailure = (answer: object): answer is AwsFailure => 'error' in answer;

/** An error of a service that speaks XML. */
export const xmlError = (code: string, message: string): string =>
  `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`;

/**
 * @param answer is called for each request, in the order in which they come. XML that holds an error goes out with
 *   status 400.
 */
export async function startAwsEndpoint(answer: (request: AwsRequest) => AwsAnswer): Promise<AwsEndpoint> {
  const requests: AwsRequest[] = [];
  const waiting = new Map<number, (request: AwsRequest) => void>();
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const { promise: cut, resolve } = Promise.withResolvers<void>();
      outgoing.on('close', () => {
        if (!outgoing.writableFinished) resolve();
      });
      const request = { ...(await read(incoming)), cut };
      const index = requests.push(request) - 1;
      waiting.get(index)?.(request);
      const said = answer(request);
      if (said === 'silence') return;
      if (typeof said === 'string') {
        outgoing.writeHead(said.startsWith('<ErrorResponse') ? 400 : 200, { 'content-type': 'text/xml' });
        outgoing.end(said);
      } else if (isFailure(said)) {
        const type = { 'content-type': 'application/x-amz-json-1.1' };
        const query = said.queryError ? { 'x-amzn-query-error': `${said.queryError};Sender` } : {};
        outgoing.writeHead(said.status ?? 400, { ...type, ...query });
        outgoing.end(JSON.stringify({ __type: said.error, message: said.message ?? '', ...said.fields }));
      } else {
        outgoing.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' });
        outgoing.end(JSON.stringify(said));
      }
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    requests,
    client: {
      endpoint: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
      region: 'eu-central-1',
      credentials: { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'example' },
      maxAttempts: 1,
    },
    asked(index) {
      const request = requests[index];
      return request
        ? Promise.resolve(request)
        : new Promise((resolve) => {
            waiting.set(index, resolve);
          });
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers one after the other; the last one stays. */
export function inTurn(...answers: readonly AwsAnswer[]): () => AwsAnswer {
  let next = 0;
  return () => {
    const answer = answers[Math.min(next, answers.length - 1)] ?? {};
    next += 1;
    return answer;
  };
}

/** The requests without what only the machinery needs, to be compared as a whole. */
export const asked = ({ requests }: AwsEndpoint): Omit<AwsRequest, 'cut'>[] =>
  requests.map(({ operation, input }) => ({ operation, input }));
