// A second implementation of the log's tree and notes, from RFC 6962 §2.1 and the C2SP pages as they are written:
// recursive, slow, and without a line of what it is compared with.
import { createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';
import { fixedBytes, sha256 } from './vector-file.ts';

const byte = (value: number): Uint8Array => Uint8Array.of(value);

export const leafHashOf = (leaf: Uint8Array): Uint8Array => sha256(byte(0), leaf);
export const nodeHashOf = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  sha256(byte(1), left, right);

/** k of RFC 6962 §2.1: the largest power of two below n. */
function split(n: number): number {
  let k = 1;
  while (2 * k < n) k *= 2;
  return k;
}

/** MTH(D[n]), D given as leaf hashes. */
export function treeHash(leaves: readonly Uint8Array[]): Uint8Array {
  const [first] = leaves;
  if (first === undefined) return sha256();
  if (leaves.length === 1) return first;
  const k = split(leaves.length);
  return nodeHashOf(treeHash(leaves.slice(0, k)), treeHash(leaves.slice(k)));
}

/** PATH(m, D[n]) of RFC 6962 §2.1.1. */
export function inclusionPath(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  const n = leaves.length;
  if (n <= 1) return [];
  const k = split(n);
  return m < k
    ? [...inclusionPath(m, leaves.slice(0, k)), treeHash(leaves.slice(k))]
    : [...inclusionPath(m - k, leaves.slice(k)), treeHash(leaves.slice(0, k))];
}

/** PROOF(m, D[n]) of RFC 6962 §2.1.2; `whole` is the b of SUBPROOF. */
export function consistencyPath(
  m: number,
  leaves: readonly Uint8Array[],
  whole = true,
): Uint8Array[] {
  const n = leaves.length;
  if (m === n) return whole ? [] : [treeHash(leaves)];
  const k = split(n);
  return m <= k
    ? [...consistencyPath(m, leaves.slice(0, k), whole), treeHash(leaves.slice(k))]
    : [...consistencyPath(m - k, leaves.slice(k), false), treeHash(leaves.slice(0, k))];
}

/** Every node of the tree as `[first, end]` of the leaves below it, from the root, left before right. */
function nodesOf(first: number, end: number): (readonly [number, number])[] {
  if (end - first < 2) return [[first, end]];
  const middle = first + split(end - first);
  return [[first, end], ...nodesOf(first, middle), ...nodesOf(middle, end)];
}

/** The multi-proof of docs/spec/log.md, by looking at all nodes: those without a leaf of `indices`, largest ones only. */
export function multiPath(indices: readonly number[], leaves: readonly Uint8Array[]): Uint8Array[] {
  const empty = nodesOf(0, leaves.length).filter(
    ([first, end]) => !indices.some((index) => index >= first && index < end),
  );
  const within = ([a, b]: readonly [number, number], [c, d]: readonly [number, number]): boolean =>
    a >= c && b <= d && b - a < d - c;
  return empty
    .filter((node) => !empty.some((other) => within(node, other)))
    .sort(([a], [b]) => a - b)
    .map(([first, end]) => treeHash(leaves.slice(first, end)));
}

/** Roots of the complete subtrees, largest first. */
export function edgeHashes(leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 0) return [];
  // The largest power of two that is not above n.
  const k = split(leaves.length + 1);
  return [treeHash(leaves.slice(0, k)), ...edgeHashes(leaves.slice(k))];
}

export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** An Ed25519 key that signs notes. Deterministic: for vectors and tests only. */
export interface NoteSigner {
  readonly name: string;
  readonly publicKey: Uint8Array;
  /** 4 bytes. */
  readonly keyId: Uint8Array;
  readonly privateKey: KeyObject;
}

/** PKCS#8 of an Ed25519 key (RFC 8410 §7) up to its 32 bytes. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

export function noteSigner(name: string, seed: string): NoteSigner {
  const der = Buffer.concat([PKCS8, fixedBytes(seed, 32)]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const publicKey = Uint8Array.from(spki.subarray(-32));
  const keyId = sha256(Buffer.from(`${name}\n`), byte(1), publicKey).slice(0, 4);
  return { name, publicKey, keyId, privateKey };
}

/** The line below a note for `text`. `changed` replaces what the line says about the key. */
export function signatureLine(
  text: string,
  signer: NoteSigner,
  changed: { readonly name?: string; readonly keyId?: Uint8Array } = {},
): string {
  const signature = sign(null, Buffer.from(text), signer.privateKey);
  const bytes = Buffer.concat([changed.keyId ?? signer.keyId, signature]);
  return `\u2014 ${changed.name ?? signer.name} ${base64(bytes)}\n`;
}

export const checkpointText = (origin: string, size: number | string, root: Uint8Array): string =>
  `${origin}\n${String(size)}\n${base64(root)}\n`;

export const signedNote = (text: string, ...signers: readonly NoteSigner[]): string =>
  `${text}\n${signers.map((signer) => signatureLine(text, signer)).join('')}`;
