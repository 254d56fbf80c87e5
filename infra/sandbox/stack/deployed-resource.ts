import type { Created } from './evaluate.ts';
import type { JsonMap } from './template.ts';

/** A resource of a stack that is there. */
export interface DeployedResource extends Created {
  readonly logicalId: string;
  readonly type: string;
  readonly properties: JsonMap;
}
