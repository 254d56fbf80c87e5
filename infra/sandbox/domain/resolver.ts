import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { withPlainTargets } from './dns-message.ts';

/**
 * Stands for the VPC's resolver, which forwards the domain's names to its controllers. The outer namespace's
 * `resolv.conf` names it. Machines ask their controller directly, since they also register with it.
 */
export interface NameResolver {
  close(): Promise<void>;
}

/** A controller on the same machine answers in a millisecond; one that is down is known after this long. */
const upstreamTimeoutMs = 1_000;
const dnsPort = 53;
const serverFailure = 2;

/** Listens on 127.0.0.1 and asks the upstream servers in their order. UDP only: no answer here is longer than 512 bytes. */
export async function startResolver(upstream: readonly string[]): Promise<NameResolver> {
  const server = createSocket('udp4');
  server.bind(dnsPort, '127.0.0.1');
  await once(server, 'listening');
  const underWay = new Set<Socket>();
  const serve = async (query: Buffer, from: RemoteInfo) => {
    const answer = await forward(query, upstream, underWay);
    if (answer !== undefined && open) server.send(answer, from.port, from.address, () => {});
  };
  let open = true;
  server.on('message', (query, from) => void serve(query, from));
  return {
    async close() {
      open = false;
      const closed = once(server, 'close');
      server.close();
      for (const socket of underWay) socket.close();
      await closed;
    },
  };
}

async function forward(
  query: Buffer,
  upstream: readonly string[],
  underWay: Set<Socket>,
): Promise<Buffer | undefined> {
  for (const address of upstream) {
    const answer = await ask(query, address, underWay);
    if (answer !== undefined) return withPlainTargets(answer);
  }
  if (query.length < 12) return undefined;
  // a header that repeats the question's ID and says that nobody answered
  const failure = Buffer.from(query);
  failure.writeUInt8(failure.readUInt8(2) | 0x80, 2);
  failure.writeUInt8(serverFailure, 3);
  return failure;
}

function ask(query: Buffer, address: string, underWay: Set<Socket>): Promise<Buffer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const socket = createSocket('udp4');
  underWay.add(socket);
  const timer = setTimeout(() => socket.close(), upstreamTimeoutMs);
  socket.once('message', (answer) => {
    resolve(answer);
    socket.close();
  });
  // a controller that is down refuses: an error on a connected socket
  socket.once('error', () => socket.close());
  socket.once('close', () => {
    clearTimeout(timer);
    underWay.delete(socket);
    resolve(undefined);
  });
  socket.connect(dnsPort, address, () => socket.send(query));
  return promise;
}
