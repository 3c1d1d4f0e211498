/** The specs that need no PostgreSQL, and are held to notice any change of the rules they are about. */
const PURE_SPECS = [
  'claims',
  'compact',
  'errors',
  'header-memory',
  'instant',
  'key-schedule',
  'key-steps',
  'lifetime',
  'options',
  'refresh-token',
  'resource-server-options',
  'rotation',
  'signature',
  'uuid',
  'verification',
];

/** Mutation testing of the rules that decide: `npm run mutation`. What survives is explained in stryker.survivors.md. */
export default {
  // The rest of core/ is types, and of jwt/ keys and signing.
  mutate: ['libs/auth/src/core/*.ts', 'libs/auth/src/jwt/{compact,json-members,signature,verification}.ts'],
  testRunner: 'jest',
  coverageAnalysis: 'perTest',
  jest: {
    // Over jest.config.js, whose set-up starts PostgreSQL. The sources are a root so that a mutant meets only the specs
    // that import it.
    config: {
      roots: ['<rootDir>/test', '<rootDir>/libs/auth/src'],
      testMatch: PURE_SPECS.map((name) => `<rootDir>/test/${name}.spec.ts`),
      setupFiles: ['<rootDir>/test/support/no-shrinking.ts'],
      globalSetup: null,
      globalTeardown: null,
    },
  },
  concurrency: 2,
  // Module registries of past runs pile up in a worker.
  maxTestRunnerReuse: 50,
  thresholds: { high: 95, low: 90, break: 90 },
  reporters: ['clear-text', 'html'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  htmlReporter: { fileName: 'coverage/mutation.html' },
  warnings: { slow: false },
  tempDirName: 'coverage/stryker',
  ignorePatterns: ['**', '!libs/auth/src/**/*.ts', '!test/**/*.ts', '!package.json', '!jest.config.js'],
};
