import { constants, createPublicKey, publicEncrypt, type KeyObject } from 'node:crypto';
import { AdjoinError } from '../errors.ts';

/** Below 2048 bits RSA is not trusted any more (NIST SP 800-131A). */
const LEAST_BITS = 2048;
/** Above this a node would only be wasting its own time and the command's parameter space. */
const MOST_BITS = 3072;
/** A SubjectPublicKeyInfo of 3072 bits has 564 base64 characters. */
const LONGEST = 1000;

function invalid(reason: string): AdjoinError {
  return new AdjoinError('node-key-refused', `The node's public key can't be used: ${reason}.`);
}

function publicKey(derBase64: string): KeyObject {
  if (derBase64.length > LONGEST || !/^[A-Za-z0-9+/]+={0,2}$/.test(derBase64))
    throw invalid('it is not base64');
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(derBase64, 'base64'), format: 'der', type: 'spki' });
  } catch {
    throw invalid('it is not a SubjectPublicKeyInfo');
  }
  if (key.asymmetricKeyType !== 'rsa')
    throw invalid(`its type is ${key.asymmetricKeyType ?? 'unknown'}, not RSA`);
  const { modulusLength: bits = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (bits < LEAST_BITS || bits > MOST_BITS) throw invalid(`it has ${bits} bits`);
  // With the exponent 1 the "ciphertext" would be the padded password itself.
  if (publicExponent < 65537n || publicExponent % 2n === 0n)
    throw invalid(`its exponent is ${publicExponent}`);
  return key;
}

/**
 * Seals a one-time password so that only the holder of the private key can open it: RSA-OAEP with SHA-256 in both
 * places.
 * @param publicKeyDer base64 of the DER SubjectPublicKeyInfo that the node's probe printed
 * @returns base64 of the ciphertext
 * @throws AdjoinError `node-key-refused` when it is no RSA key of 2048 to 3072 bits
 */
export function seal(publicKeyDer: string, oneTimePassword: string): string {
  const key = publicKey(publicKeyDer);
  const options = { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
  try {
    return publicEncrypt(options, Buffer.from(oneTimePassword, 'utf8')).toString('base64');
  } catch {
    throw invalid('it does not encrypt');
  }
}
