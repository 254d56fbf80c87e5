import { randomBytes } from 'node:crypto';

/** Randomness as the cloud sees it: `bytes` bytes. Passed in, so that a test can repeat a run. */
export type Random = (bytes: number) => Buffer;

export const systemRandom: Random = randomBytes;

/** An identifier shaped as a version 4 UUID (request, token, command and message IDs). */
export function uuid(random: Random): string {
  const bytes = random(16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** `digits` lower-case hexadecimal digits, as resource IDs have 17 of. */
export function hexDigits(random: Random, digits: number): string {
  return random(Math.ceil(digits / 2))
    .toString('hex')
    .slice(0, digits);
}
