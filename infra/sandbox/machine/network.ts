import { mustRun, runProcess } from './process.ts';

/** The network that stands for the VPC: a bridge in the outer namespace, reachable from nowhere else. */
export const network = { bridge: 'adjoin0', gateway: '10.77.0.1', prefixLength: 16 } as const;

/** Makes the bridge unless it is there. Only to be called inside the outer namespace. */
export async function ensureBridge(): Promise<void> {
  // Asked over netlink: `/sys` may still show another network namespace.
  if ((await runProcess(['ip', 'link', 'show', 'dev', network.bridge])).code === 0) return;
  await batch([
    `link add ${network.bridge} type bridge`,
    `address add ${network.gateway}/${network.prefixLength} dev ${network.bridge}`,
    `link set ${network.bridge} up`,
  ]);
}

/** The outer end of a machine's cable. Interface names have 15 characters at most, so it is named by the address. */
export function cableName(address: string): string {
  const [, , third, fourth] = address.split('.');
  return `vm-${third}-${fourth}`;
}

/** Lays a cable from the bridge to `eth0` in the network namespace of the process. */
export async function connectCable(address: string, pid: number): Promise<void> {
  const cable = cableName(address);
  await batch([
    `link add ${cable} type veth peer name eth0 netns ${pid}`,
    `link set ${cable} master ${network.bridge} up`,
  ]);
}

/** Removes the cable; it may have gone with the machine's namespace. */
export async function removeCable(address: string): Promise<void> {
  await runProcess(['ip', 'link', 'delete', 'dev', cableName(address)]);
}

/** The cables that are plugged into the bridge. */
export async function cables(): Promise<string[]> {
  const { stdout } = await runProcess(['ip', '-oneline', 'link', 'show', 'type', 'veth']);
  return [...stdout.matchAll(/^\d+: ([^:@]+)[:@]/gm)].map((match) => match[1] ?? '');
}

async function batch(lines: readonly string[]): Promise<void> {
  await mustRun(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` });
}
