import { describe, expect, test } from '@jest/globals';
import { createJournal, type Journal, type Watch } from '../../e2e/crash/journal.ts';
import { createNames } from '../../e2e/crash/names.ts';

const ok = { status: 200, body: '{}' };
const aMessage = { status: 200, body: '{"Messages":[{"ReceiptHandle":"x"}]}' };

/** A journal, and how often it killed. */
function watched(watch: Partial<Watch> = {}): { journal: Journal; kills: () => number } {
  let kills = 0;
  const journal = createJournal(createNames({ documents: {}, baseDn: 'DC=corp' }), () => {
    kills += 1;
  });
  journal.begin({ messageSent: async () => undefined, ...watch });
  return { journal, kills: () => kills };
}

/** Makes a call; whether it was let out, and its answer in. */
async function call(journal: Journal, action: string, answer = ok, input = {}): Promise<[boolean, boolean?]> {
  const made = { action, input };
  if (!(await journal.aws.before(made))) return [false];
  return [true, journal.aws.after(made, answer)];
}

describe('a journal of calls', () => {
  test('lists each call once, in order, and numbers those of the same name', async () => {
    const { journal, kills } = watched();
    for (const action of ['a:One', 'ssm:DescribeInstanceInformation', 'a:Two']) await call(journal, action);
    await call(journal, 'ssm:DescribeInstanceInformation');
    await call(journal, 'a:One');
    expect(journal.calls()).toEqual(['a:One', 'ssm:DescribeInstanceInformation', 'a:Two', 'a:One #2']);
    expect(kills()).toBe(0);
  });

  test('leaves out polls that bring nothing', async () => {
    const { journal } = watched();
    await call(journal, 'sqs:ReceiveMessage');
    expect(journal.calls()).toEqual([]);
    await call(journal, 'sqs:ReceiveMessage', aMessage);
    expect(journal.calls()).toEqual(['sqs:ReceiveMessage']);
  });

  test('kills before a call and does not let it out', async () => {
    const { journal, kills } = watched({ trap: { call: 'a:One #2', side: 'before' } });
    expect(await call(journal, 'a:One')).toEqual([true, true]);
    expect(await call(journal, 'a:One')).toEqual([false]);
    expect(kills()).toBe(1);
    expect(journal.sprungAt()).toBeDefined();
  });

  test('kills after a call and does not let its answer in', async () => {
    const { journal, kills } = watched({ trap: { call: 'a:One', side: 'after' } });
    expect(await call(journal, 'a:One')).toEqual([true, false]);
    expect(kills()).toBe(1);
  });

  test('kills once: what the next agent calls passes', async () => {
    const poll = 'ssm:DescribeInstanceInformation';
    const { journal, kills } = watched({ trap: { call: poll, side: 'after' } });
    expect(await call(journal, poll)).toEqual([true, false]);
    expect(await call(journal, poll)).toEqual([true, true]);
    expect(kills()).toBe(1);
  });

  test('kills before the poll that would bring the message, once there is one', async () => {
    const sent = Promise.withResolvers<void>();
    const { journal, kills } = watched({
      trap: { call: 'sqs:ReceiveMessage', side: 'before' },
      messageSent: () => sent.promise,
    });
    const poll = call(journal, 'sqs:ReceiveMessage');
    await Promise.resolve();
    expect(kills()).toBe(0);
    sent.resolve();
    expect(await poll).toEqual([false]);
    expect(kills()).toBe(1);
  });

  test('kills after the poll that brings the message, and after no other', async () => {
    const { journal, kills } = watched({ trap: { call: 'sqs:ReceiveMessage', side: 'after' } });
    expect(await call(journal, 'sqs:ReceiveMessage')).toEqual([true, true]);
    expect(await call(journal, 'sqs:ReceiveMessage', aMessage)).toEqual([true, false]);
    expect(kills()).toBe(1);
  });

  test('kills at an LDAP request as it does at a call', async () => {
    const request = { operation: 'add', target: 'CN=A', filter: [] };
    const { journal, kills } = watched({ trap: { call: 'ldap:add', side: 'after' } });
    expect(await journal.ldap.before(request)).toBe(true);
    expect(journal.ldap.after(request)).toBe(false);
    expect(kills()).toBe(1);
  });

  test('knows when DNS records were last looked for, by whichever agent, and that nobody has looked yet', async () => {
    const { journal } = watched({});
    const search = (partition: string) =>
      journal.ldap.before({
        operation: 'search',
        target: `DC=corp.test,CN=MicrosoftDNS,${partition},DC=corp,DC=test`,
        filter: ['dc'],
      });
    await search('CN=System');
    expect(journal.recordsSoughtAt()).toBeUndefined();
    await search('DC=DomainDnsZones');
    expect(journal.recordsSoughtAt()).toBeLessThanOrEqual(Date.now());
    journal.begin({ messageSent: async () => undefined });
    expect(journal.recordsSoughtAt()).toBeUndefined();
  });

  test('counts answers that were taken and messages that were deleted, by whichever agent', async () => {
    const { journal } = watched({ trap: { call: 'sqs:DeleteMessage', side: 'after' } });
    const answer = { LifecycleActionToken: 't', LifecycleActionResult: 'CONTINUE' };
    const complete = 'autoscaling:CompleteLifecycleAction';
    await call(journal, complete, { status: 400, body: '' }, answer);
    expect(journal.completions()).toEqual([]);
    await call(journal, complete, ok, answer);
    expect(journal.completions()).toMatchObject([{ token: 't', result: 'CONTINUE' }]);
    await call(journal, 'sqs:DeleteMessage');
    expect(journal.deletions()).toBe(1);
    journal.begin({ messageSent: async () => undefined });
    expect([journal.deletions(), journal.completions(), journal.calls()]).toEqual([0, [], []]);
  });
});
