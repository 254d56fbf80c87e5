import { afterEach, beforeAll, expect, test } from '@jest/globals';
import { access, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cgroups, createCgroup, endCgroups } from '../../../infra/sandbox/machine/cgroup.ts';
import { leftovers } from '../../../infra/sandbox/machine/leftovers.ts';
import { startMachine, type Machine } from '../../../infra/sandbox/machine/machine.ts';
import { ensureBridge } from '../../../infra/sandbox/machine/network.ts';
import { describeReal } from '../../support/sandbox.ts';

const script = (text: string, env: Record<string, string> = {}, timeoutMs = 10_000) => ({
  path: '/var/lib/commands/with space/script',
  text,
  env,
  timeoutMs,
});

describeReal('A machine', (ground) => {
  const machines: Machine[] = [];
  const deaths: string[] = [];
  const boot = async (
    number: number,
    init: 'shell' | 'systemd' = 'shell',
    shares: readonly string[] = [],
  ) => {
    const name = `i-${number.toString().padStart(17, '0')}`;
    const machine = await startMachine({
      image: ground.image,
      runtime: ground.runtime,
      name,
      address: `10.77.1.${number}`,
      nameServers: ['10.77.0.10'],
      searchDomain: 'corp.example.test',
      init,
      shares,
      onDeath: () => deaths.push(name),
    });
    machines.push(machine);
    return machine;
  };

  beforeAll(ensureBridge);
  afterEach(async () => {
    await Promise.all(machines.splice(0).map((machine) => machine.destroy()));
    deaths.length = 0;
  });

  test('boots with host name, address and name server of its own', async () => {
    const machine = await boot(5);
    const { stdout } = await machine.exec([
      'sh',
      '-c',
      'cat /proc/sys/kernel/hostname /etc/resolv.conf; ip -4 -br a',
    ]);
    expect(stdout).toContain('ip-10-77-1-5\nnameserver 10.77.0.10\nsearch corp.example.test\n');
    expect(stdout).toMatch(/^eth0\S*\s+UP\s+10\.77\.1\.5\/16/m);
  });

  test('boots in under a second, the best of ten times at most', async () => {
    const times: number[] = [];
    while (times.length < 10 && !times.some((ms) => ms < 1_000)) {
      const before = performance.now();
      const machine = await boot(5);
      times.push(performance.now() - before);
      await machine.destroy();
    }
    expect(Math.min(...times)).toBeLessThan(1_000);
  }, 180_000);

  test('sees its own processes and files only', async () => {
    const machine = await boot(5);
    const { stdout } = await machine.exec([
      'sh',
      '-c',
      `ps -e -o pid=,comm=; ls -d ${ground.runtime} 2>&1; ls /mnt`,
    ]);
    expect(stdout).toMatch(/^\s*1 sh$/m);
    expect(stdout).not.toMatch(/node/);
    expect(stdout).toContain('No such file');
  });

  test('never writes to the image', async () => {
    const machine = await boot(5);
    await machine.exec(['sh', '-c', 'echo spoilt >/etc/spoilt; rm /etc/os-release /usr/lib/os-release']);
    await expect(access(join(ground.image, 'etc/spoilt'))).rejects.toThrow('ENOENT');
    await expect(readFile(join(ground.image, 'usr/lib/os-release'), 'utf8')).resolves.toContain('VERSION_ID');
  });

  test('runs a script as Run Command does: root, in /, umask 0022, sh, and only the given environment', async () => {
    const machine = await boot(5);
    const text = 'id -u; pwd; umask; env | sort; cat; echo "$0" >&2; exit 7';
    const outcome = await machine.run(script(text, { AWS_SSM_INSTANCE_ID: 'i-1' }));
    const variables = `AWS_SSM_INSTANCE_ID=i-1\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/\n`;
    expect(outcome).toEqual({
      code: 7,
      stdout: `0\n/\n0022\n${variables}`,
      stderr: '/var/lib/commands/with space/script\n',
      timedOut: false,
    });
  });

  test('honours a shebang', async () => {
    const machine = await boot(5);
    const { stdout } = await machine.run(script('#!/bin/bash\necho "${BASH_VERSION:+bash}"'));
    expect(stdout).toBe('bash\n');
  });

  test('kills a script with its children when its time is up, and keeps what it had printed', async () => {
    const machine = await boot(5);
    // Its time begins before the machine is entered.
    const outcome = await machine.run(script('echo started; sleep 1000 & sleep 1000', {}, 3_000));
    expect(outcome).toMatchObject({ code: null, stdout: 'started\n', timedOut: true });
    expect((await machine.exec(['pgrep', '-f', 'sleep 1000'])).code).toBe(1);
  });

  test('kills a script that is aborted', async () => {
    const machine = await boot(5);
    const stop = new AbortController();
    const running = machine.run(script('trap "" TERM; sleep 1000'), stop.signal);
    stop.abort();
    await expect(running).resolves.toMatchObject({ code: null, timedOut: false });
    expect((await machine.exec(['pgrep', '-f', 'sleep 1000'])).code).toBe(1);
  });

  test('lets a daemon outlive the script that started it, and reaps it when it ends', async () => {
    const machine = await boot(5);
    await machine.run(script('setsid sleep 1000 </dev/null >/dev/null 2>&1 &'));
    expect((await machine.exec(['pgrep', '-f', 'sleep 1000'])).code).toBe(0);
    await machine.exec(['pkill', '-f', 'sleep 1000']);
    const left = async (): Promise<string> =>
      (await machine.exec(['sh', '-c', 'ps -e -o stat=,args= | grep -E "^Z|sleep 1000$" || :'])).stdout;
    const deadline = performance.now() + 10_000;
    while ((await left()) !== '' && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await left()).toBe('');
  });

  test('reboots from the same disk, with nothing left in /run and no process', async () => {
    const machine = await boot(5);
    await machine.exec(['sh', '-c', 'echo kept >/etc/kept; echo renamed >/etc/hostname; touch /run/lost']);
    await machine.run(script('setsid sleep 1000 </dev/null >/dev/null 2>&1 &'));
    await machine.reboot();
    const { stdout } = await machine.exec([
      'sh',
      '-c',
      'cat /etc/kept /proc/sys/kernel/hostname; ls /run/lost; pgrep -f "^sleep 1000"',
    ]);
    expect(stdout).toBe('kept\nrenamed\n');
    expect(deaths).toEqual([]);
  });

  test('with systemd starts services, also hardened ones, renames itself by D-Bus, and powers itself off', async () => {
    const machine = await boot(5, 'systemd');
    const unit = [
      '[Service]',
      'User=nobody',
      'PrivateDevices=yes',
      'ProtectSystem=strict',
      'ExecStart=sleep infinity',
      '[Install]',
      'WantedBy=multi-user.target',
    ];
    const { code, stdout, stderr } = await machine.exec(
      [
        'sh',
        '-c',
        `cat >/etc/systemd/system/own.service && systemctl enable --now own 2>&1 && hostnamectl --no-ask-password set-hostname renamed &&
       cat /etc/hostname && hostname && cat /proc/1/comm && systemctl --failed --plain --no-legend`,
      ],
      { input: `${unit.join('\n')}\n` },
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n').slice(1)).toEqual(['renamed', 'renamed', 'systemd', '']);
    // The service has namespaces of its own, and they are the machine's.
    expect(await leftovers(ground.runtime, [machine])).toEqual([]);
    await machine.reboot();
    expect((await machine.exec(['systemctl', 'is-active', 'own'])).stdout).toBe('active\n');
    await machine.exec(['systemctl', 'poweroff']);
    const deadline = performance.now() + 10_000;
    while (machine.pid !== undefined && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(deaths).toEqual(['i-00000000000000005']);
    await machine.destroy();
    expect(await leftovers(ground.runtime, [])).toEqual([]);
  }, 60_000);

  test('with systemd leaves no control group when a run ends while it is up', async () => {
    const machine = await boot(5, 'systemd');
    expect(await cgroups(ground.runtime)).toEqual([machine.name]);
    await endCgroups(ground.runtime);
    expect(await cgroups(ground.runtime)).toEqual([]);
  }, 60_000);

  test('with systemd is not taken for one of an earlier run, whose namespace had the same number', async () => {
    await createCgroup(ground.runtime, 'earlier');
    const later = join(ground.runtime, 'later');
    await createCgroup(later, 'own');
    expect(await cgroups(later)).toEqual(['own']);
    await endCgroups(later);
  });

  test('with systemd runs Node under the unit of the worker, with all that it forbids', async () => {
    const machine = await boot(5, 'systemd', [dirname(process.execPath)]);
    const must = async (command: string, input = '') => {
      const outcome = await machine.exec(['sh', '-c', command], { input, timeoutMs: 60_000 });
      expect({ command, ...outcome }).toMatchObject({ code: 0, stderr: '' });
      return outcome.stdout;
    };
    // What it may do, and what it may not, written to its log; then it stays.
    const agent = `
      import { spawnSync } from 'node:child_process';
      import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
      const denied = (act) => { try { act(); return 'no'; } catch (error) { return error.code; } };
      const status = readFileSync('/proc/self/status', 'utf8');
      console.log(JSON.stringify({
        user: process.getuid() !== 0,
        capabilities: /^CapBnd:\\s*(\\w+)/m.exec(status)[1],
        etc: denied(() => writeFileSync('/etc/adjoin/config.json', '')),
        home: denied(() => readdirSync('/root')),
        others: readdirSync('/proc').filter((name) => Number(name) > 0).length,
        temporary: readdirSync('/tmp').length,
        namespace: spawnSync('unshare', ['--user', 'true']).status !== 0,
      }));
      setInterval(() => {}, 60_000);`;
    await must(
      `mkdir -p /opt/adjoin /etc/adjoin && useradd --system --no-create-home adjoin &&
      install -d -m 0750 -o adjoin -g adjoin /var/log/adjoin && touch /tmp/theirs &&
      cp '${process.execPath}' /usr/bin/node-24 && cat >/opt/adjoin/agent.mjs`,
      agent,
    );
    const unit = join(import.meta.dirname, '..', '..', '..', 'infra', 'worker', 'adjoin.service');
    await must('cat >/etc/systemd/system/adjoin.service', await readFile(unit, 'utf8'));
    await must('systemctl daemon-reload && systemctl enable --quiet --now adjoin');
    const said = await must(
      'for i in $(seq 100); do [ ! -s /var/log/adjoin/agent.log ] || break; sleep 0.1; done; cat /var/log/adjoin/agent.log',
    );
    expect(JSON.parse(said)).toEqual({
      user: true,
      capabilities: '0000000000000000',
      etc: 'EROFS',
      home: 'EACCES',
      others: 1,
      temporary: 0,
      namespace: true,
    });
    expect(await must('systemctl show --property=ActiveState,NRestarts --value adjoin')).toBe('0\nactive\n');
    // Nothing of the unit is unknown to systemd.
    expect((await machine.exec(['systemd-analyze', 'verify', 'adjoin.service'])).stderr).toBe('');
    const stopped = performance.now();
    await must('systemctl stop adjoin');
    expect(performance.now() - stopped).toBeLessThan(10_000);
  }, 120_000);

  test('reports its death when its init is killed, and then refuses work', async () => {
    const machine = await boot(5);
    process.kill(machine.pid ?? 0, 'SIGKILL');
    const deadline = performance.now() + 5_000;
    while (machine.pid !== undefined && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(deaths).toEqual(['i-00000000000000005']);
    await expect(machine.exec(['true'])).rejects.toThrow('not running');
  });

  test('leaves no process, namespace, mount, interface or disk when it is destroyed, not even with a script running', async () => {
    const [first, second] = await Promise.all([boot(5), boot(6)]);
    const running = first.run(script('sleep 1000'));
    expect(await leftovers(ground.runtime, [second])).not.toEqual([]);
    await first.destroy();
    await first.destroy();
    await expect(running).resolves.toMatchObject({ timedOut: false });
    expect(await leftovers(ground.runtime, [second])).toEqual([]);
    await second.destroy();
    expect(await leftovers(ground.runtime, [])).toEqual([]);
  });
});
