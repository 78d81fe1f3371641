/**
 * A folder in which a stack of a canary clone lives with everything that it leaves anywhere, and the places in it and in
 * its processes that must hold no secret.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { startStack, until, type RunOptions, type Stack } from '../stack.ts';
import { CanaryClone } from './clone.ts';
import {
  bytesPlace,
  filePlace,
  folderPlaces,
  memoryPlace,
  processTexts,
  processTree,
} from './places.ts';
import { recordTo } from './recorder.ts';
import { Search, type Finding, type Place } from './search.ts';

/** What the platform knows before any enclave: it derives these two, as the hardware would. */
const OF_PLATFORM = 'platform-secret';

const HTTP_PATHS = ['/metrics', '/readyz', '/livez', '/checkpoint', '/tile/0/000', '/nothing'];

export class CanaryBed {
  readonly folder: string;
  readonly clone: CanaryClone;
  /** Said by processes and services to this one. */
  readonly said: string;

  private constructor(folder: string, clone: CanaryClone) {
    this.folder = folder;
    this.clone = clone;
    this.said = join(folder, 'said');
  }

  static async make(): Promise<CanaryBed> {
    const folder = mkdtempSync('/tmp/sw-leaks-');
    for (const name of ['clone', 'state', 'cwd', 'tmp']) mkdirSync(join(folder, name));
    // An enclave with a user of its own passes through it.
    for (const path of [folder, join(folder, 'tmp')]) chmodSync(path, 0o711);
    try {
      const bed = new CanaryBed(folder, await CanaryClone.make(join(folder, 'clone')));
      recordTo(bed.said);
      return bed;
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** How every command of the clone is run: what it drops, it drops in the bed. */
  get runOptions(): RunOptions {
    const { folder, clone } = this;
    return { clone: clone.root, cwd: join(folder, 'cwd'), env: { TMPDIR: join(folder, 'tmp') } };
  }

  get state(): string {
    return join(this.folder, 'state');
  }

  start(args: readonly string[] = []): Promise<Stack> {
    return startStack({ ...this.runOptions, state: this.state, args });
  }

  /** Of what was handed out until now. */
  get search(): Search {
    return new Search(this.clone.secrets());
  }

  /** Every file that any process has left, and everything that was said. */
  filePlaces(): Place[] {
    const { state, said } = this;
    const folders = [state, join(this.folder, 'cwd'), join(this.folder, 'tmp')];
    return [...[...folders, this.clone.dumpsFolder].flatMap(folderPlaces), filePlace(said)];
  }

  /** What /proc says of every process of the stack, workers included. */
  textPlaces(stack: Stack): Place[] {
    return processTree(stack.supervisorPid).flatMap(processTexts);
  }

  /**
   * Findings in the memory of the processes that are not the enclave: host, supervisor and platform. The last one
   * derives two of the secrets itself, and may hold these.
   */
  memoryFindings(stack: Stack): Finding[] {
    const { search } = this;
    const found = search.in([
      memoryPlace(stack.pid('host'), 'host'),
      memoryPlace(stack.supervisorPid, 'supervisor'),
    ]);
    const platform = search.in([memoryPlace(stack.pid('platform'), 'platform')]);
    return [...found, ...platform.filter(({ kind }) => kind !== OF_PLATFORM)];
  }

  /** Has the host write heap snapshot and diagnostic report into the clone's folder of dumps. */
  async dumpHost(stack: Stack): Promise<void> {
    const { dumpsFolder } = this.clone;
    const before = readdirSync(dumpsFolder).length;
    process.kill(stack.pid('host'), 'SIGUSR2');
    await until(() => readdirSync(dumpsFolder).length === before + 2, 60_000);
    // It answers again when the snapshot is written.
    await fetch(`http://${stack.ready.http}/livez`);
  }

  /** What a web server answers, headers too. */
  async httpPlaces(http: string): Promise<Place[]> {
    const places: Place[] = [];
    for (const path of HTTP_PATHS) {
      const answer = await fetch(`http://${http}${path}`);
      const headers = JSON.stringify([...answer.headers]);
      places.push(bytesPlace(`${path}, headers`, headers), bytesPlace(path, await answer.bytes()));
    }
    return places;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Lets the processes that this one starts write cores of any size; the result puts it back. */
export function allowCores(): () => void {
  const self = ['--pid', String(process.pid)];
  const [soft = '', hard = ''] = spawnSync(
    'prlimit',
    [...self, '--core', '--noheadings', '--raw', '--output=SOFT,HARD'],
    { encoding: 'utf8' },
  )
    .stdout.trim()
    .split(' ');
  const set = (limits: string): void => void spawnSync('prlimit', [...self, `--core=${limits}`]);
  // Root may raise both; everybody else the first one up to the second.
  set(process.geteuid?.() === 0 ? 'unlimited:unlimited' : `${hard}:${hard}`);
  return () => {
    set(`${soft}:${hard}`);
  };
}
