/** `adjoin.json`: what a person says of a deployment. It has no secrets, and belongs beside the code of the account. */
import { z } from 'zod';
import { AdjoinError, reasonOf } from '../../errors.ts';

const value = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]);

const shape = z.strictObject({
  $schema: z.string().optional(),
  stack: z
    .string()
    .regex(/^[A-Za-z][-A-Za-z0-9]{0,127}$/, 'must begin with a letter, and have letters, digits and hyphens')
    .default('adjoin'),
  region: z
    .string()
    .regex(/^[a-z]{2,}(-[a-z]+)+-\d$/, 'is not the name of an AWS Region')
    .exactOptional(),
  bucket: z
    .string()
    .regex(/^[a-z0-9.-]{3,63}$/, 'is not the name of a bucket')
    .exactOptional(),
  directoryCa: z.string().min(1).exactOptional(),
  parameters: z.record(z.string(), value).default({}),
});

export interface Settings {
  /** Name of the stack. */
  readonly stack: string;
  /** @default the environment's */
  readonly region?: string;
  /** Bucket in this Region that the agent's file and the template go into. */
  readonly bucket?: string;
  /** PEM file with the CA of the controllers, relative to the settings. */
  readonly directoryCa?: string;
  /** Parameters of the template, as CloudFormation takes them: a list with commas. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** Those that follow from other settings. */
export const DERIVED: Readonly<Record<string, string>> = {
  AgentBucket: 'bucket',
  AgentKey: 'bucket',
  DirectoryCaBase64: 'directoryCa',
  DirectoryCaBase64More: 'directoryCa',
};

/** @throws AdjoinError `config-invalid`, with every problem at once */
export function parseSettings(text: string, file: string): Settings {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (error) {
    throw new AdjoinError('config-invalid', `${file} is not JSON: ${reasonOf(error)}`);
  }
  const parsed = shape.safeParse(read);
  const problems = parsed.success
    ? Object.keys(parsed.data.parameters)
        .filter((name) => name in DERIVED)
        .map((name) => `parameters.${name}: say ${DERIVED[name]} instead`)
    : parsed.error.issues.map(({ path, message }) => `${path.join('.') || '(the whole file)'}: ${message}`);
  if (!parsed.success || problems.length > 0) {
    throw new AdjoinError('config-invalid', `${file} has problems:\n- ${problems.join('\n- ')}`);
  }
  const { stack, region, bucket, directoryCa, parameters } = parsed.data;
  return {
    stack,
    ...(region !== undefined && { region }),
    ...(bucket !== undefined && { bucket }),
    ...(directoryCa !== undefined && { directoryCa }),
    parameters: new Map(Object.entries(parameters).map(([name, each]) => [name, String(each)])),
  };
}

/** What is written back, so that nobody is asked twice. */
export const formatSettings = ({ parameters, ...rest }: Settings): string =>
  `${JSON.stringify({ ...rest, parameters: Object.fromEntries(parameters) }, null, 2)}\n`;
