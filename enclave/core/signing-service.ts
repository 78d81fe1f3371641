/**
 * Sign: decode → authorise → check the payload → leaf → sign → release. The leaf is on its way to the disk
 * while the key signs; nothing is released before it is durable (PROTOCOLS §12).
 */
import { RefusalCounter } from '../log/refusal-counter.ts';
import { RequestIds } from '../log/request-ids.ts';
import type { Ports } from '../ports.ts';
import { encodeMessage } from '../wire/encode-message.ts';
import { Refusal } from '../wire/error-code.ts';
import { SignRequest, SignResponse } from '../wire/gen/sealwright/v1/signing.ts';
import { SALT_BYTES } from '../wire/tlog.ts';
import { BatchGate } from './batch-gate.ts';
import { readBatch, signBatch } from './batch-signing.ts';
import type { Caller } from './callers.ts';
import type { Cluster } from './cluster.ts';
import type { WhoAsks } from './in-force.ts';
import { Pace } from './pace.ts';
import { RateLimits } from './rate-limits.ts';
import { decoded } from './requests.ts';
import {
  allow,
  firstUseOf,
  leafOf,
  responseOf,
  signatureOf,
  type Allowed,
  type Signing,
} from './sign-request.ts';

export class SigningService {
  readonly #signing: Signing;
  readonly #batches = new BatchGate();
  readonly #pace: Pace;
  #loggingRefusals = false;

  constructor(ports: Ports, cluster: Cluster) {
    const [requestIds, refusals] = [new RequestIds(), new RefusalCounter()];
    const rateLimits = new RateLimits();
    this.#signing = { ports, cluster, requestIds, refusals, rateLimits };
    this.#pace = new Pace(ports.clock);
  }

  /**
   * Resolves with an encoded SignResponse, rejects with Refusal. `stillWanted` is asked right before the
   * intent is written: a call that waited in a queue may have been given up. `requestId` is for a request without one.
   */
  async sign(
    body: Uint8Array,
    whoAsks: WhoAsks,
    stillWanted: () => boolean,
    requestId?: Uint8Array,
  ): Promise<Uint8Array> {
    const asked = decoded((input) => SignRequest.decode(input), body);
    const lacksId = requestId !== undefined && asked.requestId.byteLength === 0;
    const request = lacksId ? { ...asked, requestId } : asked;
    const allowed = allow(this.#signing, request, whoAsks(this.#signing.cluster.inForce));
    if (!stillWanted()) throw new Refusal('DEADLINE_EXCEEDED');
    const first = firstUseOf(this.#signing, allowed, body);
    if (first === undefined) return this.#release(allowed);
    if (first instanceof Uint8Array) return first;
    try {
      return first.finish(await this.#release(allowed));
    } catch (error) {
      first.fail();
      throw error;
    }
  }

  /** The same for an encoded SignBatchResponse. `stillWanted` is asked again between signatures. */
  async signBatch(
    body: Uint8Array,
    whoAsks: WhoAsks,
    stillWanted: () => boolean,
  ): Promise<Uint8Array> {
    const items = readBatch(body);
    const identify = this.#identifying(whoAsks);
    const size = { items: items.length, bytes: body.byteLength };
    return this.#batches.run(identify().identity, size, stillWanted, () =>
      signBatch(this.#signing, items, identify, this.#pace, stillWanted),
    );
  }

  /** Who asks, by the policy that is in force when it is asked: a batch waits for its turn and between its items. */
  #identifying(whoAsks: WhoAsks): () => Caller {
    const { cluster } = this.#signing;
    let seen = { inForce: cluster.inForce, caller: whoAsks(cluster.inForce) };
    return () => {
      const { inForce } = cluster;
      if (inForce !== seen.inForce) seen = { inForce, caller: whoAsks(inForce) };
      return seen.caller;
    };
  }

  /** Leaves for the refusals counted since the last call; nobody waits for them. */
  logRefusals(): void {
    // While the last ones wait for the disk the rest goes on being counted: none is lost, none is counted twice.
    if (this.#loggingRefusals) return;
    const { cluster, refusals } = this.#signing;
    const leaves = refusals.take();
    if (leaves.length === 0) return;
    this.#loggingRefusals = true;
    void cluster.log
      .appendPatiently(leaves)
      // Only a halt turns them away.
      .catch(() => undefined)
      .finally(() => {
        this.#loggingRefusals = false;
      });
  }

  async #release(allowed: Allowed): Promise<Uint8Array> {
    const { ports, cluster } = this.#signing;
    const salt = ports.entropy.bytes(SALT_BYTES);
    const committing = cluster.log.append(leafOf(allowed, salt));
    // Both are awaited together: neither may fail unseen while the other is waited for.
    const [signature, { leaf, index, proof, checkpoint }] = await Promise.all([
      signatureOf(allowed),
      committing,
    ]);
    const receipt = allowed.request.declineReceipt
      ? undefined
      : { leaf, index: BigInt(index), proof, checkpoint, salt };
    return encodeMessage(SignResponse, responseOf(this.#signing, allowed, signature, receipt));
  }
}
