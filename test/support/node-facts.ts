import type { NodeDefaults } from '../../agent/lifecycle/node-settings.ts';

/** What an honest node prints, as far as tests don't care about it. */
export const honestProbe = {
  adjoin: 1,
  document: 'probe',
  family: 'linux',
  os: 'debian',
  osVersion: '12',
  hostName: 'ip-10-77-1-5',
  domain: '',
  computerName: '',
  ready: true,
  missing: [] as string[],
  renamedBy: '',
  key: 'MIIB',
  proof: '',
  system: 'Debian',
  code: '',
  detail: '',
} as const;

/** A configuration that says nothing of nodes. */
export const noNodeDefaults: NodeDefaults = {
  packageRepository: '',
  logInGroups: [],
  sudoGroups: [],
  groupPolicy: 'enforcing',
  ownDocuments: [],
};
