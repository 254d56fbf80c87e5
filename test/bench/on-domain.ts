/** Sections of the bench that need a real domain: each runs in the sandbox's namespace, which `npm start` enters as well. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

/** Why there can be no domain here; undefined where there can. `infra/sandbox/bootstrap.mjs` has found out. */
export const unavailable = process.env['SANDBOX_UNAVAILABLE'];

/** What the program prints, which is JSON; how far it is goes to standard error. @throws when it fails, which it has explained there */
export async function answerInside(program: string, given: readonly string[]): Promise<string> {
  const argv = ['infra/sandbox/bootstrap.mjs', 'inside', process.execPath, program, ...given];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, pass);
  try {
    const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    if (code !== 0) throw new Error(`${program} ended with ${code}.`);
    return output;
  } finally {
    for (const signal of signals) process.off(signal, pass);
  }
}
