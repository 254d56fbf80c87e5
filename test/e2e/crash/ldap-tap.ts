/** A way to the domain controller on which every LDAP request and its answer can be watched, and kept back. */
import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { messageReader, type LdapMessage } from './ldap-message.ts';

export type LdapRequest = Pick<LdapMessage, 'operation' | 'target' | 'filter'>;

export interface LdapWatcher {
  /** Asked before a request goes on; false keeps it back and breaks the connection. */
  before(request: LdapRequest): Promise<boolean>;
  /** Asked when the answer is here; false keeps it back and breaks the connection. */
  after(request: LdapRequest): boolean;
}

export interface LdapTapOptions {
  /** The controller's address. */
  readonly host: string;
  /** The name in its certificate. */
  readonly serverName: string;
  /** PEM texts: the authority, and the controller's own certificate and key, for the agent must not see a difference. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

export interface LdapTap {
  /** `host:port`, as the agent's `directory.controllers` takes it. */
  readonly controller: string;
  close(): Promise<void>;
}

export async function openLdapTap(options: LdapTapOptions, watcher: LdapWatcher): Promise<LdapTap> {
  const { host, serverName: servername, ca, certificate: cert, key } = options;
  const open = new Set<TLSSocket>();

  const carry = (near: TLSSocket): void => {
    const far = connect({ host, port: 636, servername, ca });
    const asked = new Map<number, LdapMessage>();
    const cut = (): void => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', cut);
      socket.on('close', () => {
        open.delete(socket);
        cut();
      });
    }
    const readRequests = messageReader();
    const readAnswers = messageReader();
    // One after the other: a request that is being watched must not be overtaken.
    let turn = Promise.resolve();
    const pass = async (message: LdapMessage): Promise<void> => {
      const goesOn = await watcher.before(message);
      if (!goesOn || near.destroyed) {
        cut();
        return;
      }
      asked.set(message.id, message);
      far.write(message.bytes);
    };
    near.on('data', (piece: Buffer) => {
      for (const message of readRequests(piece)) turn = turn.then(() => pass(message));
    });
    far.on('data', (piece: Buffer) => {
      for (const message of readAnswers(piece)) {
        const request = asked.get(message.id);
        if (message.final && request) {
          asked.delete(message.id);
          if (!watcher.after(request)) {
            cut();
            return;
          }
        }
        near.write(message.bytes);
      }
    });
  };

  const server = createServer({ cert, key }, carry);
  // Whoever dies in the middle of a handshake is nobody's concern.
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The tap has no port.');
  return {
    controller: `127.0.0.1:${address.port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
