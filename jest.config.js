const toCommonJs = { module: { type: 'commonjs' }, jsc: { target: 'es2023' } };

/** Tests run as CommonJS on every supported Node, ESM-only dependencies included; the built ESM is tested as a process. */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.spec.ts'],
  // A run of its own, jest.browser.config.js: these need Chromium.
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/browser/'],
  globalSetup: '<rootDir>/test/support/global-setup.js',
  globalTeardown: '<rootDir>/test/support/global-teardown.js',
  testTimeout: 30_000,
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        ...toCommonJs,
        jsc: {
          ...toCommonJs.jsc,
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          keepClassNames: true,
        },
      },
    ],
    'node_modules/.+\\.m?js$': ['@swc/jest', toCommonJs],
  },
  transformIgnorePatterns: [
    '/node_modules/(?:typeorm|rxjs|tslib|pg|pg-[a-z-]+|express|reflect-metadata|fast-check|@swc|@node-rs)/',
  ],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^nestjs-token-family$': '<rootDir>/libs/auth/src/index.ts',
    '^nestjs-token-family/openapi$': '<rootDir>/libs/auth/src/openapi.ts',
    '^nestjs-token-family/opentelemetry$': '<rootDir>/libs/auth/src/opentelemetry.ts',
    '^nestjs-token-family/prometheus$': '<rootDir>/libs/auth/src/prometheus.ts',
    '^nestjs-token-family/resource-server$': '<rootDir>/libs/auth/src/resource-server.ts',
    '^nestjs-token-family/throttler$': '<rootDir>/libs/auth/src/throttler.ts',
    '^nestjs-token-family/typeorm$': '<rootDir>/libs/auth/src/typeorm.ts',
    '^token-family-client$': '<rootDir>/libs/client/src/index.ts',
    '^token-family-client/file$': '<rootDir>/libs/client/src/file.ts',
  },
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/libs/.*/dist', '<rootDir>/libs/.*/\\.tshy'],
};
