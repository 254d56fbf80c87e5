/** Certificates made anew for each run, good and bad ones: no private key lies in the repository. */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { tlv } from './ber.ts';

const sequence = (...parts: readonly Buffer[]): Buffer => tlv(0x30, ...parts);
const oid = (...bytes: readonly number[]): Buffer => tlv(0x06, Buffer.from(bytes));
const bits = (bytes: Buffer): Buffer => tlv(0x03, Buffer.from([0]), bytes);

const NULL = tlv(0x05);
/** Of a signature, by the issuer's key and the digest. */
const algorithms = {
  ec: {
    sha256: sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)),
    sha1: sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01)),
  },
  rsa: {
    sha256: sequence(oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b), NULL),
    sha1: sequence(oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05), NULL),
  },
} as const;
/** commonName. */
const nameOf = (text: string): Buffer =>
  sequence(tlv(0x31, sequence(oid(0x55, 0x04, 0x03), tlv(0x0c, text))));
const extension = (id: Buffer, value: Buffer): Buffer => sequence(id, tlv(0x04, value));
const subjectAltName = oid(0x55, 0x1d, 0x11);
const basicConstraints = oid(0x55, 0x1d, 0x13);
const extendedKeyUsage = oid(0x55, 0x1d, 0x25);
const TRUE = tlv(0x01, Buffer.from([0xff]));
/** A name's tag is its choice in GeneralName (RFC 5280, section 4.2.1.6). */
const address = tlv(0x87, Buffer.from([127, 0, 0, 1]));
const dnsName = (text: string): Buffer => tlv(0x82, text);

/** Extended key usages. */
export const usages = {
  clientAuth: oid(0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02),
  serverAuth: oid(0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01),
  smartcardLogon: oid(0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x14, 0x02, 0x02),
  kdcAuthentication: oid(0x2b, 0x06, 0x01, 0x05, 0x02, 0x03, 0x05),
} as const;

export interface Certificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

/** One that can sign others. */
export interface Issued extends Certificate {
  readonly commonName: string;
  readonly privateKey: KeyObject;
}

interface Wanted {
  readonly commonName: string;
  /** Default: it signs itself. */
  readonly issuer?: Issued | undefined;
  readonly isAuthority?: boolean;
  /** Bits of an RSA key. Default: P-256. */
  readonly rsaBits?: number;
  readonly digest?: 'sha256' | 'sha1';
  /** The years it begins and ends with. */
  readonly years?: readonly [from: number, to: number];
  /** DNS names besides the address 127.0.0.1. */
  readonly names?: readonly string[];
  /** Extended key usages; any use without them. */
  readonly usedFor?: readonly (keyof typeof usages)[];
}

function keyPair(rsaBits: number | undefined): { privateKey: KeyObject; publicKey: KeyObject } {
  return rsaBits === undefined
    ? generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    : generateKeyPairSync('rsa', { modulusLength: rsaBits });
}

let serial = 0;

export function issue(wanted: Wanted): Issued {
  const { commonName, issuer, isAuthority = false, digest = 'sha256', names = [], usedFor = [] } = wanted;
  const { privateKey, publicKey } = keyPair(wanted.rsaBits);
  const signer = issuer?.privateKey ?? privateKey;
  const algorithm = algorithms[signer.asymmetricKeyType === 'rsa' ? 'rsa' : 'ec'][digest];
  const extensions = sequence(
    extension(subjectAltName, sequence(address, ...names.map(dnsName))),
    extension(basicConstraints, isAuthority ? sequence(TRUE) : sequence()),
    ...(usedFor.length > 0
      ? [extension(extendedKeyUsage, sequence(...usedFor.map((usage) => usages[usage])))]
      : []),
  );
  const [from, to] = (wanted.years ?? [2020, 2049]).map((year) => String(year).slice(2));
  serial += 1;
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.from([serial % 128])),
    algorithm,
    nameOf(issuer?.commonName ?? commonName),
    sequence(tlv(0x17, `${from}0101000000Z`), tlv(0x17, `${to}1231235959Z`)),
    nameOf(commonName),
    publicKey.export({ format: 'der', type: 'spki' }),
    tlv(0xa3, extensions),
  );
  const der = sequence(body, algorithm, bits(sign(digest, body, signer)));
  // No empty line at the end: it would end a header.
  const lines = der.toString('base64').replace(/.{64}(?=.)/g, '$&\n');
  return {
    commonName,
    privateKey,
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: String(privateKey.export({ format: 'pem', type: 'pkcs8' })),
  };
}

/**
 * @param names DNS names besides the address 127.0.0.1
 * @param usedFor extended key usages; any use without them
 */
export function selfSigned(
  names: readonly string[] = [],
  usedFor: readonly (keyof typeof usages)[] = [],
): Certificate {
  return issue({ commonName: 'scripted', isAuthority: true, names, usedFor });
}
