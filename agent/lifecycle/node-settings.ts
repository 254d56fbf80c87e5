/** What a group's tags say of its nodes. Tags are foreign input: what adjoin does not know is an error, and reaches no node. */
import { GROUP_NAME } from '../config.ts';
import { AdjoinError } from '../errors.ts';
import type { AccessSettings, Document, NodeSettings } from '../nodes/nodes.ts';

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

/** The tags that name the groups of the domain whose members may log in, and use sudo; colons between the names. */
export const LOG_IN_GROUPS_TAG = 'adjoin:LogInGroups';
export const SUDO_GROUPS_TAG = 'adjoin:SudoGroups';

/** What the configuration says of all nodes; what a group's tags say counts more. */
export interface NodeDefaults {
  /** Empty where there is none. */
  readonly packageRepository: string;
  readonly logInGroups: readonly string[];
  readonly sudoGroups: readonly string[];
  readonly groupPolicy: string;
  /** The documents that tags of groups may name. */
  readonly ownDocuments: readonly Document[];
}

/** The most that a document takes; a tag's value has 256 characters. */
const LONGEST_LIST = 1024;

const nonempty = (text: string): string | undefined => (text === '' ? undefined : text);

/** @throws AdjoinError `group-tag-invalid` */
export function nodeSettings(tags: ReadonlyMap<string, string>, defaults: NodeDefaults): NodeSettings {
  const operatingSystem = tags.get(OPERATING_SYSTEM_TAG);
  const packageRepository = nonempty(defaults.packageRepository);
  if (operatingSystem === undefined || OPERATING_SYSTEMS.includes(operatingSystem))
    return { operatingSystem, packageRepository };
  throw new AdjoinError(
    'group-tag-invalid',
    `The group's tag ${OPERATING_SYSTEM_TAG} is ${shown(operatingSystem)}, which is none of ${OPERATING_SYSTEMS.join(', ')}.`,
  );
}

/** The groups as a document's parameter takes them: + is no character of a name. @throws AdjoinError `group-tag-invalid` */
function groupList(
  tag: string,
  tags: ReadonlyMap<string, string>,
  otherwise: readonly string[],
): string | undefined {
  const value = tags.get(tag);
  const names = value === undefined ? otherwise : value.split(':').map((name) => name.trim());
  const wrong = names.find((name) => !GROUP_NAME.test(name));
  if (wrong !== undefined || names.join(':').length > LONGEST_LIST) {
    throw new AdjoinError(
      'group-tag-invalid',
      `The group's tag ${tag} is ${shown(value ?? '')}. It takes names of groups with colons between them; ${shown(wrong ?? '')} is none with letters, digits, spaces, and the characters . _ - alone.`,
    );
  }
  return nonempty(names.join(':').replaceAll(' ', '+'));
}

/** Who may log in to the group's nodes. @throws AdjoinError `group-tag-invalid` */
export function accessSettings(tags: ReadonlyMap<string, string>, defaults: NodeDefaults): AccessSettings {
  return {
    logInGroups: groupList(LOG_IN_GROUPS_TAG, tags, defaults.logInGroups),
    sudoGroups: groupList(SUDO_GROUPS_TAG, tags, defaults.sudoGroups),
    groupPolicy: defaults.groupPolicy,
  };
}
