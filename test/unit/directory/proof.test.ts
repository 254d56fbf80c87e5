import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { ControllerFailure, LdapResult } from '../../../agent/directory/failures.ts';
import { Row } from '../../../agent/directory/entries.ts';
import {
  doubtAbout,
  KnownControllers,
  listControllers,
  type ControllerList,
} from '../../../agent/directory/proof.ts';
import { selfSigned } from '../../support/certificate.ts';

const DOMAIN = 'Corp.example.test';
const HOST = 'dc1.corp.example.test';
const signal = new AbortController().signal;

const shown = (...parameters: Parameters<typeof selfSigned>): X509Certificate =>
  new X509Certificate(selfSigned(...parameters).cert);
const list = (...hosts: string[]): ControllerList => ({
  domain: 'corp.example.test',
  by: 'dc9.corp.example.test',
  hosts: new Set(hosts),
  at: 1_000,
});

describe('a host that DNS names, while no controller is proven', () => {
  test.each([
    ['KDC Authentication', shown([HOST], ['serverAuth', 'kdcAuthentication'])],
    ['the name of the domain', shown([HOST, 'corp.example.test'], ['serverAuth'])],
  ])('is taken for a controller when its certificate has %s', (_what, certificate) => {
    expect(doubtAbout({ host: HOST, certificate }, DOMAIN, undefined)).toBeUndefined();
  });

  test.each([
    ['a member with a certificate for its own name', HOST, shown([HOST], ['serverAuth'])],
    ['one that may log on with smart cards', HOST, shown([HOST], ['serverAuth', 'smartcardLogon'])],
    ['one of the domain above', HOST, shown([HOST, 'example.test'], ['serverAuth'])],
    ['one for every host', HOST, shown(['*.corp.example.test', 'corp.example.test'], ['kdcAuthentication'])],
    ['one for every domain', HOST, shown([HOST, '*.example.test'], ['serverAuth'])],
    [
      'a controller of a child domain',
      'dc1.child.corp.example.test',
      shown(['dc1.child.corp.example.test'], ['kdcAuthentication']),
    ],
    ['a controller of another domain', 'dc1.evil.test', shown(['dc1.evil.test'], ['kdcAuthentication'])],
    [
      'a name that only ends like the domain',
      'dc1.xcorp.example.test',
      shown(['dc1.xcorp.example.test'], ['kdcAuthentication']),
    ],
    ['the domain itself', 'corp.example.test', shown(['corp.example.test'], ['kdcAuthentication'])],
  ])('is not, for %s', (_what, host, certificate) => {
    expect(doubtAbout({ host, certificate }, DOMAIN, undefined)).toEqual(expect.any(String));
  });
});

describe('a host that DNS names, once a controller has listed them', () => {
  test('is one when it is in the list, whatever its certificate is for', () => {
    const certificate = shown([HOST], ['serverAuth']);
    expect(doubtAbout({ host: HOST, certificate }, DOMAIN, list(HOST))).toBeUndefined();
  });

  test('is none when it is not in the list, whatever its certificate says', () => {
    const certificate = shown([HOST, 'corp.example.test'], ['kdcAuthentication']);
    expect(doubtAbout({ host: HOST, certificate }, DOMAIN, list('dc2.corp.example.test'))).toBe(
      'dc9.corp.example.test does not list it among the controllers of corp.example.test',
    );
  });

  test('needs a certificate for itself, not for every host of the domain', () => {
    const certificate = shown(['*.corp.example.test'], ['serverAuth']);
    expect(doubtAbout({ host: HOST, certificate }, DOMAIN, list(HOST))).toMatch(/wildcard/);
  });

  test('is judged by its certificate when the list is of another domain', () => {
    const other = { ...list(HOST), domain: 'other.test' };
    const certificate = shown([HOST], ['serverAuth']);
    expect(doubtAbout({ host: HOST, certificate }, DOMAIN, other)).toMatch(/KDC Authentication/);
  });
});

describe('a list that may be too old', () => {
  const NEW = 'dc3.corp.example.test';
  const member = { host: NEW, certificate: shown([NEW], ['serverAuth']) };
  const controller = { host: NEW, certificate: shown([NEW], ['kdcAuthentication']) };
  function known(answer: ControllerList | undefined) {
    const clock = { now: () => now };
    let now = 1_000;
    let asked = 0;
    const controllers = new KnownControllers(clock, async () => {
      asked += 1;
      return answer;
    });
    controllers.learn(list(HOST));
    return { controllers, wait: (ms: number) => (now += ms), asked: () => asked };
  }

  test('is not read again within a minute', async () => {
    const { controllers, wait, asked } = known(list(HOST, NEW));
    wait(59_999);
    await expect(controllers.prove(controller, DOMAIN)).rejects.toMatchObject({ kind: 'untrusted' });
    expect(asked()).toBe(0);
  });

  test('is read again for a host that it lacks, and not for one that it has', async () => {
    const { controllers, wait, asked } = known({ ...list(HOST, NEW), at: 61_000 });
    wait(60_000);
    await controllers.prove({ host: HOST, certificate: shown([HOST]) }, DOMAIN);
    expect(asked()).toBe(0);
    await controllers.prove(member, DOMAIN);
    expect(asked()).toBe(1);
  });

  test('is dropped when no controller is left to ask: a new one is judged by its certificate', async () => {
    const { controllers, wait } = known(undefined);
    wait(60_000);
    await expect(controllers.prove(member, DOMAIN)).rejects.toMatchObject({ kind: 'untrusted' });
    await controllers.prove(controller, DOMAIN);
  });

  test('stays of its own domain, when the secret names another one meanwhile', async () => {
    const other = { ...list('dc1.other.test'), domain: 'other.test' };
    const { controllers, wait } = known(other);
    controllers.learn(other);
    wait(60_000);
    await controllers.prove(controller, DOMAIN);
    await expect(controllers.prove(member, DOMAIN)).rejects.toThrow(/KDC Authentication/);
  });

  test('stays when a controller that is proven can not read another', () => {
    const { controllers } = known(undefined);
    controllers.learn(undefined);
    expect([controllers.mayHave(HOST), controllers.mayHave(NEW)]).toEqual([true, false]);
  });
});

describe('the list of controllers', () => {
  const connection = (answer: () => Promise<Row[]>) => ({
    baseDn: 'DC=corp,DC=example,DC=test',
    controller: HOST,
    search: answer,
  });
  const read = (answer: () => Promise<Row[]>) => listControllers(connection(answer), DOMAIN, 7, signal);

  test('has their host names in lower case, whose list it is, and from when', async () => {
    const rows = [new Row({ dn: 'CN=DC1', dNSHostName: 'DC1.Corp.example.test' }), new Row({ dn: 'CN=DC2' })];
    expect(await read(async () => rows)).toEqual({
      domain: 'corp.example.test',
      by: HOST,
      hosts: new Set([HOST]),
      at: 7,
    });
  });

  test('is none where the service account can not read it', async () => {
    expect(await read(async () => [])).toBeUndefined();
    expect(await read(() => Promise.reject(new LdapResult('search', 50, 'denied')))).toBeUndefined();
  });

  test('a connection that breaks is a failure of the controller', async () => {
    const lost = new ControllerFailure('lost', HOST, 'closed');
    await expect(read(() => Promise.reject(lost))).rejects.toBe(lost);
  });
});
