/** A certificate for 127.0.0.1 that vouches for itself, made anew for each run: no private key lies in the repository. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { tlv } from './ber.ts';

const sequence = (...parts: readonly Buffer[]): Buffer => tlv(0x30, ...parts);
const oid = (...bytes: readonly number[]): Buffer => tlv(0x06, Buffer.from(bytes));
const bits = (bytes: Buffer): Buffer => tlv(0x03, Buffer.from([0]), bytes);

/** ecdsa-with-SHA256, commonName, subjectAltName, basicConstraints. */
const algorithm = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));
const name = sequence(tlv(0x31, sequence(oid(0x55, 0x04, 0x03), tlv(0x0c, 'scripted'))));
const extension = (id: Buffer, value: Buffer): Buffer => sequence(id, tlv(0x04, value));
const extensions = sequence(
  extension(oid(0x55, 0x1d, 0x11), sequence(tlv(0x87, Buffer.from([127, 0, 0, 1])))),
  extension(oid(0x55, 0x1d, 0x13), sequence(tlv(0x01, Buffer.from([0xff])))),
);

export interface Certificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export function selfSigned(): Certificate {
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
