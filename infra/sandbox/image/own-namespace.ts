/** Runs what follows in a mount and a PID namespace of its own: a build that is killed leaves only its directory. */
export const ofItsOwn: readonly string[] = [
  'setpriv',
  '--pdeathsig',
  'KILL',
  'unshare',
  '--mount',
  '--pid',
  '--fork',
  '--kill-child',
  '--propagation=private',
];
