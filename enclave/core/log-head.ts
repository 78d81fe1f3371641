/**
 * Writes the log's head into the index from time to time (PROTOCOLS §12): what lies between the last such
 * write and now is what a restored older store could hide, and what a boot reads back.
 */
import type { Ports } from '../ports.ts';
import type { Cluster } from './cluster.ts';

const EVERY_MS = 60_000;
const EVERY_LEAVES = 65_536;

export class LogHead {
  readonly #ports: Ports;
  readonly #cluster: Cluster;
  #writtenAtMs: number;
  #writing: Promise<void> | undefined;

  constructor(ports: Ports, cluster: Cluster) {
    this.#ports = ports;
    this.#cluster = cluster;
    this.#writtenAtMs = ports.clock.monotonicMs();
  }

  /** Rejects when the state change failed: the enclave must halt then. */
  async writeWhenDue(): Promise<void> {
    const { log, state } = this.#cluster;
    const leaves = log.size - state.index.logSize;
    const age = this.#ports.clock.monotonicMs() - this.#writtenAtMs;
    if (leaves >= EVERY_LEAVES || (leaves > 0 && age >= EVERY_MS)) await this.write();
  }

  /** One at a time. A second caller waits for the first, and then for what came while that one was written. */
  async write(): Promise<void> {
    await this.#writing;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    await this.#writing;
  }

  #write(): Promise<void> {
    const { state } = this.#cluster;
    return state.inTurn(() => this.#change());
  }

  async #change(): Promise<void> {
    const { log, state, time } = this.#cluster;
    if (log.size === state.index.logSize) return;
    const timeMarkMs = time.nowMs();
    this.#writtenAtMs = this.#ports.clock.monotonicMs();
    await state.change({ ...state.index, ...log.head(), timeMarkMs }, []);
  }
}
