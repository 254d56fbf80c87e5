import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  attach,
  type AttachedHook,
  type AttachOptions,
  type AttachPorts,
} from '../../../agent/operator/attach/attach.ts';
import { recordTerminal, type RecordedTerminal } from '../../support/terminal.ts';

const queueArn = 'arn:aws:sqs:eu-central-1:123456789012:adjoin-lifecycle';
const publisherRoleArn = 'arn:aws:iam::123456789012:role/adjoin-hook-publisher';

let tags: Map<string, { value: string; propagates: boolean }> | undefined;
let hooks: Map<string, AttachedHook>;
let done: string[];
let ports: AttachPorts;
let terminal: RecordedTerminal;

beforeEach(() => {
  tags = new Map();
  hooks = new Map();
  done = [];
  terminal = recordTerminal();
  ports = {
    queueArn,
    publisherRoleArn,
    tags: async () => tags,
    hooks: async () => [...hooks.values()],
    async setTag(_group, key, value) {
      done.push(`tag ${key}=${value}`);
      tags?.set(key, { value, propagates: true });
    },
    async putHook(_group, hook) {
      done.push(`put ${hook.name}`);
      hooks.set(hook.name, hook);
    },
    async deleteHook(_group, name) {
      done.push(`delete ${name}`);
      hooks.delete(name);
    },
  };
});

const run = (change: Partial<AttachOptions> = {}): Promise<number> => {
  const options = { verb: 'attach', group: 'fleet', join: true, unjoin: true } as const;
  return attach({ ...options, heartbeat: 300, dryRun: false, json: false, ...change }, ports, terminal);
};

const foreign: AttachedHook = {
  name: 'warm-up',
  transition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
  targetArn: 'arn:aws:sqs:eu-central-1:123456789012:other',
  roleArn: 'arn:aws:iam::123456789012:role/other',
  defaultResult: 'CONTINUE',
  heartbeat: 60,
};

describe('attach', () => {
  test('sets the tag before it makes the hooks, as the template would', async () => {
    hooks.set(foreign.name, foreign);
    expect(await run()).toBe(0);
    expect(done).toEqual(['tag JoinAD=true', 'put adjoin-launch', 'put adjoin-terminate']);
    expect(hooks.get('adjoin-launch')).toEqual({
      name: 'adjoin-launch',
      transition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
      targetArn: queueArn,
      roleArn: publisherRoleArn,
      defaultResult: 'ABANDON',
      heartbeat: 300,
    });
    expect(hooks.get('adjoin-terminate')?.defaultResult).toBe('CONTINUE');
    expect(hooks.get('warm-up')).toEqual(foreign);
    expect(terminal.written.out).toBe(
      [
        'attach fleet',
        '  tag JoinAD=true, for new instances as well: set',
        '  hook adjoin-launch: made (join)',
        '  hook adjoin-terminate: made (unjoin)',
        '3 of 3 changed.',
        '',
      ].join('\n'),
    );
    expect(terminal.written.err).toContain('adjoin doctor --group fleet');
  });

  test('done twice changes nothing', async () => {
    await run();
    done.length = 0;
    expect(await run()).toBe(0);
    expect(done).toEqual([]);
    expect(terminal.written.out).toMatch(/0 of 3 changed\.\n$/);
  });

  test('a dry run changes nothing, and says what would be', async () => {
    expect(await run({ dryRun: true })).toBe(0);
    expect(done).toEqual([]);
    expect(terminal.written.out).toMatch(/dry run: nothing is changed[^]*3 of 3 would be changed\.\n$/);
  });

  test('mends what is wrong alone, and keeps what is not its own', async () => {
    await run();
    const launch = hooks.get('adjoin-launch');
    if (launch) hooks.set('adjoin-launch', { ...launch, defaultResult: 'CONTINUE', metadata: 'theirs' });
    tags?.set('JoinAD', { value: 'true', propagates: false });
    done.length = 0;
    await run();
    expect(done).toEqual(['tag JoinAD=true', 'put adjoin-launch']);
    expect(hooks.get('adjoin-launch')).toEqual({ ...launch, metadata: 'theirs' });
    expect(terminal.written.out).toContain('set, was true for the group alone');
    expect(terminal.written.out).toContain('changed: defaultResult CONTINUE → ABANDON');
  });

  test('takes a hook of another name that sends to the queue for its own', async () => {
    hooks.set('from-terraform', { ...foreign, name: 'from-terraform', targetArn: queueArn });
    await run({ unjoin: false });
    expect([...hooks.keys()]).toEqual(['from-terraform']);
    expect(hooks.get('from-terraform')?.defaultResult).toBe('ABANDON');
  });

  test('leaves the hook of another deployment alone, and makes none beside it', async () => {
    const theirs = { ...foreign, name: 'adjoin-launch' };
    hooks.set(theirs.name, theirs);
    expect(await run()).toBe(70);
    expect(terminal.written.err).toContain('The hook adjoin-launch of fleet sends to');
    expect(done).toEqual([]);
    await run({ verb: 'detach' });
    expect([...hooks.values()]).toEqual([theirs]);
  });

  test('for join alone removes the other hook', async () => {
    await run();
    await run({ unjoin: false });
    expect([...hooks.keys()]).toEqual(['adjoin-launch']);
  });

  test('of a group that is not there says so', async () => {
    tags = undefined;
    expect(await run()).toBe(70);
    expect(terminal.written.err).toContain('no Auto Scaling group fleet');
  });

  test('says it to machines', async () => {
    await run({ json: true });
    expect(JSON.parse(terminal.written.out)).toMatchObject({ verb: 'attach', group: 'fleet', changed: 3 });
    expect(terminal.written.err).toBe('');
  });
});

describe('detach', () => {
  test('removes the hooks, and leaves the tag and the hooks of others', async () => {
    await run();
    hooks.set(foreign.name, foreign);
    done.length = 0;
    expect(await run({ verb: 'detach' })).toBe(0);
    expect(done).toEqual(['delete adjoin-launch', 'delete adjoin-terminate']);
    expect([...hooks.keys()]).toEqual(['warm-up']);
    expect(tags?.get('JoinAD')?.value).toBe('true');
    done.length = 0;
    await run({ verb: 'detach' });
    expect(done).toEqual([]);
  });
});
