/** Ctrl-C and SIGTERM: the first one asks for an orderly stop, the second one for none. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type StopSignal = (typeof SIGNALS)[number];

export class StopSignals {
  /** Resolves at the first signal. */
  readonly first: Promise<StopSignal>;
  #seen: StopSignal | undefined;
  readonly #listeners: (() => void)[] = [];

  /** `onSecond` has to end things at once. */
  constructor(onSecond: () => void) {
    this.first = new Promise((resolve) => {
      for (const signal of SIGNALS) {
        const listener = (): void => {
          if (this.#seen !== undefined) onSecond();
          this.#seen ??= signal;
          resolve(signal);
        };
        process.on(signal, listener);
        this.#listeners.push(() => process.off(signal, listener));
      }
    });
  }

  get seen(): StopSignal | undefined {
    return this.#seen;
  }

  close(): void {
    for (const remove of this.#listeners) remove();
  }
}
