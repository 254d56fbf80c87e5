/** `adjoin secret put` as a person types it: on a terminal of its own, which `script` makes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { System } from './sandbox.ts';

export interface Typed {
  readonly code: number | null;
  /** All that the terminal has shown. */
  readonly shown: string;
}

const quoted = (word: string): string => `'${word.replaceAll("'", String.raw`'\''`)}'`;

/** As an administrator, with all that is no secret as options. */
export async function typeSecret(
  { domain, agentConfigFile, keys, endpoint }: System,
  password: string,
): Promise<Typed> {
  const words = [
    process.execPath,
    join(process.cwd(), 'agent/operator/main.ts'),
    'secret',
    'put',
    '--config',
    agentConfigFile,
    '--domain',
    domain.domainName,
    '--user',
    domain.serviceAccount.user,
    '--unit',
    domain.organizationalUnit,
  ];
  const { accessKeyId, secretAccessKey, sessionToken } = keys.administrator;
  const terminal = spawn(
    'script',
    ['--quiet', '--flush', '--return', '--command', words.map(quoted).join(' '), '/dev/null'],
    {
      env: {
        PATH: process.env['PATH'],
        AWS_ENDPOINT_URL: endpoint,
        AWS_ACCESS_KEY_ID: accessKeyId,
        AWS_SECRET_ACCESS_KEY: secretAccessKey,
        ...(sessionToken !== undefined && { AWS_SESSION_TOKEN: sessionToken }),
      },
    },
  );
  let shown = '';
  let isTyped = false;
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
    if (isTyped || !shown.includes('Password: ')) return;
    isTyped = true;
    terminal.stdin.write(`${password}\r`);
  });
  await once(terminal, 'close');
  return { code: terminal.exitCode, shown };
}
