// Vectors of multi-proofs (docs/spec/log.md), in the published tree of eight leaves and its smaller ones.
import { inclusionPath, leafHashOf, multiPath, treeHash } from './log-maker.ts';
import { hex, vector, type VectorCase } from './vector-file.ts';

interface MultiProofInput {
  readonly leafHashes: readonly string[];
  readonly indices: readonly number[];
  readonly size: number;
  readonly proof: readonly string[];
  readonly root: string;
}

/** Indices and size; what follows from them is computed. */
const ACCEPTED: readonly (readonly [readonly number[], number, string])[] = [
  [[0], 1, 'the only leaf'],
  [[5], 8, 'one leaf: the hashes of its inclusion proof, from the left'],
  [[2], 3, 'the last leaf of a tree that is not complete'],
  [[0, 7], 8, 'the first and the last leaf'],
  [[2, 3, 4], 8, 'a run over the middle'],
  [[5, 6, 7], 8, 'the newest leaves'],
  [[4, 5, 6], 7, 'the newest leaves of a tree that is not complete'],
  [[0, 1, 2, 3, 4], 5, 'every leaf: no hash'],
  [[1, 4, 6], 7, 'scattered leaves'],
];

export function multiProofCases(published: readonly Uint8Array[]): VectorCase[] {
  const leafHashes = published.map(leafHashOf);
  const inputOf = (indices: readonly number[], size: number): MultiProofInput => {
    const tree = leafHashes.slice(0, size);
    return {
      leafHashes: indices.map((index) => hex(leafHashes[index] ?? new Uint8Array(0))),
      indices,
      size,
      proof: multiPath(indices, tree).map(hex),
      root: hex(treeHash(tree)),
    };
  };
  const accepted = ACCEPTED.map(([indices, size, comment]) => {
    const id = `multi-proof-${indices.join('-')}-of-${String(size)}`;
    const tree = leafHashes.slice(0, size);
    const proofs = indices.map((index) => inclusionPath(index, tree).map(hex));
    const input = { form: 'multi-proof', ...inputOf(indices, size) };
    return vector(id, comment, input, 'accept', { proofs });
  });

  const good = inputOf([1, 4, 6], 7);
  const [first = '', second = '', third = ''] = good.proof;
  const [one = '', four = '', six = ''] = good.leafHashes;
  const refused = (id: string, comment: string, changed: Partial<MultiProofInput>): VectorCase =>
    vector(
      `multi-proof-${id}`,
      comment,
      { form: 'multi-proof', ...good, ...changed },
      'MULTI_PROOF',
    );
  return [
    ...accepted,
    refused('empty', 'no leaves', { indices: [], leafHashes: [], proof: [good.root] }),
    refused('unsorted', 'leaves in another order', {
      indices: [4, 1, 6],
      leafHashes: [four, one, six],
    }),
    refused('twice', 'a leaf twice', { indices: [1, 1, 6], leafHashes: [one, one, six] }),
    refused('index', 'another index', { indices: [0, 4, 6] }),
    refused('index-negative', 'a negative index', { indices: [-1, 4, 6] }),
    refused('index-fraction', 'half an index', { indices: [1, 4.5, 6] }),
    refused('index-size', 'index = size', { indices: [1, 4, 7] }),
    refused('leaf-other', 'another leaf', { leafHashes: [four, four, six] }),
    refused('leaf-missing', 'a leaf less', { indices: [1, 4], leafHashes: [one, four] }),
    refused('leaf-short', 'a leaf hash of 31 bytes', { leafHashes: [one.slice(2), four, six] }),
    refused('size-smaller', 'a smaller tree', { size: 6 }),
    refused('size-larger', 'a larger tree', { size: 8 }),
    refused('size-zero', 'no tree', { size: 0 }),
    refused('size-2-53', 'size 2^53', { size: 2 ** 53 }),
    refused('root', 'another root', { root: first }),
    refused('root-short', 'a root of 31 bytes', { root: good.root.slice(2) }),
    refused('truncated', 'a hash less', { proof: good.proof.slice(0, -1) }),
    refused('truncated-first', 'the first hash missing', { proof: good.proof.slice(1) }),
    refused('extended', 'a hash more', { proof: [...good.proof, third] }),
    refused('no-proof', 'no hashes', { proof: [] }),
    refused('swapped', 'two hashes swapped', { proof: [second, first, ...good.proof.slice(2)] }),
    refused('reversed', 'from the right', { proof: [...good.proof].reverse() }),
    refused('hash-short', 'a hash of 31 bytes', {
      proof: [first.slice(2), ...good.proof.slice(1)],
    }),
    refused('hash-joined', 'two hashes in one', {
      proof: [first + second, ...good.proof.slice(2)],
    }),
    // A subtree without a leaf that is given as its two halves: the same root, another encoding.
    refused('split', 'a subtree as two', {
      ...inputOf([0], 4),
      proof: [
        ...inclusionPath(0, leafHashes.slice(0, 4)).slice(0, 1).map(hex),
        ...leafHashes.slice(2, 4).map(hex),
      ],
    }),
    // And the other way round: an inner node as a leaf.
    refused('inner-node', 'a subtree as a leaf', {
      indices: [1],
      leafHashes: [hex(treeHash(leafHashes.slice(2, 4)))],
      size: 2,
      proof: [hex(treeHash(leafHashes.slice(0, 2)))],
      root: hex(treeHash(leafHashes.slice(0, 2))),
    }),
  ];
}
