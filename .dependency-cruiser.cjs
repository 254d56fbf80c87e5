/** The direction of the house: a room imports only from rooms below it. */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    { name: 'infra-never-imports-agent', severity: 'error', from: { path: '^infra' }, to: { path: '^agent' } },
    { name: 'agent-never-imports-infra', severity: 'error', from: { path: '^agent' }, to: { path: '^(infra|documents|test|scripts)' } },
    { name: 'nobody-imports-tests', severity: 'error', from: { pathNot: '^test' }, to: { path: '^test' } },
    {
      name: 'only-the-directory-speaks-ldap',
      severity: 'error',
      from: { path: '^agent', pathNot: '^agent/directory' },
      to: { path: 'node_modules/ldapts' },
    },
    {
      name: 'only-the-aws-adapters-make-clients',
      severity: 'error',
      from: { path: '^agent/(lifecycle|nodes|directory|ledger|sweep|[a-z]+\\.ts)' },
      to: { path: 'node_modules/@aws-sdk' },
    },
    {
      name: 'the-directory-stands-on-the-ground',
      severity: 'error',
      from: { path: '^agent/directory' },
      to: { path: '^agent/(lifecycle|nodes|ledger|aws)' },
    },
    {
      name: 'nodes-stand-on-the-ground',
      severity: 'error',
      from: { path: '^agent/nodes' },
      to: { path: '^agent/(lifecycle|directory|ledger|aws)' },
    },
    { name: 'main-is-the-top', severity: 'error', from: { path: '^agent' }, to: { path: '^agent/main' } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.mjs', '.js', '.json'] },
  },
};
