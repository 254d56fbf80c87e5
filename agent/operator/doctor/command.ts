/** `adjoin doctor` with real clients. */
import { randomUUID } from 'node:crypto';
import { createClients, destroyClients } from '../../aws/clients.ts';
import type { Finding } from '../../checks/check.ts';
import type { Terminal } from '../../cli/terminal.ts';
import { systemClock } from '../../clock.ts';
import type { Config } from '../../config.ts';
import { asAdjoinError } from '../../errors.ts';
import { askWorker } from '../aws/ask-worker.ts';
import { createCaller } from '../aws/caller.ts';
import { createDesk } from '../aws/desk.ts';
import { attend } from '../attended.ts';
import { doctor, type DoctorOptions } from './doctor.ts';

/** @returns the exit code */
export async function runDoctor(
  config: Config,
  options: DoctorOptions & { readonly asksWorker: boolean; readonly rolePath: string },
  terminal: Terminal,
): Promise<number> {
  const clock = systemClock;
  const clients = createClients(config.region);
  const caller = createCaller(config.region, clock);
  const ask = async (signal: AbortSignal): Promise<readonly Finding[] | string> => {
    try {
      const { arn } = await caller.identity(signal);
      const answer = await askWorker(
        { config, callerArn: arn, rolePath: options.rolePath, clock, newId: randomUUID },
        signal,
      );
      return typeof answer === 'string' ? answer : answer.findings;
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = asAdjoinError(error);
      return `no worker could be asked: ${code}: ${message}`;
    }
  };
  try {
    const desk = createDesk({ config, clients, caller, clock });
    return await attend(
      terminal,
      () => 'Stopped looking.',
      (signal) =>
        doctor(options, { desk, clock, ...(options.asksWorker && { askWorker: ask }) }, terminal, signal),
    );
  } finally {
    caller.close();
    destroyClients(clients);
  }
}
