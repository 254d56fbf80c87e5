/** The agent as the service of a worker that has booted: what systemd says of it. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine } from '../machine/machine.ts';
import type { Ending } from '../story/story.ts';

/** What it may take to end is the unit's own business: 90 seconds. */
const stopLimitMs = 120_000;

export interface WorkerService {
  /** How often systemd has started it again. */
  agentDeaths(): Promise<number>;
  /** Stops it; its log is in the file then. */
  stopAgent(): Promise<Ending | null>;
}

export function serviceOf(machine: Machine, logFile: string): WorkerService {
  const show = async (property: string): Promise<string> => {
    const { stdout } = await machine.exec([
      'systemctl',
      'show',
      `--property=${property}`,
      '--value',
      'adjoin',
    ]);
    return stdout.trim();
  };
  return {
    agentDeaths: async () => Number(await show('NRestarts')),
    async stopAgent() {
      const { code } = await machine.exec(['systemctl', 'stop', 'adjoin'], { timeoutMs: stopLimitMs });
      await keepLog(machine, logFile);
      // "killed" where it did not end by itself in the unit's time.
      const result = await show('Result');
      if (code !== 0 || result === 'timeout') return null;
      return { code: Number(await show('ExecMainStatus')), signal: null };
    },
  };
}

/** Copies what the agent has said so far to where people read it. */
export async function keepLog(machine: Machine, logFile: string): Promise<void> {
  await copyFile(join(machine.disk, 'var', 'log', 'adjoin', 'agent.log'), logFile);
}
