import { describe, expect, test } from '@jest/globals';
import { inSrvOrder, parseEndpoint } from '../../../agent/directory/discovery.ts';

const record = (name: string, priority: number, weight: number) => ({ name, priority, weight, port: 389 });
/** Draws that are these parts of 1, again and again. */
const draws = (...parts: number[]) => {
  let next = 0;
  return (size: number): Uint8Array => {
    const bytes = Buffer.alloc(size);
    bytes.writeUInt32BE(Math.floor((parts[next++ % parts.length] ?? 0) * 2 ** 32) >>> 0);
    return bytes;
  };
};
const hosts = (records: ReturnType<typeof record>[], ...parts: number[]): string[] =>
  inSrvOrder(records, draws(...parts)).map((endpoint) => endpoint.host);

describe('the order of domain controllers', () => {
  test('the lowest priority comes first, whatever the weights are', () => {
    expect(hosts([record('far', 10, 100), record('near', 0, 1)], 0.99)).toEqual(['near', 'far']);
  });

  test('equals are drawn by weight', () => {
    const records = [record('light', 0, 10), record('heavy', 0, 90)];
    expect(hosts(records, 0.05)).toEqual(['light', 'heavy']);
    expect(hosts(records, 0.15)).toEqual(['heavy', 'light']);
  });

  test('all weights zero is no trouble, and every controller appears', () => {
    expect(hosts([record('a', 0, 0), record('b', 0, 0)], 0.75).toSorted()).toEqual(['a', 'b']);
    expect(hosts([record('a', 0, 0), record('b', 0, 0)], 0.75)[0]).toBe('b');
  });

  test('names lose their final dot and their capitals, doubles and the root vanish; the port is that of LDAPS', () => {
    expect(
      inSrvOrder([record('DC1.Corp.', 0, 1), record('dc1.corp', 1, 1), record('.', 2, 1)], draws(0)),
    ).toEqual([{ host: 'dc1.corp', port: 636 }]);
  });

  test('a configured controller may name its port', () => {
    expect(parseEndpoint('DC1.corp.example.test')).toEqual({ host: 'dc1.corp.example.test', port: 636 });
    expect(parseEndpoint('10.0.0.1:3636')).toEqual({ host: '10.0.0.1', port: 3636 });
  });
});
