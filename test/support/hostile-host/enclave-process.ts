/** A real enclave on the real simulated platform and a real token, without any host: a test plays the host. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { defaultPlatformConfig } from '../../../src/simulator/platform-config.ts';
import { PlatformProcess } from '../platform-process.ts';

const MIB = 1024 * 1024;

export class TestedEnclave {
  readonly folder = mkdtempSync('/tmp/sw-hostile-');
  readonly #platform: PlatformProcess;
  #pid = 0;

  constructor() {
    const { folder, socketPath } = this;
    const config = defaultPlatformConfig({
      stateFolder: folder,
      create: true,
      linkSocket: socketPath,
    });
    // Bundles of its own: a build that runs meanwhile must not look like another enclave.
    const bundles = join(folder, 'bundles');
    cpSync(config.bundles, bundles, { recursive: true });
    this.#platform = new PlatformProcess({ ...config, bundles, workers: 1 });
  }

  get socketPath(): string {
    return join(this.folder, 'link');
  }

  get tokenFolder(): string {
    return join(this.folder, 'token');
  }

  get pid(): number {
    return this.#pid;
  }

  /** The process that was started last has not ended. */
  get alive(): boolean {
    return !this.#platform.events.some((e) => e.event === 'exited' && e.pid === this.#pid);
  }

  async start(): Promise<void> {
    this.#pid = (await this.#platform.start()).pid;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    process.kill(this.#pid, 'SIGKILL');
    await this.#platform.next('exited');
  }

  /** Memory of the process in MiB: now, and at most since it was started (proc(5), VmRSS and VmHWM). */
  memory(): { readonly now: number; readonly peak: number } {
    const status = readFileSync(`/proc/${String(this.#pid)}/status`, 'latin1');
    const of = (name: string): number => {
      const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
      return Math.round((Number(kib) * 1024) / MIB);
    };
    return { now: of('VmRSS'), peak: of('VmHWM') };
  }

  /** Processor time that the process has used, in clock ticks (proc(5), stat: utime and stime). */
  cpuTicks(): number {
    const stat = readFileSync(`/proc/${String(this.#pid)}/stat`, 'latin1');
    const [utime, stime] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13);
    return Number(utime) + Number(stime);
  }

  async close(): Promise<void> {
    // Nobody is left to drain for.
    if (this.#pid !== 0 && this.alive) await this.kill();
    await this.#platform.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
