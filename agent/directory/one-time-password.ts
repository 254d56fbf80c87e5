/** Where randomness comes from: `size` unpredictable bytes. */
export type RandomBytes = (size: number) => Uint8Array;

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/**
 * As long as the passwords that Active Directory's members choose for themselves: 714 bits, within the 190 bytes that
 * RSA-2048 with OAEP-SHA256 seals, and within what adcli and Windows accept.
 */
const LENGTH = 120;

/** The greatest multiple of the alphabet's size in a byte; bytes from there on would favour the first letters. */
const FAIR = 256 - (256 % ALPHABET.length);

/**
 * A password for a computer account that lives from the stage to the join. Letters and digits only, so that no
 * shell, parameter or prompt can misread it, with each class present, so that it passes the complexity rule.
 */
export function oneTimePassword(randomBytes: RandomBytes): string {
  for (;;) {
    let password = '';
    while (password.length < LENGTH) {
      for (const byte of randomBytes(LENGTH)) {
        if (byte < FAIR && password.length < LENGTH) password += ALPHABET.charAt(byte % ALPHABET.length);
      }
    }
    if (/[A-Z]/.test(password) && /[a-z]/.test(password) && /[0-9]/.test(password)) return password;
  }
}
