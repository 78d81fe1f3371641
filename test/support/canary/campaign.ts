/** All tests of test/e2e on a clone with the canary enclave, and a search of all that ran and all that was left. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { CanaryClone } from './clone.ts';
import { CANARY_FOLDER } from './places-of-clone.ts';
import { filePlace, folderPlaces, memoryPlace, processTexts, processTree } from './places.ts';
import { Search, type Finding } from './search.ts';

const SAMPLE_EVERY_MS = 5_000;

export interface CampaignReport {
  readonly findings: readonly Finding[];
  /** What was handed out. */
  readonly secrets: number;
  /** How often all processes were searched. */
  readonly samples: number;
  /** Of each round: exit status of its tests, and the end of their output. */
  readonly rounds: readonly { readonly status: number | null; readonly output: string }[];
}

/** Starts rounds until `minutes` are over. */
export async function campaign(minutes: number): Promise<CampaignReport> {
  const folder = mkdtempSync('/tmp/sw-leaks-');
  try {
    for (const name of ['clone', 'tmp']) mkdirSync(join(folder, name));
    // Enclaves with a user of their own pass through it; and the other one is what /tmp is.
    chmodSync(folder, 0o711);
    chmodSync(join(folder, 'tmp'), 0o1777);
    const rounds = new Rounds(folder, await CanaryClone.make(join(folder, 'clone')));
    const end = performance.now() + minutes * 60_000;
    do {
      await rounds.next();
    } while (performance.now() < end);
    return rounds.report();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

class Rounds {
  readonly #folder: string;
  readonly #clone: CanaryClone;
  readonly #search = new Search([]);
  readonly #findings: Finding[] = [];
  readonly #rounds: { status: number | null; output: string }[] = [];
  #secrets = 0;
  #samples = 0;

  constructor(folder: string, clone: CanaryClone) {
    this.#folder = folder;
    this.#clone = clone;
  }

  /** Runs every test once. */
  async next(): Promise<void> {
    const file = join(this.#folder, `output-${String(this.#rounds.length)}`);
    const run = this.#start(file);
    let status: number | null | undefined;
    const over = once(run, 'close').then(([code]) => {
      status = code as number | null;
    });
    for (;;) {
      await Promise.race([over, sleep(SAMPLE_EVERY_MS)]);
      if (status !== undefined) break;
      this.#sample(run.pid ?? 0);
    }
    const output = readFileSync(file, 'utf8').slice(-4_000);
    this.#rounds.push({ status, output });
    this.#learn();
    this.#findings.push(...this.#search.in(this.#files()));
    // What was searched need not be searched again, nor fill the disk.
    for (const folder of this.#leftFolders()) {
      for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
    }
  }

  report(): CampaignReport {
    return {
      findings: this.#findings,
      secrets: this.#secrets,
      samples: this.#samples,
      rounds: this.#rounds,
    };
  }

  #start(file: string): ChildProcess {
    const { root } = this.#clone;
    const output = openSync(file, 'a');
    const environment = { ...process.env, TMPDIR: join(this.#folder, 'tmp') };
    const outer = Object.keys(environment).filter((name) =>
      /^(CAMPAIGN_|VITEST|NODE_OPTIONS$)/.test(name),
    );
    return spawn(
      process.execPath,
      [
        join(root, 'node_modules/vitest/vitest.mjs'),
        ...['run', '--config', 'test/support/canary/vitest.config.ts'],
      ],
      {
        cwd: root,
        // A group of its own: a test that fails may signal the whole one that it is in.
        detached: true,
        stdio: ['ignore', output, output],
        env: Object.fromEntries(
          Object.entries(environment).filter(([name]) => !outer.includes(name)),
        ),
      },
    );
  }

  #learn(): void {
    const secrets = this.#clone.secrets();
    this.#search.add(secrets.slice(this.#secrets));
    this.#secrets = secrets.length;
  }

  /** Every process that the tests have started, and they themselves. */
  #sample(pid: number): void {
    this.#learn();
    this.#samples += 1;
    for (const one of processTree(pid)) {
      const texts = processTexts(one);
      this.#findings.push(...this.#search.in(texts));
      if (process.geteuid?.() === 0) this.#findings.push(...this.#inMemory(one));
    }
  }

  #inMemory(pid: number): Finding[] {
    let command: string;
    try {
      command = readFileSync(`/proc/${String(pid)}/cmdline`, 'latin1');
    } catch {
      return [];
    }
    // Enclave, workers, and what becomes one of them.
    if (command.includes('/platform/enclave/')) return [];
    try {
      const found = this.#search.in([memoryPlace(pid, command)]);
      const isPlatform = command.includes('platform-main.ts');
      return isPlatform ? found.filter(({ kind }) => kind !== 'platform-secret') : found;
    } catch {
      // It ended.
      return [];
    }
  }

  #leftFolders(): string[] {
    const ofClone = ['attic', 'said', 'dumps'].map((name) =>
      join(this.#clone.root, CANARY_FOLDER, name),
    );
    return [...ofClone, join(this.#folder, 'tmp')];
  }

  #files() {
    const outputs = readdirSync(this.#folder).filter((name) => name.startsWith('output-'));
    return [
      ...this.#leftFolders().flatMap(folderPlaces),
      ...outputs.map((name) => filePlace(join(this.#folder, name))),
    ];
  }
}
