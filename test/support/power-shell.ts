import { describe } from '@jest/globals';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { findPowerShell, type PowerShell } from '../../infra/sandbox/machine/windows/power-shell.ts';

/** Describes behaviour that real PowerShell shows. Where it can't be had, every test is reported as skipped, with the reason. */
export function describePowerShell(title: string, body: (powerShell: PowerShell) => void): void {
  const found = findPowerShell(join(import.meta.dirname, '..', '..'));
  const declare = describe;
  if (!('reason' in found)) {
    declare(title, () => {
      body(found);
    });
    return;
  }
  describe.skip(`${title} [${found.reason}]`, () => {
    body({ command: [], environment: {}, directories: [] });
  });
}

/** A PowerShell process that answers requests, one at a time: starting one for each would take most of the time. */
export interface Shell {
  /** @returns the text after ANSWER, and what was printed before it */
  ask(request: object): Promise<{ readonly printed: string; readonly result: string }>;
  end(): void;
}

/** @param script reads a request, in JSON, from each line of standard input, and answers with a line that begins with ANSWER */
export function startShell(powerShell: PowerShell, script: string, home: string): Shell {
  const [program = '', ...rest] = powerShell.command;
  const argv = [...rest, '-NoProfile', '-NonInteractive', '-File', script];
  const env = { PATH: process.env['PATH'], HOME: home, ...powerShell.environment };
  const child = spawn(program, argv, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  let printed = '';
  let answer: ((printed: string) => void) | undefined;
  const onData = (text: string): void => {
    printed += text;
    if (!/^ANSWER.*\n/m.test(printed)) return;
    answer?.(printed);
    printed = '';
  };
  child.stdout.setEncoding('utf8').on('data', onData);
  child.stderr.setEncoding('utf8').on('data', onData);
  child.on('exit', (code) => answer?.(`${printed}\nANSWER{"died":${code ?? -1}}\n`));
  return {
    async ask(request) {
      const { promise, resolve } = Promise.withResolvers<string>();
      answer = resolve;
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const text = await promise;
      const at = text.search(/^ANSWER/m);
      return { printed: text.slice(0, at), result: text.slice(at + 'ANSWER'.length) };
    },
    end: () => child.kill(),
  };
}
