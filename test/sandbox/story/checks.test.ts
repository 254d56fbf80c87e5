import { describe, expect, test } from '@jest/globals';
import type { AuditedAccount } from '../../../infra/sandbox/story/auditor.ts';
import {
  type Expectations,
  linuxChecks,
  proveAbsence,
  proveMembers,
  type Witnesses,
} from '../../../infra/sandbox/story/checks.ts';
import { idOf } from './fixtures.ts';

const expected: Expectations = {
  domain: 'corp.example.test',
  organizationalUnit: 'OU=Fleet,DC=corp,DC=example,DC=test',
  stampOf: (instanceId) => `stamp of ${instanceId}`,
};
const baseline = { computers: new Set(['OLD']), dnsNames: new Set(['dc1', '@']) };

const account = (n: number, over: Partial<AuditedAccount> = {}): AuditedAccount => ({
  computerName: `A${n}`,
  distinguishedName: `CN=A${n},OU=Fleet,DC=corp,DC=example,DC=test`,
  enabled: true,
  passwordLastSet: 1_000,
  stamp: expected.stampOf(idOf(n)),
  ...over,
});

/** A fleet of two in which everything is as it should be; tests spoil one thing. */
function witnesses(
  over: Partial<Witnesses> = {},
  accounts = [account(1), account(2)],
  names = ['dc1', '@', 'a1', 'a2'],
): Witnesses {
  return {
    auditor: { computers: async () => accounts, dnsNames: async () => names },
    resolve: async (name) => [name.startsWith('a1.') ? '10.77.1.1' : '10.77.1.2'],
    addressOf: (instanceId) => (instanceId === idOf(1) ? '10.77.1.1' : '10.77.1.2'),
    onMachine: async (_, argv) => ({
      code: 0,
      stdout: argv[0] === 'getent' ? `${argv[2]}:*:1:1::/:` : '',
      stderr: '',
    }),
    lifecycleStates: async () => new Map([1, 2].map((n) => [idOf(n), 'InService'])),
    inServiceTimes: async () => new Map([1, 2].map((n) => [idOf(n), 1_500 * n])),
    leftovers: async () => [],
    ...over,
  };
}

function virtualClock() {
  let time = 0;
  return {
    now: () => time,
    sleep: async (ms: number) => {
      time += ms;
    },
  };
}

const members = (own: Witnesses) =>
  proveMembers(2, own, expected, baseline, virtualClock(), new AbortController().signal);
const failing = async (own: Witnesses) => (await members(own)).filter((proof) => !proof.proven);

describe('proving that the fleet is a member of the domain', () => {
  test('a fleet that is in order proves every claim, with figures', async () => {
    const proofs = await members(witnesses());
    expect(proofs.map((proof) => proof.proven)).toEqual([true, true, true, true, true, true]);
    expect(proofs.map((proof) => proof.figures)).toContain('2 of 2, by 0.50 s or more');
  });

  test.each([
    [
      'Auto Scaling: InService',
      {
        lifecycleStates: async () =>
          new Map([
            [idOf(1), 'InService'],
            [idOf(2), 'Pending:Wait'],
          ]),
      },
    ],
    ['Auto Scaling: InService', { lifecycleStates: async () => new Map([[idOf(1), 'InService']]) }],
    [
      'the directory showed each join before it was in service',
      {
        inServiceTimes: async () =>
          new Map([
            [idOf(1), 999],
            [idOf(2), 2_000],
          ]),
      },
    ],
    [
      'the directory showed each join before it was in service',
      { inServiceTimes: async () => new Map([[idOf(1), 2_000]]) },
    ],
    ["DNS: the computer's name leads to the instance's address", { resolve: async () => [] }],
    [
      "DNS: the computer's name leads to the instance's address",
      { resolve: async () => ['10.77.1.1', '10.77.9.9'] },
    ],
    [
      'machines: adcli testjoin',
      {
        onMachine: async (_: string, argv: readonly string[]) => ({
          code: argv[0] === 'adcli' ? 3 : 0,
          stdout: `${argv[2]}:`,
          stderr: '',
        }),
      },
    ],
    [
      'machines: getent passwd administrator@corp.example.test',
      { onMachine: async () => ({ code: 0, stdout: '', stderr: '' }) },
    ],
  ])('it fails %s', async (claim, spoiled) => {
    const failures = await failing(witnesses(spoiled));
    expect(failures.map((proof) => proof.claim)).toContain(claim);
  });

  test.each([
    ['no account', []],
    ['one that is disabled', [account(2, { enabled: false })]],
    ['one elsewhere', [account(2, { distinguishedName: 'CN=A2,CN=Computers,DC=corp,DC=example,DC=test' })]],
    ['one without a password', [account(2, { passwordLastSet: 0 })]],
    ['a foreign stamp', [account(2, { stamp: 'mine' })]],
    ['two', [account(2), account(3, { stamp: expected.stampOf(idOf(2)) })]],
    ['one beside a stranger', [account(2), account(3)]],
  ])('an instance with %s fails the claim about the directory', async (_, second) => {
    const failures = await failing(witnesses({}, [account(1), ...second]));
    expect(failures.map((proof) => proof.claim)).toContain(
      'directory: one enabled, stamped account in the OU each',
    );
  });

  test('a machine of another system proves what its system has, under its own name', async () => {
    const checks = linuxChecks('corp.example.test', 'SUSE');
    const others = [{ claim: 'SUSE: pam-config', argv: ['grep'], shows: (text: string) => text === 'yes' }];
    const fleet = (said: string) =>
      witnesses({
        checksOf: (instanceId) => (instanceId === idOf(2) ? { ...checks, others } : undefined),
        onMachine: async (_, argv) => ({
          code: 0,
          stdout: argv[0] === 'grep' ? said : `${argv[2]}:`,
          stderr: '',
        }),
      });
    const claims = (await members(fleet('yes'))).slice(4).map(({ claim, figures }) => `${claim}: ${figures}`);
    expect(claims).toEqual([
      'machines: adcli testjoin: 1 of 1',
      'machines: getent passwd administrator@corp.example.test: 1 of 1',
      'SUSE: adcli testjoin: 1 of 1',
      'SUSE: getent passwd administrator@corp.example.test: 1 of 1',
      'SUSE: pam-config: 1 of 1',
    ]);
    expect((await failing(fleet('no'))).map(({ claim }) => claim)).toEqual(['SUSE: pam-config']);
  });

  test('an account that was there before the fleet is none of its strangers', async () => {
    expect(
      await failing(witnesses({}, [account(1), account(2), account(3, { computerName: 'OLD' })])),
    ).toEqual([]);
  });

  test('sssd and DNS are given time to settle', async () => {
    let asked = 0;
    const slow = witnesses({
      resolve: async (name) => (asked++ < 5 ? [] : [name.startsWith('a1.') ? '10.77.1.1' : '10.77.1.2']),
    });
    expect(await failing(slow)).toEqual([]);
  });
});

describe('proving that nothing is left', () => {
  const absent = async (own: Witnesses, living: readonly string[] = [idOf(1)]) =>
    (await proveAbsence(living, own, expected, baseline)).flatMap((proof) => proof.failures);

  test('what belongs to the living and what was there before is not left over', async () => {
    expect(await absent(witnesses({}, [account(1)], ['dc1', '@', 'a1']))).toEqual([]);
  });

  test('an account, a DNS record and a mount of a terminated instance are each found', async () => {
    const own = witnesses({ leftovers: async () => ['mount of i-2'] });
    expect(await absent(own)).toEqual(['CN=A2,OU=Fleet,DC=corp,DC=example,DC=test', 'a2', 'mount of i-2']);
  });
});
