/**
 * C2SP signed notes and checkpoints as text (c2sp.org/signed-note, c2sp.org/tlog-checkpoint). Nothing is
 * verified here; `src/tlog/note.ts` does that, and the enclave with node:crypto.
 */
import { concatBytes, u32, u8, utf8 } from './bytes.ts';
import { HASH_BYTES, TlogError, parseDecimal } from './tlog.ts';

/** C2SP demands at least 16; witnesses come and go, so a few times that. */
export const MAX_NOTE_SIGNATURES = 64;

/** 16 signatures of a post-quantum kind are about 110 KiB of base64. UTF-16 units. */
export const MAX_NOTE_LENGTH = 256 * 1024;

/** signed-note "Signature types". */
const ED25519 = u8(0x01);
const KEY_ID_BYTES = 4;

const PADDED = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
// Unicode spaces and plus are excluded by signed-note "Format".
const KEY_NAME = /^[^\p{White_Space}+]+$/u;
const SIGNATURE_PREFIX = '\u2014 ';

/** signed-note "Format": ASCII control characters other than newline. */
function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 && unit !== 0x0a) return true;
  }
  return false;
}

/** RFC 4648 §4, with padding. */
export function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Undefined for every other spelling of the same bytes too: no spaces, all padding, no spare bits set. */
export function fromBase64(text: string): Uint8Array | undefined {
  if (!PADDED.test(text)) return undefined;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return toBase64(bytes) === text ? bytes : undefined;
}

/** Text that came as bytes. A byte order mark stays in the text, where no form has a place for it. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new TlogError('utf-8');
  }
}

/** One line below the text. */
export interface NoteSignature {
  readonly name: string;
  /** u32. With `name` it names key and algorithm; a short one, so never more than a hint. */
  readonly keyId: number;
  readonly signature: Uint8Array;
}

/** A note as it was read: what its text says is nobody's word yet. */
export interface Note {
  /** With its final newline; its UTF-8 bytes are what is signed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** The first four bytes, big-endian, of SHA-256 of this are the key id of an Ed25519 key. */
export function noteKeyIdInput(name: string, publicKey: Uint8Array): Uint8Array {
  return concatBytes(utf8(`${name}\n`), ED25519, publicKey);
}

/** The key as other tools take it ("vkey"): name, key id and key in one line. */
export function encodeVerifierKey(name: string, keyId: number, publicKey: Uint8Array): string {
  const id = keyId.toString(16).padStart(2 * KEY_ID_BYTES, '0');
  return `${name}+${id}+${toBase64(concatBytes(ED25519, publicKey))}`;
}

/** Throws RangeError for a text or a name that no note can have. */
export function encodeNote(text: string, signatures: readonly NoteSignature[]): string {
  if (!text.endsWith('\n') || hasControl(text)) throw new RangeError('not the text of a note');
  const lines = signatures.map(({ name, keyId, signature }) => {
    if (!KEY_NAME.test(name) || hasControl(name)) throw new RangeError('not the name of a key');
    return `${SIGNATURE_PREFIX}${name} ${toBase64(concatBytes(u32(keyId), signature))}\n`;
  });
  return `${text}\n${lines.join('')}`;
}

/** Throws TlogError. Accepts what signed-note "Format" allows and nothing else. */
export function parseNote(note: string): Note {
  if (note.length > MAX_NOTE_LENGTH) throw new TlogError('note-size');
  if (/\p{Surrogate}/u.test(note)) throw new TlogError('utf-8');
  if (hasControl(note)) throw new TlogError('control-character');
  if (!note.endsWith('\n')) throw new TlogError('final-newline');
  // The text may have blank lines of its own: the last one separates.
  const blank = note.lastIndexOf('\n\n');
  if (blank < 0) throw new TlogError('blank-line');
  const lines = note.slice(blank + 2, -1);
  const signatures = lines === '' ? [] : lines.split('\n', MAX_NOTE_SIGNATURES + 1);
  if (signatures.length === 0 || signatures.length > MAX_NOTE_SIGNATURES) {
    throw new TlogError('signature-count');
  }
  return { text: note.slice(0, blank + 1), signatures: signatures.map(parseSignatureLine) };
}

function parseSignatureLine(line: string): NoteSignature {
  if (!line.startsWith(SIGNATURE_PREFIX)) throw new TlogError('signature-line');
  const rest = line.slice(SIGNATURE_PREFIX.length);
  const space = rest.indexOf(' ');
  if (space < 0) throw new TlogError('signature-line');
  const name = rest.slice(0, space);
  if (!KEY_NAME.test(name)) throw new TlogError('key-name');
  const bytes = fromBase64(rest.slice(space + 1));
  if (bytes === undefined || bytes.byteLength <= KEY_ID_BYTES) throw new TlogError('base64');
  const keyId = new DataView(bytes.buffer).getUint32(0);
  return { name, keyId, signature: bytes.subarray(KEY_ID_BYTES) };
}

/** Head of a log. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly rootHash: Uint8Array;
}

/** The text that the log key signs. Throws RangeError for values that no checkpoint can have. */
export function encodeCheckpoint({ origin, size, rootHash }: Checkpoint): string {
  if (origin === '' || origin.includes('\n')) throw new RangeError('not an origin');
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError('not a tree size');
  if (rootHash.byteLength !== HASH_BYTES) throw new RangeError('not a root hash');
  return `${origin}\n${String(size)}\n${toBase64(rootHash)}\n`;
}

/** Throws TlogError. Ours have no extension lines: no monitor can audit them. */
export function parseCheckpoint(text: string): Checkpoint {
  if (!text.endsWith('\n')) throw new TlogError('final-newline');
  const [origin, sizeText, rootText, ...extensions] = text.slice(0, -1).split('\n', 4);
  if (sizeText === undefined || rootText === undefined) throw new TlogError('checkpoint-lines');
  if (origin === undefined || origin === '') throw new TlogError('origin');
  const size = parseDecimal(sizeText);
  if (size === undefined) throw new TlogError('tree-size');
  const rootHash = fromBase64(rootText);
  if (rootHash?.byteLength !== HASH_BYTES) throw new TlogError('root-hash');
  if (extensions.length > 0) throw new TlogError('extension-line');
  return { origin, size, rootHash };
}
