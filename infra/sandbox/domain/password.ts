import { randomInt } from 'node:crypto';

/** 40 letters and digits of three classes, which the domain's complexity rule asks for: about 230 bits. */
export function randomPassword(): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  const pick = () => alphabet[randomInt(alphabet.length)] ?? '';
  for (;;) {
    const password = Array.from({ length: 40 }, pick).join('');
    if (/[A-Z]/.test(password) && /[a-z]/.test(password) && /\d/.test(password)) return password;
  }
}
