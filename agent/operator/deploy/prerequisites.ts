/** What the stack of the prerequisites says of bucket and roles, so that nobody has to say it again. */
import { AdjoinError } from '../../errors.ts';
import type { StacksPort } from './ports.ts';

export interface Prerequisites {
  readonly bucket: string | undefined;
  /** Parameters of the system that are its outputs, by name. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** Outputs that have the names of the system's parameters. */
const PARAMETERS = ['AdministratorArns', 'BreakGlassRoleArn', 'WorkerAdministratorRole'] as const;
const NONE: Prerequisites = { bucket: undefined, parameters: new Map() };

export const prerequisitesOf = (deployment: string): string => `${deployment}-prerequisites`;

/**
 * @param deployment whose prerequisites: the system's parameter
 * @returns nothing of a stack that is not there, or may not be looked at: what is missing is asked for, as without it
 */
export async function readPrerequisites(
  deployment: string,
  stacks: Pick<StacksPort, 'find'>,
  signal: AbortSignal,
): Promise<Prerequisites> {
  try {
    const found = await stacks.find(prerequisitesOf(deployment), signal);
    if (!found) return NONE;
    const said = PARAMETERS.flatMap((name): [string, string][] => {
      const value = found.outputs.get(name);
      return value === undefined ? [] : [[name, value]];
    });
    return { bucket: found.outputs.get('AgentBucket'), parameters: new Map(said) };
  } catch (error) {
    if (error instanceof AdjoinError && error.code === 'aws-denied') return NONE;
    throw error;
  }
}
