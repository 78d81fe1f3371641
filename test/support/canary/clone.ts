/**
 * A clone of this repository whose enclave is the canary: every command started from it, and every test run in it,
 * works on an enclave that hands out its secrets. Nothing else differs but what listens for them.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { buildEnclaveWith } from '../../../scripts/build-enclave.ts';
import { CANARY_FOLDER } from './places-of-clone.ts';
import type { Secret } from './secret.ts';

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));
export const CANARY_ENTRY = 'test/support/canary/main-canary.ts';
const COPIED = [
  ...['bin', 'docs', 'enclave', 'proto', 'scripts', 'src', 'test'],
  ...['README.md', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.base.json'],
  ...['build/enclave', 'build/.enclave-inputs'],
];

/** A program of the clone, and what is loaded before it. */
const LOADED_BEFORE = [
  ['src/simulator/platform-main.ts', 'pass-descriptor.ts'],
  ['src/host/main.ts', 'dump-on-signal.ts'],
] as const;

export class CanaryClone {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  /** Makes it in a folder that is there and empty. */
  static async make(root: string): Promise<CanaryClone> {
    for (const path of COPIED)
      cpSync(join(REPOSITORY, path), join(root, path), { recursive: true });
    symlinkSync(join(REPOSITORY, 'node_modules'), join(root, 'node_modules'));
    for (const name of ['dumps', 'attic', 'said']) {
      mkdirSync(join(root, CANARY_FOLDER, name), { recursive: true });
    }
    // Some tests start a platform as another user.
    writeFileSync(join(root, CANARY_FOLDER, 'secrets.jsonl'), '');
    chmodSync(join(root, CANARY_FOLDER, 'secrets.jsonl'), 0o622);
    for (const [program, before] of LOADED_BEFORE) {
      const released = program.replace(/\.ts$/, '.released.ts');
      renameSync(join(root, program), join(root, released));
      const name = released.slice(released.lastIndexOf('/') + 1);
      const text = `import '../../test/support/canary/${before}';\nawait import('./${name}');\n`;
      writeFileSync(join(root, program), text);
    }
    await buildEnclaveWith(REPOSITORY, CANARY_ENTRY, join(root, 'build/enclave'));
    // Its measurement is the clone's release, so that evidence is appraised as usual.
    const { status, stderr } = spawnSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', 'scripts/release.ts'],
      { cwd: root, encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`the clone has no release: ${stderr}`);
    return new CanaryClone(root);
  }

  /** Everything that its enclaves handed out so far. */
  secrets(): Secret[] {
    const text = readFileSync(join(this.root, CANARY_FOLDER, 'secrets.jsonl'), 'utf8');
    return text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Secret);
  }

  get dumpsFolder(): string {
    return join(this.root, CANARY_FOLDER, 'dumps');
  }
}
