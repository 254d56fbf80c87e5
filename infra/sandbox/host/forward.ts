import { readFile, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { once } from 'node:events';

/** A port on the host's loopback that leads into the outer namespace. Unix sockets cross network namespaces, TCP doesn't. */
export interface Forward {
  readonly name: string;
  readonly port: number;
  close(): void;
}

/** Relative to the clone: an absolute path may be longer than the 108 bytes of a socket's address. */
export function socketPath(name: string): string {
  return `.sandbox/${name}.sock`;
}

const portsFile = '.sandbox/ports.json';

/** Opens a port for each name: the one it had in the last run when it is free, so that people's exports stay true. */
export async function openForwards(names: readonly string[]): Promise<Forward[]> {
  if (names.length === 0) return [];
  const remembered = await rememberedPorts();
  const forwards: Forward[] = [];
  for (const name of names) forwards.push(await openForward(name, remembered[name]));
  await writeFile(
    portsFile,
    JSON.stringify(Object.fromEntries(forwards.map(({ name, port }) => [name, port]))),
  );
  return forwards;
}

async function rememberedPorts(): Promise<Record<string, number>> {
  try {
    const parsed: unknown = JSON.parse(await readFile(portsFile, 'utf8'));
    if (typeof parsed !== 'object' || parsed === null) return {};
    return Object.fromEntries(
      Object.entries(parsed).filter(([, port]) => Number.isInteger(port) && port > 1_023 && port < 65_536),
    );
  } catch {
    return {};
  }
}

async function openForward(name: string, wished: number | undefined): Promise<Forward> {
  const server = createServer((client) => {
    const inner = connect(socketPath(name));
    // either side may break off at any time; then the other ends as well
    client.on('error', () => inner.destroy());
    inner.on('error', () => client.destroy());
    client.on('close', () => inner.destroy());
    inner.on('close', () => client.destroy());
    client.pipe(inner).pipe(client);
  });
  const port = (await listen(server, wished ?? 0)) ?? (await listen(server, 0));
  if (port === undefined) throw new Error('no loopback port is free');
  return { name, port, close: () => server.close() };
}

async function listen(server: Server, port: number): Promise<number | undefined> {
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return undefined;
  }
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : undefined;
}
