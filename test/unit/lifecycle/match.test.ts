import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import { unjoin } from '../../../agent/lifecycle/unjoin.ts';
import type { Verdict } from '../../../agent/lifecycle/work.ts';
import type { ProbeFacts } from '../../../agent/nodes/contract.ts';
import { DOMAIN, sidOf, type MemoryAccount } from '../../support/memory-directory.ts';
import { honestProbe } from '../../support/node-facts.ts';
import { createLeasedWork, INSTANCE, launch, NAME, termination, type LeasedWork } from './leased-work.ts';

const CHALLENGE = `adjoin-${'0'.repeat(32)}`;
const OTHERS = 'EC2AMAZ-7QX01';

let scene: LeasedWork;
let account: MemoryAccount;
/** What the node says; it registers the challenge with the key of the account that it names here. */
let node: { name: string; key: string; facts: Partial<ProbeFacts> };

beforeEach(() => {
  scene = createLeasedWork();
  scene.isUnjoinOnly = true;
  // Seamless domain join makes it: nobody's stamp, and another owner.
  account = scene.domain.add(OTHERS, undefined);
  node = { name: OTHERS, key: OTHERS, facts: {} };
  scene.probed = (challenge) => {
    if (challenge !== undefined && node.key !== '') scene.domain.proofs.set(challenge, node.key);
    const proof = challenge === undefined ? '' : 'registered';
    return { ...honestProbe, domain: DOMAIN, computerName: node.name, proof, ...node.facts };
  };
});

const ended = (): Promise<Verdict> => {
  const work = async (): Promise<Verdict> => unjoin(await scene.begin(termination), scene.ports);
  return scene.clock.until(work());
};
const record = () => scene.table.get(INSTANCE);
const asked = (): string[] => scene.calls.filter((call) => !call.startsWith('table.'));

describe('an instance that others have joined', () => {
  test('loses the account that it has proven, by the GUID that the ledger has learnt before', async () => {
    const learnt: unknown[] = [];
    scene.fault = (name) => {
      if (name === 'directory.find') learnt.push(record()?.objectGuid, record()?.terminate?.times.match);
    };
    await expect(ended()).resolves.toEqual({ answer: 'CONTINUE', ending: 'unjoined' });
    expect(scene.domain.named(OTHERS)).toBeUndefined();
    expect(learnt).toEqual([account.objectGuid, scene.clock.now()]);
    expect(record()).toMatchObject({
      state: 'removed',
      computerName: OTHERS,
      objectGuid: account.objectGuid,
      objectSids: [sidOf(OTHERS)],
    });
    const proof = ['nodes.isReady', 'directory.domain', 'nodes.probe', 'directory.prove'];
    const leave = ['nodes.isReady', 'directory.domain', 'nodes.leave'];
    const removal = ['directory.find', 'directory.disable', 'directory.remove', 'directory.records'];
    expect(asked()).toEqual([...proof, ...leave, ...removal]);
  });

  test('keeps it where the group has not opted in, and is not even asked', async () => {
    scene.isUnjoinOnly = false;
    await ended();
    expect(scene.domain.named(OTHERS)).toBe(account);
    expect(asked()).not.toContain('nodes.probe');
  });

  test('is not asked where adjoin itself has joined it', async () => {
    const lease = await scene.take(launch);
    await scene.stage(lease);
    await lease.update({ state: 'member' }, 'verify');
    await lease.release();
    await expect(ended()).resolves.toMatchObject({ ending: 'unjoined' });
    expect(scene.domain.named(NAME)).toBeUndefined();
    expect(scene.domain.named(OTHERS)).toBe(account);
    expect(asked()).not.toContain('nodes.probe');
  });

  test.each([
    ['names another account than the one that it has the key of', () => (node.name = 'DB1'), 0],
    ['has the key of another instance’s account', () => (node.name = node.key = NAME), 0],
    ['says that it is a member of no domain', () => (node.name = ''), 0],
    ['says that it is a member of another domain', () => (node.facts = { domain: 'other.test' }), 0],
    ['does not prove anything', () => (node.key = ''), 300_000],
    ['does not answer', () => (scene.isReady = false), 300_000],
  ])('and %s, is let go, and no account is touched', async (_what, change, afterMs) => {
    scene.domain.add('DB1', undefined);
    scene.domain.add(NAME, 'i-0fedcba9876543210');
    change();
    const began = scene.clock.now();
    await expect(ended()).resolves.toEqual({ answer: 'CONTINUE', ending: 'failed' });
    expect(scene.domain.accounts.size).toBe(3);
    expect(asked()).not.toContain('directory.disable');
    expect(record()).toMatchObject({
      state: 'failed',
      lastError: { code: 'account-unmatched', message: expect.stringContaining(INSTANCE) },
    });
    expect(record()?.objectGuid).toBeUndefined();
    expect(scene.clock.now() - began).toBeGreaterThanOrEqual(afterMs);
    expect(scene.clock.now() - began).toBeLessThan(afterMs + 60_000);
    expect(scene.log.lines.map(({ event }) => event)).toContain('account not matched, it is left as it is');
    // The same message again, after an answer that was lost.
    scene.clock.skip(200_000);
    scene.calls.length = 0;
    await expect(ended()).resolves.toEqual({ answer: 'CONTINUE', ending: 'failed' });
    expect(asked()).toEqual([]);
  });

  test('is asked until its controller shows the record', async () => {
    let looks = 0;
    scene.fault = (name) => {
      if (name !== 'nodes.probe') return;
      looks += 1;
      node.key = looks < 3 ? '' : OTHERS;
    };
    await expect(ended()).resolves.toMatchObject({ ending: 'unjoined' });
    expect(looks).toBe(3);
    expect(scene.domain.named(OTHERS)).toBeUndefined();
  });

  test('waits for a directory that is down as long as any other termination', async () => {
    scene.fault = (name) => {
      if (name === 'directory.prove' && scene.clock.now() < 1_200_000) {
        throw new AdjoinError('directory-unavailable', 'down');
      }
    };
    await expect(ended()).resolves.toMatchObject({ ending: 'unjoined' });
    expect(scene.domain.named(OTHERS)).toBeUndefined();
  });

  test('is given the same challenge by the next worker, and is not asked again once it is matched', async () => {
    const given: (string | undefined)[] = [];
    const { probed } = scene;
    scene.probed = (challenge) => {
      given.push(challenge);
      return probed(challenge);
    };
    let challenges = 0;
    const ports = {
      ...scene.ports,
      newChallenge: () => `adjoin-${String((challenges += 1)).padStart(32, '0')}`,
    };
    const died = new AdjoinError('lease-lost', 'It died.');
    const work = async (): Promise<Verdict> => unjoin(await scene.begin(termination), ports);
    const run = async () => {
      const outcome = await scene.clock.until(work().catch((error: unknown) => error));
      scene.clock.skip(200_000);
      return outcome;
    };
    for (const at of ['directory.prove', 'nodes.leave']) {
      scene.check = () => {
        if (scene.calls.at(-1) === at) throw died;
      };
      scene.fault = (name) => {
        if (name === 'directory.prove' && at === name) throw died;
        if (name === 'directory.find' && at === 'nodes.leave') throw died;
      };
      expect(await run()).toBe(died);
    }
    scene.fault = () => undefined;
    scene.check = () => undefined;
    await expect(scene.clock.until(work())).resolves.toMatchObject({ ending: 'unjoined' });
    expect(given).toEqual([1, 1].map((number) => `adjoin-${String(number).padStart(32, '0')}`));
    expect(record()?.state).toBe('removed');
  });

  test('leaves nothing in DNS: neither its own name nor the challenge', async () => {
    const told: (readonly string[] | undefined)[] = [];
    scene.fault = (name) => {
      if (name === 'directory.records') told.push(record()?.foundNames);
    };
    await ended();
    expect(told).toEqual([expect.arrayContaining([CHALLENGE.toUpperCase(), OTHERS])]);
  });
});
