import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/**
 * A way to the domain controller that can fail as networks do:
 * - `open`: everything passes.
 * - `deaf`: requests arrive, answers do not.
 * - `hole`: connections stay up, and nothing passes in either direction.
 */
export interface Tunnel {
  readonly port: number;
  /** Connections made so far. */
  readonly connections: number;
  mode: 'open' | 'deaf' | 'hole';
  /** Called with each new connection; may change the mode. */
  onConnect: () => void;
  /** Breaks all connections. */
  cut(): void;
  close(): Promise<void>;
}

export async function openTunnel(host: string, address = '127.0.0.1'): Promise<Tunnel> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((near) => {
    connections += 1;
    tunnel.onConnect();
    const far = connect({ host, port: 636 });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
    near.on('data', (bytes) => {
      if (tunnel.mode !== 'hole') far.write(bytes);
    });
    far.on('data', (bytes) => {
      if (tunnel.mode === 'open') near.write(bytes);
    });
  });
  server.listen(0, address);
  await once(server, 'listening');
  const { port }: AddressInfo = addressOf(server.address());
  const tunnel: Tunnel = {
    port,
    get connections() {
      return connections;
    },
    mode: 'open',
    onConnect: () => undefined,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      this.cut();
      await closed;
    },
  };
  return tunnel;
}

function addressOf(address: AddressInfo | string | null): AddressInfo {
  if (address === null || typeof address === 'string') throw new Error('not a TCP address');
  return address;
}
