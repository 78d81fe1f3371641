import { generateKeyPairSync } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { rawEd25519 } from '../../enclave/core/genesis-proposal.ts';
import { CheckpointSigner } from '../../enclave/log/checkpoint.ts';
import { Log, type Committed } from '../../enclave/log/log.ts';
import { EMPTY_EDGE, encodeEdge, leafHash, type Edge } from '../../enclave/log/tree.ts';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { encodeFrame } from '../../enclave/wire/frame.ts';
import { LogAppendRequest } from '../../enclave/wire/gen/sealwright/enclave/v1/log_store.ts';
import { FrameKind } from '../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import { LOG_METHODS } from '../../enclave/wire/methods.ts';
import { MAX_LEAF_BYTES } from '../../enclave/wire/tlog.ts';
import { verifyInclusion } from '../../src/tlog/merkle.ts';
import { expandMultiProof } from '../../src/tlog/multi-proof.ts';
import { MemoryLogStore } from '../support/fakes/memory-log-store.ts';
import { expectNoFork, headOf, rootsOf } from '../support/log-audit.ts';
import '../support/matchers.ts';

const key = generateKeyPairSync('ed25519').privateKey;

/** A log over a store, and what happened in which order. */
class Bench {
  readonly store = new MemoryLogStore();
  readonly events: string[] = [];
  readonly failures: unknown[] = [];
  readonly log: Log;
  signerFailure: Error | undefined;
  sealFailure: Error | undefined;

  constructor(edge: Edge = EMPTY_EDGE) {
    const sign = (size: number): void => {
      this.events.push(`sign ${String(size)}`);
      if (this.signerFailure !== undefined) throw this.signerFailure;
    };
    const signer = new (class extends CheckpointSigner {
      override sign(size: number, root: Uint8Array): string {
        sign(size);
        return super.sign(size, root);
      }
    })('sealwright/test', key, rawEd25519(key));
    this.log = new Log({
      store: this.store,
      signer,
      edge,
      sealEdge: (grown) => {
        if (this.sealFailure !== undefined) throw this.sealFailure;
        return encodeEdge(grown);
      },
      onFailure: (error) => this.failures.push(error),
    });
  }

  /** Appends leaves in one turn; what becomes of each goes into `events`. */
  append(names: readonly string[], patient = false): Promise<Committed>[] {
    return names.map((name) => {
      const committed = this.log.append(utf8(name), patient);
      committed.then(
        ({ index }) => this.events.push(`${name} at ${String(index)}`),
        (error: unknown) =>
          this.events.push(`${name} ${error instanceof Refusal ? error.reason : 'bug'}`),
      );
      return committed;
    });
  }
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i));

describe('a log', () => {
  test('flushes at once when it is idle', async () => {
    const bench = new Bench();
    bench.store.hold();
    void Promise.all(bench.append(['a']));
    // Microtasks only: no timer, no turn of the event loop.
    await Promise.resolve();
    expect(bench.store.appends).toBe(1);
  });

  test('writes the leaves of one turn in one batch', async () => {
    const bench = new Bench();
    await Promise.all(bench.append(numbered(5)));
    expect(bench.store.batches).toEqual([5]);
  });

  test('fills the next batch while one is on its way', async () => {
    const bench = new Bench();
    const release = bench.store.hold();
    const all = bench.append(['a']);
    for (const name of ['b', 'c', 'd']) {
      await turn();
      all.push(...bench.append([name]));
    }
    await turn();
    expect(bench.store.appends).toBe(1);
    release();
    const committed = await Promise.all(all);
    expect(bench.store.batches).toEqual([1, 3]);
    expect(committed.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  });

  test('is flushed again after it was idle', async () => {
    const bench = new Bench();
    for (const name of ['a', 'b', 'c']) await Promise.all(bench.append([name]));
    expect(bench.store.batches).toEqual([1, 1, 1]);
  });

  test('signs after the store acknowledged, and releases after that', async () => {
    const bench = new Bench();
    bench.store.beforeAppend = async () => {
      bench.events.push('asked');
      await turn();
      bench.events.push('acknowledged');
    };
    await Promise.all(bench.append(['a', 'b']));
    await turn();
    expect(bench.events).toEqual(['sign 0', 'asked', 'acknowledged', 'sign 2', 'a at 0', 'b at 1']);
    expect(bench.store.checkpoints.map((checkpoint) => headOf(checkpoint).size)).toEqual([2]);
  });

  test('releases nothing to a store that never acknowledges', async () => {
    const bench = new Bench();
    bench.store.hold();
    const before = bench.log.checkpoint;
    void Promise.all(bench.append(numbered(3)));
    for (let i = 0; i < 20; i += 1) await turn();
    expect(bench.events).toEqual(['sign 0']);
    expect(bench.log.edge.size).toBe(0);
    expect(bench.log.checkpoint).toBe(before);
    expect(bench.store.checkpoints).toEqual([]);
  });

  test('proves every leaf of every batch under the checkpoint it came with', async () => {
    const bench = new Bench();
    const all: Committed[] = [];
    for (const count of [1, 2, 5, 1, 8, 3]) {
      all.push(...(await Promise.all(bench.append(numbered(count)))));
    }
    const roots = rootsOf(bench.store.leaves);
    for (const { leaf, index, proof, checkpoint } of all) {
      const { size, root } = headOf(checkpoint);
      expect(root).toBe(roots[size]);
      const rootHash = new Uint8Array(Buffer.from(root, 'hex'));
      const inclusion = { leafHash: leafHash(leaf), index, size, proof };
      expect(await verifyInclusion(inclusion, rootHash)).toBe(true);
    }
    expectNoFork(bench.store);
  });

  test('puts at most 1,024 leaves into a batch', async () => {
    const bench = new Bench();
    await Promise.all(bench.append(numbered(2500)));
    expect(bench.store.batches).toEqual([1024, 1024, 452]);
  });

  test('puts no more bytes into a batch than a frame takes', async () => {
    const bench = new Bench();
    let largest = 0;
    const { store } = bench;
    const append = store.append.bind(store);
    store.append = (firstIndex, leaves, sealedEdge, onStall) => {
      const body = LogAppendRequest.encode({
        firstIndex: BigInt(firstIndex),
        leaves: [...leaves],
        sealedEdge,
      }).finish();
      // Throws when the frame is above the limit.
      const frame = encodeFrame({
        version: 1,
        streamId: 1n,
        kind: FrameKind.FRAME_KIND_REQUEST,
        method: LOG_METHODS.append,
        body,
        timeoutMs: 10_000,
        untrustedCaller: undefined,
        code: 0,
        details: [],
      });
      largest = Math.max(largest, frame.byteLength);
      return append(firstIndex, leaves, sealedEdge, onStall);
    };
    const leaf = new Uint8Array(MAX_LEAF_BYTES);
    const committed = await Promise.all(numbered(200).map(() => bench.log.append(leaf)));
    expect(committed.map(({ index }) => index)).toEqual([...Array(200).keys()]);
    expect(store.batches).toEqual([32, 32, 32, 32, 32, 32, 8]);
    expect(largest).toBeGreaterThan(2_000_000);
  });

  test('refuses a leaf that no tile could hold, and goes on', async () => {
    const bench = new Bench();
    expect(() => bench.log.append(new Uint8Array(MAX_LEAF_BYTES + 1))).toThrow(RangeError);
    await Promise.all(bench.append(['a']));
    expect(bench.store.batches).toEqual([1]);
    expect(bench.failures).toEqual([]);
  });

  test('lets 4,096 wait; patient leaves always', async () => {
    const bench = new Bench();
    const release = bench.store.hold();
    const all = bench.append(['first']);
    await turn();
    all.push(...bench.append(numbered(4096)));
    await expect(() => bench.log.append(utf8('more'))).toRefuseWith('LOG_UNAVAILABLE', {});
    all.push(...bench.append(['state change'], true));
    release();
    const committed = await Promise.all(all);
    expect(committed.at(-1)?.index).toBe(4097);
    expect(bench.log.edge.size).toBe(4098);
    await Promise.all(bench.append(['again']));
  });

  test('never divides leaves that were appended together', async () => {
    const bench = new Bench();
    const singles = bench.append(numbered(1000));
    const together = bench.log.appendTogether(numbered(100).map(utf8));
    const last = bench.append(['last']);
    const committed = await together;
    await Promise.all([...singles, ...last]);
    expect(bench.store.batches).toEqual([1000, 101]);
    expect(committed.firstIndex).toBe(1000);
    const { size, root } = headOf(committed.checkpoint);
    expect([size, root]).toEqual([1101, rootsOf(bench.store.leaves)[1101]]);
    const rootHash = new Uint8Array(Buffer.from(root, 'hex'));
    for (const [position, leaf] of committed.leaves.entries()) {
      const proof = committed.proof(position);
      const inclusion = { leafHash: leafHash(leaf), index: 1000 + position, size, proof };
      expect(await verifyInclusion(inclusion, rootHash)).toBe(true);
    }
    const positions = [0, 7, 8, 99];
    const expanded = await expandMultiProof({
      leaves: positions.map((position) => ({
        index: 1000 + position,
        leafHash: leafHash(committed.leaves[position] ?? utf8('none')),
      })),
      size,
      proof: committed.multiProof(positions),
    });
    expect(expanded?.root).toEqual(rootHash);
    expect(expanded?.proofs).toEqual(positions.map((position) => committed.proof(position)));
  });

  test('refuses more leaves or bytes together than one append takes', async () => {
    const bench = new Bench();
    const most = await bench.log.appendTogether(numbered(1024).map(utf8));
    expect(most.leaves).toHaveLength(1024);
    expect(() => bench.log.appendTogether(numbered(1025).map(utf8))).toThrow(RangeError);
    const largest = new Uint8Array(MAX_LEAF_BYTES);
    expect(() => bench.log.appendTogether(numbered(33).map(() => largest))).toThrow(RangeError);
    await bench.log.appendTogether(numbered(32).map(() => largest));
    expect(bench.store.batches).toEqual([1024, 32]);
  });

  test('counts each of the leaves that wait together', async () => {
    const bench = new Bench();
    const release = bench.store.hold();
    const all: Promise<unknown>[] = bench.append(['first']);
    await turn();
    for (let i = 0; i < 4; i += 1) all.push(bench.log.appendTogether(numbered(1024).map(utf8)));
    await expect(() => bench.log.append(utf8('more'))).toRefuseWith('LOG_UNAVAILABLE', {});
    await expect(() => bench.log.appendTogether([utf8('more')])).toRefuseWith(
      'LOG_UNAVAILABLE',
      {},
    );
    release();
    await Promise.all(all);
    await Promise.all(bench.append(['again']));
    expect(bench.store.batches).toEqual([1, 1024, 1024, 1024, 1024, 1]);
  });

  test('goes on from an edge', async () => {
    const first = new Bench();
    await Promise.all(first.append(numbered(5)));
    const second = new Bench(first.log.edge);
    second.store.restore(first.store.snapshot());
    expect(second.log.checkpoint).toBe(first.log.checkpoint);
    const [committed] = await Promise.all(second.append(['next']));
    expect(committed?.index).toBe(5);
    expectNoFork(second.store);
  });
});

describe('a store that stalls', () => {
  /** A store that calls onStall `times` times for its next append and then waits for the test. */
  function stalling(bench: Bench, times = 1): () => void {
    const release = bench.store.hold();
    const wait = bench.store.beforeAppend;
    bench.store.beforeAppend = (onStall) => {
      for (let i = 0; i < times; i += 1) onStall();
      return wait(onStall);
    };
    return release;
  }

  test('turns everybody away, lets nobody in, and recovers with the same batch', async () => {
    const bench = new Bench();
    const release = stalling(bench, 3);
    const away = [...bench.append(['a', 'b'])];
    const together = bench.log.appendTogether([utf8('c'), utf8('d')]);
    for (const one of away) await expect(one).toRefuseWith('LOG_UNAVAILABLE', {});
    await expect(together).toRefuseWith('LOG_UNAVAILABLE', {});
    await expect(() => bench.log.append(utf8('late'))).toRefuseWith('LOG_UNAVAILABLE', {});
    expect(bench.store.appends).toBe(1);
    release();
    await turn();
    // The intents of those who were turned away are in the log: they count as issued.
    expect(bench.store.leaves.map((leaf) => Buffer.from(leaf).toString()).join('')).toBe('abcd');
    expect(headOf(bench.log.checkpoint).size).toBe(4);
    const [committed] = await Promise.all(bench.append(['e']));
    expect(committed?.index).toBe(4);
    expect(bench.failures).toEqual([]);
    expectNoFork(bench.store);
  });

  test('turns away who waits for the next batch, whose leaves then never come', async () => {
    const bench = new Bench();
    let stall: () => void = () => undefined;
    const release = bench.store.hold();
    const wait = bench.store.beforeAppend;
    bench.store.beforeAppend = (onStall) => {
      stall = onStall;
      return wait(onStall);
    };
    const all = bench.append(['a']);
    await turn();
    all.push(...bench.append(['b', 'c']));
    stall();
    for (const one of all) await expect(one).toRefuseWith('LOG_UNAVAILABLE');
    release();
    await turn();
    expect(bench.store.batches).toEqual([1]);
  });

  test('keeps the leaves of a state change waiting, in flight and queued', async () => {
    const bench = new Bench();
    const release = stalling(bench);
    const [inFlight] = bench.append(['boot'], true);
    const [beside] = bench.append(['a']);
    await expect(beside).toRefuseWith('LOG_UNAVAILABLE');
    const [queued] = bench.append(['policy'], true);
    for (let i = 0; i < 10; i += 1) await turn();
    expect(bench.events).toEqual(['sign 0', 'a LOG_UNAVAILABLE']);
    release();
    expect((await inFlight)?.index).toBe(0);
    expect((await queued)?.index).toBe(2);
  });
});

const FAILURES = [
  ['LOG_STORE_FAILED', new Refusal('LOG_STORE_FAILED')],
  ['LOG_STORE_CONFLICT', new Refusal('LOG_STORE_CONFLICT')],
  ['an exception', new TypeError('x')],
] as const;

describe.each(FAILURES)('a store that ends an append with %s', (_, failure) => {
  test('gets no checkpoint, and nobody gets an answer', async () => {
    const bench = new Bench();
    await Promise.all(bench.append(['before']));
    const { checkpoint } = bench.log;
    const release = bench.store.hold();
    bench.store.failAppend(1, failure);
    const all = bench.append(['a', 'b']);
    all.push(...bench.append(['patient'], true));
    await turn();
    all.push(...bench.append(['c']), ...bench.append(['patient, later'], true));
    bench.events.length = 0;
    release();
    for (const one of all) await expect(one).toRefuseWith('LOG_UNAVAILABLE', {});
    expect(bench.failures).toEqual([failure]);
    expect(bench.events.filter((event) => event.startsWith('sign'))).toEqual([]);
    expect(bench.log.checkpoint).toBe(checkpoint);
    expect(bench.store.checkpoints).toHaveLength(1);
    for (const patient of [false, true]) {
      await expect(() => bench.log.append(utf8('x'), patient)).toRefuseWith('LOG_UNAVAILABLE');
    }
    await turn();
    expect(bench.store.appends).toBe(2);
    expect(bench.failures).toHaveLength(1);
  });

  test('after a stall ends it the same way', async () => {
    const bench = new Bench();
    bench.store.beforeAppend = (onStall) => {
      onStall();
      return Promise.resolve();
    };
    bench.store.failAppend(1, failure);
    const [patient] = bench.append(['boot'], true);
    await expect(patient).toRefuseWith('LOG_UNAVAILABLE');
    expect(bench.failures).toEqual([failure]);
  });
});

describe('a log of its own trouble', () => {
  test('that can’t seal its edge asks the store for nothing', async () => {
    const bench = new Bench();
    bench.sealFailure = new Error('no entropy');
    const [one] = bench.append(['a']);
    await expect(one).toRefuseWith('LOG_UNAVAILABLE');
    expect(bench.store.appends).toBe(0);
    expect(bench.failures).toEqual([bench.sealFailure]);
  });

  test('that can’t sign leaves nobody waiting for ever', async () => {
    const bench = new Bench();
    bench.signerFailure = new Error('no key');
    const all = bench.append(['a', 'b']);
    for (const one of all) await expect(one).toRefuseWith('LOG_UNAVAILABLE');
    expect(bench.failures).toEqual([bench.signerFailure]);
    expect(bench.store.checkpoints).toEqual([]);
  });

  test('that is stopped answers nobody, and signs nothing for what comes back durable', async () => {
    const bench = new Bench();
    const release = bench.store.hold();
    const all = bench.append(['a']);
    await turn();
    all.push(...bench.append(['b']), ...bench.append(['state change'], true));
    bench.log.stop();
    await expect(() => bench.log.append(utf8('c'), true)).toRefuseWith('LOG_UNAVAILABLE');
    release();
    for (const one of all) await expect(one).toRefuseWith('LOG_UNAVAILABLE', {});
    expect(bench.events.filter((event) => event.startsWith('sign'))).toEqual(['sign 0']);
    expect(bench.store.batches).toEqual([1]);
    expect(bench.failures).toEqual([]);
  });
});
