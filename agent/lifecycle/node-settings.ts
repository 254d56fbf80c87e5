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

/** @throws AdjoinError `group-tag-invalid` */
export function nodeSettings(tags: ReadonlyMap<string, string>): NodeSettings {
  const operatingSystem = tags.get(OPERATING_SYSTEM_TAG);
  if (operatingSystem === undefined || OPERATING_SYSTEMS.includes(operatingSystem))
    return { operatingSystem };
  throw new AdjoinError(
    'group-tag-invalid',
    `The group's tag ${OPERATING_SYSTEM_TAG} is ${shown(operatingSystem)}, which is none of ${OPERATING_SYSTEMS.join(', ')}.`,
  );
}
