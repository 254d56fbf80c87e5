import { beforeEach, describe, expect, test } from '@jest/globals';
import { Row } from '../../../agent/directory/entries.ts';
import { ControllerFailure } from '../../../agent/directory/failures.ts';
import { OwnSite } from '../../../agent/directory/own-site.ts';
import type { Endpoint } from '../../../agent/directory/tls.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

const DOMAIN = 'corp.test';
const NEAR = { host: 'dc2.corp.test', port: 636 };

/** A netlogon answer with seven empty names, and this one. */
const naming = (site: string): Row => {
  const netlogon = Buffer.alloc(24 + 7 + 1 + site.length + 1);
  netlogon.writeUInt16LE(23);
  netlogon.writeUInt8(site.length, 31);
  netlogon.write(site, 32);
  return new Row({ dn: '', netlogon });
};

let clock: VirtualClock;
let closing: AbortController;
/** What the controller says, and which controllers DNS has for each site. */
let says: () => Promise<Row[]>;
let named: Record<string, readonly Endpoint[]>;
let asked: number;
let found: string[];
let own: OwnSite;

const ask = async (domain = DOMAIN): Promise<string | undefined> => {
  const search = async (): Promise<Row[]> => {
    asked += 1;
    return says();
  };
  own.ask({ connection: { search }, domain });
  await own.settled();
  return own.in(domain);
};

beforeEach(() => {
  clock = createVirtualClock();
  closing = new AbortController();
  says = async () => [naming('Branch')];
  named = { Branch: [NEAR], Hub: [NEAR] };
  asked = 0;
  found = [];
  own = new OwnSite({
    clock,
    closing: closing.signal,
    controllersOf: async (site) => {
      const controllers = named[site];
      if (!controllers) throw new Error('ENOTFOUND');
      return controllers;
    },
    onFound: (site, controllers) => void found.push(`${site} ${controllers.map(({ host }) => host).join()}`),
  });
});

describe('the own site', () => {
  test('is the one that a controller names, when DNS has controllers of it', async () => {
    expect(own.in(DOMAIN)).toBeUndefined();
    expect(await ask()).toBe('Branch');
    expect(found).toEqual(['Branch dc2.corp.test']);
  });

  test('is that of one domain: in another one it is asked for at once', async () => {
    await ask();
    expect(own.in('other.test')).toBeUndefined();
    says = async () => [naming('Hub')];
    expect(await ask('other.test')).toBe('Hub');
    expect(own.in(DOMAIN)).toBeUndefined();
  });

  test('is asked for again after a quarter of an hour, and not before', async () => {
    await ask();
    says = async () => [naming('Hub')];
    clock.skip(15 * 60_000 - 1);
    expect(await ask()).toBe('Branch');
    expect(asked).toBe(1);
    clock.skip(1);
    expect(await ask()).toBe('Hub');
    expect(found).toEqual(['Branch dc2.corp.test', 'Hub dc2.corp.test']);
  });

  test.each<[string, () => void]>([
    ['a controller that knows none', () => (says = async () => [naming('')])],
    [
      'an answer that can not be read',
      () => (says = async () => [new Row({ dn: '', netlogon: Buffer.from('17', 'hex') })]),
    ],
    ['no answer', () => (says = () => Promise.reject(new ControllerFailure('lost', 'dc1', 'closed')))],
    ['a site that DNS does not know', () => (says = async () => [naming('Nowhere')])],
    ['a site without controllers', () => (named = { Branch: [] })],
  ])('is unknown again after %s', async (_what, change) => {
    await ask();
    change();
    clock.skip(15 * 60_000);
    expect(await ask()).toBeUndefined();
    expect(found).toHaveLength(1);
    // A controller that breaks the connection for being asked is not asked again at once.
    expect(await ask()).toBeUndefined();
    expect(asked).toBe(2);
  });

  test('is waited for by nobody', async () => {
    const { promise: answered, resolve } = Promise.withResolvers<Row[]>();
    says = () => answered;
    own.ask({ connection: { search: says }, domain: DOMAIN });
    expect(own.in(DOMAIN)).toBeUndefined();
    resolve([naming('Branch')]);
    await own.settled();
    expect(own.in(DOMAIN)).toBe('Branch');
  });
});
