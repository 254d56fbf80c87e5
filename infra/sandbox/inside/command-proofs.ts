/** What Run Command's own record shows of the commands: which nodes shared one, and what the nodes answered. */
import { paginateListCommandInvocations, paginateListCommands, type SSMClient } from '@aws-sdk/client-ssm';
import { type Proof, proofOf } from '../story/proof.ts';

/**
 * Nodes that were ready for the same thing at the same time were sent one command for it, whatever they run.
 * @param documents by what they are for, in the order in which a launch needs them
 * @param systemOf names the system of a node
 */
export async function proveShared(
  ssm: SSMClient,
  documents: Readonly<Record<string, string>>,
  systemOf: (instanceId: string) => string | undefined,
): Promise<Proof> {
  const commands = new Map(Object.values(documents).map((name) => [name, [] as (readonly string[])[]]));
  for await (const page of paginateListCommands({ client: ssm }, {})) {
    for (const { DocumentName = '', InstanceIds = [] } of page.Commands ?? [])
      commands.get(DocumentName)?.push(InstanceIds);
  }
  const isShared = (nodes: readonly string[]): boolean => new Set(nodes.map(systemOf)).size > 1;
  const proven = [...commands.values()].flat().some(isShared);
  const figures = Object.entries(documents).map(([purpose, name]) => {
    const sent = commands.get(name) ?? [];
    return `${sent.flat().length} ${purpose}s in ${sent.length}`;
  });
  return {
    claim: 'Run Command: nodes of different systems shared commands',
    proven,
    figures: figures.join(', '),
    failures: proven ? [] : ['no command went to nodes of two systems'],
  };
}

/** Each node that was told to leave says that it has left. @param nodes by the name of their system */
export async function proveLeft(
  ssm: SSMClient,
  leaveDocument: string,
  nodes: ReadonlyMap<string, readonly string[]>,
): Promise<Proof[]> {
  const left = new Set<string>();
  for await (const page of paginateListCommandInvocations({ client: ssm }, { Details: true })) {
    for (const { DocumentName, InstanceId, CommandPlugins } of page.CommandInvocations ?? []) {
      const said = (CommandPlugins ?? []).some(({ Output }) => Output?.includes('"result":"left"'));
      if (DocumentName === leaveDocument && InstanceId !== undefined && said) left.add(InstanceId);
    }
  }
  return [...nodes].map(([name, instanceIds]) => {
    const silent = instanceIds
      .filter((id) => !left.has(id))
      .map((id) => `${id} does not say that it has left`);
    return proofOf(`${name}: the node itself has left`, instanceIds.length, silent);
  });
}
