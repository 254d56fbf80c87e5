import { createHash } from 'node:crypto';

/** Chance that a seed decides: the same seed, the same throws in the same order. */
export interface Dice {
  /** From 0 up to 1, exclusive. */
  fraction(): number;
  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number;
  pick<Item>(items: readonly [Item, ...Item[]]): Item;
  shuffled<Item>(items: readonly Item[]): Item[];
}

/** Bytes of one fraction: as many bits as a double holds exactly. */
const fractionBytes = 6;

export function createDice(seed: string): Dice {
  let throws = 0;
  const fraction = (): number => {
    const digest = createHash('sha256').update(`${seed}\n${throws}`).digest();
    throws += 1;
    return digest.readUIntBE(0, fractionBytes) / 2 ** (8 * fractionBytes);
  };
  const between = (least: number, most: number): number =>
    least + Math.floor(fraction() * (most - least + 1));
  return {
    fraction,
    between,
    pick: (items) => items[between(0, items.length - 1)] ?? items[0],
    shuffled(items) {
      const keyed = items.map((item) => ({ item, key: fraction() }));
      return keyed.toSorted((a, b) => a.key - b.key).map(({ item }) => item);
    },
  };
}
