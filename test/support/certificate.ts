/** Certificates that vouch for themselves, made anew for each run: no private key lies in the repository. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { tlv } from './ber.ts';

const sequence = (...parts: readonly Buffer[]): Buffer => tlv(0x30, ...parts);
const oid = (...bytes: readonly number[]): Buffer => tlv(0x06, Buffer.from(bytes));
const bits = (bytes: Buffer): Buffer => tlv(0x03, Buffer.from([0]), bytes);

/** ecdsa-with-SHA256, commonName, subjectAltName, basicConstraints. */
const algorithm = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));
const name = sequence(tlv(0x31, sequence(oid(0x55, 0x04, 0x03), tlv(0x0c, 'scripted'))));
const extension = (id: Buffer, value: Buffer): Buffer => sequence(id, tlv(0x04, value));
const subjectAltName = oid(0x55, 0x1d, 0x11);
const basicConstraints = oid(0x55, 0x1d, 0x13);
const extendedKeyUsage = oid(0x55, 0x1d, 0x25);
const constraints = extension(basicConstraints, sequence(tlv(0x01, Buffer.from([0xff]))));
/** A name's tag is its choice in GeneralName (RFC 5280, section 4.2.1.6). */
const address = tlv(0x87, Buffer.from([127, 0, 0, 1]));
const dnsName = (text: string): Buffer => tlv(0x82, text);

/** Extended key usages. */
export const usages = {
  serverAuth: oid(0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01),
  smartcardLogon: oid(0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x14, 0x02, 0x02),
  kdcAuthentication: oid(0x2b, 0x06, 0x01, 0x05, 0x02, 0x03, 0x05),
} as const;

export interface Certificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

/**
 * @param names DNS names besides the address 127.0.0.1
 * @param usedFor extended key usages; any use without them
 */
export function selfSigned(
  names: readonly string[] = [],
  usedFor: readonly (keyof typeof usages)[] = [],
): Certificate {
  const extensions = sequence(
    extension(subjectAltName, sequence(address, ...names.map(dnsName))),
    constraints,
    ...(usedFor.length > 0
      ? [extension(extendedKeyUsage, sequence(...usedFor.map((usage) => usages[usage])))]
      : []),
  );
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.from([1])),
    algorithm,
    name,
    sequence(tlv(0x17, '200101000000Z'), tlv(0x17, '491231235959Z')),
    name,
    publicKey.export({ format: 'der', type: 'spki' }),
    tlv(0xa3, extensions),
  );
  const der = sequence(body, algorithm, bits(sign('sha256', body, privateKey)));
  const lines = der.toString('base64').replace(/.{64}/g, '$&\n');
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: String(privateKey.export({ format: 'pem', type: 'pkcs8' })),
  };
}
