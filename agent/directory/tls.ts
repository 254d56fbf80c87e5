/** A TLS connection to one domain controller: which host it is, whom it trusts, and how long it is waited for. */
import { X509Certificate } from 'node:crypto';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import {
  connect as secure,
  type DetailedPeerCertificate,
  type PeerCertificate,
  type TLSSocket,
} from 'node:tls';
import type { Clock } from '../clock.ts';
import { passWholeAnswers } from './answers.ts';
import { certificateFault, type Chain } from './certificate-fault.ts';
import { ControllerFailure } from './failures.ts';
import { within } from './waiting.ts';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

interface TlsOptions {
  /** PEM of the CA to trust; the system's CAs when there is none. */
  readonly ca: string | undefined;
  readonly connectTimeoutMs: number;
  readonly clock: Clock;
}

/** Probes a silent connection, so that a firewall's or a dead peer's forgetting is noticed while it is idle. */
const KEEPALIVE_MS = 30_000;

export function endpointName({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** OpenSSL's verification results and Node's own host name check, as Node spells them in `error.code`. */
const UNTRUSTED =
  /^(CERT_|ERR_TLS_CERT_|UNABLE_TO_(GET|VERIFY|DECRYPT|DECODE)_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_(CA|PURPOSE)|HOSTNAME_MISMATCH|PATH_LENGTH_)/;
/** Node has no word for the other verification results, of keys and digests that are too weak above all. */
const WITHOUT_A_WORD = 'UNSPECIFIED';

function connectionFailure(
  error: Error & { code?: string },
  { host }: Endpoint,
  name: string,
  chain: Chain,
): ControllerFailure {
  const code = error.code ?? '';
  const message = error.message || code;
  if (!UNTRUSTED.test(code) && code !== WITHOUT_A_WORD)
    return new ControllerFailure('unreachable', name, message);
  return new ControllerFailure('untrusted', name, certificateFault(chain, { code, message, host }));
}

/** What the host showed, and the authorities that are known for it; nothing where that can't be read. */
function chainOf(tls: TLSSocket): Chain {
  const found: X509Certificate[] = [];
  const seen = new Set<PeerCertificate>();
  try {
    let next: DetailedPeerCertificate | undefined = tls.getPeerCertificate(true);
    // A root's issuer is the root itself.
    for (; next?.raw && !seen.has(next); next = next.issuerCertificate) {
      seen.add(next);
      found.push(new X509Certificate(next.raw));
    }
    return found;
  } catch {
    // It is for a message only: Node judges.
    return [];
  }
}

/** A TLS connection and what it is laid over. */
export interface Wire {
  readonly tcp: Socket;
  readonly tls: TLSSocket;
  /** The host's, verified. */
  readonly certificate: X509Certificate;
}

async function layTls(
  tcp: Socket,
  endpoint: Endpoint,
  ca: string | undefined,
  name: string,
): Promise<TLSSocket> {
  const { host } = endpoint;
  let chain: Chain = [];
  const heard = async (socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once(event, resolve);
    // Stays until ldapts puts its own in place: an unheard 'error' would end the process.
    socket.on('error', (error: Error) => reject(connectionFailure(error, endpoint, name, chain)));
    socket.once('close', () => reject(new ControllerFailure('unreachable', name, 'closed the connection')));
    await promise;
  };
  await heard(tcp, 'connect');
  const tls = secure({
    socket: tcp,
    host,
    minVersion: 'TLSv1.2',
    // Said, because NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment would have it otherwise.
    rejectUnauthorized: true,
    ...(isIP(host) ? {} : { servername: host }),
    ...(ca === undefined ? {} : { ca }),
  });
  passWholeAnswers(tls, name);
  // Before Node judges and, if it does not trust, closes: nothing of the certificates is left in the error that follows.
  tls.prependOnceListener('secure', () => {
    chain = chainOf(tls);
  });
  await heard(tls, 'secureConnect');
  return tls;
}

export async function connectTls(
  endpoint: Endpoint,
  options: TlsOptions,
  signal: AbortSignal,
): Promise<Wire> {
  const { ca, connectTimeoutMs, clock } = options;
  const name = endpointName(endpoint);
  const tcp = connectTcp({ host: endpoint.host, port: endpoint.port });
  const late = (): Error =>
    new ControllerFailure('unreachable', name, `no TLS connection within ${connectTimeoutMs} ms`);
  try {
    const tls = await within(connectTimeoutMs, layTls(tcp, endpoint, ca, name), clock, signal, late);
    const certificate = tls.getPeerX509Certificate();
    if (certificate === undefined) throw new ControllerFailure('untrusted', name, 'shows no certificate');
    tcp.setKeepAlive(true, KEEPALIVE_MS);
    return { tcp, tls, certificate };
  } catch (error) {
    tcp.destroy();
    throw error;
  }
}
