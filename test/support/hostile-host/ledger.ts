/**
 * What passed over the link, watched from outside: no signature may come back whose leaf the host had not
 * acknowledged as durable before.
 */
import { toHex } from '../../../enclave/wire/bytes.ts';
import { FrameKind, type Frame } from '../../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import { LogAppendRequest } from '../../../enclave/wire/gen/sealwright/enclave/v1/log_store.ts';
import {
  SignBatchResponse,
  SignResponse,
} from '../../../enclave/wire/gen/sealwright/v1/signing.ts';
import { LOG_METHODS, METHODS } from '../../../enclave/wire/methods.ts';
import { parseLeaf } from '../../../src/tlog/leaf.ts';
import type { Connection, Watcher } from './connection.ts';

const { FRAME_KIND_REQUEST, FRAME_KIND_RESPONSE } = FrameKind;

const SIGNING: ReadonlySet<string> = new Set([METHODS.sign, METHODS.signBatch]);

/** Calls of one connection that a response may belong to. */
interface Open {
  readonly appends: Map<bigint, LogAppendRequest>;
  readonly signs: Map<bigint, string>;
}

/** A signature that came back, and where it says that its leaf is. */
interface Released {
  readonly signature: Uint8Array;
  readonly leaf: { readonly leaf: Uint8Array; readonly index: bigint } | undefined;
}

function releasedIn(method: string, answer: Uint8Array): Released[] {
  if (method === METHODS.sign) {
    const { signature, receipt } = SignResponse.decode(answer);
    return [{ signature, leaf: receipt }];
  }
  return SignBatchResponse.decode(answer).results.flatMap(({ outcome, leaf }) =>
    outcome?.$case === 'signed'
      ? [{ signature: outcome.value.signature, leaf: outcome.value.receipt ?? leaf }]
      : [],
  );
}

export class Ledger implements Watcher {
  /** Every signature that came back without a durable leaf, in words. Must stay empty. */
  readonly violations: string[] = [];
  /** Signatures that came back, in hex: a retry gets the one of before. */
  readonly #released = new Set<string>();
  /** `INDEX LEAFHEX` of everything that was acknowledged. */
  readonly #durable = new Set<string>();
  #durableSignatures = 0;
  readonly #connections = new WeakMap<Connection, Open>();

  /** Different signatures that came back. */
  get released(): number {
    return this.#released.size;
  }

  /** Leaves of signatures that were acknowledged. */
  get intents(): number {
    return this.#durableSignatures;
  }

  readonly toEnclave = (frame: Frame, connection: Connection): void => {
    const { appends, signs } = this.#openOf(connection);
    if (frame.kind === FRAME_KIND_REQUEST && SIGNING.has(frame.method)) {
      signs.set(frame.streamId, frame.method);
    }
    if (frame.kind !== FRAME_KIND_RESPONSE) return;
    const append = appends.get(frame.streamId);
    appends.delete(frame.streamId);
    if (append !== undefined && frame.code === 0) this.#acknowledge(append);
  };

  readonly fromEnclave = (frame: Frame, connection: Connection): void => {
    const { appends, signs } = this.#openOf(connection);
    if (frame.kind === FRAME_KIND_REQUEST && frame.method === LOG_METHODS.append) {
      appends.set(frame.streamId, LogAppendRequest.decode(Uint8Array.from(frame.body)));
    }
    if (frame.kind !== FRAME_KIND_RESPONSE) return;
    const method = signs.get(frame.streamId);
    signs.delete(frame.streamId);
    if (method === undefined || frame.code !== 0) return;
    for (const released of releasedIn(method, frame.body)) this.#release(released);
  };

  #openOf(connection: Connection): Open {
    const known = this.#connections.get(connection);
    if (known !== undefined) return known;
    const open: Open = { appends: new Map(), signs: new Map() };
    this.#connections.set(connection, open);
    return open;
  }

  #acknowledge({ firstIndex, leaves }: LogAppendRequest): void {
    for (const [i, leaf] of leaves.entries()) {
      const entry = `${String(firstIndex + BigInt(i))} ${toHex(leaf)}`;
      if (this.#durable.has(entry)) continue;
      this.#durable.add(entry);
      if (parseLeaf(leaf).kind === 'signature') this.#durableSignatures += 1;
    }
  }

  #release({ signature, leaf }: Released): void {
    this.#released.add(toHex(signature));
    // A caller may decline the receipt; the count holds all the same.
    if (this.released > this.#durableSignatures)
      this.violations.push('more signatures than leaves');
    if (leaf !== undefined && !this.#durable.has(`${String(leaf.index)} ${toHex(leaf.leaf)}`)) {
      this.violations.push(`leaf ${String(leaf.index)} was not durable`);
    }
  }
}
