import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { socketPath } from './forward.ts';
import type { GroundFacts } from './namespace.ts';

/** What a process inside the outer namespace stands on. */
export interface Ground extends GroundFacts {
  /** Leads the forward of this name to an address inside. */
  lead(name: string, target: { readonly host: string; readonly port: number }): Promise<{ close(): void }>;
  /** The process ID on the host of one of this namespace's processes; undefined when it is gone. */
  hostPid(pid: number): Promise<number | undefined>;
}

/** Undefined when this process does not run inside the outer namespace. */
export function currentGround(): Ground | undefined {
  const text = process.env['SANDBOX_GROUND'];
  if (text === undefined) return undefined;
  const facts: GroundFacts = JSON.parse(text);
  return { ...facts, lead, hostPid };
}

async function lead(name: string, target: { host: string; port: number }): Promise<{ close(): void }> {
  const server = createServer((outside) => {
    const inside = connect(target);
    outside.on('error', () => inside.destroy());
    inside.on('error', () => outside.destroy());
    outside.on('close', () => inside.destroy());
    inside.on('close', () => outside.destroy());
    outside.pipe(inside).pipe(outside);
  });
  server.listen(socketPath(name));
  await once(server, 'listening');
  return { close: () => void server.close() };
}

async function hostPid(pid: number): Promise<number | undefined> {
  if (process.send === undefined) return undefined;
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const onMessage = (message: unknown) => {
    if (typeof message !== 'object' || message === null) return;
    if (!('innerPid' in message) || message.innerPid !== pid || !('hostPid' in message)) return;
    process.off('message', onMessage);
    resolve(typeof message.hostPid === 'number' ? message.hostPid : undefined);
  };
  process.on('message', onMessage);
  process.send({ askPid: pid });
  return promise;
}
