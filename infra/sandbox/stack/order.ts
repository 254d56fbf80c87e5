import { referencesOf } from './evaluate.ts';
import { TemplateError, type ResourceDefinition } from './template.ts';

/** CloudFormation makes side by side what nothing holds back. Here, where one follows the other, such a wait would hold back all. */
const waits = ({ type }: ResourceDefinition): boolean => type === 'AWS::CloudFormation::WaitCondition';

/**
 * Logical IDs in an order in which each comes after all that it refers to or depends on; otherwise as they are written, what
 * waits for something outside last.
 * @throws TemplateError for a circle
 */
export function creationOrder(resources: ReadonlyMap<string, ResourceDefinition>): string[] {
  const ordered = new Set<string>();
  const open: string[] = [];
  const visit = (id: string): void => {
    const resource = resources.get(id);
    if (resource === undefined || ordered.has(id)) return;
    if (open.includes(id))
      throw new TemplateError(`Resources refer to each other in a circle: ${[...open, id].join(' → ')}.`);
    open.push(id);
    for (const each of [...resource.dependsOn, ...referencesOf(resource.properties)]) visit(each);
    open.pop();
    ordered.add(id);
  };
  for (const [id, resource] of resources) if (!waits(resource)) visit(id);
  for (const id of resources.keys()) visit(id);
  return [...ordered];
}
