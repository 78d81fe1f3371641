import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { bundles } from '../../scripts/build-enclave.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const fixtures = join(root, 'test/support/boundary-fixtures');
const config = join(root, '.dependency-cruiser.cjs');

interface Rule {
  readonly name: string;
  readonly to: { readonly pathNot?: string | readonly string[] };
}
const { forbidden } = createRequire(import.meta.url)(config) as { forbidden: readonly Rule[] };

interface Violation {
  readonly from: string;
  readonly to: string;
  readonly rule: { readonly name: string };
}

/** Refused imports of a tree, as `rule: from → to`; a file of a package is shown as the package. */
function refusedImports(folder: string): string[] {
  const run = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs'),
      ...['--config', config, '--output-type', 'json'],
      ...['enclave', 'src', 'scripts', 'test'],
    ],
    { cwd: folder, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  );
  if (run.stdout === '') throw new Error(`dependency-cruiser printed nothing: ${run.stderr}`);
  const result = JSON.parse(run.stdout) as { summary: { violations: readonly Violation[] } };
  return result.summary.violations
    .map(({ rule, from, to }) => {
      const inPackage = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(to)?.[1];
      return `${rule.name}: ${from} → ${inPackage ?? to}`;
    })
    .sort();
}

// Files that are not named here hold imports that are allowed; the comparison is exact.
const planted = [
  'adaptors-stand-alone: enclave/io/imports-platform.ts → enclave/platform/tpm2/attester.ts',
  'adaptors-use-types-of-core: enclave/io/imports-core-value.ts → enclave/core/lifecycle.ts',
  'client-stands-alone: src/client/imports-host.ts → src/host/server.ts',
  'client-uses-grpc-only: src/client/imports-health.ts → grpc-health-check',
  'core-has-no-effects: enclave/core/imports-io.ts → enclave/io/socket.ts',
  'core-uses-crypto-only: enclave/core/imports-net.ts → net',
  'curves-in-one-file: enclave/core/imports-curves.ts → @noble/curves',
  'enclave-is-closed: enclave/core/imports-src.ts → src/host/server.ts',
  'enclave-node-allowlist: enclave/io/imports-http.ts → http',
  'enclave-npm-allowlist: enclave/io/imports-grpc.ts → @grpc/grpc-js',
  'entries-are-not-imported: enclave/hsm/imports-worker.ts → enclave/hsm/worker.ts',
  'entries-use-no-packages: enclave/main-simulated.ts → pkcs11js',
  'entries-use-process-only: enclave/main-simulated.ts → net',
  'files-in-platform-and-hsm-only: enclave/io/imports-fs.ts → fs',
  'files-in-platform-and-hsm-only: enclave/wire/imports-fs.ts → fs',
  'generated-code-stands-alone: src/gen/imports-host.ts → src/host/server.ts',
  'host-stands-alone: src/host/imports-client.ts → src/client/signer.ts',
  'hpke-in-one-file: enclave/core/imports-hpke.ts → hpke',
  'inspector-is-only-asked-whether-it-is-open: enclave/io/imports-inspector.ts → inspector',
  'no-circular: src/host/circle-a.ts → src/host/circle-b.ts',
  'pkcs11-in-hsm-only: enclave/io/imports-pkcs11.ts → pkcs11js',
  'pkcs11-in-hsm-only: enclave/main-simulated.ts → pkcs11js',
  'platforms-stand-alone: enclave/platform/tpm2/imports-simulated.ts → enclave/platform/simulated/attester.ts',
  'ports-are-types: enclave/ports.ts → enclave/core/lifecycle.ts',
  'processes-in-the-pool-only: enclave/hsm/token.ts → child_process',
  // Two hops: main.ts imports assemble.ts, which imports the simulated platform.
  'production-never-reaches-simulator: enclave/main.ts → enclave/platform/simulated/attester.ts',
  'protobuf-in-wire-only: enclave/core/imports-protobuf.ts → @bufbuild/protobuf',
  'protobuf-wire-runtime-only: enclave/wire/imports-reflection.ts → @bufbuild/protobuf',
  'resolvable: src/host/imports-nothing.ts → ./missing.ts',
  'scripts-are-thin: scripts/imports-host.ts → src/host/server.ts',
  'sessions-use-no-node: enclave/wire/session/imports-crypto.ts → crypto',
  'sockets-in-io-only: enclave/core/imports-net.ts → net',
  'sockets-in-io-only: enclave/hsm/imports-net.ts → net',
  'sockets-in-io-only: enclave/main-simulated.ts → net',
  'src-is-closed: src/host/imports-script.ts → scripts/build.ts',
  'src-npm-allowlist: src/host/imports-jose.ts → jose',
  'src-sees-only-wire: src/host/imports-core.ts → enclave/core/lifecycle.ts',
  'tests-are-not-imported: src/cli/imports-test.ts → test/support/fake-token.ts',
  'tlog-stands-alone: src/tlog/imports-frame.ts → enclave/wire/frame.ts',
  'verifier-stands-alone: src/verifier/imports-frame.ts → enclave/wire/frame.ts',
  'verifier-uses-no-node: src/verifier/imports-node-crypto.ts → crypto',
  'verifier-uses-no-packages: src/verifier/imports-curves.ts → @noble/curves',
  'wire-hashes-only: enclave/wire/imports-fs.ts → fs',
  'wire-stands-alone: enclave/wire/imports-core.ts → enclave/core/lifecycle.ts',
  'yaml-in-one-file: src/host/imports-yaml.ts → yaml',
];

// All files are read for it; a loaded machine takes its time.
describe('the import rules', { timeout: 60_000 }, () => {
  test('refuse each planted violation, by its own rule, and nothing else', () => {
    expect(refusedImports(fixtures)).toEqual([...planted].sort());
  });

  test('have a planted violation each', () => {
    const tried = new Set(planted.map((line) => line.split(':')[0]));
    expect(forbidden.map(({ name }) => name).filter((name) => !tried.has(name))).toEqual([]);
  });

  test('are kept by the repository', () => {
    expect(refusedImports(root)).toEqual([]);
  });
});

describe('the npm packages of the enclave', () => {
  /** First cells of the table under "## npm packages", each a package name in backticks. */
  function packagesInReadme(): string[] {
    const readme = readFileSync(join(root, 'enclave/README.md'), 'utf8');
    const section = /^## npm packages$(.*?)(?=^## |(?![^]))/ms.exec(readme)?.[1];
    if (section === undefined) throw new Error('enclave/README.md has no "## npm packages"');
    return [...section.matchAll(/^\| *`([^`]+)`/gm)].map((match) => match[1] ?? '').sort();
  }

  function packagesInRule(): string[] {
    const rule = forbidden.find(({ name }) => name === 'enclave-npm-allowlist');
    const patterns = [rule?.to.pathNot ?? []].flat();
    return patterns.map((pattern) => /node_modules\/(.+)\/$/.exec(pattern)?.[1] ?? pattern).sort();
  }

  test('are those that enclave/README.md announces', () => {
    const bundled = new Set(bundles.flatMap(({ packages }) => packages));
    expect(packagesInReadme()).toEqual([...bundled].sort());
  });

  test('are imported by name only when they are announced', () => {
    const announced = packagesInReadme();
    expect(packagesInRule().filter((name) => !announced.includes(name))).toEqual([]);
  });
});
