/**
 * Writes everything that is deployed into a folder, offline and without an AWS account:
 *
 *     node scripts/synth.ts [FOLDER]        cdk.out unless told otherwise
 *
 *     adjoin.template.json                  the system
 *     adjoin-attach.template.json           attaches one Auto Scaling group
 *     agent/agent.mjs                       the bundled agent, for the bucket that the parameters name
 *     policies/*.json                       service control policies
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createApp } from '../infra/app.ts';
import { defaultExemptions, denyPolicies, serviceControlPolicy } from '../infra/aws/protection.ts';
import { bundleAgent } from './bundle.ts';

export interface Synthesized {
  readonly template: string;
  readonly attachTemplate: string;
  readonly agentFile: string;
  /** One file for each deny policy, for the organization's management account. */
  readonly serviceControlPolicies: readonly string[];
}

/** Deployment that the service control policies name; the template's own default. */
const deployment = 'adjoin';

/** @returns the files written */
export async function synthesize(folder: string): Promise<Synthesized> {
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

if (import.meta.main) {
  // The CDK CLI says where in the environment.
  const written = await synthesize(resolve(process.argv[2] ?? process.env['CDK_OUTDIR'] ?? 'cdk.out'));
  process.stdout.write(`${JSON.stringify(written, undefined, 2)}\n`);
}
