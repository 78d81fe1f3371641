/** Runs the tests of the clone that this file is in, on its canary enclave. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

export default defineConfig({
  test: {
    root: path('../../..'),
    include: ['test/e2e/**/*.test.ts'],
    // They are the search; and the release is not what is built there.
    exclude: ['test/e2e/leaks*.test.ts'],
    // It counts descriptors, of which a canary has one more.
    testNamePattern: /^(?!.*opens no descriptor of the platform but its channel)/,
    setupFiles: [path('setup.ts')],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  },
});
