import { describe, expect, test } from 'vitest';
import {
  Batch,
  EMPTY_EDGE,
  encodeEdge,
  leafHash,
  parseEdge,
  rootOf,
  type Edge,
} from '../../enclave/log/tree.ts';
import { completeSubtrees, parseDecimal, splitPoint } from '../../enclave/wire/tlog.ts';
import {
  edgeHashes,
  inclusionPath,
  leafHashOf,
  multiPath,
  treeHash,
} from '../../scripts/log-maker.ts';

const LEAVES = 100;
const hashes = Array.from({ length: LEAVES }, (_, i) => leafHashOf(Uint8Array.of(i)));
const edgeOf = (size: number): Edge => ({ size, hashes: edgeHashes(hashes.slice(0, size)) });

describe('a batch', () => {
  test('from every size to every size up to 40 has the root, edge and proofs of RFC 6962', () => {
    for (let from = 0; from <= 40; from += 1) {
      for (let to = from; to <= 40; to += 1) {
        const batch = new Batch(edgeOf(from), hashes.slice(from, to));
        const tree = hashes.slice(0, to);

        expect(batch.firstIndex).toBe(from);
        expect(batch.edge).toEqual(edgeOf(to));
        expect(batch.root).toEqual(treeHash(tree));
        for (let index = from; index < to; index += 1) {
          expect(batch.proof(index - from)).toEqual(inclusionPath(index, tree));
        }
      }
    }
  });

  test('from every size to every size up to 14 has the multi-proof of every set of its leaves', () => {
    for (let to = 1; to <= 14; to += 1) {
      for (let from = Math.max(0, to - 6); from < to; from += 1) {
        const batch = new Batch(edgeOf(from), hashes.slice(from, to));
        const tree = hashes.slice(0, to);
        for (let set = 1; set < 2 ** (to - from); set += 1) {
          const positions = [...Array(to - from).keys()].filter((i) => (set >> i) & 1);
          const indices = positions.map((position) => from + position);

          expect(batch.multiProof(positions)).toEqual(multiPath(indices, tree));
        }
      }
    }
  });

  test('appended leaf by leaf is the tree appended at once', () => {
    let edge = EMPTY_EDGE;
    for (const hash of hashes) edge = new Batch(edge, [hash]).edge;

    expect(edge).toEqual(new Batch(EMPTY_EDGE, hashes).edge);
    expect(rootOf(edge)).toEqual(treeHash(hashes));
  });

  test('goes on where a tree of more than 2^32 leaves ends', () => {
    const size = 2 ** 40 + 2 ** 33 + 1;
    const [one, two, three, added] = hashes;
    if (one === undefined || two === undefined || three === undefined || added === undefined)
      return;
    const batch = new Batch({ size, hashes: [one, two, three] }, [added]);

    expect(batch.edge.size).toBe(size + 1);
    expect(batch.edge.hashes.slice(0, 2)).toEqual([one, two]);
    expect(batch.proof(0)).toEqual([three, two, one]);
    expect(batch.multiProof([0])).toEqual([one, two, three]);
  });

  test('keeps nothing of what it was given', () => {
    const given = hashes.slice(0, 3).map((hash) => Uint8Array.from(hash));
    const batch = new Batch(EMPTY_EDGE, given);
    for (const hash of given) hash.fill(0);

    expect(batch.edge).toEqual(edgeOf(3));
    expect(batch.proof(0)).toEqual(inclusionPath(0, hashes.slice(0, 3)));
  });

  test('has an edge that does not change with its proofs', () => {
    const batch = new Batch(EMPTY_EDGE, hashes.slice(0, 5));
    for (const hash of batch.proof(0)) hash.fill(0);

    expect(batch.edge).toEqual(edgeOf(5));
  });

  test.each([
    ['an edge with a hash less', { size: 7, hashes: edgeHashes(hashes.slice(0, 6)) }, 1],
    ['an edge with a hash more', { size: 4, hashes: edgeHashes(hashes.slice(0, 5)) }, 1],
    ['a size of half a leaf', { size: 0.5, hashes: [] }, 1],
    ['a negative size', { size: -1, hashes: [] }, 1],
    ['a tree of 2^53 leaves', { size: 2 ** 53 - 1, hashes: hashes.slice(0, 53) }, 1],
    ['a short hash in the edge', { size: 1, hashes: [new Uint8Array(31)] }, 1],
  ] as const)('is refused for %s', (_name, edge, count) => {
    expect(() => new Batch(edge, hashes.slice(0, count))).toThrow(RangeError);
  });

  test('is refused for hashes of another length', () => {
    expect(() => new Batch(EMPTY_EDGE, [new Uint8Array(33)])).toThrow(RangeError);
    expect(() => new Batch(EMPTY_EDGE, [new Uint8Array(0)])).toThrow(RangeError);
  });

  test.each([-1, 3, 0.5, Number.NaN, Infinity])('has no leaf %d', (position) => {
    const batch = new Batch(edgeOf(2), hashes.slice(2, 5));

    expect(() => batch.proof(position)).toThrow(RangeError);
    expect(() => batch.multiProof([position])).toThrow(RangeError);
  });

  test.each([[[1, 0]], [[1, 1]], [[0, 2, 1]]])('has no multi-proof of leaves %j', (positions) => {
    const batch = new Batch(edgeOf(2), hashes.slice(2, 5));

    expect(() => batch.multiProof(positions)).toThrow(RangeError);
  });
});

describe('an edge', () => {
  test('of every size is read as it was written', () => {
    for (let size = 0; size <= LEAVES; size += 1) {
      expect(parseEdge(encodeEdge(edgeOf(size)))).toEqual(edgeOf(size));
    }
  });

  test('of a leaf is hashed as RFC 6962 says', () => {
    expect(leafHash(Uint8Array.of(7))).toEqual(hashes[7]);
  });
});

describe('numbers of a tree', () => {
  test.each([
    [2, 1],
    [3, 2],
    [4, 2],
    [5, 4],
    [2 ** 32, 2 ** 31],
    [2 ** 32 + 1, 2 ** 32],
    [2 ** 53 - 1, 2 ** 52],
  ])('%d leaves split at %d', (size, point) => {
    expect(splitPoint(size)).toBe(point);
  });

  test('a range consists of its largest complete subtrees', () => {
    expect(completeSubtrees(0, 0)).toEqual([]);
    expect(completeSubtrees(0, 7)).toEqual([
      { level: 2, index: 0 },
      { level: 1, index: 2 },
      { level: 0, index: 6 },
    ]);
    expect(completeSubtrees(4, 8)).toEqual([{ level: 2, index: 1 }]);
    expect(completeSubtrees(0, 2 ** 53 - 1)).toHaveLength(53);
  });

  test.each([
    '',
    '00',
    '01',
    '+1',
    '-1',
    ' 1',
    '1 ',
    '1.0',
    '1e3',
    '0x1',
    '1n',
    '\u0661',
    '9007199254740992',
  ])('"%s" is not a number', (text) => {
    expect(parseDecimal(text)).toBeUndefined();
  });
});
