import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createApp } from '../infra/app.ts';
import { importTemplate } from '../infra/import-template.ts';
import {
  defaultExemptions,
  denyPolicies,
  resourceControlPolicy,
  serviceControlPolicy,
  type ServiceControlPolicy,
  type ServiceControlPolicyProps,
} from '../infra/service-control.ts';
import { prepareImageScript } from '../documents/index.ts';
import { bundleAgent } from './bundle.ts';

export interface Synthesized {
  readonly template: string;
  readonly attachTemplate: string;
  /** Takes into a new stack what a deleted one has left. */
  readonly importTemplate: string;
  /** Roles and the agent's bucket, before the system. */
  readonly prerequisitesTemplate: string;
  /** Sends IAM's events from us-east-1 to the system's Region. */
  readonly iamEventsTemplate: string;
  readonly agentFile: string;
  /** The script of the document `prepare-image`, for builders of images. */
  readonly prepareImage: string;
  /** For the organization's management account: binds secret, queues, keys, records and the agent's file. */
  readonly resourceControlPolicy: string;
  /** One file for each deny policy, for the organization's management account. */
  readonly serviceControlPolicies: readonly string[];
  /** Statements of these files that are left out, because what they name was not given. */
  readonly leftOut: readonly string[];
}

/**
 * Writes everything that is deployed into a folder.
 * @param named what the service control policies name; in the template these are parameters
 * @returns the files written
 */
export async function synthesize(folder: string, named: ServiceControlPolicyProps): Promise<Synthesized> {
  const agentFile = join(folder, 'agent', 'agent.mjs');
  mkdirSync(join(folder, 'policies'), { recursive: true });
  await bundleAgent(agentFile);
  createApp({ outdir: folder, agentFile }).synth();
  const exempt = [...defaultExemptions(named.deployment, named.rolePath), ...named.exempt];
  const write = (name: string, { document, leftOut }: ServiceControlPolicy) => {
    const file = join(folder, 'policies', `${name}.json`);
    // Written as it counts: Organizations' limit of 5,120 characters includes white space.
    writeFileSync(file, `${JSON.stringify(document)}\n`);
    return { file, leftOut: leftOut.map((sid) => `${name} ${sid}`) };
  };
  const policies = denyPolicies.map((name) => write(name, serviceControlPolicy(name, { ...named, exempt })));
  const resources = write('resource-control', resourceControlPolicy({ ...named, exempt }));
  const template = join(folder, 'adjoin.template.json');
  const importing = join(folder, 'adjoin-import.template.json');
  writeFileSync(
    importing,
    `${JSON.stringify(importTemplate(readFileSync(template, 'utf8')), undefined, 1)}\n`,
  );
  const prerequisites = join(folder, 'adjoin-prerequisites.template.json');
  // No bucket is there yet that a longer one could come from: it has to fit into a request.
  writeFileSync(prerequisites, JSON.stringify(JSON.parse(readFileSync(prerequisites, 'utf8'))));
  const prepareImage = join(folder, 'prepare-image.sh');
  writeFileSync(prepareImage, prepareImageScript());
  return {
    prepareImage,
    template,
    attachTemplate: join(folder, 'adjoin-attach.template.json'),
    importTemplate: importing,
    prerequisitesTemplate: prerequisites,
    iamEventsTemplate: join(folder, 'adjoin-iam-events.template.json'),
    agentFile,
    resourceControlPolicy: resources.file,
    serviceControlPolicies: policies.map(({ file }) => file),
    leftOut: [...policies, resources].flatMap(({ leftOut }) => leftOut),
  };
}
