import { defineConfig } from 'vitest/config';

/** Unit, contract and simulation tests run side by side; end-to-end tests start real daemons, wait a good deal, and run side by side after them. */
export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    allowOnly: false,
    passWithNoTests: false,
    projects: [
      {
        extends: true,
        test: { name: 'fast', include: ['test/**/*.{unit,contract,sim}.test.ts'], testTimeout: 60_000, hookTimeout: 60_000, sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: { name: 'e2e', include: ['test/**/*.e2e.test.ts'], testTimeout: 180_000, hookTimeout: 60_000, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
