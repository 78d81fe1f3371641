/** Progress of `dev` and `serve` on stderr: a line per step for people, or a JSON line with `--json`. */
import type { SupervisorEvent } from '../supervisor/events.ts';

export interface StepEvent {
  readonly event: 'step';
  readonly step: string;
  readonly text: string;
  readonly elapsedMs: number;
}

export class Progress {
  readonly #json: boolean;
  readonly #begun = performance.now();
  constructor(json: boolean) {
    this.#json = json;
  }

  step(step: string, text: string): void {
    const elapsedMs = Math.round(performance.now() - this.#begun);
    this.#write({ event: 'step', step, text, elapsedMs }, step, text);
  }

  /** What a supervisor tells. An arrow function, because it is handed over as one. */
  readonly tell = (event: SupervisorEvent): void => {
    const [step, text] = words(event);
    if (text !== '' || this.#json) this.#write(event, step, text);
  };

  /** Lines that are not steps: headings, hints. Nothing with `--json`. */
  say(text: string): void {
    if (!this.#json) process.stderr.write(`${text}\n`);
  }

  #write(event: SupervisorEvent | StepEvent, step: string, text: string): void {
    if (this.#json) {
      process.stderr.write(`${JSON.stringify(event)}\n`);
      return;
    }
    const elapsed = String(Math.round(performance.now() - this.#begun)).padStart(6);
    process.stderr.write(`${elapsed} ms  ${step.padEnd(9)} ${text}\n`);
  }
}

function words(event: SupervisorEvent): readonly [string, string] {
  switch (event.event) {
    case 'platform.root':
      return ['platform', ROOT_WORDS[event.root]];
    case 'process.started':
      return [
        event.process,
        `started in ${String(event.elapsedMs)} ms (process ${String(event.pid)})`,
      ];
    case 'process.ended':
      return [
        event.process,
        `ended (${event.how}); starts again in ${String(event.restartInMs)} ms`,
      ];
    case 'process.stopped':
      return [event.process, `stopped in ${String(event.elapsedMs)} ms`];
  }
}

const ROOT_WORDS = {
  kept: '',
  created: 'simulated root secret drawn',
  ephemeral: 'its root is missing or damaged: what was sealed under it will not open',
} as const;
