/** Receipts and their two file forms: JSON with the salt, and C2SP tlog-proof without (docs/spec/log.md "Receipt"). */
import { fromHex, toHex, utf8 } from '../../enclave/wire/bytes.ts';
import { ObjectReader } from '../../enclave/wire/closed-schema.ts';
import { SignedJsonError, canonicalize, parseSignedJson } from '../../enclave/wire/signed-json.ts';
import {
  MAX_LEAF_BYTES,
  MAX_PROOF_HASHES,
  SALT_BYTES,
  TlogError,
} from '../../enclave/wire/tlog.ts';
import { decodeText } from '../../enclave/wire/tlog-note.ts';
import { encodeTlogProof, parseTlogProof } from '../../enclave/wire/tlog-proof.ts';

/** That a leaf is in the tree of a checkpoint. Nothing of it is verified. */
export interface Receipt {
  readonly leaf: Uint8Array;
  readonly index: number;
  /** RFC 6962 §2.1.1, leaf upwards. */
  readonly proof: readonly Uint8Array[];
  /** C2SP signed note. */
  readonly checkpoint: string;
  /** Of signature leaves, where whoever kept the receipt kept it. */
  readonly salt: Uint8Array | undefined;
}

/** Bytes that can't be decoded, so that no check can be made. A false hash or signature is never this. */
export class MalformedReceipt extends Error {
  override readonly name = 'MalformedReceipt';
  /** JSON pointer; `/leaf/ring` is a member of the leaf. */
  readonly place: string;
  readonly problem: string;
  constructor(place: string, problem: string) {
    super(`${place === '' ? '/' : place}: ${problem}`);
    this.place = place;
    this.problem = problem;
  }
}

/** Runs a decoder whose places are relative to `place`. */
export function decodingAt<T>(place: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof TlogError) throw new MalformedReceipt(place, error.rule);
    if (error instanceof SignedJsonError) {
      // The error's text repeats its place.
      const prefix = `${error.place === '' ? '/' : error.place}: `;
      throw new MalformedReceipt(`${place}${error.place}`, error.message.slice(prefix.length));
    }
    throw error;
  }
}

const HASH = /^[0-9a-f]{64}$/;
/** Patterns only bound the length here: what the texts are is for their own parsers. */
const ANY = /^/;
/** A leaf and a note, each with the escapes of JSON. */
const MAX_RECEIPT_BYTES = 1024 * 1024;

export function encodeReceipt({ leaf, index, proof, checkpoint, salt }: Receipt): Uint8Array {
  return canonicalize({
    v: 1,
    kind: 'receipt',
    leaf: decodeText(leaf),
    index,
    proof: proof.map(toHex),
    checkpoint,
    ...(salt === undefined ? {} : { salt: toHex(salt) }),
  });
}

/** Throws MalformedReceipt. */
export function parseReceipt(bytes: Uint8Array): Receipt {
  return decodingAt('', () => {
    const reader = new ObjectReader(parseSignedJson(bytes, MAX_RECEIPT_BYTES));
    reader.integer('v', 1, 1);
    reader.oneOf('kind', ['receipt']);
    const receipt = {
      leaf: utf8(reader.string('leaf', ANY)),
      index: reader.integer('index', 0),
      proof: reader.strings('proof', HASH, MAX_PROOF_HASHES).map(fromHex),
      checkpoint: reader.string('checkpoint', ANY),
      salt: reader.has('salt') ? reader.hex('salt', SALT_BYTES) : undefined,
    };
    reader.end();
    if (receipt.leaf.byteLength > MAX_LEAF_BYTES) reader.fail('leaf', 'too long');
    return receipt;
  });
}

/** The leaf travels as `extra`. The salt has no place in this form: without it the message can't be compared. */
export function encodeReceiptAsTlogProof({ leaf, index, proof, checkpoint }: Receipt): Uint8Array {
  return utf8(encodeTlogProof({ extra: leaf, index, proof, checkpoint }));
}

/** Throws MalformedReceipt. */
export function parseReceiptFromTlogProof(bytes: Uint8Array, salt?: Uint8Array): Receipt {
  const { extra, ...rest } = decodingAt('', () => parseTlogProof(decodeText(bytes)));
  if (extra === undefined) throw new MalformedReceipt('/leaf', 'the proof has no extra data');
  return { leaf: extra, ...rest, salt };
}
