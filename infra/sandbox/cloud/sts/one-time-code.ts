/** The codes of a virtual MFA device, as authenticator applications show them: https://www.rfc-editor.org/rfc/rfc6238 */
import { createHmac } from 'node:crypto';

/** Milliseconds for which a code is shown. */
export const codeLifeMs = 30_000;

/** @param secret what device and service share */
export function oneTimeCode(secret: Buffer, atMs: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(atMs / codeLifeMs)));
  const digest = createHmac('sha1', secret).update(counter).digest();
  const offset = digest.readUInt8(digest.length - 1) & 0x0f;
  return String((digest.readUInt32BE(offset) & 0x7f_ff_ff_ff) % 1_000_000).padStart(6, '0');
}
