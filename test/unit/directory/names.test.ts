import { describe, expect, test } from '@jest/globals';
import { assert, bigInt, constantFrom, property } from 'fast-check';
import { AdjoinError } from '../../../agent/errors.ts';
import { candidateNames, hostLabel, instanceIdOf } from '../../../agent/directory/names.ts';

/** Of instances and of hybrid nodes. */
const instanceIds = bigInt({ min: 0n, max: 2n ** 69n - 1n }).map(
  (value) => `${value % 2n === 0n ? '' : 'm'}i-${(value / 2n).toString(16).padStart(17, '0')}`,
);
const prefixes = constantFrom('A', 'B', 'M', 'Z');

describe('computer names', () => {
  test('every name leads back to its one instance', () => {
    assert(
      property(instanceIds, prefixes, (id, prefix) => {
        const [name = ''] = candidateNames(id, [prefix]);
        expect(instanceIdOf(name)).toBe(id);
      }),
    );
  });

  test('a hybrid node and an instance with the same digits have different names', () => {
    const ids = [
      'i-fffffffffffffffff',
      'mi-fffffffffffffffff',
      'i-00000000000000000',
      'mi-00000000000000000',
    ];
    expect(new Set(ids.flatMap((id) => candidateNames(id, ['A']))).size).toBe(4);
  });

  test('every name is a NetBIOS name and a host label', () => {
    assert(
      property(instanceIds, prefixes, (id, prefix) => {
        const [name = ''] = candidateNames(id, [prefix]);
        expect(name).toMatch(/^[A-Z][0-9A-Z]{14}$/);
        expect(hostLabel(name)).toMatch(/^[a-z][0-9a-z]{14}$/);
      }),
    );
  });

  test('the greatest and the least instance ID fit', () => {
    expect(candidateNames('i-fffffffffffffffff', ['A'])).toEqual(['A1QAE8GGYQ4NGN3']);
    expect(candidateNames('i-00000000000000000', ['A'])).toEqual(['A00000000000000']);
  });

  test('candidates come in the order of the prefixes, each once', () => {
    expect(candidateNames('i-0123456789abcdef0', ['B', 'A', 'B'])).toEqual([
      'B009YS742PPS3QO',
      'A009YS742PPS3QO',
    ]);
  });

  test.each(['A009YS742PPS3Q', 'a009ys742pps3qo', '0009YS742PPS3QO', 'AZZZZZZZZZZZZZZ', 'DC1', ''])(
    'no instance could be called %j',
    (name) => {
      expect(instanceIdOf(name)).toBeUndefined();
    },
  );

  test.each(['i-12345678', 'i-0123456789ABCDEF0', 'i-0123456789abcdef', 'i-0123456789abcdef0\n', ''])(
    '%j is not taken for an instance ID',
    (id) => {
      expect(() => candidateNames(id, ['A'])).toThrow(AdjoinError);
    },
  );

  test('the old short form is named as the reason', () => {
    expect(() => candidateNames('i-12345678', ['A'])).toThrow(/8 digits/);
  });
});
