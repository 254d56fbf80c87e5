/**
 * Computer names made from instance IDs and back. A NetBIOS name has 15 characters; the 17 hexadecimal digits of an
 * instance ID are 68 bits, which 14 base-36 digits hold twice (36^14 > 2^69): the upper half is for hybrid nodes (`mi-…`).
 * The letter in front makes the name a valid host label everywhere and leaves 26 candidates for the case that a name belongs to others.
 */
import { AdjoinError } from '../errors.ts';

const INSTANCE_ID = /^(m?)i-([0-9a-f]{17})$/;
const COMPUTER_NAME = /^[A-Z]([0-9A-Z]{14})$/;
const DIGITS = 14;
const RADIX = 36n;
/** How many IDs there are of each kind. */
const IDS = 2n ** 68n;

function digitsOf(instanceId: string): string {
  const [, hybrid = '', hex] = INSTANCE_ID.exec(instanceId) ?? [];
  if (hex === undefined) {
    const legacy = /^i-[0-9a-f]{8}$/.test(instanceId) ? ' (IDs of 8 digits ended in 2018)' : '';
    const shown = JSON.stringify(instanceId.slice(0, 40));
    throw new AdjoinError(
      'message-malformed',
      `${shown} is not an instance ID of 17 hexadecimal digits${legacy}.`,
    );
  }
  const number = BigInt(`0x${hex}`) + (hybrid === '' ? 0n : IDS);
  return number.toString(Number(RADIX)).toUpperCase().padStart(DIGITS, '0');
}

/**
 * The names that an instance's account may have, in the order in which they are tried.
 * @param prefixes capital letters
 * @throws AdjoinError `message-malformed` when it is no instance ID
 */
export function candidateNames(instanceId: string, prefixes: readonly string[]): string[] {
  const digits = digitsOf(instanceId);
  return [...new Set(prefixes)].map((prefix) => `${prefix}${digits}`);
}

/** The instance whose account would have this name, or nothing when no instance could. */
export function instanceIdOf(computerName: string): string | undefined {
  const digits = COMPUTER_NAME.exec(computerName)?.[1];
  if (digits === undefined) return undefined;
  let value = 0n;
  for (const digit of digits) value = value * RADIX + BigInt(Number.parseInt(digit, Number(RADIX)));
  if (value >= 2n * IDS) return undefined;
  const hex = (value % IDS).toString(16).padStart(17, '0');
  // Joined, it is a text of its own; a template would keep both parts, and a sweep keeps tens of thousands.
  return [value < IDS ? 'i' : 'mi', hex].join('-');
}

/** The DNS label of a computer, in lower case as clients register it. */
export function hostLabel(computerName: string): string {
  return computerName.toLowerCase();
}
