import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { ScriptRunner } from '../../../../infra/sandbox/cloud/cloud.ts';
import { parseDocument, type Parameters } from '../../../../infra/sandbox/cloud/ssm/document.ts';
import { runDocument } from '../../../../infra/sandbox/cloud/ssm/runner/run-document.ts';

interface Recorded {
  cases: {
    name: string;
    document: object;
    parameters: Parameters;
    cancelledAfterMs: number | null;
    observed: {
      documentStatus: string;
      steps: Record<
        string,
        { status: string; code: number; standardOutput: string; standardError: string; output: string }
      >;
    };
  }[];
}

const recorded: Recorded = JSON.parse(
  await readFile(new URL('../../../fixtures/ssm-agent-recorded.json', import.meta.url), 'utf8'),
);

/** The recording's command and instance. */
const commandId = '0d729f13-653e-420c-95eb-e033106355fa';
const instanceId = 'i-0123456789abcdef0';
/** Recorded waits are seconds long; here they pass this much faster. */
const haste = 50;

/** Real shells on this machine. Scripts lie in a scratch directory, but see and print the path they have on a node. */
const localScripts: ScriptRunner = {
  async run(_instanceId, script, signal) {
    const scratch = await mkdtemp(join(tmpdir(), 'recorded-'));
    const file = join(scratch, '_script.sh');
    await writeFile(file, script.text, { mode: 0o700 });
    const child = spawn('sh', ['-c', `umask 0022; ${file}`], {
      cwd: '/',
      env: { PATH: process.env['PATH'], SHELL: '/bin/bash', ...script.env },
      detached: true,
    });
    const output = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
    const kill = () => process.kill(-(child.pid ?? NaN), 'SIGKILL');
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, script.timeoutMs / haste);
    signal.addEventListener('abort', kill);
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    clearTimeout(timer);
    signal.removeEventListener('abort', kill);
    await rm(scratch, { recursive: true });
    const onNode = (text: string) => text.replaceAll(file, script.path);
    return { code, stdout: onNode(output.stdout), stderr: onNode(output.stderr), timedOut };
  },
};

describe('the document runner answers as the recorded SSM agent', () => {
  test.each(recorded.cases)(
    '$name comes back as recorded',
    async ({ document, parameters, cancelledAfterMs, observed }) => {
      const cancel = new AbortController();
      if (cancelledAfterMs !== null) setTimeout(() => cancel.abort(), cancelledAfterMs / haste);
      const run = await runDocument({
        document: parseDocument(JSON.stringify(document)),
        parameters,
        commandId,
        instanceId,
        region: 'eu-central-1',
        scripts: localScripts,
        platform: 'Linux',
        now: () => new Date(),
        reboot: async () => undefined,
        signal: cancel.signal,
      });
      const steps = Object.fromEntries(
        run.steps.map(({ name, status, code, standardOutput, standardError, output }) => [
          name,
          { status, code, standardOutput: counted(standardOutput), standardError, output: counted(output) },
        ]),
      );
      expect({ documentStatus: run.status, steps }).toEqual(asThisUser(observed));
    },
  );
});

/** The recording says only how much came back of a long output. */
function counted(text: string): string {
  return text.length >= 2500 ? `(${text.length} characters)` : text;
}

/** The recording was made by root; a test may not be. */
function asThisUser(observed: Recorded['cases'][number]['observed']): unknown {
  return JSON.parse(
    JSON.stringify(observed).replaceAll(String.raw`\nroot\n`, String.raw`\n${userInfo().username}\n`),
  );
}
