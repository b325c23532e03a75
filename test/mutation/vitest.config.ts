import { defineConfig } from 'vitest/config';

/** The tests of these rooms alone: a mutant that only a feature set, a policy or a whole daemon notices counts as alive. */
export default defineConfig({ test: { pool: 'forks', include: ['test/models/{scattering,search,choice}*.unit.test.ts'], testTimeout: 20_000 } });
