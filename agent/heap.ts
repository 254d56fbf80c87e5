/** What waits, with the first at hand: thousands of timers cost little each. */
export interface Heap<T> {
  push(item: T): void;
  /** The first that is still wanted; it stays. */
  first(): T | undefined;
  /** Takes out the first that is still wanted. */
  pop(): T | undefined;
  /** One of the items is no longer wanted. It goes out when its turn comes, or when most are of that kind. */
  forget(): void;
}

/** Items below which no room is made. */
const SMALL = 64;

/** @param isBefore a strict order */
export function createHeap<T>(
  isBefore: (one: T, other: T) => boolean,
  isWanted: (item: T) => boolean,
): Heap<T> {
  let items: T[] = [];
  let unwanted = 0;

  function at(index: number): T {
    const item = items[index];
    if (item === undefined) throw new RangeError(`A heap of ${items.length} has no item ${index}.`);
    return item;
  }

  function swap(one: number, other: number): void {
    [items[one], items[other]] = [at(other), at(one)];
  }

  function rise(from: number): void {
    for (let index = from; index > 0;) {
      const above = (index - 1) >> 1;
      if (!isBefore(at(index), at(above))) return;
      swap(index, above);
      index = above;
    }
  }

  function sink(from: number): void {
    for (let index = from; ;) {
      let first = index;
      for (const below of [2 * index + 1, 2 * index + 2]) {
        if (below < items.length && isBefore(at(below), at(first))) first = below;
      }
      if (first === index) return;
      swap(index, first);
      index = first;
    }
  }

  function push(item: T): void {
    items.push(item);
    rise(items.length - 1);
  }

  function take(): T {
    const first = at(0);
    const last = items.pop();
    if (last !== undefined && items.length > 0) {
      items[0] = last;
      sink(0);
    }
    return first;
  }

  function first(): T | undefined {
    while (items.length > 0 && !isWanted(at(0))) {
      take();
      unwanted -= 1;
    }
    return items[0];
  }

  return {
    push,
    first,
    pop: () => (first() === undefined ? undefined : take()),
    forget() {
      unwanted += 1;
      if (items.length < SMALL || unwanted * 2 < items.length) return;
      const wanted = items.filter(isWanted);
      items = [];
      unwanted = 0;
      for (const item of wanted) push(item);
    },
  };
}
