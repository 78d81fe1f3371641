/**
 * The log as its reader sees it: everything that the host serves is held against a checkpoint that the attested log
 * key signed (docs/spec/log.md). That others are shown the same log is not proved here.
 */
import { toHex } from '../../enclave/wire/bytes.ts';
import { TlogError } from '../../enclave/wire/tlog.ts';
import { leafHash, rootFromInclusion, verifyConsistency, type TreeHead } from '../tlog/merkle.ts';
import { olderRoot, rootFromRun } from '../tlog/range.ts';
import type { Receipt } from '../tlog/receipt-file.ts';
import { readCheckpoint, verifyCheckpoint, type KnownLog } from '../tlog/verify-checkpoint.ts';
import type { Check, ServingClaims } from '../verifier/index.ts';
import type { Attestation } from './attested.ts';
import type { SealwrightClient } from './client.ts';
import { NotBelieved, formCheck, judge, requireAll } from './not-believed.ts';

/** A tree that the log key signed. */
export interface SignedHead extends TreeHead {
  readonly origin: string;
  /** C2SP signed note. */
  readonly note: string;
  readonly checks: readonly Check[];
}

/** Origin and signature of a checkpoint, wherever it comes from. Throws NotBelieved. */
export async function signedHead(note: string, log: KnownLog): Promise<SignedHead> {
  try {
    const { checkpoint, checks } = await verifyCheckpoint(note, log);
    requireAll(checks);
    const { origin, size, rootHash } = checkpoint;
    return { origin, size, rootHash, note, checks };
  } catch (error) {
    if (!(error instanceof TlogError)) throw error;
    const found = { place: '', problem: error.rule };
    const expected = 'a checkpoint (c2sp.org/tlog-checkpoint)';
    throw new NotBelieved([formCheck('checkpoint-form', expected, found)]);
  }
}

export class AttestedLog {
  readonly #service: SealwrightClient;
  readonly #attestation: Attestation;

  constructor(service: SealwrightClient, attestation: Attestation) {
    this.#service = service;
    this.#attestation = attestation;
  }

  get known(): KnownLog {
    return this.#attestation.log;
  }

  /** The head that the host serves. Throws NotBelieved and SignerError, as all methods do. */
  async head(): Promise<SignedHead> {
    const head = await signedHead(await this.#service.getCheckpoint(), this.known);
    return { ...head, checks: [...head.checks, lagCheck(this.#attestation.claims, head)] };
  }

  /** Leaves from `first` on, all of them in the tree of the head. `count` is 1 to 256. */
  async leaves(head: TreeHead, first: number, count: number): Promise<readonly Uint8Array[]> {
    const wanted = Math.min(count, head.size - first);
    const leaves: Uint8Array[] = [];
    while (leaves.length < wanted) {
      const missing = wanted - leaves.length;
      const more = await this.#service.getEntries(first + leaves.length, missing);
      leaves.push(...more.slice(0, missing));
      if (more.length === 0) break;
    }
    const [one, other] = await Promise.all([
      this.#service.getInclusionProof(first, head.size),
      this.#service.getInclusionProof(first + wanted - 1, head.size),
    ]);
    const root = await rootFromRun({
      first,
      leafHashes: await Promise.all(leaves.map(leafHash)),
      size: head.size,
      firstProof: one.proof,
      lastProof: other.proof,
    });
    const found = leaves.length < wanted ? `${String(leaves.length)} leaves` : rootWord(root);
    const expected = `${String(wanted)} leaves under root ${toHex(head.rootHash)}`;
    requireAll([
      judge(
        leaves.length === wanted && sameRoot(root, head),
        { id: 'log-entries', expected, found },
        'a leaf was left out, edited or moved',
      ),
    ]);
    return leaves;
  }

  /** Leaf and proof under the head, as a receipt without salt; whoever uses it verifies it. */
  async receipt(head: SignedHead, index: number): Promise<Receipt> {
    const { leaf, proof } = await this.#service.getInclusionProof(index, head.size);
    return { leaf, index, proof, checkpoint: head.note, salt: undefined };
  }

  /** The tree as it was when it had `size` leaves, 1 to those of the head: a proof under the head gives its root. */
  async treeAt(head: TreeHead, size: number): Promise<TreeHead> {
    if (size === head.size) return head;
    const { leaf, proof } = await this.#service.getInclusionProof(size, head.size);
    const inclusion = { leafHash: await leafHash(leaf), index: size, size: head.size, proof };
    const rootHash = await olderRoot(inclusion, head);
    if (rootHash !== undefined) return { size, rootHash };
    const expected = `a proof of leaf ${String(size)} under root ${toHex(head.rootHash)}`;
    const found = rootWord(await rootFromInclusion(inclusion));
    const asked = { id: 'log-older-tree', expected, found };
    const reason = 'the proof is not of the tree that the log key signed';
    throw new NotBelieved([judge(false, asked, reason)]);
  }

  /** Asks for the proof that `newer` only added to `older`, which has at least one leaf. */
  async consistency(older: TreeHead, newer: TreeHead): Promise<Check> {
    const id = 'log-consistency';
    const expected = `${String(newer.size)} leaves that begin with the ${String(older.size)} of root ${toHex(older.rootHash)}`;
    const otherwise = 'the log was rewritten, or another log is shown to you';
    if (older.size > newer.size) {
      const found = `only ${String(newer.size)} leaves`;
      return judge(false, { id, expected, found }, otherwise);
    }
    const { proof } = await this.#service.getConsistencyProof(older.size, newer.size);
    const passed = await verifyConsistency(older, newer, proof);
    const found = passed ? 'proved' : 'a proof that does not hold';
    return judge(passed, { id, expected, found }, otherwise);
  }
}

/** A host may be a moment behind after a crash, so this only warns; the log key has signed a larger tree. */
function lagCheck({ checkpoint }: ServingClaims, { size }: TreeHead): Check {
  const attested = checkpoint === 'none' ? 0 : sizeOf(checkpoint);
  const asked = {
    id: 'log-lag',
    expected: `at least ${String(attested)} leaves, as the evidence says`,
    found: `${String(size)} leaves`,
  };
  if (size >= attested) return judge(true, asked, '');
  return { ...asked, verdict: 'warning', reason: 'the host serves an older log than there is' };
}

/** What the enclave itself wrote into its claims. */
function sizeOf(note: string): number {
  try {
    return readCheckpoint(note).checkpoint.size;
  } catch (error) {
    if (error instanceof TlogError) return 0;
    throw error;
  }
}

function rootWord(root: Uint8Array | undefined): string {
  return root === undefined ? 'a proof for no such tree' : `root ${toHex(root)}`;
}

function sameRoot(root: Uint8Array | undefined, head: TreeHead): boolean {
  return root !== undefined && toHex(root) === toHex(head.rootHash);
}
