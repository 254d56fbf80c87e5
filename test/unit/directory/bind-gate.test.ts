import { describe, expect, test } from '@jest/globals';
import { InvalidCredentialsError } from 'ldapts';
import { AdjoinError } from '../../../agent/errors.ts';
import { BindGate, isSamePlace } from '../../../agent/directory/bind-gate.ts';
import { ControllerFailure, fromLdapts, LdapResult } from '../../../agent/directory/failures.ts';
import type { ServiceCredential } from '../../../agent/terms.ts';
import { createMemoryLog, textOf } from '../../support/memory-log.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';

const signal = new AbortController().signal;
const PASSWORD = 'Right-1';

const wrongPassword = () => new LdapResult('bind', 49, 'AcceptSecurityContext error, data 52e, v1');

/** What a controller answers with this Windows error. */
const answered = (data: string) =>
  new LdapResult('bind', 49, `AcceptSecurityContext error, data ${data}, v1`);

const locked = () => new LdapResult('bind', 49, 'AcceptSecurityContext error, data 775, v1');

interface Setting extends Partial<ServiceCredential> {
  /** What the controller does with each bind; right password or result 49 when it runs out. */
  readonly answers?: (Error | 'ok')[];
  readonly forgetful?: boolean;
  /** Why the host is not taken for a controller. */
  readonly unproven?: Error;
}

function setting({ answers = [], forgetful = false, unproven, ...changes }: Setting = {}) {
  const clock = createVirtualClock();
  const log = createMemoryLog();
  const state = {
    credential: {
      versionId: 'v1',
      domain: 'Corp.example.test',
      user: 'svc',
      password: PASSWORD,
      organizationalUnit: 'OU=Fleet',
      ...changes,
    },
    binds: [] as string[],
    asked: 0,
    trouble: undefined as Error | undefined,
    proven: [] as string[],
    underWay: 0,
    mostUnderWay: 0,
    refused: [] as string[],
    log: () => log.lines.map(textOf),
    pass: (ms: number) => clock.skip(ms),
  };
  const connectionTo = (host: string) => ({
    name: `${host}:636`,
    controller: `${host}.corp.example.test`,
    baseDn: 'DC=corp,DC=example,DC=test',
    async bind(user: string, password: string) {
      state.binds.push(user);
      state.underWay += 1;
      state.mostUnderWay = Math.max(state.mostUnderWay, state.underWay);
      await new Promise(setImmediate);
      state.underWay -= 1;
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      if (!answer && password !== PASSWORD) throw wrongPassword();
    },
  });
  const gate = new BindGate(
    {
      current: async () => {
        state.asked += 1;
        await new Promise(setImmediate);
        if (state.trouble) throw state.trouble;
        return state.credential;
      },
      refused: async (versionId) => {
        if (forgetful) throw new Error('the table is gone');
        state.refused.push(versionId);
      },
    },
    clock,
    log,
  );
  const prove = async (domain: string): Promise<void> => {
    state.proven.push(domain);
    if (unproven) throw unproven;
  };
  return {
    ...state,
    state,
    gate,
    bind: () => gate.bind(connectionTo('dc1'), { prove, others: async () => false }, signal),
    bindWhen: (versionId: string, others: () => Promise<boolean>) => {
      state.credential = { ...state.credential, versionId };
      return gate.bind(connectionTo('dc1'), { prove, others }, signal);
    },
    /** Where there are several controllers. */
    bindTo: (host: string) => gate.bind(connectionTo(host), { prove, others: async () => true }, signal),
  };
}

const lost = new ControllerFailure('lost', 'dc1:636', 'no answer');

describe('the gate before binds', () => {
  test('sends no password to a host that is not proven to be a controller, and takes nothing amiss', async () => {
    const unproven = new ControllerFailure('untrusted', 'dc1:636', 'DNS names it');
    const { bind, state } = setting({ unproven });
    await expect(bind()).rejects.toBe(unproven);
    await expect(bind()).rejects.toBe(unproven);
    expect(state).toMatchObject({
      binds: [],
      refused: [],
      proven: ['Corp.example.test', 'Corp.example.test'],
    });
  });

  test('lets binds through one at a time', async () => {
    const { bind, state } = setting();
    await Promise.all([bind(), bind(), bind()]);
    expect(state.binds).toHaveLength(3);
    expect(state.mostUnderWay).toBe(1);
  });

  test('tries a wrong password once for twenty who ask', async () => {
    const { bind, state } = setting({ password: 'wrong' });
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, bind));
    expect(state.binds).toHaveLength(1);
    expect(state.refused).toEqual(['v1']);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'credential-refused' } });
    }
  });

  test('does so even when the refusal can not be remembered', async () => {
    const { bind, state } = setting({ password: 'wrong', forgetful: true });
    await expect(bind()).rejects.toMatchObject({ code: 'credential-refused' });
    await expect(bind()).rejects.toMatchObject({ code: 'credential-refused' });
    expect(state.binds).toHaveLength(1);
    expect(state.log().join('\n')).toContain('could not remember');
  });

  test('tries a new version of the secret at once', async () => {
    const { bind, state } = setting({ password: 'wrong' });
    await expect(bind()).rejects.toMatchObject({ code: 'credential-refused' });
    state.credential = { ...state.credential, versionId: 'v2', password: PASSWORD };
    await expect(bind()).resolves.toMatchObject({ versionId: 'v2', domain: 'corp.example.test' });
  });

  test('remembers the refusal of a version that was good before', async () => {
    const { bind, state } = setting({ answers: ['ok', wrongPassword()] });
    await bind();
    await expect(bind()).rejects.toMatchObject({ code: 'credential-refused' });
    await expect(bind()).rejects.toMatchObject({ code: 'credential-refused' });
    expect(state.binds).toHaveLength(2);
    expect(state.refused).toEqual(['v1']);
  });

  test.each([
    ['525', 'credential-refused'],
    ['530', 'credential-restricted'],
    ['531', 'credential-restricted'],
    ['532', 'credential-expired'],
    ['533', 'credential-disabled'],
    ['701', 'credential-disabled'],
    ['773', 'credential-expired'],
  ])(
    'lets a version rest for two minutes when the only controller answers data %s, and takes it again once it is right',
    async (data, code) => {
      const { bind, state } = setting({ answers: [answered(data), answered(data)] });
      await expect(bind()).rejects.toMatchObject({ code, disposition: 'retry' });
      state.pass(119_999);
      await expect(bind()).rejects.toMatchObject({ code });
      expect(state.binds).toHaveLength(1);
      state.pass(1);
      await expect(bind()).rejects.toMatchObject({ code });
      state.pass(120_000);
      await expect(bind()).resolves.toMatchObject({ versionId: 'v1' });
      expect(state.binds).toHaveLength(3);
      expect(state.refused).toEqual([]);
    },
  );

  test.each([
    ['an untried version', []],
    ['a proven version', ['ok' as const]],
  ])(
    'lets %s rest for two minutes while the account is locked out, and condemns nothing',
    async (_what, before) => {
      const { bind, bindTo, state } = setting({ answers: [...before, locked()] });
      for (const _ of before) await bind();
      await expect(bind()).rejects.toMatchObject({ code: 'credential-locked', disposition: 'retry' });
      state.pass(119_999);
      await expect(bind()).rejects.toMatchObject({ code: 'credential-locked' });
      await expect(bindTo('dc2')).rejects.toMatchObject({ code: 'credential-locked' });
      expect(state.binds).toHaveLength(before.length + 1);
      state.pass(1);
      await expect(bind()).resolves.toMatchObject({ versionId: 'v1' });
      expect(state.refused).toEqual([]);
      expect(state.log().filter((line) => line.includes('credential-locked'))).toHaveLength(1);
    },
  );

  test('tries no second time when nobody could say whether there are other controllers', async () => {
    const { bindWhen, state } = setting({ password: 'wrong' });
    const trouble = new AdjoinError('aws-throttled', 'slow down');
    const others = () => Promise.reject(trouble);
    await expect(bindWhen('v1', others)).rejects.toBe(trouble);
    await expect(bindWhen('v1', others)).rejects.toMatchObject({ kind: 'declined' });
    expect(state.binds).toHaveLength(1);
  });

  test('tries a new version at once, though the account was locked out with the one before', async () => {
    const { bind, state } = setting({ answers: [locked()] });
    await expect(bind()).rejects.toMatchObject({ code: 'credential-locked' });
    state.credential = { ...state.credential, versionId: 'v2' };
    await expect(bind()).resolves.toMatchObject({ versionId: 'v2' });
  });

  test('asks whether there are other controllers only when one calls the password wrong', async () => {
    const { bindWhen } = setting({ answers: ['ok', locked(), wrongPassword()] });
    let asked = 0;
    const others = async () => (asked += 1) > 1;
    await bindWhen('v1', others);
    await expect(bindWhen('v1', others)).rejects.toMatchObject({ code: 'credential-locked' });
    expect(asked).toBe(0);
    await expect(bindWhen('v2', others)).rejects.toMatchObject({ code: 'credential-refused' });
    expect(asked).toBe(1);
  });

  test('lets an untried version rest for two minutes after a bind without an answer', async () => {
    const { bind, state } = setting({ answers: [lost] });
    await expect(bind()).rejects.toBe(lost);
    await expect(bind()).rejects.toMatchObject({ kind: 'declined' });
    state.pass(119_999);
    await expect(bind()).rejects.toMatchObject({ kind: 'declined' });
    expect(state.binds).toHaveLength(1);
    state.pass(1);
    await expect(bind()).resolves.toMatchObject({ versionId: 'v1' });
  });

  test.each([
    ['busy', new ControllerFailure('declined', 'dc1:636', 'busy')],
    ['unwilling', new LdapResult('bind', 53, 'unwilling')],
  ])('does not make a version rest when the controller answers that it is %s', async (_what, answer) => {
    const { bind } = setting({ answers: [answer] });
    await expect(bind()).rejects.toBe(answer);
    await expect(bind()).resolves.toMatchObject({ versionId: 'v1' });
  });

  test('does not make a proven version rest', async () => {
    const { bind } = setting({ answers: ['ok', lost] });
    await bind();
    await expect(bind()).rejects.toBe(lost);
    await expect(bind()).resolves.toMatchObject({ versionId: 'v1' });
  });

  test('goes on after a bind that failed', async () => {
    const { bind } = setting({ answers: ['ok', new LdapResult('bind', 53, 'unwilling')] });
    const outcomes = await Promise.allSettled([bind(), bind(), bind()]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  test.each([
    ['svc', 'svc@Corp.example.test'],
    ['svc@other.test', 'svc@other.test'],
    ['CORP\\svc', 'CORP\\svc'],
  ])('binds %s as %s', async (user, logon) => {
    const { bind, state } = setting({ user });
    await bind();
    expect(state.binds).toEqual([logon]);
  });

  test.each([{ password: '' }, { user: '' }, { domain: '' }, { domain: 'corp test' }, { domain: 'a,DC=b' }])(
    'does not bind with %j, which a directory could take for anonymous or misread',
    async (changes) => {
      const { bind, state } = setting(changes);
      await expect(bind()).rejects.toMatchObject({ code: 'secret-invalid' });
      expect(state.binds).toEqual([]);
    },
  );

  test.each(['other.test', 'example.test', 'a.corp.example.test'])(
    'does not bind to a controller of another domain than %s, which would call the user wrong',
    async (domain) => {
      const { bind, state } = setting({ domain, user: 'svc@corp.example.test' });
      await expect(bind()).rejects.toMatchObject({ kind: 'declined' });
      expect(state.binds).toEqual([]);
    },
  );

  describe('of the versions that were bound', () => {
    test('none is in use before its place was found', async () => {
      const { gate, bind } = setting();
      await bind();
      expect(gate.inUse).toBeUndefined();
    });

    test('the last one is in use, also when the one before is found to be of use later', async () => {
      const { gate, bind, bindWhen } = setting();
      const first = await bind();
      const second = await bindWhen('v2', async () => false);
      gate.use(second);
      gate.use(first);
      expect(gate.inUse?.versionId).toBe('v2');
    });

    test('one that came back is in use again', async () => {
      const { gate, bindWhen } = setting();
      for (const version of ['v1', 'v2', 'v1']) gate.use(await bindWhen(version, async () => false));
      expect(gate.inUse?.versionId).toBe('v1');
    });

    test('the domain is searched for controllers while the secret is of no use', async () => {
      const { gate, bind, state } = setting();
      state.trouble = new AdjoinError('credential-refused', 'data 52e');
      await expect(gate.domain(signal)).rejects.toBe(state.trouble);
      state.trouble = undefined;
      gate.use(await bind());
      state.credential = { ...state.credential, domain: 'new.test', versionId: 'v2' };
      await expect(gate.domain(signal)).resolves.toBe('new.test');
      state.trouble = new AdjoinError('credential-refused', 'data 52e');
      await expect(gate.domain(signal)).resolves.toBe('corp.example.test');
    });
  });

  test.each([
    ['the same', {}, true],
    ['another organizational unit', { organizationalUnit: 'OU=New' }, false],
    ['another user', { user: 'svc2' }, false],
    ['another domain', { domain: 'new.test' }, false],
  ])('tells %s from another password', async (_what, changes, same) => {
    const { bind } = setting();
    const binding = await bind();
    expect(isSamePlace(binding, { ...binding, versionId: 'v2', order: 2, ...changes })).toBe(same);
  });

  test('says nothing of the password', async () => {
    const { bind, state } = setting({ password: 'Sesame-77' });
    const error = await bind().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AdjoinError);
    expect(`${String(error)} ${JSON.stringify(error)} ${state.log().join()}`).not.toContain('Sesame-77');
  });

  describe('with several controllers', () => {
    test('believes no single one that calls a password wrong: another one may have heard of it', async () => {
      const { bindTo, state } = setting({ answers: [wrongPassword()] });
      await expect(bindTo('dc1')).rejects.toMatchObject({ kind: 'declined' });
      await expect(bindTo('dc2')).resolves.toMatchObject({ versionId: 'v1' });
      expect(state.refused).toEqual([]);
    });

    test('condemns nothing when one can not check a password, and asks the next one', async () => {
      const untrusted = new InvalidCredentialsError('AcceptSecurityContext error, data 6fb, v1');
      const { bindTo, state } = setting({ answers: [fromLdapts(untrusted, 'bind', 'dc3:636')] });
      await expect(bindTo('dc3')).rejects.toMatchObject({ kind: 'declined' });
      await expect(bindTo('dc1')).resolves.toMatchObject({ versionId: 'v1' });
      await expect(bindTo('dc3')).resolves.toMatchObject({ versionId: 'v1' });
      expect(state.refused).toEqual([]);
    });

    test('believes two, and tries no third time', async () => {
      const { bindTo, state } = setting({ password: 'wrong' });
      await expect(bindTo('dc1')).rejects.toMatchObject({ kind: 'declined' });
      await expect(bindTo('dc2')).rejects.toMatchObject({ code: 'credential-refused' });
      await expect(bindTo('dc3')).rejects.toMatchObject({ code: 'credential-refused' });
      expect(state.binds).toHaveLength(2);
      expect(state.refused).toEqual(['v1']);
    });

    test('condemns nothing while only one answers, and costs no more than two failed logons in half an hour', async () => {
      const { bindTo, state } = setting({ password: 'wrong' });
      await expect(bindTo('dc1')).rejects.toMatchObject({ kind: 'declined', refusal: 'credential-refused' });
      state.pass(119_999);
      await expect(bindTo('dc1')).rejects.toMatchObject({ kind: 'declined', refusal: 'credential-refused' });
      expect(state.binds).toHaveLength(1);
      state.pass(1);
      for (let minute = 2; minute < 32; minute += 1) {
        await expect(bindTo('dc1')).rejects.toMatchObject({ kind: 'declined' });
        expect(state.binds).toHaveLength(2);
        state.pass(60_000);
      }
      await expect(bindTo('dc1')).rejects.toMatchObject({ kind: 'declined' });
      expect(state.binds).toHaveLength(3);
      expect(state.refused).toEqual([]);
      state.credential = { ...state.credential, password: PASSWORD };
      state.pass(1_800_000);
      await expect(bindTo('dc1')).resolves.toMatchObject({ versionId: 'v1' });
    });

    test.each(['525', '532', '533', '701', '773'])(
      'believes no single one that answers data %s, asks it again every two minutes, and believes two',
      async (data) => {
        const { bindTo, state } = setting({
          answers: [answered(data), 'ok', answered(data), answered(data)],
        });
        await expect(bindTo('dc1')).rejects.toMatchObject({ kind: 'declined' });
        await expect(bindTo('dc2')).resolves.toMatchObject({ versionId: 'v1' });
        await expect(bindTo('dc1')).rejects.toMatchObject({ kind: 'declined', refusal: undefined });
        expect(state.binds).toHaveLength(2);
        state.pass(120_000);
        await expect(bindTo('dc1')).rejects.toMatchObject({ kind: 'declined' });
        expect(state.binds).toHaveLength(3);
        expect(state.refused).toEqual([]);
        await expect(bindTo('dc2')).rejects.toMatchObject({ disposition: 'retry' });
        expect(state.refused).toEqual(['v1']);
      },
    );

    test.each(['530', '531'])('condemns nothing though both answer data %s', async (data) => {
      const { bindTo, state } = setting({ answers: [answered(data), answered(data)] });
      for (const host of ['dc1', 'dc2']) {
        await expect(bindTo(host)).rejects.toMatchObject({
          kind: 'declined',
          refusal: 'credential-restricted',
        });
      }
      await expect(bindTo('dc1')).rejects.toMatchObject({ kind: 'declined' });
      expect(state.binds).toHaveLength(2);
      state.pass(120_000);
      await expect(bindTo('dc1')).resolves.toMatchObject({ versionId: 'v1' });
      expect(state.refused).toEqual([]);
    });

    test('takes two that give different reasons for no agreement, and a third that says what one did for one', async () => {
      const { bindTo, state } = setting({ answers: [wrongPassword(), answered('533'), answered('533')] });
      await expect(bindTo('dc1')).rejects.toMatchObject({ kind: 'declined' });
      await expect(bindTo('dc2')).rejects.toMatchObject({ kind: 'declined' });
      expect(state.refused).toEqual([]);
      await expect(bindTo('dc3')).rejects.toMatchObject({ code: 'credential-disabled' });
      expect(state.refused).toEqual(['v1']);
    });

    test('takes an unknown account and a wrong password for one reason: Samba says one where Windows says the other', async () => {
      const { bindTo } = setting({ answers: [answered('525'), wrongPassword()] });
      await expect(bindTo('dc1')).rejects.toMatchObject({ kind: 'declined' });
      await expect(bindTo('dc2')).rejects.toMatchObject({ code: 'credential-refused' });
    });

    test('forgets an opinion after half an hour, and that of a controller which has accepted the version', async () => {
      const { bindTo, state } = setting({
        answers: [answered('533'), answered('533'), 'ok', answered('533')],
      });
      await expect(bindTo('dc1')).rejects.toMatchObject({ kind: 'declined' });
      state.pass(1_800_000);
      await expect(bindTo('dc2')).rejects.toMatchObject({ kind: 'declined' });
      state.pass(120_000);
      await bindTo('dc2');
      await expect(bindTo('dc3')).rejects.toMatchObject({ kind: 'declined' });
      expect(state.refused).toEqual([]);
    });

    test('says nothing of one version about another', async () => {
      const { bindTo, state } = setting({ answers: [answered('533'), answered('533')] });
      await expect(bindTo('dc1')).rejects.toMatchObject({ kind: 'declined' });
      state.credential = { ...state.credential, versionId: 'v2' };
      await expect(bindTo('dc2')).rejects.toMatchObject({ kind: 'declined' });
      await expect(bindTo('dc1')).resolves.toMatchObject({ versionId: 'v2' });
      expect(state.refused).toEqual([]);
    });

    test('goes on doubting one while another one accepts the password', async () => {
      const { bindTo, state } = setting({
        answers: [wrongPassword(), 'ok', wrongPassword(), wrongPassword()],
      });
      await expect(bindTo('dc1')).rejects.toMatchObject({ kind: 'declined' });
      await bindTo('dc2');
      state.pass(120_000);
      await expect(bindTo('dc1')).rejects.toMatchObject({ kind: 'declined' });
      expect(state.refused).toEqual([]);
      await expect(bindTo('dc2')).rejects.toMatchObject({ code: 'credential-refused' });
    });
  });
});
