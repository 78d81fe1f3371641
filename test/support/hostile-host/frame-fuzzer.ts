/**
 * A host gone mad, by a seed: conversations of well-formed calls with random changes to their bytes, and random
 * answers to what the enclave asks. After each the enclave must be alive, must have closed the link exactly when a
 * rule was broken, and must have released no signature without a durable leaf.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { concatBytes } from '../../../enclave/wire/bytes.ts';
import { ERROR_CODES, Refusal, type Reason } from '../../../enclave/wire/error-code.ts';
import { Phase } from '../../../enclave/wire/gen/sealwright/v1/status.ts';
import { LOG_METHODS, STORE_METHODS } from '../../../enclave/wire/methods.ts';
import type { Choices } from './choices.ts';
import { anyFrame } from './conversation.ts';
import { responseFrame } from './frames.ts';
import type { HostCall } from './hostile-host.ts';
import { mutated } from './mutations.ts';
import type { Rig } from './rig.ts';

/** Reasons of halts that refusals of store and log may end in (docs/spec/errors.md). */
const ALLOWED_HALTS = new Set(['LOG_DAMAGED', 'LOG_STORE_FAILED', 'STORE_UNAVAILABLE']);
const MOST_FRAMES = 24;
const MOST_MUTATIONS = 4;
const CLOSES_WITHIN_MS = 10_000;
/** For the answer to a call whose leaf may wait for an acknowledgement that never comes. */
const LONGEST_MS = 50;
const REASONS = Object.keys(ERROR_CODES) as [Reason, ...Reason[]];
/** How often the enclave gets another answer than the true one. */
const LIES = 0.2;

/** A property that did not hold. */
export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure';
}

export class FrameFuzzer {
  readonly #rig: Rig;
  readonly #random: Choices;
  readonly counts = { rounds: 0, frames: 0, open: 0, closed: 0, either: 0, halts: 0 };

  constructor(rig: Rig, random: Choices) {
    this.#rig = rig;
    this.#random = random;
  }

  /** One conversation. Rejects with FuzzFailure. */
  async round(): Promise<void> {
    const { host } = this.#rig;
    for (const method of [STORE_METHODS.put, LOG_METHODS.append, LOG_METHODS.checkpoint]) {
      host.lie(method, (call, honest) => this.#answer(call, honest));
    }
    const { oracle } = host.link;
    await this.#talk();
    await this.#settle();
    this.counts.rounds += 1;
    this.counts.frames += oracle.frames;
    this.counts[oracle.outcome] += 1;
    // From here on the host is honest: what it lied about must not have lasting effects but a named halt.
    host.repent();
    host.link.drop();
    await this.#examine();
  }

  async #talk(): Promise<void> {
    const { host } = this.#rig;
    const random = this.#random;
    const frames = Array.from({ length: 1 + random.below(MOST_FRAMES) }, () =>
      anyFrame(host.nextId(), random),
    );
    // Half of them stay as they are: only the answers lie.
    const mutations = random.chance(0.5) ? 0 : 1 + random.below(MOST_MUTATIONS);
    let bytes = concatBytes(...mutated(frames, mutations, random));
    while (bytes.length > 0) {
      const piece = random.chance(0.5) ? bytes.length : 1 + random.below(bytes.length);
      host.link.send(bytes.subarray(0, piece));
      bytes = bytes.subarray(piece);
      if (random.chance(0.2)) await sleep(random.below(3));
    }
    // The last call is honest. What came before may have used up its number, or cost it its answer.
    await Promise.race([this.#rig.sign('signer').catch(() => undefined), sleep(LONGEST_MS)]);
  }

  /** Waits for the enclave's verdict. */
  async #settle(): Promise<void> {
    const { link } = this.#rig.host;
    if (link.oracle.outcome === 'open' && !link.open) {
      throw new FuzzFailure('the link was closed, and no rule was broken');
    }
    if (link.oracle.outcome !== 'closed') return;
    const late = sleep(CLOSES_WITHIN_MS, 'late', { ref: false });
    if ((await Promise.race([link.closed, late])) === 'late') {
      throw new FuzzFailure('a rule was broken, and the link was not closed');
    }
  }

  async #examine(): Promise<void> {
    const { host, enclave } = this.#rig;
    if (!enclave.alive) throw new FuzzFailure('the enclave ended');
    await this.#rig.connect();
    const { phase, haltReason } = await this.#rig.status();
    if (host.ledger.violations.length > 0) throw new FuzzFailure(host.ledger.violations.join());
    if (phase === Phase.PHASE_SERVING) return;
    if (phase !== Phase.PHASE_HALTED || !ALLOWED_HALTS.has(haltReason)) {
      throw new FuzzFailure(`phase ${String(phase)}, halt ${haltReason}`);
    }
    this.counts.halts += 1;
    await this.#rig.reboot();
  }

  /** Whatever it says, an honest host did what it was asked: the next boot must find everything. */
  async #answer(
    call: HostCall,
    honest: () => Promise<Uint8Array>,
  ): Promise<Uint8Array | undefined> {
    const random = this.#random;
    const truth = await honest();
    if (!random.chance(LIES)) return truth;
    switch (random.below(5)) {
      case 0:
        throw new Refusal(random.chance(0.2) ? 'LOG_STORE_CONFLICT' : random.pick(REASONS));
      case 1:
        return undefined;
      case 2:
        await sleep(random.below(20));
        return truth;
      case 3:
        call.connection.send(responseFrame(call.streamId, truth));
        return truth;
      default: {
        const [frame] = mutated([responseFrame(call.streamId, truth)], 1, random);
        if (frame !== undefined) call.connection.send(frame);
        return undefined;
      }
    }
  }
}
