import { describe, expect, test } from '@jest/globals';
import { createNames } from '../../e2e/crash/names.ts';

const options = { documents: { probe: 'adjoin-probe', join: 'adjoin-join' }, baseDn: 'DC=corp,DC=test' };
const instanceId = { S: 'i-0123' };

interface Written {
  readonly token?: string;
  readonly owner?: string;
  readonly expires?: string;
  readonly steps?: Readonly<Record<string, string>>;
  readonly more?: Readonly<Record<string, unknown>>;
}

const write = ({ token = '1', owner = 'me', expires = '1', steps = {}, more = {} }: Written) => ({
  action: 'dynamodb:PutItem',
  input: {
    Item: {
      instanceId,
      fencingToken: { N: token },
      ...(owner && { leaseOwner: { S: owner }, leaseExpiresAt: { N: expires } }),
      launch: {
        M: {
          times: { M: Object.fromEntries(Object.entries(steps).map(([step, time]) => [step, { N: time }])) },
        },
      },
      ...more,
    },
  },
});

describe('names of calls', () => {
  test('tell the writes of a membership apart by what they change', () => {
    const names = createNames(options);
    const writes: Written[] = [
      { steps: { received: '5' } },
      { expires: '2', steps: { received: '5' } },
      { expires: '3', steps: { received: '5', node: '6' } },
      { steps: { received: '5', node: '6', probe: '7' }, more: { stagingBegan: { N: '7' } } },
      { steps: { received: '5', node: '6', stage: '8' } },
      { steps: { received: '5', node: '6', stage: '8' }, more: { state: { S: 'member' } } },
      { owner: '', steps: { received: '5', node: '6', stage: '8' } },
      { token: '2', steps: { received: '5' } },
    ];
    const named = writes.map((written) => {
      const call = write(written);
      const { name } = names.aws(call);
      names.written(call);
      return name.replace('dynamodb:PutItem ', '');
    });
    expect(named).toEqual([
      'takes the lease',
      'renews the lease',
      'renews the lease',
      'intends to stage',
      'launch stage',
      'state',
      'gives the lease back',
      'takes the lease',
    ]);
  });

  test('compare with what was written, not with what was tried', () => {
    const names = createNames(options);
    names.written(write({}));
    names.aws(write({ steps: { stage: '6' } }));
    expect(names.aws(write({ steps: { stage: '6' } })).name).toBe('dynamodb:PutItem launch stage');
  });

  test('tell the heartbeat that admits from those that renew', () => {
    const names = createNames(options);
    const heartbeat = { action: 'autoscaling:RecordLifecycleActionHeartbeat', input: {} };
    expect(names.aws(heartbeat)).toEqual({ name: `${heartbeat.action} admits`, repeats: false });
    expect(names.aws(heartbeat)).toEqual({ name: `${heartbeat.action} renews`, repeats: true });
    names.reset();
    expect(names.aws(heartbeat).name).toBe(`${heartbeat.action} admits`);
  });

  test('say what a command is for, and what its polls wait for', () => {
    const names = createNames(options);
    const send = (DocumentName: string) =>
      names.aws({ action: 'ssm:SendCommand', input: { DocumentName } }).name;
    const list = () => names.aws({ action: 'ssm:ListCommandInvocations', input: {} });
    expect(send('adjoin-probe')).toBe('ssm:SendCommand probe');
    expect(list()).toEqual({ name: 'ssm:ListCommandInvocations probe', repeats: true });
    expect(send('adjoin-join')).toBe('ssm:SendCommand join');
    expect(list().name).toBe('ssm:ListCommandInvocations join');
  });

  test('hold nothing that differs from run to run', () => {
    const names = createNames(options);
    const ldap = (operation: string, target: string, filter: readonly string[] = []) =>
      names.ldap({ operation, target, filter }).name;
    expect(ldap('search', '')).toBe('ldap:search the root entry');
    expect(ldap('search', 'OU=Fleet,DC=corp,DC=test', ['stamp'])).toBe('ldap:search OU=Fleet by stamp');
    expect(ldap('search', 'DC=corp,DC=test', ['name', 'name'])).toBe('ldap:search the domain by name');
    expect(ldap('search', 'DC=a1,DC=corp.test,CN=MicrosoftDNS,DC=DomainDnsZones,DC=corp,DC=test', [])).toBe(
      'ldap:search a name in DC=corp.test,CN=MicrosoftDNS,DC=DomainDnsZones',
    );
    expect(ldap('search', '<GUID=01234567-89ab-cdef-0123-456789abcdef>', [])).toBe('ldap:search an account');
    expect(ldap('add', 'CN=A1B2,OU=Fleet,DC=corp,DC=test')).toBe('ldap:add');
    expect(ldap('delete', '<GUID=1>')).toBe('ldap:delete account');
    expect(ldap('delete', 'DC=a1b2,DC=corp.test,CN=MicrosoftDNS,DC=DomainDnsZones,DC=corp,DC=test')).toBe(
      'ldap:delete tombstone',
    );
    expect(ldap('modify', '<GUID=1>')).toBe('ldap:modify');
    expect(ldap('modify', 'DC=a1b2,DC=corp.test,CN=MicrosoftDNS,DC=DomainDnsZones,DC=corp,DC=test')).toBe(
      'ldap:remove DNS record',
    );
  });
});
