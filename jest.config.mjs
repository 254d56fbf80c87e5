/** Native ES modules; swc only strips the types. */
export default {
  testEnvironment: 'node',
  // Milliseconds. Nothing here waits by itself: what takes longer hangs, and five seconds pass quickly on a busy machine.
  testTimeout: 30_000,
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
  modulePathIgnorePatterns: ['<rootDir>/.cache/', '<rootDir>/.sandbox/', '<rootDir>/cdk.out/'],
};
