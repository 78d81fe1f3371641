/**
 * The workers of one open token: opened one at a time, so that no two logins are ever under way; calls spread over
 * them from one queue; the lost replaced.
 */
import { TokenFailure, type Pin } from '../ports.ts';
import type { TokenOpened } from '../wire/gen/sealwright/enclave/v1/hsm.ts';
import { BackOff } from './back-off.ts';
import { CallQueue } from './call-queue.ts';
import { MAX_WORKER_REQUEST_BYTES } from './framing.ts';
import { judgeFailure, needsConfirmation } from './failure.ts';
import type { CompletePoolOptions } from './options.ts';
import { TokenCall, type CallOptions } from './token-call.ts';
import { WorkerProcess, type WorkerLoss, type WorkerResult } from './pool-worker.ts';

/**
 * Calls under way per worker: the next lie in its pipe while it works on the first, so that it does not idle
 * for the way there and back (measured: 1 gives 9,000 P-256 signatures a second, 2 15,000, 4 17,000).
 */
const PIPE_DEPTH = 4;
const CLOSE_GRACE_MS = 1_000;

/**
 * So many workers, each opened after the answer before, must say the same of an object before it is believed. Opening
 * one proves that the token is there; a second is for a token that went away right after the first was open.
 */
const CONFIRMATIONS = 2;

interface Slot {
  process: WorkerProcess | undefined;
  ready: boolean;
  inFlight: number;
  /** Busy with a long call. */
  long: boolean;
}

export class WorkerPool {
  readonly #options: CompletePoolOptions;
  readonly #serial: string;
  readonly #pin: Pin;
  readonly #slots: Slot[];
  readonly #backOff: BackOff;
  readonly #queue: CallQueue;
  /** For the next worker that is opened, and no other. */
  readonly #confirmations: CallQueue;
  #next = 0;
  #maintaining = false;
  #wake: (() => void) | undefined;
  /** Set once, for good: closed, or the PIN was refused or is at risk. */
  #end: TokenFailure | undefined;
  /** An answer was not released, ever. */
  signedWrong = false;
  #break: (failure: TokenFailure) => void = () => undefined;
  /** See Token. */
  readonly broken = new Promise<TokenFailure>((resolve) => {
    this.#break = resolve;
  });

  constructor(options: CompletePoolOptions, serial: string, pin: Pin) {
    this.#options = options;
    this.#serial = serial;
    this.#pin = pin;
    this.#backOff = new BackOff(options.backOff, () => options.clock.random());
    this.#queue = new CallQueue(options.queueDeadlineMs);
    this.#confirmations = new CallQueue(options.queueDeadlineMs);
    this.#slots = Array.from({ length: options.size }, () => ({
      process: undefined,
      ready: false,
      inFlight: 0,
      long: false,
    }));
  }

  /** Opens the first worker; the others follow by themselves. Throws TokenFailure. */
  async start(): Promise<TokenOpened> {
    const [first] = this.#slots;
    if (first === undefined) throw new TokenFailure('unavailable', 'open');
    this.#maintaining = true;
    let failure = new TokenFailure('unavailable', 'open');
    // A second try for a worker that died; a token that is not there or a PIN that is wrong won't change.
    for (let attempt = 0; attempt < 2; attempt++) {
      const opened = await this.#openSlot(first);
      if (!(opened instanceof TokenFailure)) {
        this.#maintaining = false;
        void this.#maintain();
        return opened;
      }
      failure = opened;
      if (failure.kind !== 'unavailable') break;
    }
    await this.close(failure);
    throw failure;
  }

  ready(): number {
    return this.#slots.reduce((count, slot) => count + (slot.ready ? 1 : 0), 0);
  }

  call<T>(options: CallOptions<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const refusal = this.#refusal(options.operation);
      if (refusal !== undefined) {
        reject(refusal);
        return;
      }
      const call = new TokenCall(options, resolve, reject) as TokenCall;
      if (call.body.length > MAX_WORKER_REQUEST_BYTES) {
        reject(new TokenFailure('request-refused', options.operation));
        return;
      }
      this.#queue.push(call);
      this.#dispatch();
      this.#queue.watch();
    });
  }

  /** Ends everything; calls under way fail with `failure`. */
  async close(failure = new TokenFailure('unavailable', 'closed')): Promise<void> {
    this.#shut(failure);
    const processes = this.#slots.flatMap(({ process }) => process ?? []);
    await Promise.all(processes.map((process) => process.close(CLOSE_GRACE_MS)));
  }

  #refusal(operation: string): TokenFailure | undefined {
    if (this.#end !== undefined) return new TokenFailure(this.#end.kind, operation, this.#end.rv);
    const full = this.#queue.length >= this.#options.maxQueued;
    if (full || (this.#backOff.open && this.ready() === 0))
      return new TokenFailure('unavailable', operation);
    return undefined;
  }

  #shut(failure: TokenFailure): void {
    if (this.#end !== undefined) return;
    this.#end = failure;
    for (const slot of this.#slots) slot.ready = false;
    this.#queue.rejectAll(failure);
    this.#confirmations.rejectAll(failure);
    this.#wake?.();
  }

  // --- calls ----------------------------------------------------------------------------------

  #dispatch(): void {
    for (;;) {
      const call = this.#queue.first;
      if (call === undefined) return;
      const slot = this.#slotFor(call);
      if (slot === undefined) return;
      this.#queue.shift();
      this.#give(slot, call);
    }
  }

  /**
   * The least busy ready worker, taking turns among equals. Long calls write to the token, and all of them go to
   * the first ready worker: SoftHSM processes that write in turn lose count of each other's changes, and one
   * then doesn't see the object that the other has just made.
   */
  #slotFor(call: TokenCall): Slot | undefined {
    const slots = this.#slots;
    const writer = slots.find(({ ready }) => ready);
    let best: Slot | undefined;
    for (let offset = 0; offset < slots.length; offset++) {
      const slot = slots[(this.#next + offset) % slots.length];
      if (slot?.ready !== true || slot.long || (call.long && slot !== writer)) continue;
      if (
        slot.inFlight < (call.long ? 1 : PIPE_DEPTH) &&
        slot.inFlight < (best?.inFlight ?? PIPE_DEPTH)
      )
        best = slot;
    }
    this.#next = (this.#next + 1) % slots.length;
    return best;
  }

  #give(slot: Slot, call: TokenCall): void {
    const process = slot.process;
    if (process === undefined) {
      this.#retry(call, new TokenFailure('unavailable', call.operation));
      return;
    }
    slot.inFlight++;
    if (call.long) slot.long = true;
    process.send(call.body, call.deadlineMs, (result) => {
      // A replaced worker's answers must not count for its successor.
      if (slot.process === process) {
        slot.inFlight--;
        if (call.long) slot.long = false;
      }
      this.#finish(slot, process, call, result);
      this.#dispatch();
    });
  }

  #finish(
    slot: Slot,
    process: WorkerProcess,
    call: TokenCall,
    result: WorkerResult | undefined,
  ): void {
    if (result === undefined) {
      this.#retry(call, new TokenFailure('unavailable', call.operation));
    } else if (result.$case === 'failure') {
      this.#finishFailed(slot, process, call, judgeFailure(call.operation, result.value));
    } else void this.#settle(slot, process, call, result);
  }

  async #settle(
    slot: Slot,
    process: WorkerProcess,
    call: TokenCall,
    result: WorkerResult,
  ): Promise<void> {
    if (await call.settle(result)) {
      this.#backOff.succeeded();
      return;
    }
    this.signedWrong = true;
    this.#options.onEvent({ kind: 'signature-rejected', pid: process.pid });
    this.#replace(slot, process);
    this.#retry(call, new TokenFailure('unavailable', call.operation));
    this.#dispatch();
  }

  #finishFailed(
    slot: Slot,
    process: WorkerProcess,
    call: TokenCall,
    { errorClass, failure }: ReturnType<typeof judgeFailure>,
  ): void {
    switch (errorClass) {
      case 'request':
        if (needsConfirmation(failure.kind)) this.#confirm(slot, process, call, failure);
        else call.fail(failure);
        return;
      // `session` is what the worker could not mend itself.
      case 'session':
      case 'login':
      case 'device':
        this.#options.onEvent({
          kind: 'worker-failed',
          pid: process.pid,
          rv: failure.rv,
          operation: call.operation,
        });
        this.#replace(slot, process);
        this.#retry(call, new TokenFailure('unavailable', call.operation, failure.rv));
        return;
      case 'credential':
        call.fail(failure);
        this.#refused(failure);
        return;
    }
  }

  #confirm(slot: Slot, process: WorkerProcess, call: TokenCall, failure: TokenFailure): void {
    const believed = call.confirmations === CONFIRMATIONS;
    if (believed || !call.idempotent || this.#end !== undefined) {
      const { kind, operation, rv } = failure;
      const told = new TokenFailure(kind, operation, rv, call.objectId);
      if (believed) this.#break(told);
      call.fail(told);
      return;
    }
    call.confirmations++;
    this.#confirmations.push(call);
    this.#confirmations.watch();
    this.#replace(slot, process, 'doubted');
  }

  #retry(call: TokenCall, failure: TokenFailure): void {
    if (this.#end !== undefined || call.retried || !call.idempotent) {
      const { kind, rv } = this.#end ?? failure;
      call.fail(new TokenFailure(kind, call.operation, rv));
      return;
    }
    call.retried = true;
    const queue = call.confirmations > 0 ? this.#confirmations : this.#queue;
    queue.pushFirst(call);
    queue.watch();
  }

  // --- workers --------------------------------------------------------------------------------

  /** undefined when this machine has no process to give. */
  #spawn(slot: Slot): WorkerProcess | undefined {
    let process: WorkerProcess;
    try {
      process = new WorkerProcess(this.#options, (loss) => {
        this.#lost(slot, process, loss);
      });
    } catch {
      this.#backOff.failed();
      return undefined;
    }
    slot.process = process;
    slot.inFlight = 0;
    slot.long = false;
    this.#options.onEvent({ kind: 'worker-started', pid: process.pid });
    return process;
  }

  #lost(slot: Slot, process: WorkerProcess, loss: WorkerLoss): void {
    this.#options.onEvent({ kind: 'worker-lost', pid: process.pid, loss });
    if (slot.process !== process) return;
    slot.process = undefined;
    slot.ready = false;
    if (this.#end !== undefined) return;
    if (loss !== 'doubted') this.#backOff.failed();
    void this.#maintain();
  }

  #replace(slot: Slot, process: WorkerProcess, why: WorkerLoss = 'replaced'): void {
    if (slot.process === process) slot.ready = false;
    process.kill(why);
  }

  /** The PIN was refused or is at risk: nobody tries again, and who is logged in stops too. */
  #refused(failure: TokenFailure): void {
    this.#options.onEvent({ kind: 'login-refused', rv: failure.rv });
    this.#break(failure);
    this.#shut(failure);
    for (const { process } of this.#slots) process?.kill('closed');
  }

  /** One at a time: the next login begins when the last one's outcome is known. */
  async #maintain(): Promise<void> {
    if (this.#maintaining) return;
    this.#maintaining = true;
    while (this.#end === undefined) {
      const slot = this.#slots.find(({ ready }) => !ready);
      if (slot === undefined) break;
      await this.#pause(this.#backOff.delayMs());
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- may have been closed meanwhile
      if (this.#end !== undefined) break;
      const opened = await this.#openSlot(slot);
      if (!(opened instanceof TokenFailure) || !this.#backOff.open) continue;
      const failure = new TokenFailure('unavailable', 'open', opened.rv);
      if (this.ready() === 0) this.#queue.rejectAll(failure);
      this.#confirmations.rejectAll(failure);
    }
    this.#maintaining = false;
  }

  async #openSlot(slot: Slot): Promise<TokenOpened | TokenFailure> {
    const process = slot.process ?? this.#spawn(slot);
    if (process === undefined) return new TokenFailure('unavailable', 'open');
    // The others start Node meanwhile, and wait for their turn to be given the PIN.
    if (!this.#backOff.open) {
      for (const other of this.#slots) if (other.process === undefined) this.#spawn(other);
    }
    const startMs = this.#options.clock.monotonicMs();
    try {
      process.sendPins([this.#pin.reveal()]);
    } catch {
      process.kill('replaced');
      return new TokenFailure('request-refused', 'open');
    }
    const result = await process.request(
      { call: { $case: 'openToken', value: { serial: this.#serial } } },
      this.#options.openDeadlineMs,
    );
    if (result?.$case === 'tokenOpened' && this.#end === undefined && !process.lost) {
      this.#backOff.opened();
      slot.ready = true;
      const openedInMs = this.#options.clock.monotonicMs() - startMs;
      this.#options.onEvent({ kind: 'worker-ready', pid: process.pid, openedInMs });
      for (const call of this.#confirmations.takeAll()) this.#give(slot, call);
      this.#dispatch();
      return result.value;
    }
    const { errorClass, failure } =
      result?.$case === 'failure'
        ? judgeFailure('open', result.value)
        : { errorClass: 'device' as const, failure: new TokenFailure('unavailable', 'open') };
    this.#options.onEvent({
      kind: 'worker-failed',
      pid: process.pid,
      rv: failure.rv,
      operation: 'open',
    });
    process.kill('replaced');
    if (errorClass === 'credential') this.#refused(failure);
    return failure;
  }

  #pause(ms: number): Promise<void> {
    if (ms === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
