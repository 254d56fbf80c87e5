import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createApp } from '../infra/app.ts';
import { defaultExemptions, denyPolicies, serviceControlPolicy } from '../infra/protection.ts';
import { bundleAgent } from './bundle.ts';

export interface Synthesized {
  readonly template: string;
  readonly attachTemplate: string;
  readonly agentFile: string;
  /** One file for each deny policy, for the organization's management account. */
  readonly serviceControlPolicies: readonly string[];
}

/**
 * Writes everything that is deployed into a folder.
 * @param deployment what the service control policies name; in the template it is a parameter
 * @returns the files written
 */
export async function synthesize(folder: string, deployment: string): Promise<Synthesized> {
  const agentFile = join(folder, 'agent', 'agent.mjs');
  mkdirSync(join(folder, 'policies'), { recursive: true });
  await bundleAgent(agentFile);
  createApp({ outdir: folder, agentFile }).synth();
  const serviceControlPolicies = denyPolicies.map((name) => {
    const file = join(folder, 'policies', `${name}.json`);
    const policy = serviceControlPolicy(name, { deployment, exempt: defaultExemptions(deployment) });
    // Written as it counts: Organizations' limit of 5,120 characters includes white space.
    writeFileSync(file, `${JSON.stringify(policy)}\n`);
    return file;
  });
  return {
    template: join(folder, 'adjoin.template.json'),
    attachTemplate: join(folder, 'adjoin-attach.template.json'),
    agentFile,
    serviceControlPolicies,
  };
}
