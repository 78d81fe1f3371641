/** C2SP tlog-proof: a leaf's place in a log, as one text file that anybody can verify offline. */
import { HASH_BYTES, MAX_LEAF_BYTES, MAX_PROOF_HASHES, TlogError, parseDecimal } from './tlog.ts';
import { MAX_NOTE_LENGTH, fromBase64, parseCheckpoint, parseNote, toBase64 } from './tlog-note.ts';

export const TLOG_PROOF_HEADER = 'c2sp.org/tlog-proof@v1';

export interface TlogProof {
  /** Not authenticated by the form; ours is the leaf, which the proof authenticates. */
  readonly extra: Uint8Array | undefined;
  readonly index: number;
  /** RFC 6962 §2.1.1, leaf upwards. */
  readonly proof: readonly Uint8Array[];
  /** Verbatim; a note, not yet verified. */
  readonly checkpoint: string;
}

export function encodeTlogProof({ extra, index, proof, checkpoint }: TlogProof): string {
  if (!Number.isSafeInteger(index) || index < 0) throw new RangeError('not an index');
  if (proof.length > MAX_PROOF_HASHES || proof.some((hash) => hash.byteLength !== HASH_BYTES)) {
    throw new RangeError('not an inclusion proof');
  }
  const lines = [
    TLOG_PROOF_HEADER,
    ...(extra === undefined ? [] : [`extra ${toBase64(extra)}`]),
    `index ${String(index)}`,
    ...proof.map(toBase64),
  ];
  return `${lines.join('\n')}\n\n${checkpoint}`;
}

/** Longest text above the checkpoint: header, a leaf of 64 KiB, index, hashes. */
const MAX_HEAD_LENGTH = 128 * 1024;

/** Throws TlogError. The checkpoint's form is checked too, its signature is not. */
export function parseTlogProof(text: string): TlogProof {
  // The first blank line ends the proof; the one before the signatures is the checkpoint's own.
  const blank = text.indexOf('\n\n');
  if (blank < 0) throw new TlogError('proof-end');
  if (blank > MAX_HEAD_LENGTH || text.length - blank - 2 > MAX_NOTE_LENGTH) {
    throw new TlogError('note-size');
  }
  const [header, ...lines] = text.slice(0, blank).split('\n');
  if (header !== TLOG_PROOF_HEADER) throw new TlogError('proof-header');
  const extra = parseExtra(lines);
  const indexLine = lines.shift();
  const index =
    indexLine?.startsWith('index ') === true ? parseDecimal(indexLine.slice(6)) : undefined;
  if (index === undefined) throw new TlogError('proof-index');
  if (lines.length > MAX_PROOF_HASHES) throw new TlogError('proof-length');
  const proof = lines.map((line) => {
    const hash = fromBase64(line);
    if (hash?.byteLength !== HASH_BYTES) throw new TlogError('proof-hash');
    return hash;
  });
  const checkpoint = text.slice(blank + 2);
  parseCheckpoint(parseNote(checkpoint).text);
  return { extra, index, proof, checkpoint };
}

/** Takes the optional line off `lines`. */
function parseExtra(lines: string[]): Uint8Array | undefined {
  if (lines[0]?.startsWith('extra ') !== true) return undefined;
  const extra = fromBase64(lines.shift()?.slice(6) ?? '');
  if (extra === undefined || extra.byteLength > MAX_LEAF_BYTES) throw new TlogError('proof-extra');
  return extra;
}
