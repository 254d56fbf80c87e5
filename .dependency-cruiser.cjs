/**
 * The floors of the house: a room imports only from rooms that stand below it. `on` names them; a room that is not named
 * is out of reach, so rooms of one floor do not see each other. A new file or folder that belongs to no room is an error.
 */
const agent = {
  ground: { path: '^agent/(batch|clock|config|errors|heap|keep-alive|log|patience|redact|terms|version|window)\\.ts$', on: [] },

  checks: { path: '^agent/checks/', on: ['ground'] },
  ledger: { path: '^agent/ledger/', on: ['ground'] },
  directory: { path: '^agent/directory/', on: ['ground'] },
  nodes: { path: '^agent/nodes/', on: ['ground'] },

  lifecycle: { path: '^agent/lifecycle/', on: ['ground', 'ledger', 'directory', 'nodes'] },
  sweep: { path: '^agent/sweep/', on: ['ground', 'ledger', 'directory'] },

  // A port is declared by the room that calls it; the adapter that serves it stands above.
  aws: { path: '^agent/aws/', on: ['ground', 'checks', 'ledger', 'directory', 'nodes', 'lifecycle', 'sweep'] },
  worker: { path: '^agent/worker\\.ts$', on: ['ground', 'lifecycle'] },

  compose: {
    path: '^agent/(compose|place)\\.ts$',
    on: ['ground', 'checks', 'ledger', 'directory', 'nodes', 'lifecycle', 'sweep', 'aws', 'worker'],
  },
  // The dead letters are read without a worker: these commands reach the adapters themselves.
  cli: { path: '^agent/cli/', on: ['ground', 'checks', 'ledger', 'nodes', 'lifecycle', 'sweep', 'aws', 'compose'] },
  main: { path: '^agent/main\\.ts$', on: ['cli'] },
  // Commands of an operator's desk. Nothing stands on it, so a worker's bundle has none of it.
  operator: {
    path: '^agent/operator/',
    on: ['ground', 'checks', 'ledger', 'directory', 'nodes', 'lifecycle', 'sweep', 'aws', 'cli'],
  },
};

/** The AWS CDK part of infra. */
const constructs = {
  // One concern each: the queue, the table, the worker, the credential …
  parts: {
    path: '^infra/(?!(app|stack|attach-stack|acknowledged|membership-system|domain-membership|index)\\.ts$)([^/]+\\.ts$|worker/)',
    on: [],
  },
  // All parts together, in texts and conditions; above it one way for templates with parameters, and one for CDK apps.
  system: { path: '^infra/membership-system\\.ts$', on: ['parts'] },
  stacks: { path: '^infra/(stack|attach-stack|acknowledged)\\.ts$', on: ['parts', 'system'] },
  construct: { path: '^infra/domain-membership\\.ts$', on: ['parts', 'system'] },
  index: { path: '^infra/index\\.ts$', on: ['parts', 'construct'] },
  app: { path: '^infra/app\\.ts$', on: ['parts', 'stacks'] },
};

/** The sandbox: a guest, which knows nothing of the agent, of the constructs or of the documents. */
const sandbox = {
  ground: { path: '^infra/sandbox/(?!main\\.ts$)[^/]+$', on: [] },

  'command-line': { path: '^infra/sandbox/command-line/', on: ['ground'] },
  cloud: { path: '^infra/sandbox/cloud/', on: ['ground'] },
  iam: { path: '^infra/sandbox/iam/', on: ['ground'] },
  machine: { path: '^infra/sandbox/machine/', on: ['ground'] },

  domain: { path: '^infra/sandbox/domain/', on: ['ground', 'machine'] },
  image: { path: '^infra/sandbox/image/', on: ['ground', 'machine'] },
  stack: { path: '^infra/sandbox/stack/', on: ['ground', 'cloud', 'iam', 'machine'] },

  host: { path: '^infra/sandbox/host/', on: ['ground', 'command-line', 'machine', 'image'] },
  story: { path: '^infra/sandbox/story/', on: ['ground', 'domain'] },

  inside: {
    path: '^infra/sandbox/inside/',
    on: ['ground', 'cloud', 'domain', 'host', 'machine', 'stack', 'story'],
  },
  chaos: {
    path: '^infra/sandbox/chaos/',
    on: ['ground', 'command-line', 'cloud', 'domain', 'host', 'inside', 'machine', 'stack', 'story'],
  },
  main: { path: '^infra/sandbox/main\\.ts$', on: ['ground', 'command-line', 'chaos', 'host', 'inside', 'story'] },
};

/** @param within everything that these rooms are rooms of; what lies outside is the business of other rules */
function floorsOf(name, within, rooms) {
  const paths = Object.values(rooms).map((room) => room.path);
  return [
    {
      name: `${name}-every-file-has-a-room`,
      severity: 'error',
      from: { path: within, pathNot: paths },
      to: {},
    },
    ...Object.entries(rooms).map(([room, { path, on }]) => ({
      name: `${name}-${room}-stands-on-${on.join('-') || 'nothing'}`,
      severity: 'error',
      from: { path },
      to: { path: within, pathNot: [path, ...on.map((below) => rooms[below].path)] },
    })),
  ];
}

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },

    ...floorsOf('agent', '^agent/', agent),
    ...floorsOf('constructs', '^infra/(?!sandbox/)', constructs),
    ...floorsOf('sandbox', '^infra/sandbox/', sandbox),

    { name: 'agent-imports-the-agent-alone', severity: 'error', from: { path: '^agent/' }, to: { path: '^(infra|documents|test|scripts)/' } },
    { name: 'constructs-never-import-agent-or-sandbox', severity: 'error', from: { path: '^infra/(?!sandbox/)' }, to: { path: '^(agent|scripts|infra/sandbox)/' } },
    { name: 'sandbox-is-a-guest', severity: 'error', from: { path: '^infra/sandbox/' }, to: { path: '^(agent|documents|scripts|infra/(?!sandbox/))' } },
    { name: 'documents-import-nothing', severity: 'error', from: { path: '^documents/' }, to: { path: '^(agent|infra|scripts)/' } },
    { name: 'nobody-imports-tests', severity: 'error', from: { pathNot: '^test/' }, to: { path: '^test/' } },

    {
      name: 'only-the-directory-speaks-ldap',
      severity: 'error',
      from: { path: '^agent/', pathNot: '^agent/directory/' },
      to: { path: 'node_modules/ldapts' },
    },
    {
      name: 'only-the-aws-adapters-speak-to-aws',
      severity: 'error',
      from: { path: '^agent/', pathNot: '^agent/(operator/)?aws/' },
      to: { path: 'node_modules/(@aws-sdk|@smithy)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.mjs', '.js', '.json'] },
  },
};
