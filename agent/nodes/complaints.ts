/**
 * What a node's tools say when a join fails, and which error that is. Texts are those of adcli, MIT Kerberos and sssd in English (the
 * scripts set LC_ALL=C), numbers those of Windows, from NetJoinDomain or from netsetup.log; test/fixtures/join-complaints.json has
 * recorded ones with their sources. The first that fits counts: what names the cause stands above what follows from it.
 */
import type { ErrorCode } from '../errors.ts';

/** Windows says `error 1326` in decimal, and `status: 0x52e` in netsetup.log. */
const windows = (...numbers: number[]): RegExp =>
  new RegExp(
    `\\berror (${numbers.join('|')})\\b|\\bstatus:? 0x(${numbers.map((each) => each.toString(16)).join('|')})\\b`,
    'i',
  );

const complaints: readonly (readonly [RegExp, ErrorCode])[] = [
  [/Message stream modified/, 'node-adcli-too-old'],
  [/Clock skew too great/, 'node-clock-skew'],
  [windows(1398), 'node-clock-skew'],
  [/credentials have been revoked/, 'node-account-locked'],
  [windows(1909, 1331), 'node-account-locked'],
  [/Preauthentication failed|Client not found in Kerberos database/, 'node-password-refused'],
  // Before 2224: Windows finds the account first, and the policy decides on its use.
  [windows(2732), 'node-account-reuse-blocked'],
  [windows(2691), 'node-foreign-domain'],
  [windows(2224), 'node-account-exists'],
  [/The computer account \S+ already exists/, 'node-account-exists'],
  [/The organizational unit does not exist/, 'organizational-unit-missing'],
  [
    /No LDAP SRV (site )?records|SRV record not found|Couldn't resolve (SRV|host name|server)|Cannot find KDC for (requested )?realm/,
    'node-domain-not-found',
  ],
  [windows(1355), 'node-domain-not-found'],
  [
    /Cannot contact any KDC for (requested )?realm|Couldn't connect to host|Couldn't find usable domain controller/,
    'node-controller-unreachable',
  ],
  [windows(1311, 1722, 53, 64, 121), 'node-controller-unreachable'],
  // Last: other numbers may stand beside it, of steps that Windows has gone on after.
  [windows(1326), 'node-password-refused'],
];

/** @param detail what a node has given as the reason */
export function complaintCode(detail: string): ErrorCode | undefined {
  return complaints.find(([pattern]) => pattern.test(detail))?.[1];
}
