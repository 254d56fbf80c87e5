import { describe } from '@jest/globals';
import { startDomain, type Domain } from '../../infra/sandbox/domain/domain.ts';
import { currentGround, type Ground } from '../../infra/sandbox/host/ground.ts';
import { startMachine, type Machine } from '../../infra/sandbox/machine/machine.ts';

/**
 * Describes behaviour that only a real kernel and a real domain can show. Runs where `npm test` has made an outer
 * namespace; elsewhere every test in it is reported as skipped, with the reason. With `CI` set that is a failure.
 */
export function describeReal(title: string, body: (ground: Ground) => void): void {
  const ground = currentGround();
  if (ground !== undefined) {
    const declare = describe;
    declare(title, () => {
      body(ground);
    });
    return;
  }
  const reason = process.env['SANDBOX_UNAVAILABLE'] ?? 'not inside the sandbox: run it with `npm test`';
  if ((process.env['CI'] ?? '') !== '') throw new Error(`${title}: can't run, and must in CI: ${reason}`);
  // the body only declares tests here; none of them runs
  describe.skip(`${title} [${reason}]`, () => {
    body(noGround);
  });
}

const unavailable = () => Promise.reject(new Error('there is no sandbox here'));
const noGround: Ground = { image: '', runtime: '', ports: {}, lead: unavailable, hostPid: unavailable };

/** A domain for a test file, to be destroyed in `afterAll`. */
export function testDomain(ground: Ground): Promise<Domain> {
  return startDomain({ image: ground.image, runtime: ground.runtime });
}

/** A machine that resolves names by the domain's controller. `number` tells machines of one test file apart: 1 to 250. */
export function testMachine(
  ground: Ground,
  domain: Domain,
  number: number,
  init: 'shell' | 'systemd' = 'shell',
): Promise<Machine> {
  return startMachine({
    image: ground.image,
    runtime: ground.runtime,
    name: `i-${number.toString(16).padStart(17, '0')}`,
    address: `10.77.1.${number}`,
    nameServers: domain.nameServers,
    searchDomain: domain.domainName,
    init,
  });
}
