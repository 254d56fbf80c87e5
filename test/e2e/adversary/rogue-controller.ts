/** A host that listens where a domain controller would, and passes everything on to a real one: it reads what is sent. */
import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';

interface RogueOptions {
  /** Address to listen on, at the port of LDAPS. */
  readonly address: string;
  /** PEM texts: what the host shows, and the authority that the real controller's certificate is from. */
  readonly certificate: string;
  readonly key: string;
  readonly ca: string;
  /** The real controller. */
  readonly controller: { readonly address: string; readonly hostName: string };
}

export interface Rogue {
  /** How many have come. */
  readonly visitors: number;
  /** Whether this text was in what anybody sent, in clear. */
  heard(text: string): boolean;
  close(): Promise<void>;
}

const LDAPS = 636;

export async function startRogue(options: RogueOptions): Promise<Rogue> {
  const { address, certificate: cert, key, ca, controller } = options;
  const heard: Buffer[] = [];
  const open = new Set<TLSSocket>();
  let visitors = 0;
  const server = createServer({ cert, key }, (near) => {
    visitors += 1;
    const far = connect({ host: controller.address, port: LDAPS, servername: controller.hostName, ca });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
    }
    near.on('data', (bytes: Buffer) => {
      heard.push(bytes);
      far.write(bytes);
    });
    far.on('data', (bytes: Buffer) => near.write(bytes));
  });
  server.on('tlsClientError', () => undefined);
  server.listen(LDAPS, address);
  await once(server, 'listening');
  return {
    get visitors() {
      return visitors;
    },
    heard: (text) => Buffer.concat(heard).includes(text),
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
