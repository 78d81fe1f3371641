/** Gives the input of one case of log.json to the code and says what came of it, in the words of the vectors. */
import { parseEdge, rootOf } from '../../enclave/log/tree.ts';
import { equalBytes, fromHex, toHex, utf8 } from '../../enclave/wire/bytes.ts';
import { SignedJsonError } from '../../enclave/wire/signed-json.ts';
import { parseNote } from '../../enclave/wire/tlog-note.ts';
import { parseTlogProof } from '../../enclave/wire/tlog-proof.ts';
import {
  encodeEntryBundle,
  parseEntryBundle,
  parseTilePath,
  tileWidth,
} from '../../enclave/wire/tlog-tiles.ts';
import { TlogError } from '../../enclave/wire/tlog.ts';
import type { LogCheck } from '../../src/tlog/check.ts';
import { parseLeaf } from '../../src/tlog/leaf.ts';
import { leafHash, nodeHash, verifyConsistency, verifyInclusion } from '../../src/tlog/merkle.ts';
import { expandMultiProof } from '../../src/tlog/multi-proof.ts';
import { openNote } from '../../src/tlog/note.ts';
import { MalformedReceipt, parseReceipt } from '../../src/tlog/receipt-file.ts';
import { verifyCheckpoint } from '../../src/tlog/verify-checkpoint.ts';
import { verifyReceipt } from '../../src/tlog/verify-receipt.ts';

/** Members of an input, whose types the maker of the vectors knows. */
type Input = Readonly<Record<string, unknown>>;

export interface Found {
  readonly verdict: string;
  readonly output?: Readonly<Record<string, unknown>>;
}

const word = (text: string): string => text.toUpperCase().replaceAll('-', '_');
const text = (input: Input, name: string): string => input[name] as string;
const number = (input: Input, name: string): number => input[name] as number;
const bytes = (input: Input, name: string): Uint8Array => fromHex(text(input, name));
const hashes = (input: Input, name: string): Uint8Array[] => (input[name] as string[]).map(fromHex);

/** The first check that failed. */
function verdictOf(checks: readonly LogCheck[]): string {
  const failed = checks.find((check) => check.verdict === 'contraindicated');
  if (failed !== undefined) return word(failed.id);
  return checks.some((check) => check.verdict === 'warning') ? 'warning' : 'accept';
}

async function treeHash(leaves: readonly Uint8Array[]): Promise<Uint8Array> {
  if (leaves.length === 0) return rootOf({ size: 0, hashes: [] });
  if (leaves.length === 1) return leafHash(leaves[0] ?? new Uint8Array(0));
  let k = 1;
  while (2 * k < leaves.length) k *= 2;
  return nodeHash(await treeHash(leaves.slice(0, k)), await treeHash(leaves.slice(k)));
}

const FORMS: Readonly<Record<string, (input: Input) => Promise<Found> | Found>> = {
  tree: async (input) => {
    const root = await treeHash(hashes(input, 'leaves'));
    return { verdict: 'accept', output: { root: toHex(root) } };
  },
  inclusion: async (input) => {
    const inclusion = {
      leafHash: bytes(input, 'leafHash'),
      index: number(input, 'index'),
      size: number(input, 'size'),
      proof: hashes(input, 'proof'),
    };
    const included = await verifyInclusion(inclusion, bytes(input, 'root'));
    return { verdict: included ? 'accept' : 'INCLUSION' };
  },
  consistency: async (input) => {
    const older = { size: number(input, 'oldSize'), rootHash: bytes(input, 'oldRoot') };
    const newer = { size: number(input, 'newSize'), rootHash: bytes(input, 'newRoot') };
    const consistent = await verifyConsistency(older, newer, hashes(input, 'proof'));
    return { verdict: consistent ? 'accept' : 'CONSISTENCY' };
  },
  'multi-proof': async (input) => {
    const indices = input['indices'] as number[];
    const leafHashes = hashes(input, 'leafHashes');
    const expanded = await expandMultiProof({
      leaves: leafHashes.map((leafHash, i) => ({ index: indices[i] ?? -1, leafHash })),
      size: number(input, 'size'),
      proof: hashes(input, 'proof'),
    });
    const proved = expanded !== undefined && equalBytes(expanded.root, bytes(input, 'root'));
    if (!proved) return { verdict: 'MULTI_PROOF' };
    return {
      verdict: 'accept',
      output: { proofs: expanded.proofs.map((proof) => proof.map(toHex)) },
    };
  },
  note: async (input) => {
    const key = { name: text(input, 'name'), publicKey: bytes(input, 'publicKey') };
    const { state } = await openNote(parseNote(text(input, 'note')), [key]);
    return { verdict: state === 'signed' ? 'accept' : word(state) };
  },
  checkpoint: async (input) => {
    const log = { origin: text(input, 'origin'), publicKey: bytes(input, 'publicKey') };
    const { checkpoint, checks } = await verifyCheckpoint(text(input, 'note'), log);
    const output = { ...checkpoint, rootHash: toHex(checkpoint.rootHash) };
    return { verdict: verdictOf(checks), output };
  },
  'tile-path': (input) => ({
    verdict: 'accept',
    output: { ...parseTilePath(text(input, 'path')) },
  }),
  'tile-width': (input) => {
    const [level, index, size] = ['level', 'index', 'size'].map((name) => number(input, name));
    return { verdict: 'accept', output: { width: tileWidth(level ?? 0, index ?? 0, size ?? 0) } };
  },
  'entry-bundle': (input) => {
    const bundle = bytes(input, 'bytes');
    const leaves = parseEntryBundle(bundle, number(input, 'count'));
    if (!equalBytes(encodeEntryBundle(leaves), bundle)) throw new Error('encodes otherwise');
    return { verdict: 'accept', output: { leaves: leaves.map(toHex) } };
  },
  'tlog-proof': (input) => {
    const { extra, proof, ...rest } = parseTlogProof(text(input, 'text'));
    const shown = extra === undefined ? {} : { extra: toHex(extra) };
    return { verdict: 'accept', output: { ...shown, proof: proof.map(toHex), ...rest } };
  },
  leaf: async (input) => {
    const leaf = utf8(text(input, 'text'));
    parseLeaf(leaf);
    return { verdict: 'accept', output: { leafHash: toHex(await leafHash(leaf)) } };
  },
  edge: (input) => {
    const edge = parseEdge(utf8(text(input, 'text')));
    return { verdict: 'accept', output: { root: toHex(rootOf(edge)) } };
  },
  receipt: async (input) => {
    const log = input['log'] as Input;
    const signature = input['signature'] as Input | undefined;
    const known =
      signature === undefined
        ? undefined
        : { toBeSigned: bytes(signature, 'toBeSigned'), kid: text(signature, 'kid') };
    const { checks } = await verifyReceipt(
      parseReceipt(utf8(text(input, 'text'))),
      { origin: text(log, 'origin'), publicKey: bytes(log, 'publicKey') },
      known,
    );
    return { verdict: verdictOf(checks) };
  },
};

export async function runLogVector(input: Input): Promise<Found> {
  const run = FORMS[text(input, 'form')];
  if (run === undefined) throw new RangeError('no such form');
  try {
    return await run(input);
  } catch (error) {
    if (error instanceof TlogError || error instanceof SignedJsonError) {
      return { verdict: word(error.rule) };
    }
    if (error instanceof MalformedReceipt) return { verdict: 'MALFORMED' };
    throw error;
  }
}
