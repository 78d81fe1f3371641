import { defineConfig, type TestProjectConfiguration } from 'vitest/config';

// SLOW=1 multiplies the runs of property tests, so it must lengthen what they may take.
const patience = process.env['SLOW'] === '1' ? 20 : 1;

interface Limits {
  readonly seconds: number;
  /** Real processes need the cores for themselves. */
  readonly workers: number;
  /** Projects of one group run together; groups run one after the other. */
  readonly group: number;
  readonly pool: 'threads' | 'forks';
}

/** The tests in test/NAME/. `npx vitest run --project NAME` runs one of them. */
function project(name: string, limits: Limits): TestProjectConfiguration {
  return {
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      exclude: ['**/node_modules/**', '**/build/**', '**/dist/**', 'test/support/**'],
      pool: limits.pool,
      maxWorkers: limits.workers,
      testTimeout: limits.seconds * 1000 * patience,
      hookTimeout: limits.seconds * 1000 * patience,
      sequence: { groupOrder: limits.group },
      execArgv: ['--disable-warning=ExperimentalWarning'],
    },
  };
}

export default defineConfig({
  test: {
    projects: [
      project('unit', { seconds: 10, workers: 2, group: 0, pool: 'threads' }),
      project('properties', { seconds: 60, workers: 2, group: 0, pool: 'threads' }),
      project('hsm', { seconds: 60, workers: 2, group: 1, pool: 'forks' }),
      project('interop', { seconds: 120, workers: 2, group: 1, pool: 'forks' }),
      project('hostile-host', { seconds: 120, workers: 2, group: 1, pool: 'forks' }),
      project('e2e', { seconds: 120, workers: 1, group: 2, pool: 'forks' }),
    ],
  },
});
