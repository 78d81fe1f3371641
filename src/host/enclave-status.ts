/** What phase the enclave is in: asked over the link, told to health and readiness. */
import { GetStatusRequest, GetStatusResponse, Phase } from '../gen/sealwright/v1/status.ts';
import { ALARMS, Refusal, type Alarm } from '../../enclave/wire/error-code.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import type { EnclaveLink } from './enclave-link.ts';
import { POLL_DEADLINE_MS, POLL_SERVING_MS, POLL_WAITING_MS } from './limits.ts';

export interface EnclaveStatus {
  /** Name without prefix; UNSPECIFIED when no enclave is connected or none answers. */
  readonly phase: string;
  readonly haltReason: string;
  /** What the enclave wants an operator to look at; none when it is not there. */
  readonly alarms: readonly Alarm[];
}

const NAMES = new Map<number, string>(
  Object.entries(Phase).map(([name, number]) => [number, name.replace(/^PHASE_/, '')]),
);

const UNKNOWN: EnclaveStatus = { phase: 'UNSPECIFIED', haltReason: '', alarms: [] };
const SERVING = 'SERVING';

/** What the host itself can say of an enclave that is not there. */
export const STATUS_WITHOUT_ENCLAVE: Uint8Array = GetStatusResponse.encode(
  GetStatusResponse.fromPartial({ phase: Phase.PHASE_UNSPECIFIED }),
).finish();

const REQUEST = GetStatusRequest.encode({}).finish();

export class StatusPoller {
  readonly #link: EnclaveLink;
  readonly #onChange: (status: EnclaveStatus) => void;
  readonly #onAlarm: (alarm: Alarm) => void;
  #status = UNKNOWN;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Only the newest question may answer: an old one can come back after the link went down. */
  #question = 0;
  #stopped = false;

  /** `onAlarm` is called when an alarm begins. */
  constructor(
    link: EnclaveLink,
    onChange: (status: EnclaveStatus) => void,
    onAlarm: (alarm: Alarm) => void,
  ) {
    this.#link = link;
    this.#onChange = onChange;
    this.#onAlarm = onAlarm;
  }

  get status(): EnclaveStatus {
    return this.#status;
  }

  get serving(): boolean {
    return this.#status.phase === SERVING;
  }

  /** Asks at once: the link came up or went down. */
  ask(): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#question += 1;
    if (this.#link.up) void this.#poll(this.#question);
    else this.#set(UNKNOWN);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #poll(question: number): Promise<void> {
    let status: EnclaveStatus;
    try {
      const answer = await this.#link.call(METHODS.getStatus, REQUEST, {
        timeoutMs: POLL_DEADLINE_MS,
      });
      const { phase, haltReason, alarms } = GetStatusResponse.decode(answer);
      status = {
        phase: NAMES.get(phase) ?? UNKNOWN.phase,
        haltReason,
        alarms: ALARMS.filter((alarm) => alarms.includes(alarm)),
      };
    } catch (error) {
      // A link that is full is no news of the phase; anything else means that nobody is there to serve.
      const busy = error instanceof Refusal && error.reason === 'RATE_LIMITED';
      status = busy ? this.#status : UNKNOWN;
    }
    if (question !== this.#question || this.#stopped) return;
    this.#set(status);
    this.#timer = setTimeout(
      () => {
        this.ask();
      },
      this.serving ? POLL_SERVING_MS : POLL_WAITING_MS,
    );
  }

  #set(status: EnclaveStatus): void {
    const before = this.#status;
    this.#status = status;
    for (const alarm of status.alarms) {
      if (!before.alarms.includes(alarm)) this.#onAlarm(alarm);
    }
    const { phase, haltReason } = before;
    if (status.phase !== phase || status.haltReason !== haltReason) this.#onChange(status);
  }
}
