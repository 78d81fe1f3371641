/** What somebody who trusts nobody checks of a log: receipts against the evidence, and the host's copy against both. */
import { expect } from 'vitest';
import { Batch, EMPTY_EDGE, leafHash, type Edge } from '../../enclave/log/tree.ts';
import { fromHex, toHex, utf8 } from '../../enclave/wire/bytes.ts';
import {
  GetEvidenceRequest,
  GetEvidenceResponse,
} from '../../enclave/wire/gen/sealwright/v1/attestation.ts';
import type { SignResponse } from '../../enclave/wire/gen/sealwright/v1/signing.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { parseSignedJson, type SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import { parseCheckpoint, parseNote } from '../../enclave/wire/tlog-note.ts';
import { parseLeaf, type LogLeaf } from '../../src/tlog/leaf.ts';
import type { Receipt } from '../../src/tlog/receipt-file.ts';
import type { KnownLog } from '../../src/tlog/verify-checkpoint.ts';
import { verifyReceipt } from '../../src/tlog/verify-receipt.ts';
import type { MemoryLogStore } from './fakes/memory-log-store.ts';
import type { Running } from './fakes/world.ts';

/** An enclave that answers calls, whoever carries them. */
export type Answering = Pick<Running, 'call'>;

/** The claims of the evidence as it is served now. */
export async function claimsOf(running: Answering): Promise<SignedJsonObject> {
  const request = GetEvidenceRequest.encode({ nonce: new Uint8Array(0), fresh: false }).finish();
  const answer = GetEvidenceResponse.decode(await running.call(METHODS.getEvidence, request));
  const bundle = parseSignedJson(answer.bundle) as SignedJsonObject;
  return parseSignedJson(utf8(textOf(bundle, 'claims'))) as SignedJsonObject;
}

function textOf(object: SignedJsonObject, name: string): string {
  const value = object[name];
  if (typeof value !== 'string') throw new RangeError(`${name} is no text`);
  return value;
}

/** One claim that is a text. */
export async function claimOf(running: Answering, name: string): Promise<string> {
  return textOf(await claimsOf(running), name);
}

/** Origin and key that the evidence vouches for. */
export async function knownLogOf(running: Answering): Promise<KnownLog> {
  const claims = await claimsOf(running);
  return {
    origin: textOf(claims, 'logOrigin'),
    publicKey: fromHex(textOf(claims, 'logKey')),
  };
}

export function receiptOf({ receipt }: SignResponse): Receipt {
  if (receipt === undefined) throw new RangeError('no receipt');
  const { leaf, index, proof, checkpoint, salt } = receipt;
  return { leaf, index: Number(index), proof, checkpoint, salt };
}

export function headOf(checkpoint: string): { readonly size: number; readonly root: string } {
  const { size, rootHash } = parseCheckpoint(parseNote(checkpoint).text);
  return { size, root: toHex(rootHash) };
}

/** Hex of the root of every tree that the leaves ever were, by size. */
export function rootsOf(leaves: readonly Uint8Array[]): string[] {
  const roots = [toHex(new Batch(EMPTY_EDGE, []).root)];
  let edge: Edge = EMPTY_EDGE;
  for (const leaf of leaves) {
    const grown = new Batch(edge, [leafHash(leaf)]);
    edge = grown.edge;
    roots.push(toHex(grown.root));
  }
  return roots;
}

export function leavesOf(store: MemoryLogStore): LogLeaf[] {
  return store.leaves.map((leaf) => parseLeaf(leaf));
}

export function kindsOf(store: MemoryLogStore): string[] {
  return leavesOf(store).map(({ kind }) => kind);
}

/** Each answer proves its leaf to a stranger, and the host's copy has it at that place under that root. */
export async function expectProvable(
  answers: readonly SignResponse[],
  log: KnownLog,
  store: MemoryLogStore,
): Promise<void> {
  const roots = rootsOf(store.leaves);
  for (const answer of answers) {
    const receipt = receiptOf(answer);
    const { verdict, checks } = await verifyReceipt(receipt, log);
    // A log of the simulated platform gets no better verdict.
    expect({ verdict, bad: checks.filter((check) => check.verdict === 'contraindicated') }).toEqual(
      { verdict: 'warning', bad: [] },
    );
    const { size, root } = headOf(receipt.checkpoint);
    expect(root).toBe(roots[size]);
    expect(toHex(store.leaves[receipt.index] ?? utf8('missing'))).toBe(toHex(receipt.leaf));
  }
}

/** No two checkpoints of one size with different roots, and each is of the log that the host has now. */
export function expectNoFork(store: MemoryLogStore): void {
  const roots = rootsOf(store.leaves);
  for (const checkpoint of store.checkpoints) {
    const { size, root } = headOf(checkpoint);
    expect(root).toBe(roots[size]);
  }
}
