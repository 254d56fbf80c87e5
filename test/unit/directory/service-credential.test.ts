import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  createServiceCredential,
  refusalOf,
  type RefusalStore,
  type SecretStore,
  type ServiceCredentialSource,
} from '../../../agent/directory/service-credential.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import { createRedactor, type Redactor } from '../../../agent/redact.ts';
import { createMemoryRefusals } from '../../support/memory-table.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

const open = new AbortController().signal;
const wrongPassword = new AdjoinError('credential-refused', 'data 52e');

const secretOf = (password: string, more: Record<string, unknown> = {}): string =>
  JSON.stringify({
    domain_name: 'Corp.Example.TEST',
    domain_user: 'svc-adjoin',
    domain_password: password,
    directory_ou: 'OU=Fleet,DC=corp,DC=example,DC=test',
    ...more,
  });

let clock: VirtualClock;
let redactor: Redactor;
let present: { versionId: string; text: string };
let reads: number;
let readFault: Error | undefined;
let refusals: RefusalStore;
let source: ServiceCredentialSource;

const secret: SecretStore = {
  async read() {
    reads += 1;
    await clock.sleep(100);
    if (readFault) throw readFault;
    return present;
  },
};

/** The agent after a restart: nothing but the two stores is left. */
const restarted = (): ServiceCredentialSource =>
  createServiceCredential({ secret, refusals, redactor, clock, pollMs: 15_000 });

beforeEach(() => {
  clock = createVirtualClock();
  redactor = createRedactor();
  present = { versionId: 'v1', text: secretOf('first-password') };
  reads = 0;
  readFault = undefined;
  refusals = createMemoryRefusals();
  source = restarted();
});

const current = (of = source): Promise<{ password: string; versionId: string }> =>
  clock.until(of.current(open));

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof AdjoinError ? error.code : String(error);
}

describe('the service credential', () => {
  test('is read once for all who ask, and kept', async () => {
    const asked = await clock.until(Promise.all([source.current(open), source.current(open)]));
    expect(asked[0]).toEqual({
      versionId: 'v1',
      domain: 'corp.example.test',
      user: 'svc-adjoin',
      password: 'first-password',
      organizationalUnit: 'OU=Fleet,DC=corp,DC=example,DC=test',
    });
    await clock.advance(14_000);
    await current();
    expect(reads).toBe(1);
  });

  test('is read again when it is older than a poll, so that a rotation costs no refused bind', async () => {
    await current();
    present = {
      versionId: 'v2',
      text: secretOf('second-password', { directory_ou: 'OU=New,DC=corp,DC=example,DC=test' }),
    };
    await clock.advance(15_000);
    await expect(current()).resolves.toMatchObject({
      versionId: 'v2',
      password: 'second-password',
      organizationalUnit: 'OU=New,DC=corp,DC=example,DC=test',
    });
    expect(redactor.clean('second-password')).toBe('[redacted]');
  });

  test('serves on while the secret can not be read', async () => {
    await current();
    readFault = new AdjoinError('aws-unavailable', 'connect ETIMEDOUT');
    await clock.advance(15_000);
    await expect(current()).resolves.toMatchObject({ versionId: 'v1' });
  });

  test('that another worker was refused with is not tried', async () => {
    await refusals.write({ versionId: 'v1', code: 'credential-refused', message: 'wrong' });
    await expect(codeOf(current())).resolves.toBe('credential-refused');
  });

  test('that another worker was refused with is not handed out again, however fresh it is', async () => {
    await current();
    await refusals.write({ versionId: 'v1', code: 'credential-refused', message: 'data 52e' });
    await expect(codeOf(current())).resolves.toBe('credential-refused');
  });

  test('that another worker was refused with does not serve on while the secret can not be read', async () => {
    await current();
    await refusals.write({ versionId: 'v1', code: 'credential-refused', message: 'data 52e' });
    readFault = new AdjoinError('aws-unavailable', 'down');
    await clock.advance(15_000);
    await expect(codeOf(current())).resolves.toBe('credential-refused');
    await expect(codeOf(current())).resolves.toBe('aws-unavailable');
  });

  test('is not an older version while another worker was refused with the current one', async () => {
    await current();
    present = { versionId: 'v2', text: secretOf('second-password') };
    await refusals.write({ versionId: 'v2', code: 'credential-refused', message: 'data 52e' });
    await clock.advance(15_000);
    await expect(codeOf(current())).resolves.toBe('credential-refused');
    await expect(codeOf(current())).resolves.toBe('credential-refused');
    readFault = new AdjoinError('aws-unavailable', 'down');
    await clock.advance(15_000);
    await expect(codeOf(current())).resolves.toBe('aws-unavailable');
    readFault = undefined;
    present = { versionId: 'v1', text: secretOf('first-password') };
    await clock.advance(15_000);
    await expect(current()).resolves.toMatchObject({ versionId: 'v1' });
  });

  test('that could not be read leaves the older one serving: it may only be written wrong', async () => {
    await current();
    present = { versionId: 'v2', text: '{}' };
    await clock.advance(15_000);
    await expect(current()).resolves.toMatchObject({ versionId: 'v1' });
    await expect(source.look()).resolves.toMatchObject({
      versionId: 'v2',
      problem: { code: 'secret-invalid' },
    });
    expect(reads).toBe(2);
  });

  test('is known to the redactor before anybody holds it', async () => {
    expect(redactor.clean('first-password')).toBe('first-password');
    await current();
    expect(redactor.clean('first-password')).toBe('[redacted]');
  });

  test('that was refused is never handed out again', async () => {
    await current();
    await source.refused('v1', wrongPassword);
    for (let look = 0; look < 10; look += 1) {
      await expect(codeOf(current())).resolves.toBe('credential-refused');
      await clock.advance(60_000);
    }
  });

  test('that was refused is not handed out after a restart, either', async () => {
    await current();
    await source.refused('v1', wrongPassword);
    const again = restarted();
    await expect(codeOf(current(again))).resolves.toBe('credential-refused');
    await expect(current(again)).rejects.toThrow("The secret's version v1 is not tried again.");
  });

  test('that was refused stays so when the refusal could not be stored', async () => {
    const forgetful = createServiceCredential({
      secret,
      refusals: { read: async () => undefined, write: () => Promise.reject(new Error('no table')) },
      redactor,
      clock,
      pollMs: 15_000,
    });
    await current(forgetful);
    await expect(forgetful.refused('v1', wrongPassword)).rejects.toThrow('no table');
    await expect(codeOf(current(forgetful))).resolves.toBe('credential-refused');
  });

  test('is looked up again while it is refused, but only as often as configured', async () => {
    await current();
    await source.refused('v1', wrongPassword);
    for (let look = 0; look < 100; look += 1) {
      await expect(codeOf(current())).resolves.toBe('credential-refused');
      await clock.advance(600);
    }
    expect(reads).toBeGreaterThanOrEqual(4);
    expect(reads).toBeLessThanOrEqual(6);
  });

  test('is the new version as soon as there is one', async () => {
    await current();
    await source.refused('v1', wrongPassword);
    await codeOf(current());
    present = { versionId: 'v2', text: secretOf('second-password') };
    await clock.advance(15_000);
    await expect(current()).resolves.toMatchObject({ versionId: 'v2', password: 'second-password' });
    expect(redactor.clean('second-password')).toBe('[redacted]');
  });

  test('is not given up because an older version is refused late', async () => {
    await current();
    await source.refused('v1', wrongPassword);
    present = { versionId: 'v2', text: secretOf('second-password') };
    await current();
    await source.refused('v1', wrongPassword);
    await expect(current()).resolves.toMatchObject({ versionId: 'v2' });
    expect(reads).toBe(2);
  });

  test('whose new version has the same password stays hidden', async () => {
    await current();
    await source.refused('v1', new AdjoinError('credential-expired', 'data 532'));
    present = { versionId: 'v2', text: secretOf('first-password') };
    await current();
    expect(redactor.clean('first-password')).toBe('[redacted]');
  });

  test('keeps the code with which it was refused', async () => {
    await current();
    await source.refused('v1', new AdjoinError('credential-expired', 'data 532'));
    await expect(codeOf(current(restarted()))).resolves.toBe('credential-expired');
    expect(refusalOf({ versionId: 'v1', code: 'toString', message: 'm' }).code).toBe('credential-refused');
  });

  test('that nobody hands out is asked for again after a while', async () => {
    readFault = new AdjoinError('secret-unreadable', 'denied');
    await expect(codeOf(current())).resolves.toBe('secret-unreadable');
    await expect(codeOf(current())).resolves.toBe('secret-unreadable');
    expect(reads).toBe(1);
    readFault = undefined;
    await clock.advance(15_000);
    await expect(current()).resolves.toMatchObject({ versionId: 'v1' });
  });

  test('is not asked for by somebody who has gone', async () => {
    const stop = new AdjoinError('draining', 'stop');
    await expect(source.current(AbortSignal.abort(stop))).rejects.toBe(stop);
    expect(reads).toBe(0);
  });

  test('is not handed out while the stored refusals can not be read', async () => {
    const blind = createServiceCredential({
      secret,
      refusals: { ...refusals, read: () => Promise.reject(new AdjoinError('aws-throttled', 'slow down')) },
      redactor,
      clock,
      pollMs: 15_000,
    });
    await expect(codeOf(current(blind))).resolves.toBe('aws-throttled');
  });
});

const long = (length: number): string => 'x'.repeat(length);

describe('a secret', () => {
  test.each([
    ['is not JSON', 'p4ss-in-the-clear'],
    ['is no object', '"p4ss-in-the-clear"'],
    ['is empty', '{}'],
    ['has no password', secretOf('p4ss-in-the-clear', { domain_password: undefined })],
    ['has an empty password', secretOf('')],
    ['has a password that is no text', secretOf('', { domain_password: ['p4ss-in-the-clear'] })],
    ['has an empty user', secretOf('p4ss-in-the-clear', { domain_user: '' })],
    ['has a NetBIOS name for a domain', secretOf('p4ss-in-the-clear', { domain_name: 'CORP' })],
    ['has a domain with more in it', secretOf('p4ss-in-the-clear', { domain_name: 'a.b;reboot' })],
    ['has no distinguished name', secretOf('p4ss-in-the-clear', { directory_ou: 'Fleet' })],
  ])('that %s is invalid, and the error does not show it', async (_what, text) => {
    present = { versionId: 'v1', text };
    const asked = current();
    await expect(asked).rejects.toMatchObject({ code: 'secret-invalid' });
    await expect(asked).rejects.not.toThrow('p4ss');
  });

  /** A secret in which one value is replaced. */
  const withValue = (key: string, value: unknown): string => secretOf('p4ss-in-the-clear', { [key]: value });

  test.each([
    [
      'a backspace that JSON hides',
      'domain_user',
      String.fromCodePoint(0x43, 8, 0x61),
      'the character U+0008',
    ],
    ['a new line after the user', 'domain_user', 'svc\n', 'the character U+000A'],
    ['a new line after the domain', 'domain_name', 'corp.example.test\r\n', 'the character U+000D'],
    ['a new line after the password', 'domain_password', 'p4ss\n', 'the character U+000A'],
    ['a tab in the password', 'domain_password', 'p4\tss', 'the character U+0009'],
    ['a NUL', 'domain_password', 'p4ss\0', 'the character U+0000'],
    ['an escape of C1', 'domain_user', 'svc\u0085', 'the character U+0085'],
    ['a byte order mark in a value', 'domain_password', '\uFEFFp4ss', 'the character U+FEFF'],
    ['a space without width', 'domain_user', 'svc\u200B', 'the character U+200B'],
    ['half a character', 'domain_password', 'p4ss\uD800', 'the character U+D800'],
    ['a line separator', 'domain_password', 'p4ss\u2028', 'the character U+2028'],
    [
      'a new line in the unit',
      'directory_ou',
      'OU=Fleet,\nDC=corp,DC=example,DC=test',
      'the character U+000A',
    ],
    ['a hard space in the unit', 'directory_ou', 'OU=Fleet,\u00A0DC=corp,DC=example,DC=test', 'has U+00A0'],
    ['a space after the user', 'domain_user', 'svc ', 'begins or ends with a space'],
    ['a space before the domain', 'domain_name', ' corp.example.test', 'begins or ends with a space'],
    [
      'a distinguished name as user',
      'domain_user',
      'CN=svc,OU=x,DC=corp,DC=example,DC=test',
      'is not user, user@',
    ],
    ['two backslashes', 'domain_user', String.raw`CORP\\svc`, 'is not user, user@'],
    ['both spellings of a user', 'domain_user', String.raw`CORP\svc@corp.test`, 'is not user, user@'],
    ['no user before the domain', 'domain_user', '@corp.example.test', 'is not user, user@'],
    ['a number', 'domain_user', 5, 'is not a text'],
    ['null', 'directory_ou', null, 'is not a text'],
    ['a list', 'domain_password', ['p4ss'], 'is not a text'],
    ['a password without end', 'domain_password', long(257), 'is longer than 256 characters'],
    ['a user without end', 'domain_user', long(1_025), 'is longer than 1024 characters'],
    ['a domain without end', 'domain_name', `${long(60)}.`.repeat(5), 'is longer than 255 characters'],
    ['a label without end', 'domain_name', `${long(64)}.test`, 'is not the DNS name'],
    ['a unit without end', 'directory_ou', `OU=${long(2_048)}`, 'is longer than 2048 characters'],
    ['a unit of another domain', 'directory_ou', 'OU=Fleet,DC=other,DC=test', 'is not in the domain'],
    ['a domain as unit', 'directory_ou', 'DC=corp,DC=example,DC=test', 'does not begin with OU= or CN='],
    [
      'a unit with two types in one part',
      'directory_ou',
      'OU=a+CN=b,DC=corp,DC=example,DC=test',
      'has U+002B',
    ],
  ])(
    'with %s is invalid, and the error names the key and what is wrong: %s',
    async (_what, key, value, what) => {
      present = { versionId: 'v1', text: withValue(key, value) };
      const error = await current().catch((reason: unknown) => reason);
      if (!(error instanceof AdjoinError)) throw new Error('no error');
      expect(error.code).toBe('secret-invalid');
      expect(error.message).toContain(`${key} `);
      expect(error.message).toContain(what);
      expect(error.message).not.toContain('p4');
      expect(error.message).not.toMatch(/\p{Cc}/u);
      expect(error.message.length).toBeLessThan(250);
    },
  );

  test.each([
    ['begins with a byte order mark', '\uFEFF{}', 'U+FEFF'],
    [
      'has a single backslash',
      String.raw`{"domain_user":"CORP\user"}`,
      'A backslash in a value is written twice.',
    ],
    ['is a list', '[]', 'is not a JSON object'],
    ['is null', 'null', 'is not a JSON object'],
  ])('that %s is invalid, and told so', async (_what, text, what) => {
    present = { versionId: 'v1', text };
    const asked = current();
    await expect(asked).rejects.toMatchObject({ code: 'secret-invalid' });
    await expect(asked).rejects.toThrow(what);
  });

  test('that has a key twice is invalid: nobody knows which one is meant', async () => {
    const twice = String.raw`{"domain\u005fpassword":"p4ss-1", "more":{"domain_user":"}","domain_user":"\""},`;
    present = { versionId: 'v1', text: secretOf('p4ss-2').replace('{', twice) };
    await expect(current()).rejects.toMatchObject({
      code: 'secret-invalid',
      message: "The secret can't be used: domain_password is there twice.",
    });
  });

  test.each([
    ['svc-adjoin'],
    ['svc adjoin'],
    ['svc.adjoin_2$'],
    ['svc@corp.example.test'],
    ['svc+x@corp'],
    [String.raw`CORP\svc`],
    [String.raw`OLD_CORP\svc`],
    [String.raw`corp.example.test\svc`],
    ['dienst-köln'],
  ])('takes the user %s as it is', async (user) => {
    present = { versionId: 'v1', text: withValue('domain_user', user) };
    await expect(current()).resolves.toMatchObject({ user });
  });

  test.each([
    ['OU=Fleet, DC=corp, DC=example, DC=test', 'OU=Fleet,DC=corp,DC=example,DC=test'],
    ['ou=fleet,dc=CORP,dc=example,dc=test', 'OU=fleet,DC=CORP,DC=example,DC=test'],
    ['CN=Computers, DC=corp,DC=example,DC=test ', 'CN=Computers,DC=corp,DC=example,DC=test'],
    [
      String.raw`OU=Fleet\, east,OU="a;b",DC=corp,DC=example,DC=test`,
      String.raw`OU=Fleet\, east,OU=a\;b,DC=corp,DC=example,DC=test`,
    ],
  ])('takes the unit %s, in the form that every directory reads', async (text, organizationalUnit) => {
    present = { versionId: 'v1', text: withValue('directory_ou', text) };
    await expect(current()).resolves.toMatchObject({ organizationalUnit });
  });

  test.each([' p4 ss ', 'p4\u00A0ss', 'p4ß🔑', '"p4\\ss"'])(
    'takes the password %j as it is',
    async (password) => {
      present = { versionId: 'v1', text: secretOf(password) };
      await expect(current()).resolves.toMatchObject({ password });
    },
  );

  test('names every key that is wrong', async () => {
    present = { versionId: 'v1', text: '{}' };
    const asked = current();
    for (const key of ['domain_name', 'domain_user', 'domain_password', 'directory_ou']) {
      await expect(asked).rejects.toThrow(key);
    }
  });

  test('that is mended is taken without a restart, with the same version or another', async () => {
    present = { versionId: 'v1', text: '{}' };
    await codeOf(current());
    present = { versionId: 'v2', text: secretOf('first-password') };
    await clock.advance(15_000);
    await expect(current()).resolves.toMatchObject({ password: 'first-password' });
  });
});
