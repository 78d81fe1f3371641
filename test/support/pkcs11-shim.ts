/** The misbehaving PKCS#11 module of pkcs11-shim/shim.c in front of SoftHSM, and its control by a test. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CRYPTOKI_FUNCTIONS } from '../../enclave/hsm/cryptoki.ts';
import { softhsmIsMissing, softhsmModule } from './softhsm.ts';

export type FunctionName = (typeof CRYPTOKI_FUNCTIONS)[number];

/** What a call does; the words and their arguments are described in shim.c. */
export type Action =
  | readonly [
      'rv' | 'rv-after' | 'delay' | 'exit' | 'flags' | 'state' | 'flip' | 'truncate',
      number,
    ]
  | readonly ['hang' | 'abort' | 'segv' | 'none' | 'double']
  | readonly ['short' | 'long' | 'zero' | 'reuse' | 'other-data']
  | readonly ['other-key' | 'alias' | 'serial', string]
  | readonly ['attribute', string, string];

export interface Rule {
  readonly function: FunctionName;
  /** The first call that it holds for, counted from 1 since the rules were set. */
  readonly first: number;
  /** How many calls; `Infinity`: every one from there on. */
  readonly count: number;
  readonly action: Action;
}

export type Counts = Readonly<Record<FunctionName | 'fired', number>>;

const SOURCE = fileURLToPath(new URL('./pkcs11-shim/shim.c', import.meta.url));
const FLAGS = ['-std=c11', '-shared', '-fPIC', '-fvisibility=hidden', '-O1'];
const WARNINGS = ['-Wall', '-Wextra', '-Werror'];
const NAME_BYTES = 24;
const RECORD_BYTES = NAME_BYTES + 8;
const RECORDS = [...CRYPTOKI_FUNCTIONS, 'fired'] as const;

const compiler = ['cc', 'gcc', 'clang'].find(
  (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
);

/** For describe.skipIf: says why, once per test file. */
export function shimIsMissing(): boolean {
  if (softhsmIsMissing()) return true;
  if (compiler !== undefined) return false;
  process.stderr.write('SKIPPED: no C compiler (cc, gcc, clang), no fault of an HSM is tested\n');
  return true;
}

export class Shim {
  /** What a pool loads. */
  readonly modulePath: string;
  readonly #folder: string;

  /** Compiles the module for this folder alone. */
  constructor(folder: string) {
    this.#folder = join(folder, 'shim');
    this.modulePath = join(folder, 'shim.so');
    mkdirSync(this.#folder);
    const counts = join(this.#folder, 'counts');
    writeFileSync(counts, '');
    // A platform may run its workers as another user.
    chmodSync(this.#folder, 0o755);
    chmodSync(counts, 0o666);
    this.set([]);
    const real = softhsmModule ?? '';
    const defines = { REAL_MODULE: basename(real), SHIM_FOLDER: this.#folder };
    const options = Object.entries(defines).map(([name, text]) => `-D${name}="${text}"`);
    // Linked, and not only opened: so it is part of the closure of libraries that a platform copies and measures.
    const linked = ['-Wl,--no-as-needed', `-Wl,-rpath,${dirname(real)}`, real, '-ldl'];
    const output = ['-o', this.modulePath];
    execFileSync(compiler ?? 'cc', [
      ...FLAGS,
      ...WARNINGS,
      ...options,
      ...output,
      SOURCE,
      ...linked,
    ]);
  }

  /** From now on these rules hold, and calls are counted from zero. */
  set(rules: readonly Rule[]): void {
    const lines = rules.map(({ function: name, first, count, action }) =>
      [name, first, count === Infinity ? 0 : count, ...action].join(' '),
    );
    const next = join(this.#folder, 'next');
    writeFileSync(next, '');
    renameSync(next, join(this.#folder, 'scenario'));
    this.#resetCounts();
    writeFileSync(next, lines.map((line) => `${line}\n`).join(''));
    renameSync(next, join(this.#folder, 'scenario'));
  }

  /** Calls since the rules were set, of all workers together; and how often a rule had an effect. */
  counts(): Counts {
    const bytes = readFileSync(join(this.#folder, 'counts'));
    const counts: Partial<Record<FunctionName | 'fired', number>> = {};
    for (let at = 0; at < bytes.length; at += RECORD_BYTES) {
      const name = bytes.toString('latin1', at, at + NAME_BYTES).replace(/\0+$/, '');
      counts[name as FunctionName | 'fired'] = Number(bytes.readBigUInt64LE(at + NAME_BYTES));
    }
    return counts as Counts;
  }

  /** In place: workers have the file mapped. */
  #resetCounts(): void {
    const bytes = Buffer.alloc(RECORDS.length * RECORD_BYTES);
    RECORDS.forEach((name, index) => bytes.write(name, index * RECORD_BYTES, 'latin1'));
    writeFileSync(join(this.#folder, 'counts'), bytes, { flag: 'r+' });
  }
}
