import { defineConfig } from 'vitest/config';

/** The unit tests of the models alone: a mutant of theirs that only a whole daemon notices counts as alive. */
export default defineConfig({ test: { pool: 'forks', include: ['test/models/**/*.unit.test.ts'], testTimeout: 20_000 } });
