/** Native ES modules; swc only strips the types. */
export default {
  testEnvironment: 'node',
  // Milliseconds. Nothing here waits by itself: what takes longer hangs, and five seconds pass quickly on a busy machine.
  testTimeout: 30_000,
  // In the clone: a second clone's is of no use to this one, and `npm ci` does not clear it.
  cacheDirectory: '<rootDir>/.cache/jest',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  coverageProvider: 'v8',
  collectCoverageFrom: ['agent/**/*.ts'],
  coverageReporters: ['text-summary', 'html', 'json-summary'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
  modulePathIgnorePatterns: [
    '<rootDir>/.cache/',
    '<rootDir>/.sandbox/',
    '<rootDir>/cdk.out/',
    '<rootDir>/dist/',
  ],
};
