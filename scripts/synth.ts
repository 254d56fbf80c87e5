/**
 * Writes everything that is deployed into a folder, offline and without an AWS account:
 *
 *     node scripts/synth.ts [--deployment NAME] [FOLDER]        cdk.out unless told otherwise
 *
 *     adjoin.template.json                  the system
 *     adjoin-attach.template.json           attaches one Auto Scaling group
 *     agent/agent.mjs                       the bundled agent, for the bucket that the parameters name
 *     policies/*.json                       service control policies, for the deployment of this name (adjoin)
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { createApp } from '../infra/app.ts';
import { defaultExemptions, denyPolicies, serviceControlPolicy } from '../infra/protection.ts';
import { deploymentPattern } from '../infra/site.ts';
import { bundleAgent } from './bundle.ts';

export interface Synthesized {
  readonly template: string;
  readonly attachTemplate: string;
  readonly agentFile: string;
  /** One file for each deny policy, for the organization's management account. */
  readonly serviceControlPolicies: readonly string[];
}

/** @param deployment what the service control policies name; in the template it is a parameter. @returns the files written */
export async function synthesize(folder: string, deployment: string): Promise<Synthesized> {
  if (!new RegExp(deploymentPattern).test(deployment))
    throw new Error(`--deployment: "${deployment}" must match ${deploymentPattern}`);
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
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { deployment: { type: 'string', default: 'adjoin' } },
  });
  // The CDK CLI says where in the environment.
  const folder = resolve(positionals[0] ?? process.env['CDK_OUTDIR'] ?? 'cdk.out');
  const written = await synthesize(folder, values.deployment);
  process.stdout.write(`${JSON.stringify(written, undefined, 2)}\n`);
}
