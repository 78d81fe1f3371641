import { describe, expect, test } from 'vitest';
import { inclusionPath, leafHashOf, nodeHashOf, treeHash } from '../../scripts/log-maker.ts';
import { olderRoot, rootFromRun, type LeafRun } from '../../src/tlog/range.ts';

const hashes = Array.from({ length: 20 }, (_, i) => leafHashOf(Buffer.from(`leaf ${String(i)}`)));
const treeOf = (size: number): Uint8Array[] => hashes.slice(0, size);

/** Every run of every tree up to this size. */
const MAX_SIZE = 12;

function run(first: number, end: number, size: number): LeafRun {
  const tree = treeOf(size);
  return {
    first,
    leafHashes: hashes.slice(first, end),
    size,
    firstProof: inclusionPath(first, tree),
    lastProof: inclusionPath(end - 1, tree),
  };
}

function everyRun(): LeafRun[] {
  const runs: LeafRun[] = [];
  for (let size = 1; size <= MAX_SIZE; size += 1) {
    for (let first = 0; first < size; first += 1) {
      for (let end = first + 1; end <= size; end += 1) runs.push(run(first, end, size));
    }
  }
  return runs;
}

/** Whether the run leads to the root of its tree. */
async function holds(one: LeafRun, size = one.size): Promise<boolean> {
  const root = await rootFromRun(one);
  return root !== undefined && Buffer.compare(root, treeHash(treeOf(size))) === 0;
}

const swapped = (list: readonly Uint8Array[], i: number, by: Uint8Array): Uint8Array[] =>
  list.map((hash, n) => (n === i ? by : hash));
const other = leafHashOf(Buffer.from('another leaf'));

describe('rootFromRun', () => {
  test('every run of every small tree leads to its root', async () => {
    for (const one of everyRun()) expect(await holds(one)).toBe(true);
  });

  test('a run with any leaf changed does not', async () => {
    for (const one of everyRun()) {
      for (let i = 0; i < one.leafHashes.length; i += 1) {
        expect(await holds({ ...one, leafHashes: swapped(one.leafHashes, i, other) })).toBe(false);
      }
    }
  });

  test('nor one from which a leaf was left out, to which one was added, or that is moved', async () => {
    for (const one of everyRun()) {
      const { leafHashes, first } = one;
      expect(await holds({ ...one, leafHashes: leafHashes.slice(1) })).toBe(false);
      expect(await holds({ ...one, leafHashes: leafHashes.slice(0, -1) })).toBe(false);
      expect(await holds({ ...one, leafHashes: [...leafHashes, other] })).toBe(false);
      expect(await holds({ ...one, first: first + 1 })).toBe(false);
      expect(await holds({ ...one, first: first - 1 })).toBe(false);
    }
  });

  test('nor one with leaves swapped', async () => {
    const one = run(3, 9, 11);
    for (let i = 1; i < one.leafHashes.length; i += 1) {
      const [a, b] = [one.leafHashes[i - 1], one.leafHashes[i]] as [Uint8Array, Uint8Array];
      const leafHashes = swapped(swapped(one.leafHashes, i, a), i - 1, b);
      expect(await holds({ ...one, leafHashes })).toBe(false);
    }
  });

  test('nor one with a proof that is too short, too long, or of another leaf', async () => {
    const one = run(3, 9, 11);
    for (const name of ['firstProof', 'lastProof'] as const) {
      expect(await holds({ ...one, [name]: one[name].slice(1) })).toBe(false);
      expect(await holds({ ...one, [name]: [...one[name], other] })).toBe(false);
      expect(await holds({ ...one, [name]: inclusionPath(0, treeOf(11)) })).toBe(false);
      expect(await holds({ ...one, [name]: [] })).toBe(false);
    }
  });

  test('a subtree of a proof never stands for leaves of the run', async () => {
    // The proof of leaf 0 in a tree of 4 names the hash over leaves 2 and 3, which are in the run.
    const forged = { ...run(0, 4, 4), leafHashes: [hashes[0], hashes[1], other, other] };
    expect(await holds(forged as LeafRun)).toBe(false);
  });

  test.each([
    ['hashes of 31 bytes', { leafHashes: [new Uint8Array(31)] }],
    ['hashes of 64 bytes, which could be two', { leafHashes: [new Uint8Array(64)] }],
    ['no leaves', { leafHashes: [] }],
    ['a number that is none', { first: 0.5 }],
    ['a size that is none', { size: Number.NaN }],
    ['a size beyond 2^53', { size: 2 ** 54 }],
    ['a size of 2^53 - 1', { size: Number.MAX_SAFE_INTEGER }],
    ['a run that ends behind the tree', { first: 11 }],
  ])('%s: no root', async (_, changes) => {
    expect(await rootFromRun({ ...run(3, 4, 11), ...changes })).toBeUndefined();
  });
});

describe('olderRoot', () => {
  const inclusion = (
    index: number,
    size: number,
  ): { leafHash: Uint8Array; index: number; size: number; proof: Uint8Array[] } => ({
    leafHash: hashes[index] ?? other,
    index,
    size,
    proof: inclusionPath(index, treeOf(size)),
  });
  const head = (size: number): { size: number; rootHash: Uint8Array } => ({
    size,
    rootHash: treeHash(treeOf(size)),
  });

  test('is the root of every smaller tree', async () => {
    for (let size = 2; size <= 20; size += 1) {
      for (let older = 1; older < size; older += 1) {
        const root = await olderRoot(inclusion(older, size), head(size));
        expect(Buffer.from(root ?? [])).toEqual(Buffer.from(treeHash(treeOf(older))));
      }
    }
  });

  test.each([
    ['another leaf', { leafHash: other }],
    ['a proof that is cut', { proof: inclusionPath(5, treeOf(11)).slice(1) }],
    ['a proof with a hash changed', { proof: swapped(inclusionPath(5, treeOf(11)), 1, other) }],
    ['a proof of another leaf', { proof: inclusionPath(6, treeOf(11)) }],
    ['another size', { size: 12 }],
    ['a number behind the tree', { index: 11 }],
    ['a negative number', { index: -1 }],
  ])('%s: undefined', async (_, changes) => {
    expect(await olderRoot({ ...inclusion(5, 11), ...changes }, head(11))).toBeUndefined();
  });

  test('a proof under another root: undefined', async () => {
    const newer = { size: 11, rootHash: nodeHashOf(other, other) };
    expect(await olderRoot(inclusion(5, 11), newer)).toBeUndefined();
  });
});
