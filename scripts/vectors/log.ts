// Vectors of docs/spec/log.md.
import { consistencyPath, inclusionPath, leafHashOf, treeHash } from '../log-maker.ts';
import { edgeCases, leafCases, receiptCases } from '../log-leaf-vectors.ts';
import { multiProofCases } from '../log-multi-proof-vectors.ts';
import {
  bundleCases,
  checkpointCases,
  noteCases,
  proofCases,
  tileCases,
} from '../log-text-vectors.ts';
import { fromHex, hex, vector, type VectorCase, type VectorFile } from '../vector-file.ts';

/** The test tree that Certificate Transparency's implementations of RFC 6962 share: leaves and roots by size. */
const LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
];
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
const N23 = '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e';
const N47 = '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4';
const L1 = '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7';
const L4 = 'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b';
const N45 = '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a';
const N67 = 'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0';
const rootOfSize = (size: number): string => ROOTS[size] ?? '';

/** The same tests' proofs: index, size, hashes. */
const INCLUSION: readonly (readonly [number, number, readonly string[]])[] = [
  [0, 1, []],
  [0, 8, [L1, N23, N47]],
  [5, 8, [L4, N67, rootOfSize(4)]],
  [2, 3, [rootOfSize(2)]],
  [1, 5, [rootOfSize(1), N23, L4]],
];
/** Older size, newer size, hashes. */
const CONSISTENCY: readonly (readonly [number, number, readonly string[]])[] = [
  [1, 1, []],
  [1, 8, [L1, N23, N47]],
  [6, 8, [N45, N67, rootOfSize(4)]],
  [2, 5, [N23, L4]],
];

const leafHashes = LEAVES.map((leaf) => leafHashOf(fromHex(leaf)));

/** What stands above must also be what this repository's second implementation finds. */
function agree(found: readonly Uint8Array[], published: readonly string[]): void {
  if (found.map(hex).join() !== published.join()) throw new Error('not the published tree');
}

function treeCases(): VectorCase[] {
  return ROOTS.map((root, size) => {
    agree([treeHash(leafHashes.slice(0, size))], [root]);
    const input = { form: 'tree', leaves: LEAVES.slice(0, size) };
    return vector(`tree-${String(size)}`, 'published root', input, 'accept', { root });
  });
}

interface InclusionInput {
  readonly leafHash: string;
  readonly index: number;
  readonly size: number;
  readonly proof: readonly string[];
  readonly root: string;
}

interface ConsistencyInput {
  readonly oldSize: number;
  readonly oldRoot: string;
  readonly newSize: number;
  readonly newRoot: string;
  readonly proof: readonly string[];
}

function inclusionCases(): VectorCase[] {
  const inputOf = (index: number, size: number, proof: readonly string[]): InclusionInput => ({
    leafHash: hex(leafHashes[index] ?? new Uint8Array(0)),
    index,
    size,
    proof,
    root: rootOfSize(size),
  });
  const published = INCLUSION.map(([index, size, proof]) => {
    agree(inclusionPath(index, leafHashes.slice(0, size)), proof);
    const id = `inclusion-${String(index)}-${String(size)}`;
    return vector(id, 'published proof', { form: 'inclusion', ...inputOf(index, size, proof) });
  });
  const good = inputOf(1, 5, [rootOfSize(1), N23, L4]);
  const refused = (id: string, comment: string, changed: Partial<InclusionInput>): VectorCase =>
    vector(`inclusion-${id}`, comment, { form: 'inclusion', ...good, ...changed }, 'INCLUSION');
  return [
    ...published,
    refused('index', 'another index', { index: 0 }),
    refused('index-size', 'index = size', { index: 5 }),
    refused('index-above', 'index above size', { index: 6 }),
    refused('index-negative', 'a negative index', { index: -1 }),
    refused('index-fraction', 'half an index', { index: 1.5 }),
    refused('size-zero', 'size 0', { size: 0 }),
    refused('size-smaller', 'a smaller size', { size: 4 }),
    refused('size-larger', 'a larger size of another shape', { size: 9 }),
    refused('size-2-53', 'size 2^53', { size: 2 ** 53 }),
    refused('truncated', 'a hash less', { proof: [rootOfSize(1), N23] }),
    refused('truncated-first', 'the first hash missing', { proof: [N23, L4] }),
    refused('extended', 'a hash more', { proof: [...good.proof, N47] }),
    refused('empty', 'no proof', { proof: [] }),
    refused('swapped', 'siblings swapped', { proof: [N23, rootOfSize(1), L4] }),
    refused('reversed', 'from the root down', { proof: [...good.proof].reverse() }),
    refused('leaf-is-sibling', 'leaf and sibling swapped', {
      leafHash: rootOfSize(1),
      proof: [L1, N23, L4],
    }),
    refused('hash-short', 'a hash of 31 bytes', { proof: [rootOfSize(1), N23, L4.slice(2)] }),
    refused('hash-empty', 'an empty hash', { proof: ['', N23, L4] }),
    refused('leaf-short', 'a leaf hash of 31 bytes', { leafHash: L1.slice(2) }),
    refused('root', 'another root', { root: rootOfSize(4) }),
    refused('root-empty', 'an empty root', { root: '' }),
    refused('consistency', 'a consistency proof', { proof: [L1, N23, N47] }),
    // RFC 6962 §2.1: the prefixes keep what is hashed for an inner node from being a leaf.
    refused('inner-node', 'the two hashes below an inner node as a leaf', {
      leafHash: hex(leafHashOf(fromHex(rootOfSize(1) + L1))),
      index: 0,
      size: 3,
      proof: [N23, L4],
    }),
  ];
}

function consistencyCases(): VectorCase[] {
  const inputOf = (
    oldSize: number,
    newSize: number,
    proof: readonly string[],
  ): ConsistencyInput => ({
    oldSize,
    oldRoot: rootOfSize(oldSize),
    newSize,
    newRoot: rootOfSize(newSize),
    proof,
  });
  const published = CONSISTENCY.map(([oldSize, newSize, proof]) => {
    agree(consistencyPath(oldSize, leafHashes.slice(0, newSize)), proof);
    const id = `consistency-${String(oldSize)}-${String(newSize)}`;
    return vector(id, 'published proof', {
      form: 'consistency',
      ...inputOf(oldSize, newSize, proof),
    });
  });
  const good = inputOf(6, 8, [N45, N67, rootOfSize(4)]);
  const refused = (id: string, comment: string, changed: Partial<ConsistencyInput>): VectorCase =>
    vector(
      `consistency-${id}`,
      comment,
      { form: 'consistency', ...good, ...changed },
      'CONSISTENCY',
    );
  return [
    ...published,
    refused('old-zero', 'no older tree', { oldSize: 0, oldRoot: rootOfSize(0), proof: [] }),
    refused('both-zero', 'two empty trees', inputOf(0, 0, [])),
    refused('old-larger', 'the older is larger', inputOf(8, 6, good.proof)),
    refused('old-negative', 'a negative size', { oldSize: -6 }),
    refused('old-fraction', 'half a leaf', { oldSize: 6.5 }),
    refused('new-2-53', 'size 2^53', { newSize: 2 ** 53 }),
    refused('old-size', 'another older size', { oldSize: 5 }),
    refused('new-size', 'a newer size of another shape', { newSize: 9 }),
    refused('old-root', 'another older root', { oldRoot: rootOfSize(5) }),
    refused('new-root', 'another newer root', { newRoot: rootOfSize(7) }),
    refused('roots-swapped', 'roots swapped', { oldRoot: rootOfSize(8), newRoot: rootOfSize(6) }),
    refused('equal-sizes', 'equal sizes, other roots', { newSize: 6, proof: [] }),
    refused('equal-proof', 'equal trees with a proof', { ...inputOf(6, 6, [N45]) }),
    refused('empty', 'no proof', { proof: [] }),
    refused('truncated', 'a hash less', { proof: [N45, N67] }),
    refused('truncated-first', 'the first hash missing', { proof: [N67, rootOfSize(4)] }),
    refused('extended', 'a hash more', { proof: [...good.proof, N45] }),
    refused('swapped', 'siblings swapped', { proof: [N67, N45, rootOfSize(4)] }),
    refused('hash-short', 'a hash of 31 bytes', { proof: [N45, N67, rootOfSize(4).slice(2)] }),
    refused('root-short', 'a root of 31 bytes', { oldRoot: rootOfSize(6).slice(2) }),
    refused('complete-empty', 'no proof from a complete tree', inputOf(4, 8, [])),
    refused(
      'complete-with-root',
      'a proof that repeats the older root',
      inputOf(4, 8, [rootOfSize(4), N47]),
    ),
  ];
}

export function makeVectors(): VectorFile[] {
  const cases = [
    ...treeCases(),
    ...inclusionCases(),
    ...consistencyCases(),
    ...multiProofCases(LEAVES.map(fromHex)),
    ...noteCases(),
    ...checkpointCases(),
    ...tileCases(),
    ...bundleCases(),
    ...proofCases(),
    ...leafCases(),
    ...edgeCases(),
    ...receiptCases(),
  ];
  return [{ file: 'log.json', content: { spec: 'docs/spec/log.md', specVersion: 1, cases } }];
}
