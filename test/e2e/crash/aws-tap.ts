/** A way to the AWS endpoint on which every call and its answer can be watched, and kept back. */
import { once } from 'node:events';
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http';

export interface AwsCall {
  /** As a policy names it, such as `ssm:SendCommand`. */
  readonly action: string;
  /** The members of a JSON body, or the parameters of a form. */
  readonly input: Readonly<Record<string, unknown>>;
}

export interface AwsAnswer {
  readonly status: number;
  readonly body: string;
}

export interface AwsWatcher {
  /** Asked before a call goes on; false keeps it back and breaks the connection. */
  before(call: AwsCall): Promise<boolean>;
  /** Asked when the answer is here; false keeps it back and breaks the connection. */
  after(call: AwsCall, answer: AwsAnswer): boolean;
}

export interface AwsTap {
  /** For `AWS_ENDPOINT_URL`. */
  readonly url: string;
  close(): Promise<void>;
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of message as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}

function callOf(message: IncomingMessage, body: string): AwsCall {
  // Credential=KEY/DATE/REGION/SERVICE/aws4_request
  const service =
    /Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\//.exec(message.headers.authorization ?? '')?.[1] ?? '';
  const target = message.headers['x-amz-target'];
  if (typeof target === 'string') {
    const input: Record<string, unknown> = JSON.parse(body);
    return { action: `${service}:${target.split('.').at(-1) ?? ''}`, input };
  }
  const input = Object.fromEntries(new URLSearchParams(body));
  return { action: `${service}:${input['Action'] ?? ''}`, input };
}

export async function openAwsTap(endpoint: string, watcher: AwsWatcher): Promise<AwsTap> {
  const { hostname, port } = new URL(endpoint);

  async function carry(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    // A caller that is gone takes its call along, as a long poll's must be.
    const gone = new AbortController();
    outgoing.on('close', () => gone.abort());
    const body = await bodyOf(incoming);
    const call = callOf(incoming, body.toString());
    const cut = (): void => void incoming.socket.destroy();
    if (!(await watcher.before(call))) return cut();
    // The headers as they are, for the caller signed them, the host's name included.
    const { method, url: path, headers } = incoming;
    const forwarded = ask({ host: hostname, port, method, path, headers, signal: gone.signal });
    forwarded.end(body);
    const [answer]: IncomingMessage[] = await once(forwarded, 'response');
    if (!answer) return cut();
    const answerBody = await bodyOf(answer);
    const status = answer.statusCode ?? 0;
    if (!watcher.after(call, { status, body: answerBody.toString() })) return cut();
    outgoing.writeHead(status, answer.headers).end(answerBody);
  }

  const server = createServer((incoming, outgoing) => {
    carry(incoming, outgoing).catch(() => incoming.socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The tap has no port.');
  return {
    url: `http://127.0.0.1:${address.port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
