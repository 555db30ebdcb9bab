/** Two projects: pure unit tests beside the code, and e2e tests on real PostgreSQL and Redis. */
const common = {
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': '@swc/jest' },
  // Sources import `./file.js` as Node resolves it after the build; in tests that is `./file.ts`.
  moduleNameMapper: {
    '^#kernel/(.*)\\.js$': '<rootDir>/src/kernel/$1.ts',
    '^#platform/(.*)\\.js$': '<rootDir>/src/platform/$1.ts',
    '^#modules/([^/]+)$': '<rootDir>/src/modules/$1/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  testEnvironment: 'node',
}

export default {
  // What a file's ES modules take stays in the worker: after some dozens it is all garbage collection, and in the end out of memory.
  workerIdleMemoryLimit: '1GB',
  // A limit for what hangs, not a measure of speed: these machines are shared.
  testTimeout: 40_000,
  projects: [
    {
      ...common,
      displayName: 'unit',
      testMatch: [
        '<rootDir>/src/**/*.spec.ts',
        '<rootDir>/test/support/**/*.spec.ts',
        '<rootDir>/test/architecture/**/*.spec.ts',
      ],
    },
    {
      ...common,
      displayName: 'e2e',
      testMatch: ['<rootDir>/test/**/*.e2e.ts'],
      setupFiles: ['<rootDir>/test/support/load-nest.mjs'],
      globalSetup: '<rootDir>/test/support/global-setup.mjs',
      globalTeardown: '<rootDir>/test/support/global-teardown.mjs',
    },
  ],
}
