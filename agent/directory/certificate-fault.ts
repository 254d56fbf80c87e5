/**
 * Says which certificate of a chain keeps it from being trusted, and why. Node's error holds OpenSSL's verdict alone, without
 * the certificate, and for some verdicts (weak keys and digests) without a code of its own.
 */
import type { X509Certificate } from 'node:crypto';

/** The host's own certificate, then that of its issuer, and so on, as far as they are known. */
export type Chain = readonly X509Certificate[];

/** How verification ended. */
interface Verdict {
  /** OpenSSL's verdict or Node's own, as Node spells it; `UNSPECIFIED` where it has no word for it. */
  readonly code: string;
  readonly message: string;
  readonly host: string;
}

/** Characters of a name in a message: certificates are written by others. */
const LONGEST_NAME = 80;
/** OpenSSL asks for 112 bits of security, and these digests have fewer. */
const WEAK_DIGEST = /sha-?1|md[245]/i;

const day = (date: Date): string => date.toISOString().slice(0, 10);
const short = (text: string): string =>
  text.length <= LONGEST_NAME ? text : `${text.slice(0, LONGEST_NAME - 1)}…`;

/** The most telling part of a name: its common name, or what stands last. */
function partOf(name: string | undefined): string | undefined {
  const parts = name?.split('\n') ?? [];
  return parts.findLast((part) => part.startsWith('CN=')) ?? parts.at(-1);
}

/** AD's template for controllers gives certificates no subject, but other names. */
function nameOf({ subject, subjectAltName }: X509Certificate): string {
  return short(partOf(subject) || (subjectAltName?.split(', ')[0] ?? 'without a name'));
}

const bitsOf = ({ publicKey }: X509Certificate): number | undefined =>
  publicKey.asymmetricKeyDetails?.modulusLength;

function leastOf(
  chain: Chain,
  measure: (certificate: X509Certificate) => number,
): X509Certificate | undefined {
  return chain.toSorted((one, other) => measure(one) - measure(other))[0];
}

interface Fault {
  readonly certificate: X509Certificate | undefined;
  /** What it does or is. */
  readonly says: string;
}

function weakKey(candidates: Chain): Fault {
  const certificate = leastOf(candidates, (one) => bitsOf(one) ?? Number.MAX_SAFE_INTEGER);
  const bits = certificate && bitsOf(certificate);
  return {
    certificate,
    says: bits === undefined ? 'has a key that is too weak' : `has a key of ${bits} bits, which is too weak`,
  };
}

function weakDigest(chain: Chain): Fault {
  // What a trusted root is signed with counts for nothing.
  const signed = chain.filter(({ subject, issuer }) => subject !== issuer);
  const certificate = signed.find(({ signatureAlgorithm }) => WEAK_DIGEST.test(signatureAlgorithm ?? ''));
  const algorithm = certificate?.signatureAlgorithm ?? 'a digest';
  return { certificate, says: `is signed with ${algorithm}, which is too weak` };
}

function unsuitable([own, ...issuers]: Chain): Fault {
  const certificate = issuers.find(({ ca }) => !ca);
  if (certificate) return { certificate, says: "is no authority's, and another one is signed with it" };
  return { certificate: own, says: 'is not for use by a server' };
}

function faultIn(chain: Chain, { code, message, host }: Verdict): Fault {
  const [own] = chain;
  const last = chain.at(-1);
  switch (code) {
    case 'CERT_HAS_EXPIRED': {
      const certificate = leastOf(chain, ({ validToDate }) => validToDate.getTime());
      return {
        certificate,
        says: `has expired on ${certificate ? day(certificate.validToDate) : 'some day'}`,
      };
    }
    case 'CERT_NOT_YET_VALID': {
      const certificate = leastOf(chain, ({ validFromDate }) => -validFromDate.getTime());
      return {
        certificate,
        says: `is not valid before ${certificate ? day(certificate.validFromDate) : 'some day'}`,
      };
    }
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return {
        certificate: own,
        says: `is not for ${host}, but for ${short(own?.subjectAltName ?? 'no name')}`,
      };
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return { certificate: own, says: 'is signed by itself and not trusted' };
    case 'SELF_SIGNED_CERT_IN_CHAIN':
      return { certificate: last, says: 'is a root that is not trusted' };
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return {
        certificate: last,
        says: `is issued by ${short(partOf(last?.issuer) ?? '?')}, which is not trusted`,
      };
    case 'INVALID_PURPOSE':
    case 'INVALID_CA':
      return unsuitable(chain);
    default:
      if (/digest.*too weak/i.test(message)) return weakDigest(chain);
      if (/^CA\b.*too weak/i.test(message)) return weakKey(chain.slice(1));
      if (/too weak/i.test(message)) return weakKey(chain.slice(0, 1));
      return { certificate: own, says: `does not verify: ${message}` };
  }
}

/** What is wrong with which certificate, to follow the host's name. */
export function certificateFault(chain: Chain, verdict: Verdict): string {
  // Node adds an advice to some, for those who can change its options.
  const message = verdict.message.split(';')[0] || verdict.code;
  const { certificate, says } = faultIn(chain, { ...verdict, message });
  return certificate ? `the certificate of ${nameOf(certificate)} ${says}` : message;
}
