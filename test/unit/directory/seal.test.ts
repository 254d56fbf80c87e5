import { constants, generateKeyPairSync, privateDecrypt, type KeyObject } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { seal } from '../../../agent/directory/seal.ts';

const der = (key: KeyObject): string => key.export({ format: 'der', type: 'spki' }).toString('base64');
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const password = 'Ab3'.repeat(40);

describe('sealing', () => {
  test('is opened by the private key, with OAEP and SHA-256, and by nothing else', () => {
    const sealed = seal(der(publicKey), password);
    expect(sealed).toMatch(/^[A-Za-z0-9+/]{342}==$/);
    const bytes = Buffer.from(sealed, 'base64');
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    expect(privateDecrypt({ key: privateKey, padding, oaepHash: 'sha256' }, bytes).toString()).toBe(password);
    expect(() => privateDecrypt({ key: privateKey, padding, oaepHash: 'sha1' }, bytes)).toThrow(
      /rsa|oaep|decod/i,
    );
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    expect(() => privateDecrypt({ key: other, padding, oaepHash: 'sha256' }, bytes)).toThrow(
      /rsa|oaep|decod/i,
    );
  });

  test('gives another ciphertext each time', () => {
    expect(seal(der(publicKey), password)).not.toBe(seal(der(publicKey), password));
  });

  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
  const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
  const small = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey;
  test.each([
    ['a key of 1024 bits', der(weak), /1024 bits/],
    ['an elliptic curve', der(curve), /not RSA/],
    ['the exponent 3', der(small), /exponent is 3/],
    ['no base64', 'not base64!', /not base64/],
    ['nothing', '', /not base64/],
    ['base64 of something else', Buffer.from('hello').toString('base64'), /SubjectPublicKeyInfo/],
    ['a key that is cut short', der(publicKey).slice(0, 200), /SubjectPublicKeyInfo/],
    ['a text without end', 'A'.repeat(5000), /not base64/],
    ['PEM', publicKey.export({ format: 'pem', type: 'spki' }).toString(), /not base64/],
  ])('refuses %s', (_what, key, reason) => {
    expect(() => seal(key, password)).toThrow(
      expect.objectContaining({ code: 'node-key-refused', message: expect.stringMatching(reason) }),
    );
  });

  test('never quotes the password', () => {
    const secret = 'Zz9'.repeat(100);
    expect(() => seal(der(publicKey), secret)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('Zz9') }),
    );
  });
});
