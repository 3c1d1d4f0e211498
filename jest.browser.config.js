import base from './jest.config.js';

/** What only a real browser can show; it needs Chromium, which `npm test` must do without. */
export default {
  ...base,
  roots: ['<rootDir>/test/browser'],
  testPathIgnorePatterns: ['/node_modules/'],
  // One browser at a time: two share the machine with PostgreSQL and its nodes badly.
  maxWorkers: 1,
  testTimeout: 60_000,
  transformIgnorePatterns: [
    ...base.transformIgnorePatterns,
    // CommonJS already, and large.
    '/node_modules/playwright-core/',
  ],
};
