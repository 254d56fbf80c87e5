/** What a group's tags say of its nodes. Tags are foreign input: what adjoin does not know is an error, and reaches no node. */
import { AdjoinError } from '../errors.ts';
import type { NodeSettings } from '../nodes/nodes.ts';

/** The tag that says what the group's nodes run; name and values are those of the AWS Security Blog's solution. */
export const OPERATING_SYSTEM_TAG = 'Operating_System';

/** A test keeps them those of config/operating-systems.json. */
export const OPERATING_SYSTEMS: readonly string[] = [
  'AMAZON_LINUX',
  'FEDORA',
  'RHEL',
  'CENTOS',
  'UBUNTU',
  'DEBIAN',
  'SUSE',
  'WINDOWS',
];

/** The value for a message: printable ASCII, cut to what a line of a log can take. */
const shown = (value: string): string => JSON.stringify(value.replaceAll(/[^ -~]/g, '?').slice(0, 100));

/** What the configuration says of all nodes. */
export interface NodeDefaults {
  /** Empty where there is none. */
  readonly packageRepository: string;
}

/** @throws AdjoinError `group-tag-invalid` */
export function nodeSettings(tags: ReadonlyMap<string, string>, defaults: NodeDefaults): NodeSettings {
  const operatingSystem = tags.get(OPERATING_SYSTEM_TAG);
  const packageRepository = defaults.packageRepository === '' ? undefined : defaults.packageRepository;
  if (operatingSystem === undefined || OPERATING_SYSTEMS.includes(operatingSystem))
    return { operatingSystem, packageRepository };
  throw new AdjoinError(
    'group-tag-invalid',
    `The group's tag ${OPERATING_SYSTEM_TAG} is ${shown(operatingSystem)}, which is none of ${OPERATING_SYSTEMS.join(', ')}.`,
  );
}
