/** Runs the tests of the clone that this file is in, on its canary enclave. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

const NOT_OF_CANARIES = [
  // Counts them: a canary has one more.
  'opens no descriptor of the platform but its channel',
  // Runs a part of the clone, without the folder that listens to its canaries.
  'the measured code.+opens the state from another folder',
];

export default defineConfig({
  test: {
    root: path('../../..'),
    include: ['test/e2e/**/*.test.ts'],
    // They are the search; and the release is not what is built there, nor built again.
    exclude: ['test/e2e/leaks*.test.ts', 'test/e2e/setup.test.ts'],
    testNamePattern: new RegExp(`^(?!.*(?:${NOT_OF_CANARIES.join('|')}))`),
    setupFiles: [path('setup.ts')],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  },
});
