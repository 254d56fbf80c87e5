import { expect, test } from '@jest/globals';
import { createHeap, type Heap } from '../../agent/heap.ts';

interface Item {
  readonly at: number;
  isGone: boolean;
}

const heapOf = (...times: number[]): { readonly heap: Heap<Item>; readonly items: Item[] } => {
  const heap = createHeap<Item>(
    (one, other) => one.at < other.at,
    ({ isGone }) => !isGone,
  );
  const items = times.map((at) => ({ at, isGone: false }));
  for (const item of items) heap.push(item);
  return { heap, items };
};

function all(heap: Heap<Item>): number[] {
  const found: number[] = [];
  for (let item = heap.pop(); item; item = heap.pop()) found.push(item.at);
  return found;
}

test('items come out in their order, however they went in', () => {
  expect(all(heapOf(5, 1, 4, 1, 3, 9, 2).heap)).toEqual([1, 1, 2, 3, 4, 5, 9]);
  expect(heapOf().heap.pop()).toBeUndefined();
});

test('the first one is told and stays', () => {
  const { heap } = heapOf(3, 1, 2);
  expect([heap.first()?.at, heap.first()?.at]).toEqual([1, 1]);
  expect(all(heap)).toEqual([1, 2, 3]);
  expect(heap.first()).toBeUndefined();
});

test('what is no longer wanted neither is the first nor comes out', () => {
  const { heap, items } = heapOf(1, 2, 3, 4);
  for (const item of items.filter(({ at }) => at !== 2 && at !== 4)) {
    item.isGone = true;
    heap.forget();
  }
  expect(heap.first()?.at).toBe(2);
  expect(all(heap)).toEqual([2, 4]);
});

test('room is made when most of many are no longer wanted, and the order holds', () => {
  const { heap, items } = heapOf(...Array.from({ length: 1_000 }, (_, index) => (index * 7) % 1_000));
  for (const item of items.filter(({ at }) => at % 10 !== 0)) {
    item.isGone = true;
    heap.forget();
  }
  expect(all(heap)).toEqual(Array.from({ length: 100 }, (_, index) => index * 10));
});
