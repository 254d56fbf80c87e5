/**
 * The parameters of a deployment: what the settings say, then what the stack has, then what is found in the VPC, then what a person
 * answers. What is still missing, or would be refused by CloudFormation, is said at once and before anything is made.
 */
import { wrap } from '../../cli/table.ts';
import type { Terminal } from '../../cli/terminal.ts';
import { AdjoinError } from '../../errors.ts';
import type { Prompt } from '../prompt.ts';
import { findParameters } from './find.ts';
import type { NetworkPort } from './ports.ts';
import { faultOf, type TemplateFacts } from './template.ts';

/** Characters of the base64 that the first of the two parameters takes. */
const CA_PART = 4_000;

export interface Given {
  /** Of the settings. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly bucket: string;
  readonly agentKey: string;
  /** PEM, as a file has it. Nothing when the stack keeps what it has. */
  readonly directoryCa: Buffer | undefined;
}

export interface Prepared {
  readonly parameters: ReadonlyMap<string, string>;
  /** What a person answered, to be kept with the settings. */
  readonly answered: ReadonlyMap<string, string>;
}

export interface PreparePorts {
  readonly network: NetworkPort;
  readonly prompt: Prompt;
  readonly terminal: Terminal;
  /** Whether a person may be asked. */
  readonly asks: boolean;
}

function derived({ bucket, agentKey, directoryCa }: Given): [string, string][] {
  const base64 = directoryCa?.toString('base64');
  const more = base64?.slice(CA_PART);
  return [
    ['AgentBucket', bucket],
    ['AgentKey', agentKey],
    ...(base64 === undefined
      ? []
      : [['DirectoryCaBase64', base64.slice(0, CA_PART)] satisfies [string, string]]),
    ...(more === undefined || more === ''
      ? []
      : [['DirectoryCaBase64More', more] satisfies [string, string]]),
  ];
}

function refuse(problems: readonly string[]): void {
  if (problems.length > 0)
    throw new AdjoinError('config-invalid', `The parameters have problems:\n- ${problems.join('\n- ')}`);
}

/**
 * @param present parameters of the stack that is there, if there is one; of it nothing is looked for
 * @throws AdjoinError `config-invalid`
 */
export async function prepare(
  given: Given,
  present: ReadonlyMap<string, string> | undefined,
  template: TemplateFacts,
  { asks, network, prompt, terminal }: PreparePorts,
  signal: AbortSignal,
): Promise<Prepared> {
  const parameters = new Map([...given.parameters, ...derived(given)]);
  const problems = [...parameters].flatMap(([name, value]) => faultOf(name, value, template) ?? []);
  refuse(problems);

  const answered = new Map<string, string>();
  async function ask(name: string): Promise<void> {
    const description = template.parameters.get(name)?.Description ?? '';
    terminal.err(wrap(`${name}: ${description}`));
    for (;;) {
      const value = await prompt.ask('  ', signal);
      const fault = faultOf(name, value, template);
      if (fault === undefined) {
        parameters.set(name, value);
        answered.set(name, value);
        return;
      }
      terminal.err(wrap(fault, '  '));
    }
  }

  const isMissing = (name: string): boolean =>
    !parameters.has(name) &&
    !(present?.has(name) ?? false) &&
    template.parameters.get(name)?.Default === undefined;

  if (!present) {
    if (asks && isMissing('VpcId')) await ask('VpcId');
    const { values, notes } = await findParameters(parameters, network, signal);
    for (const [name, value] of values) parameters.set(name, value);
    const shown = [...values].map(([name, value]) => `${name}=${value}`).join(' ');
    if (shown !== '') terminal.err(wrap(`Found: ${shown}`));
    for (const note of notes) terminal.err(wrap(note));
  }
  const missing = [...template.parameters.keys()].filter(isMissing);
  if (asks) for (const name of missing) await ask(name);
  else
    refuse(
      missing.map((name) => `${name} is missing. ${template.parameters.get(name)?.Description ?? ''}`.trim()),
    );
  return { parameters, answered };
}
