/**
 * The README's way, as it stands: a stranger with the package types six commands at a desk, in an account that holds nothing, and an
 * instance of theirs has been a member. Then back to nothing. The package is packed, installed and started by npm itself, at the desk.
 */
import { execFile } from 'node:child_process';
import { readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { AutoScalingClient, DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import { DescribeSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Desk, openDesk } from '../../infra/sandbox/inside/desk.ts';
import {
  type EmptySandbox,
  region,
  type Sandbox,
  startEmptySandbox,
} from '../../infra/sandbox/inside/sandbox.ts';
import { subjectOf } from '../../infra/sandbox/inside/subject.ts';
import { network } from '../../infra/sandbox/stack/network.ts';
import { filledIn, shellBlocks } from '../support/chapters.ts';
import { describeReal } from '../support/sandbox.ts';
import { computerNames, emptyFleet, eventually } from './sandbox.ts';
import { typist, type Habit, type Said, type Typist } from './typist.ts';

const bucket = 'artifacts-of-mine';
const commandLimitMs = 120_000;
const testLimitMs = 200_000;
const work = join(process.cwd(), '.sandbox', 'life');

/** Where npm, npx and all that they need lie. */
async function npmFolder(): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-c', 'command -v npm']);
  // node_modules/npm/bin/npm-cli.js, whoever has installed it
  return join(await realpath(stdout.trim()), '../../..');
}

/** npm itself, but for what needs a clone with its packages, and a minute: of those the outcome is there. */
const npm = (folder: string) => `#!/bin/sh
case "$*" in
ci | 'run build') exit 0 ;;
esac
exec node ${folder}/npm/bin/npm-cli.js "$@"
`;
const npx = (folder: string) => `#!/bin/sh
exec node ${folder}/npm/bin/npx-cli.js "$@"
`;
/** There is no registry at the desk, and a stranger to it has no cache: the package is all there is. */
const npmrc = 'offline=true\naudit=false\nfund=false\nupdate-notifier=false\n';

const answer = (question: RegExp, text: string): Habit => ({ when: question, type: `${text}\n` });
/** The answer to the question for a parameter, which comes with its description. */
const parameter = (name: string, text: string): Habit => answer(new RegExp(`\\b${name}: [^]*\\n {2}$`), text);

describeReal("the README's way", (ground) => {
  let empty: EmptySandbox;
  let sandbox: Sandbox | undefined;
  let desk: Desk;
  let person: Typist;
  let commands: string[];
  let owner: AutoScalingClient;
  /** A later command would wait for what an earlier one has not made. */
  let broken = false;

  beforeAll(async () => {
    await rm(work, { recursive: true, force: true });
    const [folder, , started] = await Promise.all([
      npmFolder(),
      promisify(execFile)(process.execPath, ['scripts/package.ts', '--output', join(work, 'dist')], {
        // The construct library's own validator takes half of the time (test/infra/stack/synth has it on).
        env: { ...process.env, CDK_VALIDATION: 'false' },
      }),
      startEmptySandbox({
        image: ground.image,
        runtime: ground.runtime,
        directory: join(process.cwd(), '.sandbox'),
        port: 0,
        maximumInstances: 5,
      }),
    ]);
    empty = started;
    empty.cloud.buckets.create(bucket);
    desk = await openDesk({
      image: ground.image,
      sandbox: empty,
      caller: empty.session(empty.account.administratorRoleArn, 'somebody'),
      buckets: [bucket],
      shares: [work, folder, dirname(process.execPath)],
    });
    await desk.put('/usr/local/bin/npm', npm(folder), '755');
    await desk.put('/usr/local/bin/npx', npx(folder), '755');
    await desk.put('/root/.npmrc', npmrc);
    await desk.put('/usr/local/bin/node', `#!/bin/sh\nexec ${process.execPath} "$@"\n`, '755');
    await desk.put('/root/adjoin/ca.pem', await readFile(empty.domain.caFile, 'utf8'));
    await desk.put('/root/clone/.keep', '');
    await desk.machine.exec(['ln', '-s', join(work, 'dist'), '/root/clone/dist']);
    person = typist(desk.shell, /<<(?:(?<code>\d+)|more)>>$/);
    // A terminal would say each line once more.
    await person.type('stty -echo', 20_000);
    await person.type('cd /root/clone', 20_000);
    const page = await readFile('README.md', 'utf8');
    commands = shellBlocks(page)
      .filter(({ chapter, language }) => chapter === 'Deploy it' && language === 'bash')
      .flatMap(({ lines }) => lines);
    owner = new AutoScalingClient(empty.developer);
    await owner.send(emptyFleet());
  }, 300_000);
  afterAll(async () => {
    owner.destroy();
    await desk.close();
    await (sandbox ?? empty).stop();
  }, 180_000);

  /** Types the README's next command that begins so. */
  async function readme(beginning: string, habits: readonly Habit[] = []): Promise<Said> {
    const line = commands.find((each) => each.startsWith(beginning));
    if (line === undefined) throw new Error(`The README has no command ${beginning}.`);
    return type(line, habits);
  }

  async function type(line: string, habits: readonly Habit[] = []): Promise<Said> {
    if (broken) throw new Error('A command before this one failed.');
    broken = true;
    const said = await person.type(line, commandLimitMs, habits);
    broken = false;
    return said;
  }

  async function secretVersion(): Promise<string | undefined> {
    const secrets = new SecretsManagerClient(empty.developer);
    const { VersionIdsToStages = {} } = await secrets.send(
      new DescribeSecretCommand({ SecretId: 'adjoin/service-account' }),
    );
    secrets.destroy();
    return Object.entries(VersionIdsToStages).find(([, stages]) => stages.includes('AWSCURRENT'))?.[0];
  }

  const theSystem = () => {
    if (sandbox === undefined) throw new Error('Nothing is deployed.');
    return { ...sandbox, subject: subjectOf(sandbox) };
  };

  test('needs six commands until an instance is a member', () => {
    expect(commands).toHaveLength(6);
  });

  test(
    'the package is installed into an empty folder, and deploys into an account that holds nothing',
    async () => {
      for (const command of ['npm ci', 'npm install']) {
        const { code, output } = await readme(command);
        expect([code, output]).toEqual([0, expect.not.stringContaining('npm error')]);
      }
      const { administratorRoleArn, breakGlassRoleArn } = empty.account;
      const { code, output } = await readme('npx adjoin deploy', [
        answer(/Region: $/, region),
        answer(/Bucket of this Region[^]*: $/, bucket),
        answer(/PEM file [^]*: $/, 'ca.pem'),
        parameter('VpcId', network.VpcId),
        parameter('DirectoryCidr', '10.77.0.0/24'),
        parameter('AdministratorArns', administratorRoleArn),
        parameter('BreakGlassRoleArn', breakGlassRoleArn),
        parameter('OperatorNetworks', '10.77.255.0/24'),
        answer(/Type yes: $/, 'yes'),
      ]);
      expect([code, output]).toEqual([0, expect.stringContaining('CREATE_COMPLETE')]);
      expect(output).toContain(`SubnetA=${network.SubnetA}`);
      const [agent] = empty.cloud.buckets.objects(bucket);
      expect(agent?.key).toMatch(/^adjoin\/agent-[0-9a-f]{12}\.mjs$/);
      // The stack's workers boot by no launch template here: one is started beside it, with the file that they would fetch.
      const file = join(work, 'agent.mjs');
      await writeFile(file, agent?.body ?? '');
      sandbox = await empty.withStack(file);
      sandbox.startAgent();
    },
    testLimitMs,
  );

  test(
    'the page on the package has it installed in a folder of one’s own, and its command says what it can do',
    async () => {
      const page = await readFile('docs/package.md', 'utf8');
      const [block, ...others] = shellBlocks(page);
      expect(others).toEqual([]);
      await type('mkdir /root/mine && cp /root/clone/*.tgz /root/mine && cd /root/mine');
      for (const line of block?.lines ?? []) {
        const { code, output } = await type(line.replace(/^\$ /, ''));
        expect([code, output]).toEqual([0, expect.stringMatching(/added 1 package|Usage: adjoin/)]);
      }
      await type('cd /root/adjoin');
    },
    testLimitMs,
  );

  test(
    'a wrong password is refused by the controller and not put; the right one is',
    async () => {
      const { domain } = empty;
      const { user, password } = domain.serviceAccount;
      const put = (typed: string) =>
        readme('npx adjoin secret put', [
          answer(/Domain, [^]*: $/, domain.domainName),
          answer(/Service account, [^]*: $/, user),
          answer(/Organizational unit, [^]*: $/, domain.organizationalUnit),
          answer(/Password: $/, typed),
        ]);
      const wrong = await put(`not-${password}`);
      expect([wrong.code, wrong.output]).toEqual([70, expect.stringContaining('credential')]);
      expect(await secretVersion()).toBeUndefined();
      const right = await put(password);
      expect([right.code, right.output]).toEqual([
        0,
        expect.stringContaining(`The directory accepts ${user}, and shows the unit.`),
      ]);
      expect(await secretVersion()).toBeDefined();
      expect(wrong.output + right.output).not.toContain(password);
    },
    testLimitMs,
  );

  test(
    'an instance like those of the group joins the domain, and is removed again; the group has none',
    async () => {
      expect((await readme('npx adjoin attach fleet')).code).toBe(0);
      const before = empty.cloud.calls();
      const testing = readme('npx adjoin test fleet');
      // What the directory itself shows meanwhile.
      const [computerName = ''] = await eventually('a computer account', commandLimitMs, async () => {
        const names = await computerNames(theSystem());
        return names.length > 0 ? names : undefined;
      });
      const { code, output } = await testing;
      expect([code, output]).toEqual([0, expect.stringContaining(computerName)]);
      expect(output).toMatch(/in all +✔/);
      expect(await computerNames(theSystem())).toEqual([]);
      const { AutoScalingGroups = [] } = await owner.send(new DescribeAutoScalingGroupsCommand({}));
      expect(new Set(AutoScalingGroups.map(({ AutoScalingGroupName }) => AutoScalingGroupName))).toEqual(
        new Set(['adjoin-worker', 'fleet']),
      );
      expect(AutoScalingGroups.find((each) => each.AutoScalingGroupName === 'fleet')?.Instances).toEqual([]);
      // No right that the page does not name, and none that it names for nothing: the reason of a launch that fails is not needed here.
      const page = await readFile('docs/operate.md', 'utf8');
      const [, named = ''] = /It calls, as the caller: ([^]*?)\. For the creation/.exec(page) ?? [];
      const documented = [...named.matchAll(/`(?:\w+:)?([A-Z]\w+)`/g)].map(([, action = '']) => action);
      const counted = new Map(
        before.map(({ principal, operation, count }) => [`${principal} ${operation}`, count]),
      );
      const made = empty.cloud
        .calls()
        .filter(
          ({ principal, operation, count }) =>
            principal === 'adjoin-administrator' && count > (counted.get(`${principal} ${operation}`) ?? 0),
        );
      expect(new Set(['DescribeScalingActivities', ...made.map(({ operation }) => operation)])).toEqual(
        new Set(documented),
      );
    },
    testLimitMs,
  );

  test(
    'all is well, says the doctor; and back to nothing',
    async () => {
      const { code, output } = await type('npx adjoin doctor --group fleet');
      expect([code, output]).toEqual([0, expect.stringMatching(/✔/)]);
      expect(output).not.toMatch(/✘/);
      expect((await type('npx adjoin detach fleet')).code).toBe(0);
      const gone = await type('npx adjoin destroy', [
        answer(/Type the stack's name to delete it: $/, 'adjoin'),
      ]);
      expect([gone.code, gone.output]).toEqual([0, expect.stringContaining('adjoin is gone.')]);
      expect(await computerNames(theSystem())).toEqual([]);
    },
    testLimitMs,
  );

  test(
    'what the answers say of the next deployment is in order, says the doctor',
    async () => {
      const [block] = shellBlocks(await readFile('docs/doctor.md', 'utf8')).filter(
        ({ chapter }) => chapter === 'Before there is a stack',
      );
      const [line = '', ...others] = filledIn(
        block ?? { chapter: '', language: '', lines: [] },
        new Map([['corp.example.test', empty.domain.domainName]]),
        new Set(),
      );
      expect(others).toEqual([]);
      const { code, output } = await type(line);
      expect([code, output]).toEqual([0, expect.not.stringMatching(/✘/)]);
    },
    testLimitMs,
  );
});
