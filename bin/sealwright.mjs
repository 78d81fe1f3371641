#!/usr/bin/env node
// Plain JavaScript, because any Node may start it: it hands over to the pinned Node, which runs our
// TypeScript as it is.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const packageName = `node-linux-${process.arch}`;
const pinned = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).optionalDependencies[
  packageName
];
const node = join(root, 'node_modules', packageName, 'bin', 'node');

// Without this flag warnings about experimental features get between the lines of a JSON log.
const quiet = '--disable-warning=ExperimentalWarning';

if (pinned === undefined) {
  stop(
    `there is no pinned Node for ${process.platform} on ${process.arch}; Linux on x64 and arm64 have one`,
  );
} else if (!existsSync(node)) {
  stop('the locked packages are not installed; run "npm run setup" first');
} else if (process.version !== `v${pinned}` || !process.execArgv.includes(quiet)) {
  handOver();
} else {
  // Keeps the stripped TypeScript between runs. It speeds up the command line only: the enclave's
  // launcher starts measured bundles and never uses a cache.
  module.enableCompileCache(join(root, 'build', 'compile-cache'));
  await import('../src/cli/main.ts');
}

function handOver() {
  const environment = { ...process.env };
  // It can load foreign code or change the flags given here.
  delete environment.NODE_OPTIONS;
  const child = spawn(node, [quiet, fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: environment,
  });
  const inTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to both of us; a second copy would read as an impatient second Ctrl-C.
      if (signal !== 'SIGINT' || !inTerminal) child.kill(signal);
    });
  }
  child.on('error', (error) => stop(`${node} does not start: ${error.message}`));
  child.on('exit', (status, signal) => {
    // The shell's convention for a program that a signal ended.
    process.exit(status ?? 128 + constants.signals[signal]);
  });
}

function stop(message) {
  process.stderr.write(`sealwright: ${message}\n`);
  process.exitCode = 1;
}
