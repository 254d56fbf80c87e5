/** What a launch makes of what its node reports, and what must be done before it is over. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import { DOMAIN } from '../../support/memory-directory.ts';
import { createWorld, INSTANCE, type World } from '../../support/world.ts';

let world: World;
beforeEach(() => {
  world = createWorld();
});

const handle = (message = world.launch()): Promise<void> =>
  world.clock.until(world.handler.handle(world.deliver(message)));
const lastError = () => world.table.get(INSTANCE)?.lastError;

describe('a node', () => {
  test.each([
    ['of a family without a document', { family: 'darwin' }, 'node-unsupported', 'runs debian 12.'],
    [
      'that EC2Launch will rename',
      { ready: false, renamedBy: 'agent-config.yml' },
      'node-renames-itself',
      'is told by agent-config.yml to take a name of its own',
    ],
    [
      'not ready, though it lacks nothing',
      { ready: false, missing: [] },
      'node-unsupported',
      'runs debian 12.',
    ],
    [
      'too old to join',
      { ready: false, code: 'system-unsupported', detail: 'debian 10 is not supported, but debian 11 is.' },
      'node-unsupported',
      'debian 10 is not supported, but debian 11 is.',
    ],
    [
      'of another system than its group says',
      { ready: false, code: 'system-contradicted', detail: 'The tag says RHEL.' },
      'node-system-contradicted',
      'The tag says RHEL.',
    ],
    [
      'without packages',
      { ready: false, missing: ['adcli', 'sssd'] },
      'node-packages-missing',
      '(Debian) lacks adcli, sssd.',
    ],
    [
      'of another domain',
      { domain: 'other.test' },
      'node-foreign-domain',
      'is a member of other.test already',
    ],
  ])('%s is refused at once', async (_what, facts, code, message) => {
    world.node.facts = facts;
    await handle();
    expect(world.effects).toEqual(['answer ABANDON', 'delete']);
    expect(lastError()).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  test.each([
    [
      'adcli-failed',
      "Couldn't authenticate as machine account: A1: Preauthentication failed",
      'node-password-refused',
    ],
    ['netjoindomain-failed', 'NetJoinDomain: error 2732, no.', 'node-account-reuse-blocked'],
    ['not-usable', 'Secure channel: error 1355, no.', 'node-domain-not-found'],
    ['adcli-failed', 'Something else.', 'join-failed'],
    ['not-usable', 'sssd does not run: no', 'node-not-usable'],
    // The script knows better than its output.
    ['group-unknown', 'error 1355', 'node-group-unknown'],
  ])(
    'whose join fails with %s: %s, is refused with the code that has the hint',
    async (code, detail, error) => {
      world.node.joins = 'fails';
      world.node.failure = { code, detail };
      await handle();
      expect(world.effects.at(-2)).toBe('answer ABANDON');
      const last = world.log.findLast(({ event }) => event === 'join not done yet');
      expect(JSON.stringify(last)).toContain(error);
      // Each attempt counts.
      expect(world.effects.filter((effect) => effect === 'stage')).toHaveLength(3);
    },
  );

  test('is told what its group says that it runs', async () => {
    world.group = { ...world.group, tags: new Map([...world.group.tags, ['Operating_System', 'DEBIAN']]) };
    await handle();
    expect(world.effects).toEqual(['stage', 'join', 'answer CONTINUE', 'delete']);
    expect(world.node.settings).toEqual([
      { operatingSystem: 'DEBIAN' },
      { operatingSystem: 'DEBIAN', groupPolicy: 'enforcing' },
    ]);
  });

  test('is told where to install packages from', async () => {
    world.nodeDefaults = { ...world.nodeDefaults, packageRepository: 'https://packages.example.test/@id@' };
    await handle();
    const told = { operatingSystem: undefined, packageRepository: 'https://packages.example.test/@id@' };
    expect(world.node.settings).toEqual([told, { ...told, groupPolicy: 'enforcing' }]);
  });

  test('is told who may log in: what the tags of its group say, or else the configuration', async () => {
    world.nodeDefaults = {
      ...world.nodeDefaults,
      logInGroups: ['Staff'],
      sudoGroups: ['Domain Admins', 'ops'],
    };
    const tags = new Map([...world.group.tags, ['adjoin:LogInGroups', 'Fleet Users: web_2']]);
    world.group = { ...world.group, tags };
    await handle();
    expect(world.node.settings[1]).toEqual({
      logInGroups: 'Fleet+Users:web_2',
      sudoGroups: 'Domain+Admins:ops',
      groupPolicy: 'enforcing',
    });
  });

  test.each([
    ['adjoin:LogInGroups', ''],
    ['adjoin:LogInGroups', 'staff:'],
    ['adjoin:SudoGroups', "x'; reboot #"],
    ['adjoin:SudoGroups', 'ALL ALL=(ALL) NOPASSWD: ALL\n%x'],
    ['adjoin:SudoGroups', '#include /tmp/x'],
    ['adjoin:LogInGroups', 'a+b'],
    ['adjoin:LogInGroups', 'a,b'],
    ['adjoin:LogInGroups', 'a\nb'],
    ['adjoin:LogInGroups', '-rf'],
    ['adjoin:LogInGroups', 'Bücher'],
    ['adjoin:LogInGroups', Array.from({ length: 200 }, () => 'abcdef').join(':')],
  ])('of a group with %s=%j is asked nothing', async (tag, value) => {
    world.group = { ...world.group, tags: new Map([...world.group.tags, [tag, value]]) };
    await handle();
    expect(world.effects).toEqual(['answer ABANDON', 'delete']);
    expect(world.node.settings).toEqual([]);
    expect(lastError()).toMatchObject({
      code: 'group-tag-invalid',
      message: expect.stringContaining(`The group's tag ${tag} is "`),
    });
  });

  test('that shows no group of the name is tried again', async () => {
    world.node.joins = 'unusable';
    world.node.failure = { code: 'group-unknown', detail: 'The domain shows no group x.' };
    await handle();
    expect(lastError()).toMatchObject({
      code: 'join-exhausted',
      message: expect.stringContaining('group-unknown: The domain shows no group x.'),
    });
  });

  test('that can not install its packages is tried again, as often as a join is', async () => {
    world.node.joins = 'fails';
    world.node.failure = {
      code: 'packages-not-installed',
      detail: 'On Amazon Linux 2023, dnf: Curl error (28)',
    };
    await handle();
    expect(world.effects.filter((effect) => effect === 'stage')).toHaveLength(3);
    expect(world.effects.slice(-2)).toEqual(['answer ABANDON', 'delete']);
    expect(lastError()).toMatchObject({
      code: 'join-exhausted',
      message: expect.stringContaining('packages-not-installed: On Amazon Linux 2023, dnf: Curl error (28)'),
    });
  });

  test.each(['debian', 'RHEL;reboot', 'AMAZON_LINUX ', ''])(
    'of a group whose tag Operating_System is %j is asked nothing',
    async (value) => {
      world.group = { ...world.group, tags: new Map([...world.group.tags, ['Operating_System', value]]) };
      await handle();
      expect(world.effects).toEqual(['answer ABANDON', 'delete']);
      expect(world.node.settings).toEqual([]);
      expect(lastError()).toMatchObject({
        code: 'group-tag-invalid',
        message: expect.stringContaining(
          `The group's tag Operating_System is ${JSON.stringify(value)}, which is none of AMAZON_LINUX, FEDORA,`,
        ),
      });
    },
  );

  test.each([
    ['of Windows', { family: 'windows' }],
    ['of our domain, in capitals', { domain: DOMAIN.toUpperCase() }],
  ])('%s is joined', async (_what, facts) => {
    world.node.facts = facts;
    await handle();
    expect(world.effects).toEqual(['stage', 'join', 'answer CONTINUE', 'delete']);
  });
});

describe('a node that offers', () => {
  test('a key which would protect nothing is refused at once, and nothing is staged for it', async () => {
    world.seal = () => {
      throw new AdjoinError('node-key-refused', 'its exponent is 3');
    };
    const began = world.clock.now();
    await handle();
    expect(world.clock.now()).toBe(began);
    expect(world.effects).toEqual(['answer ABANDON', 'delete']);
    expect(lastError()?.code).toBe('node-key-refused');
    expect(world.secrets.size).toBe(0);
  });

  test('no key is asked again', async () => {
    world.node.facts = { key: '' };
    const handled = handle();
    await world.clock.advance(1_000);
    expect(world.effects).toEqual([]);
    expect(lastError()).toMatchObject({ code: 'node-facts-invalid', message: `${INSTANCE} made no key.` });
    world.node.facts = {};
    await world.clock.until(handled);
    expect(world.endings).toEqual(['joined']);
  });
});

describe('a node that answers for another', () => {
  const other = 'A00000000000ZZZ';

  test('is not taken for the member that it says it is', async () => {
    world.node.facts = { domain: DOMAIN, computerName: other, hostName: other.toLowerCase() };
    await handle();
    expect(world.effects).toEqual(['stage', 'join', 'answer CONTINUE', 'delete']);
  });

  test('or says that it joined under another name, has not joined', async () => {
    Object.assign(world.node, { joins: 'lies', liesAbout: other });
    await handle();
    expect(world.answers.map(({ result }) => result)).toEqual(['ABANDON']);
    expect(lastError()?.message).toContain('does not show it');
    expect(world.accounts.size).toBe(0);
  });
});

describe('a join that the node reports as done', () => {
  test('does not count when the directory shows the very password that was staged', async () => {
    // Equal is not later: the machine has not set a password of its own.
    world.fault = (name) => {
      const staged = world.table.get(INSTANCE)?.stagedPasswordLastSet;
      const account = world.account();
      if (name === 'directory.inspect' && account) account.passwordLastSet = BigInt(staged ?? 0);
    };
    await handle();
    expect(world.answers.map(({ result }) => result)).toEqual(['ABANDON']);
    expect(lastError()).toMatchObject({
      code: 'join-exhausted',
      message: expect.stringContaining(`dc1.${DOMAIN} does not show it`),
    });
  });
});

describe('a join that the node reports as failed', () => {
  test.each([
    ['packages-missing', 'adcli', 'node-packages-missing', `${INSTANCE}: packages-missing: adcli.`],
    ['foreign-domain', '', 'node-foreign-domain', `${INSTANCE}: foreign-domain.`],
    ['adcli-too-old', 'no', 'node-adcli-too-old', `${INSTANCE}: adcli-too-old: no.`],
  ])('for %s is not tried again', async (code, detail, expected, message) => {
    Object.assign(world.node, { joins: 'fails', failure: { code, detail } });
    await handle();
    expect(world.effects).toEqual(['stage', 'remove', 'answer ABANDON', 'delete']);
    expect(lastError()).toMatchObject({ code: expected, message });
  });

  test.each([
    ['no', `3 attempts failed. The last: ${INSTANCE}: adcli-failed: no.`],
    ['', `3 attempts failed. The last: ${INSTANCE}: adcli-failed.`],
  ])('for another reason (%j) is tried three times', async (detail, message) => {
    Object.assign(world.node, { joins: 'fails', failure: { code: 'adcli-failed', detail } });
    await handle();
    expect(world.effects.filter((effect) => effect === 'stage')).toHaveLength(3);
    expect(lastError()).toMatchObject({ code: 'join-exhausted', message });
  });
});

describe('a node that has joined and resolves no user of the domain', () => {
  test('does not enter service, whether its join is new or adopted', async () => {
    const failure = { code: 'not-usable', detail: 'sssd does not run: Process [ifp], definitely stopped!' };
    Object.assign(world.node, { joins: 'unusable', failure });
    await handle();
    expect(world.answers.map(({ result }) => result)).toEqual(['ABANDON']);
    // The later attempts find the member, and let its script complete it: none of them stages again.
    expect(world.effects.filter((effect) => effect === 'stage')).toHaveLength(1);
    expect(lastError()).toMatchObject({
      code: 'join-exhausted',
      message: expect.stringContaining('not-usable: sssd does not run: Process [ifp]'),
    });
  });
});

describe('a node that has joined and is not found by its name', () => {
  const failure = { code: 'name-unregistered', detail: 'No server of the zone has an address of this node.' };
  test.each([
    [false, 'node-name-unregistered'],
    [true, 'dns-name-taken'],
  ])('does not enter service, and it is said whether another has the name (%j)', async (isTaken, code) => {
    Object.assign(world.node, { joins: 'unusable', failure });
    const noted: unknown[] = [];
    world.fault = (name) => {
      if (name === 'nodes.join' && isTaken) world.squatted.add(world.table.get(INSTANCE)?.computerName ?? '');
      if (name === 'nodes.probe') noted.push(lastError()?.code);
    };
    await handle();
    expect(world.answers.map(({ result }) => result)).toEqual(['ABANDON']);
    // Before the second attempt, which would look at the directory in any case.
    expect(noted[1]).toBe(code);
  });
});

describe('a join that an earlier worker brought about', () => {
  /** What each worker asked of the directory and of the node, in order; the second one's alone. */
  const calls: string[] = [];
  async function again(change: () => void, fault: (call: string, nth: number) => void = () => undefined) {
    world.fault = (name) => {
      if (name === 'autoscaling.complete CONTINUE') throw new AdjoinError('lease-lost', 'paused');
    };
    await handle();
    change();
    world.effects.length = 0;
    calls.length = 0;
    world.fault = (name) => {
      calls.push(name);
      fault(name, calls.filter((call) => call === name).length);
    };
    const delivery = world.deliver(world.launch());
    await world.clock.until(world.anotherWorker().handle(delivery));
  }
  const inspections = (): number => calls.filter((call) => call === 'directory.inspect').length;
  const forget = (field: string) => () => {
    const record = world.table.get(INSTANCE);
    if (record) world.table.set(INSTANCE, { ...record, [field]: undefined });
  };

  test.each(['computerName', 'objectGuid', 'domainController', 'stagedPasswordLastSet'])(
    'is not looked for when the ledger does not know its %s: the account is staged again',
    async (field) => {
      await again(forget(field));
      expect(world.effects).toEqual(['stage', 'join', 'answer CONTINUE', 'delete']);
      expect(inspections()).toBe(1);
    },
  );

  test.each([
    ['no account', () => world.accounts.clear()],
    ['an account that is not enabled', () => Object.assign(world.account() ?? {}, { enabled: false })],
    [
      'the very password that was staged',
      () => {
        const staged = world.table.get(INSTANCE)?.stagedPasswordLastSet;
        Object.assign(world.account() ?? {}, { passwordLastSet: BigInt(staged ?? 0) });
      },
    ],
  ])('is not adopted when the directory shows %s', async (_what, change) => {
    await again(change);
    expect(world.effects).toEqual(['stage', 'join', 'answer CONTINUE', 'delete']);
  });

  test.each([
    ['its name in small letters', { computerName: () => world.node.computerName.toLowerCase() }],
    ['its domain in capitals', { domain: () => DOMAIN.toUpperCase() }],
  ])('is adopted when the node writes %s', async (_what, facts) => {
    await again(() => {
      for (const [key, value] of Object.entries(facts)) Object.assign(world.node, { [key]: value() });
    });
    expect(world.effects).toEqual(['answer CONTINUE', 'delete']);
  });

  test('is completed by the node before it is adopted, with a password that opens nothing', async () => {
    const sealed: string[] = [];
    const seal = world.seal;
    world.seal = (key, password) => {
      sealed.push(password);
      return seal(key, password);
    };
    await again(() => undefined);
    expect(calls.filter((call) => /^nodes\.(probe|join)|^directory/.test(call))).toEqual([
      'directory.domain',
      'nodes.probe',
      'directory.inspect',
      'nodes.join',
    ]);
    expect(new Set(sealed).size).toBe(2);
    expect(world.secrets.size).toBe(0);
  });

  test('is not completed under a lease that ran out while the directory was looked at', async () => {
    await again(
      () => undefined,
      (name) => {
        if (name === 'directory.inspect') world.clock.skip(10 * 60_000);
      },
    );
    expect(calls.filter((call) => call.startsWith('nodes.join'))).toEqual([]);
    expect(world.endings.at(-1)).toBe('handed-back');
  });

  test('is not adopted when the node can’t complete it', async () => {
    await again(() => {
      Object.assign(world.node, {
        joins: 'fails',
        failure: { code: 'verify-failed', detail: 'sssd does not start.' },
      });
    });
    expect(world.effects).toEqual(['remove', 'answer ABANDON', 'delete']);
    expect(lastError()?.message).toContain('sssd does not start.');
  });

  test('is given up when its domain controller does not answer: staging finds another', async () => {
    await again(
      () => undefined,
      (name, nth) => {
        if (name === 'directory.inspect' && nth === 1) {
          throw new AdjoinError('directory-unavailable', 'no answer');
        }
      },
    );
    expect(world.effects).toEqual(['stage', 'join', 'answer CONTINUE', 'delete']);
  });

  test('is looked for again, and not staged again, when the directory answers otherwise', async () => {
    await again(
      () => undefined,
      (name, nth) => {
        if (name === 'directory.inspect' && nth === 1) throw new AdjoinError('directory-denied', 'no');
      },
    );
    expect(world.effects).toEqual(['answer CONTINUE', 'delete']);
    expect(inspections()).toBe(2);
  });
});

describe('an attempt that fails', () => {
  test.each(['join-failed', 'command-failed', 'node-facts-invalid', 'join-unverified'] as const)(
    'with %s counts: the third is the last',
    async (code) => {
      let attempts = 0;
      world.fault = (name) => {
        if (name !== 'nodes.probe') return;
        attempts += 1;
        throw new AdjoinError(code, 'no');
      };
      await handle();
      expect(attempts).toBe(3);
      expect(world.answers.map(({ result }) => result)).toEqual(['ABANDON']);
      expect(lastError()).toMatchObject({
        code: 'join-exhausted',
        message: '3 attempts failed. The last: no',
      });
    },
  );

  test.each([
    ['nodes.probe', 'command-undeliverable'],
    ['nodes.probe', 'command-cancelled'],
    ['nodes.join', 'command-cancelled'],
  ] as const)('of %s with %s does not count', async (call, code) => {
    let attempts = 0;
    world.fault = (name) => {
      if (name !== call) return;
      attempts += 1;
      if (attempts < 6) throw new AdjoinError(code, 'no');
    };
    await handle();
    expect(world.endings).toEqual(['joined']);
    expect(lastError()).toBeUndefined();
  });

  test('because its commands are always cancelled is given up when the time of a launch is over', async () => {
    world.fault = (name) => {
      if (name === 'nodes.join') throw new AdjoinError('command-cancelled', 'no');
    };
    const began = world.clock.now();
    await handle();
    expect(world.clock.now() - began).toBe(1_800_000);
    expect(world.answers.map(({ result }) => result)).toEqual(['ABANDON']);
    expect(lastError()).toMatchObject({ code: 'command-cancelled' });
    // A pause of up to 30 s between attempts, and what was staged is gone.
    expect(world.effects.filter((effect) => effect === 'stage').length).toBeLessThan(70);
    expect(world.account()).toBeUndefined();
  });

  test('because its join was cancelled looks at the node before it stages again', async () => {
    const calls: string[] = [];
    world.fault = (name) => {
      calls.push(name);
      if (name === 'nodes.join' && calls.filter((call) => call === name).length === 1)
        throw new AdjoinError('command-cancelled', 'no');
    };
    await handle();
    expect(calls.filter((call) => /^nodes|stage$/.test(call))).toEqual([
      'nodes.wait',
      'nodes.isReady',
      'nodes.probe',
      'directory.stage',
      'nodes.join',
      'nodes.isReady',
      'nodes.probe',
      'directory.stage',
      'nodes.join',
    ]);
  });

  test('is noted while the join is tried again', async () => {
    const notes: unknown[] = [];
    world.fault = (name) => {
      if (name !== 'nodes.probe') return;
      notes.push(lastError()?.code);
      if (notes.length === 1) throw new AdjoinError('document-mismatch', 'no');
    };
    await handle();
    expect(notes).toEqual([undefined, 'document-mismatch']);
  });

  test('asks a node that is ready without waiting for it', async () => {
    const calls: string[] = [];
    world.fault = (name) => void calls.push(name);
    await handle();
    expect(calls.filter((call) => call.startsWith('nodes.'))).toEqual([
      'nodes.wait',
      'nodes.isReady',
      'nodes.probe',
      'nodes.join',
    ]);
  });
});

test('a launch that its node finds void is not answered, and not counted as failed', async () => {
  world.fault = (name) => {
    if (name !== 'nodes.join') return;
    world.terminate();
    throw new AdjoinError('action-void', 'over');
  };
  await handle();
  expect([world.endings, world.answers]).toEqual([['void'], []]);
  expect(world.log.map(({ event }) => event)).not.toContain('join failed');
  expect(world.table.get(INSTANCE)?.state).toBe('removed');
});

describe('a launch that is near its hook’s global deadline', () => {
  /** No sum of the pauses between attempts. */
  const GLOBAL_MS = 611_000;
  /** Milliseconds from the receive to the answer. */
  async function answeredAfter(): Promise<number> {
    world.group = {
      ...world.group,
      hooks: world.group.hooks.map((hook) => ({ ...hook, globalMs: GLOBAL_MS })),
    };
    const began = world.clock.now();
    await handle();
    return world.clock.now() - began;
  }

  test('says with which error it was cut off', async () => {
    world.node.joins = 'hangs';
    let probes = 0;
    world.fault = (name) => {
      if (name === 'nodes.probe' && (probes += 1) === 1)
        throw new AdjoinError('document-mismatch', 'no hash');
    };
    await expect(answeredAfter()).resolves.toBe(GLOBAL_MS - 120_000);
    expect(lastError()).toMatchObject({
      code: 'join-exhausted',
      message: "The hook's global deadline is near. The last error: no hash",
    });
  });

  test('is not tried again after that', async () => {
    world.fault = (name) => {
      if (name === 'nodes.probe') throw new AdjoinError('document-mismatch', 'no hash');
    };
    await expect(answeredAfter()).resolves.toBe(GLOBAL_MS - 120_000);
    expect(world.endings).toEqual(['abandoned']);
  });

  test.each([
    [
      'refuses',
      () => {
        world.fault = (name) => {
          if (name === 'directory.find') throw new AdjoinError('directory-unavailable', 'down');
        };
      },
    ],
    [
      'hangs',
      () => {
        world.directory = 'hangs';
      },
    ],
  ])('is owed, and answered in time, when the directory %s', async (_what, fail) => {
    world.node.joins = 'hangs';
    fail();
    await expect(answeredAfter()).resolves.toBe(GLOBAL_MS - 60_000);
    expect(world.endings).toEqual(['abandoned']);
    expect(world.table.get(INSTANCE)?.state).toBe('owed');
  });
});

describe('a join that failed for good', () => {
  beforeEach(() => {
    Object.assign(world.node, { joins: 'fails', failure: { code: 'packages-missing', detail: 'adcli' } });
  });

  test('leaves a membership that has ended, with the reason', async () => {
    await handle();
    const record = world.table.get(INSTANCE);
    expect(record).toMatchObject({
      state: 'failed',
      domainController: `dc1.${DOMAIN}`,
      lastError: { code: 'node-packages-missing', at: world.clock.now() },
    });
    expect(record?.expiresAt).toBeGreaterThan(world.clock.now() / 1000);
    expect([record?.stagingBegan, record?.foundNames]).toEqual([undefined, undefined]);
  });

  test('before anything was staged leaves one, too', async () => {
    world.node.ready = false;
    await handle();
    expect(world.table.get(INSTANCE)?.state).toBe('failed');
    expect(world.table.get(INSTANCE)?.expiresAt).toBeGreaterThan(world.clock.now() / 1000);
  });

  test('is undone at once: its staging has been answered', async () => {
    const began = world.clock.now();
    await handle();
    expect(world.clock.now()).toBe(began);
  });

  test('is owed, with the reason, when it cannot be undone within two minutes', async () => {
    world.fault = (name) => {
      if (name === 'directory.find') throw new AdjoinError('directory-unavailable', 'down');
    };
    const began = world.clock.now();
    await handle();
    expect(world.clock.now() - began).toBe(120_000);
    expect(world.table.get(INSTANCE)).toMatchObject({
      state: 'owed',
      lastError: { code: 'node-packages-missing', at: began },
    });
    expect(world.answers.map(({ result }) => result)).toEqual(['ABANDON']);
  });

  test('is neither owed nor answered when the worker stops while it is undone', async () => {
    world.directory = 'hangs';
    const handled = world.handler.handle(world.deliver(world.launch()));
    await world.clock.advance(10_000);
    world.handler.abortAll(new AdjoinError('draining', 'The worker stops.'));
    await world.clock.until(handled);
    expect(world.table.get(INSTANCE)?.state).toBe('staged');
    expect([world.answers, world.endings]).toEqual([[], ['handed-back']]);
  });

  test.each(['failed', 'owed'] as const)(
    'and was not answered (%s) is answered, and not tried again',
    async (state) => {
      world.fault = (name) => {
        if (name === 'directory.find' && state === 'owed') throw new AdjoinError('directory-refused', 'no');
        if (name === 'autoscaling.complete ABANDON') throw new AdjoinError('lease-lost', 'paused');
      };
      await handle();
      expect(world.table.get(INSTANCE)?.state).toBe(state);
      world.effects.length = 0;
      world.fault = () => undefined;
      await world.clock.until(world.anotherWorker().handle(world.deliver(world.launch())));
      expect(world.effects).toEqual(['answer ABANDON', 'delete']);
      const given = world.log.filter(({ event }) => event === 'join failed').at(-1);
      expect(given?.fields).toMatchObject({
        error: { code: 'join-exhausted', message: `${INSTANCE}: packages-missing: adcli.` },
      });
    },
  );
});

test('a launch that the sweep found owed, and that has not failed, is joined', async () => {
  world.fault = (name) => {
    if (name === 'nodes.join') throw new AdjoinError('draining', 'stopped');
  };
  await handle();
  const record = world.table.get(INSTANCE);
  if (record) world.table.set(INSTANCE, { ...record, state: 'owed', lastError: undefined });
  world.fault = () => undefined;
  await world.clock.until(world.anotherWorker().handle(world.deliver(world.launch())));
  expect(world.endings).toEqual(['handed-back', 'joined']);
  expect(world.table.get(INSTANCE)?.state).toBe('member');
});

const testNotification = () => ({
  messageId: 'test',
  receiveCount: 1,
  body: JSON.stringify({ Event: 'autoscaling:TEST_NOTIFICATION', AutoScalingGroupName: 'fleet' }),
});

describe('a message is over', () => {
  const hold = (): void => {
    world.group = { ...world.group, tags: new Map([...world.group.tags, ['adjoin:OnJoinFailure', 'hold']]) };
    world.node.ready = false;
  };
  test.each([
    ['a launch', () => world.launch(), 'queue.remove', 'joined'],
    ['a test notification', testNotification, 'queue.remove', 'test-notification'],
    [
      'a held launch',
      () => {
        hold();
        return world.launch();
      },
      'queue.hide',
      'held',
    ],
  ] as const)('for %s only when the queue has answered', async (_what, message, call, ending) => {
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    let asked = 0;
    world.fault = async (name) => {
      if (name !== call) return;
      asked += 1;
      await answered;
    };
    let isOver = false;
    const handled = world.handler.handle(world.deliver(message())).finally(() => {
      isOver = true;
    });
    await world.clock.advance(10_000);
    expect([asked, isOver, world.endings]).toEqual([1, false, []]);
    answer();
    await world.clock.until(handled);
    expect(world.endings).toEqual([ending]);
  });

  test('and is deleted only when its lease is given back', async () => {
    const { promise: written, resolve: write } = Promise.withResolvers<void>();
    let writes = 0;
    world.fault = async (name) => {
      if (!name.startsWith('table.write') || world.answers.length === 0) return;
      writes += 1;
      // The one write after the answer gives the lease back.
      await written;
    };
    let isOver = false;
    const handled = world.handler.handle(world.deliver(world.launch())).finally(() => {
      isOver = true;
    });
    await world.clock.advance(10_000);
    expect([writes, isOver]).toEqual([1, false]);
    expect(world.table.get(INSTANCE)?.leaseOwner).toBe('worker/1');
    expect(world.effects).toEqual(['stage', 'join', 'answer CONTINUE']);
    write();
    await world.clock.until(handled);
    expect(world.table.get(INSTANCE)?.leaseOwner).toBeUndefined();
    expect(world.effects).toEqual(['stage', 'join', 'answer CONTINUE', 'delete']);
  });

  test('and is deleted although the lease was lost after the answer', async () => {
    world.fault = (name) => {
      if (name.startsWith('table.write') && world.answers.length > 0) {
        throw new AdjoinError('lease-lost', 'Another worker has taken over.');
      }
    };
    await handle();
    expect(world.endings).toEqual(['joined']);
    expect(world.effects).toEqual(['stage', 'join', 'answer CONTINUE', 'delete']);
  });
});
