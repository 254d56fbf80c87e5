/** Arguments that can't be understood. */
export class UsageError extends Error {}
