/** The templates of cases.ts, made once in a process of its own. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { synthesis } from '../../../infra/sandbox/stack/synthesis.ts';
import type { Template } from '../templates.ts';
import type { CaseName, Constructs, Made } from './cases.ts';

export interface MadeConstructs extends Pick<Constructs, 'unjustified'> {
  /** @throws Error when the case made none */
  template(name: CaseName): Template;
  /** What was wrong with a case; undefined when it made a template. */
  errorOf(name: CaseName): string | undefined;
  readonly badDeployments: readonly (string | undefined)[];
}

const messageOf = (each: Made): string | undefined => ('error' in each ? each.error : undefined);

export async function makeConstructs(): Promise<MadeConstructs> {
  const { folder } = await synthesis();
  const program = join(import.meta.dirname, 'cases.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, folder], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    // The library's own validator takes four fifths of the time, and only warns. `cdk synth` has it on (synth.test.ts).
    env: { ...process.env, CDK_VALIDATION: 'false' },
  });
  if (status !== 0) throw new Error(`cases.ts ended with ${status}: ${stderr}`);
  const { cases, badDeployments, unjustified }: Constructs = JSON.parse(stdout);
  const made = (name: CaseName) => {
    const found = cases[name];
    if (found === undefined) throw new Error(`There is no case "${name}".`);
    return found;
  };
  return {
    template(name) {
      const found = made(name);
      if ('error' in found) throw new Error(`"${name}" made no template: ${found.error}`);
      return JSON.parse(JSON.stringify(found.template));
    },
    errorOf: (name) => messageOf(made(name)),
    badDeployments: badDeployments.map(messageOf),
    unjustified,
  };
}
