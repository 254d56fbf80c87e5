import type { SrvRecord } from 'node:dns';
import type { RandomBytes } from './one-time-password.ts';
import type { Endpoint } from './tls.ts';

/** LDAP over TLS; SRV records carry the port of plain LDAP only. */
export const LDAPS_PORT = 636;

/** Reads a controller from the configuration: `host` or `host:port`. */
export function parseEndpoint(text: string): Endpoint {
  const [host = '', port] = text.split(':');
  return { host: host.toLowerCase(), port: port === undefined ? LDAPS_PORT : Number(port) };
}

/** The name under which every writable controller of a domain registers itself. */
export function controllersRecord(domain: string): string {
  return `_ldap._tcp.dc._msdcs.${domain}`;
}

/** The name under which the controllers of one site register themselves, read-only ones among them. */
export function siteRecord(site: string, domain: string): string {
  return `_ldap._tcp.${site}._sites.dc._msdcs.${domain}`;
}

function weightedIndex(weights: readonly number[], randomBytes: RandomBytes): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const random = Buffer.from(randomBytes(4)).readUInt32BE(0) / 2 ** 32;
  let left = random * total;
  for (const [index, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return index;
  }
  return weights.length - 1;
}

/**
 * The order in which to try the targets of SRV records (RFC 2782): lowest priority first, and among equals a draw by
 * weight. Weight 0 takes part with a hundredth of a chance, so that it is not shut out.
 */
export function inSrvOrder(records: readonly SrvRecord[], randomBytes: RandomBytes): Endpoint[] {
  const order: Endpoint[] = [];
  const priorities = [...new Set(records.map((record) => record.priority))].toSorted(
    (one, other) => one - other,
  );
  for (const priority of priorities) {
    const left = records.filter((record) => record.priority === priority);
    while (left.length > 0) {
      const index = weightedIndex(
        left.map((record) => record.weight || 0.01),
        randomBytes,
      );
      for (const { name } of left.splice(index, 1)) {
        const host = name.replace(/\.$/, '').toLowerCase();
        if (host && !order.some((known) => known.host === host)) order.push({ host, port: LDAPS_PORT });
      }
    }
  }
  return order;
}
