/**
 * The release, as package.json has it; a test compares the two. It is not read from there: the bundle would carry the
 * whole file, and each change of a development tool would be a new agent to deploy.
 */
export const VERSION = '0.1.0';
