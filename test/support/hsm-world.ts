/** An enclave on a real pool and SoftHSM behind the shim; host and platform are in memory. */
import type { Ports } from '../../enclave/ports.ts';
import { World } from './fakes/world.ts';
import { Shim } from './pkcs11-shim.ts';
import { SoftHsm, until } from './softhsm.ts';

/** A deadline that a test can wait for, and that a busy machine keeps. */
const DEADLINE_MS = 1_000;

export class HsmWorld extends World {
  readonly hsm = new SoftHsm();
  readonly shim = new Shim(this.hsm.folder);
  readonly #module = (): Ports['tokens'] =>
    this.hsm.module({
      modulePath: this.shim.modulePath,
      size: 2,
      operationDeadlineMs: DEADLINE_MS,
      openDeadlineMs: 2 * DEADLINE_MS,
    });

  /** A new pool for each boot, as in a new process. */
  override get ports(): Ports {
    return { ...super.ports, tokens: this.#module() };
  }

  /** Ends the workers that are logged in, as the kernel's memory killer would; the pool knows of it when this resolves. */
  async killWorkers(): Promise<void> {
    const victims = this.hsm.readyPids();
    for (const pid of victims) process.kill(pid, 'SIGKILL');
    await until(() => !this.hsm.readyPids().some((pid) => victims.includes(pid)));
  }
}
