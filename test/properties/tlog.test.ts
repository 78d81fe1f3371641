import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Batch, EMPTY_EDGE, encodeEdge, parseEdge } from '../../enclave/log/tree.ts';
import {
  encodeCheckpoint,
  encodeNote,
  fromBase64,
  parseCheckpoint,
  parseNote,
  toBase64,
} from '../../enclave/wire/tlog-note.ts';
import { encodeTlogProof, parseTlogProof } from '../../enclave/wire/tlog-proof.ts';
import {
  encodeEntryBundle,
  encodeTilePath,
  parseEntryBundle,
  parseTilePath,
} from '../../enclave/wire/tlog-tiles.ts';
import { TlogError } from '../../enclave/wire/tlog.ts';
import {
  consistencyPath,
  inclusionPath,
  leafHashOf,
  multiPath,
  noteSigner,
  signedNote,
  treeHash,
} from '../../scripts/log-maker.ts';
import { verifyConsistency, verifyInclusion } from '../../src/tlog/merkle.ts';
import { expandMultiProof, type MultiInclusion } from '../../src/tlog/multi-proof.ts';
import { openNote } from '../../src/tlog/note.ts';

const numRuns = process.env['SLOW'] === '1' ? 2000 : 100;
const hashes = Array.from({ length: 300 }, (_, i) => leafHashOf(Buffer.from(`leaf ${String(i)}`)));
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const position = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

/** A size and something below it. */
const sizeAndIndex = fc
  .integer({ min: 1, max: hashes.length })
  .chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 0, max: size - 1 })));

type Change = (proof: readonly Uint8Array[]) => Uint8Array[];
/** Every way in which a proof becomes another one. */
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.nat().map(
    (at): Change =>
      (proof) =>
        proof.filter((_, i) => i !== at % proof.length),
  ),
  fc.tuple(fc.nat(), bytes32).map(([at, hash]): Change => (proof) => {
    const place = at % (proof.length + 1);
    return [...proof.slice(0, place), hash, ...proof.slice(place)];
  }),
  fc.tuple(fc.nat(), fc.nat()).map(([at, bit]): Change => (proof) => {
    return proof.map((hash, i) => (i === at % proof.length ? flipped(hash, bit % 256) : hash));
  }),
  fc.nat().map((at): Change => (proof) => {
    return proof.map((hash, i) => (i === at % proof.length ? hash.slice(1) : hash));
  }),
  fc.tuple(fc.nat(), fc.nat()).map(([a, b]): Change => (proof) => {
    const copy = [...proof];
    const [i, j] = [a % proof.length, b % proof.length];
    [copy[i], copy[j]] = [
      proof[j] ?? hashes[0] ?? new Uint8Array(0),
      proof[i] ?? new Uint8Array(0),
    ];
    return copy;
  }),
);

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  return bytes.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
}

const same = (a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean =>
  a.map((hash) => Buffer.from(hash).toString('hex')).join() ===
  b.map((hash) => Buffer.from(hash).toString('hex')).join();

describe('the tree', () => {
  test('appended in any batches is one tree', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 6 }), (counts) => {
        let edge = EMPTY_EDGE;
        for (const count of counts) {
          const end = Math.min(hashes.length, edge.size + count);
          const tree = hashes.slice(0, end);
          const batch = new Batch(edge, hashes.slice(edge.size, end));
          expect(batch.root).toEqual(treeHash(tree));
          if (end > edge.size) {
            const last = end - edge.size - 1;
            expect(batch.proof(0)).toEqual(inclusionPath(edge.size, tree));
            expect(batch.proof(last)).toEqual(inclusionPath(end - 1, tree));
          }
          edge = parseEdge(encodeEdge(batch.edge));
          expect(edge).toEqual(batch.edge);
        }
      }),
      { numRuns },
    );
  });

  test('a proof is true for its leaf, index and tree only', async () => {
    await fc.assert(
      fc.asyncProperty(sizeAndIndex, fc.nat(), change, async ([size, index], other, alter) => {
        const tree = hashes.slice(0, size);
        const root = treeHash(tree);
        const leafHash = hashes[index] ?? new Uint8Array(0);
        const good = { leafHash, index, size, proof: inclusionPath(index, tree) };
        expect(await verifyInclusion(good, root)).toBe(true);

        const altered = alter(good.proof);
        if (!same(altered, good.proof)) {
          expect(await verifyInclusion({ ...good, proof: altered }, root)).toBe(false);
        }
        const elsewhere = other % (2 * size);
        if (elsewhere !== index) {
          expect(await verifyInclusion({ ...good, index: elsewhere }, root)).toBe(false);
        }
        const bit = other % 256;
        expect(await verifyInclusion({ ...good, leafHash: flipped(leafHash, bit) }, root)).toBe(
          false,
        );
        expect(await verifyInclusion(good, flipped(root, bit))).toBe(false);
      }),
      { numRuns },
    );
  });

  test('a multi-proof is true for its leaves, indices and tree only', async () => {
    const some = sizeAndIndex.chain(([size]) =>
      fc.tuple(
        fc.constant(size),
        fc.uniqueArray(fc.integer({ min: 0, max: size - 1 }), { minLength: 1, maxLength: 40 }),
      ),
    );
    await fc.assert(
      fc.asyncProperty(some, fc.nat(), change, async ([size, set], other, alter) => {
        const tree = hashes.slice(0, size);
        const indices = set.sort((a, b) => a - b);
        const root = treeHash(tree);
        const good: MultiInclusion = {
          leaves: indices.map((index) => ({ index, leafHash: hashes[index] ?? root })),
          size,
          proof: multiPath(indices, tree),
        };
        const holds = async (changed: Partial<MultiInclusion>): Promise<boolean> => {
          const expanded = await expandMultiProof({ ...good, ...changed });
          return expanded !== undefined && same([expanded.root], [root]);
        };
        expect(await holds({})).toBe(true);
        const proofs = indices.map((index) => inclusionPath(index, tree));
        expect((await expandMultiProof(good))?.proofs).toEqual(proofs);

        const altered = alter(good.proof);
        if (!same(altered, good.proof)) expect(await holds({ proof: altered })).toBe(false);
        const at = other % indices.length;
        const replaced = (one: (typeof good.leaves)[number]): Partial<MultiInclusion> => ({
          leaves: good.leaves.map((leaf, i) => (i === at ? one : leaf)),
        });
        const leaf = good.leaves[at] ?? { index: 0, leafHash: root };
        const forged = flipped(leaf.leafHash, other % 256);
        expect(await holds(replaced({ ...leaf, leafHash: forged }))).toBe(false);
        const elsewhere = other % (2 * size);
        if (elsewhere !== leaf.index) {
          expect(await holds(replaced({ ...leaf, index: elsewhere }))).toBe(false);
        }
        expect(await holds({ leaves: good.leaves.filter((_, i) => i !== at) })).toBe(false);
        expect(await holds({ leaves: [...good.leaves, leaf] })).toBe(false);
        if (indices.length > 1)
          expect(await holds({ leaves: good.leaves.toReversed() })).toBe(false);
      }),
      { numRuns },
    );
  });

  test('a batch makes the multi-proof of any of its leaves', () => {
    const batches = sizeAndIndex.chain(([size, from]) =>
      fc.tuple(fc.constant(size), fc.constant(from), fc.subarray([...Array(size - from).keys()])),
    );
    fc.assert(
      fc.property(batches, ([size, from, positions]) => {
        fc.pre(positions.length > 0);
        const tree = hashes.slice(0, size);
        const before = new Batch(EMPTY_EDGE, hashes.slice(0, from)).edge;
        const batch = new Batch(before, hashes.slice(from, size));
        const indices = positions.map((position) => from + position);
        expect(batch.multiProof(positions)).toEqual(multiPath(indices, tree));
      }),
      { numRuns },
    );
  });

  test('consistency is true for its two trees only', async () => {
    await fc.assert(
      fc.asyncProperty(sizeAndIndex, fc.nat(), change, async ([newSize, index], bit, alter) => {
        const [oldSize, tree] = [index + 1, hashes.slice(0, newSize)];
        const older = { size: oldSize, rootHash: treeHash(hashes.slice(0, oldSize)) };
        const newer = { size: newSize, rootHash: treeHash(tree) };
        const proof = consistencyPath(oldSize, tree);
        expect(await verifyConsistency(older, newer, proof)).toBe(true);

        const altered = alter(proof);
        if (!same(altered, proof))
          expect(await verifyConsistency(older, newer, altered)).toBe(false);
        const forged = flipped(older.rootHash, bit % 256);
        expect(await verifyConsistency({ ...older, rootHash: forged }, newer, proof)).toBe(false);
        const fork = flipped(newer.rootHash, bit % 256);
        expect(await verifyConsistency(older, { ...newer, rootHash: fork }, proof)).toBe(false);
        if (oldSize !== newSize) expect(await verifyConsistency(newer, older, proof)).toBe(false);
      }),
      { numRuns },
    );
  });
});

/** Any text that a note's line can hold. */
const line = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .map((text) => text.replace(/[\p{Cc}\p{Surrogate}]/gu, 'x'));
const name = line.map((text) => text.replace(/[\p{White_Space}+]/gu, 'x'));
const signature = fc.record({
  name,
  keyId: fc.integer({ min: 0, max: 0xffffffff }),
  signature: fc.uint8Array({ minLength: 1, maxLength: 100 }),
});

describe('text forms', () => {
  test('notes come back', () => {
    const lines = fc.array(fc.oneof(line, fc.constant('')), { minLength: 1, maxLength: 5 });
    const signatures = fc.array(signature, { minLength: 1, maxLength: 16 });
    fc.assert(
      fc.property(lines, signatures, (text, signed) => {
        const note = { text: `${text.join('\n')}\n`, signatures: signed };
        expect(parseNote(encodeNote(note.text, signed))).toEqual(note);
      }),
      { numRuns },
    );
  });

  test('checkpoints come back', () => {
    fc.assert(
      fc.property(line, position, bytes32, (origin, size, rootHash) => {
        const checkpoint = { origin, size, rootHash };
        expect(parseCheckpoint(encodeCheckpoint(checkpoint))).toEqual(checkpoint);
      }),
      { numRuns },
    );
  });

  test('a changed note is refused, or nobody signed it', async () => {
    const key = noteSigner('log.example', 'log key');
    const note = signedNote(
      encodeCheckpoint({ origin: 'log.example', size: 3, rootHash: treeHash(hashes) }),
      key,
    );
    const edit = fc.record({
      at: fc.integer({ min: 0, max: note.length - 1 }),
      cut: fc.integer({ min: 0, max: 3 }),
      text: fc.oneof(
        fc.string({ maxLength: 3 }),
        fc.constantFrom('\n', '\r\n', '=', '\u2014 ', '\n\n'),
      ),
    });
    await fc.assert(
      fc.asyncProperty(edit, async ({ at, cut, text }) => {
        const changed = note.slice(0, at) + text + note.slice(at + cut);
        fc.pre(changed !== note);
        try {
          expect((await openNote(parseNote(changed), [key])).state).not.toBe('signed');
        } catch (error) {
          expect(error).toBeInstanceOf(TlogError);
        }
      }),
      { numRuns: 4 * numRuns },
    );
  });

  test('tlog-proofs come back', () => {
    const key = noteSigner('log.example', 'log key');
    const checkpoint = signedNote(
      encodeCheckpoint({ origin: 'o', size: 1, rootHash: treeHash([]) }),
      key,
    );
    const proof = fc.record({
      extra: fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined }),
      index: position,
      proof: fc.array(bytes32, { maxLength: 53 }),
      checkpoint: fc.constant(checkpoint),
    });
    fc.assert(
      fc.property(proof, (one) => {
        expect(parseTlogProof(encodeTlogProof(one))).toEqual(one);
      }),
      { numRuns },
    );
  });

  test('base64 has one spelling', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), fc.string({ maxLength: 8 }), (bytes, text) => {
        expect(fromBase64(toBase64(bytes))).toEqual(bytes);
        const read = fromBase64(text);
        if (read !== undefined) expect(toBase64(read)).toBe(text);
      }),
      { numRuns },
    );
  });

  test('tile paths and bundles come back', () => {
    const level = fc.oneof(fc.integer({ min: 0, max: 63 }), fc.constant('entries' as const));
    const tile = fc.record({ level, index: position, width: fc.integer({ min: 1, max: 256 }) });
    const leaves = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });
    fc.assert(
      fc.property(tile, leaves, (one, some) => {
        expect(parseTilePath(encodeTilePath(one))).toEqual(one);
        const bundle = encodeEntryBundle(some);
        expect(parseEntryBundle(bundle, some.length)).toEqual(some);
        expect(() => parseEntryBundle(bundle, some.length + 1)).toThrow(TlogError);
        if (bundle.byteLength > 0) {
          expect(() => parseEntryBundle(bundle.slice(0, -1), some.length)).toThrow(TlogError);
        }
      }),
      { numRuns },
    );
  });
});
