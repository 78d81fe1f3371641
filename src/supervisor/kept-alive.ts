/** Starts something, starts it again when it ends, until it is told to stop. */
import { BackOff } from './back-off.ts';

export interface Life<Ready> {
  /** Stays pending, or rejects, when the life ends before it is ready. */
  readonly ready: Promise<Ready>;
  /** How it ended, in words. Never rejects. */
  readonly ended: Promise<string>;
}

export interface Keeping<Ready> {
  readonly begin: () => Life<Ready>;
  readonly onReady: (ready: Ready, elapsedMs: number) => void;
  readonly onEnd: (how: string, restartInMs: number) => void;
  /** What to throw when no first life became ready. */
  readonly onFirstFailure: (how: string) => Error;
  /**
   * For how long a first life may fail again. 0 unless an earlier run was cut off, whose processes need
   * a moment to end and to free locks and ports.
   */
  readonly firstPatienceMs: number;
}

export class KeptAlive<Ready> {
  /** The first life is ready. Rejects when none was: then nothing is started again. */
  readonly first: Promise<void>;
  readonly #keeping: Keeping<Ready>;
  readonly #backOff = new BackOff();
  readonly #over: Promise<void>;
  #stopping = false;
  #everReady = false;
  #wake: () => void = () => undefined;

  constructor(keeping: Keeping<Ready>) {
    this.#keeping = keeping;
    let over: Promise<void> = Promise.resolve();
    this.first = new Promise((resolve, reject) => {
      over = this.#run(resolve, reject);
    });
    this.#over = over;
    // Whoever stops before the first life is ready does not wait for it.
    this.first.catch(() => undefined);
  }

  /** No further life. Resolves when the present one has ended, which the caller brings about. */
  stop(): Promise<void> {
    this.#stopping = true;
    this.#wake();
    return this.#over;
  }

  async #run(ready: () => void, failed: (error: Error) => void): Promise<void> {
    const begunFirst = performance.now();
    for (;;) {
      const begun = performance.now();
      const how = await this.#live(begun, ready);
      if (this.#stopping) break;
      const patient = performance.now() - begunFirst < this.#keeping.firstPatienceMs;
      if (!this.#everReady && !patient) {
        failed(this.#keeping.onFirstFailure(how));
        return;
      }
      const delayMs = this.#backOff.next(performance.now() - begun);
      this.#keeping.onEnd(how, delayMs);
      await this.#pause(delayMs);
      if (this.#isStopping()) break;
    }
    failed(new Error('stopped before it was ready'));
  }

  #live(begun: number, ready: () => void): Promise<string> {
    const life = this.#keeping.begin();
    life.ready.then(
      (value) => {
        this.#everReady = true;
        this.#keeping.onReady(value, Math.round(performance.now() - begun));
        ready();
      },
      () => undefined,
    );
    return life.ended;
  }

  /** A method, because the compiler does not know that the field changes while `#run` waits. */
  #isStopping(): boolean {
    return this.#stopping;
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
