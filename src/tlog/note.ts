/** Opens signed notes with keys that the reader brought (c2sp.org/signed-note "Signatures"). */
import { utf8 } from '../../enclave/wire/bytes.ts';
import { noteKeyIdInput, type Note, type NoteSignature } from '../../enclave/wire/tlog-note.ts';
import { checkEd25519, webSha256 } from './web-crypto.ts';

/** An Ed25519 key that the reader knows, from evidence or from a file of its own. */
export interface NoteKey {
  readonly name: string;
  /** 32 bytes (RFC 8032). */
  readonly publicKey: Uint8Array;
}

/**
 * `signed`: at least one known key signed the text, and none failed. Otherwise why the note is refused. The text of
 * a refused note means nothing, so it is not here.
 */
export type OpenedNote =
  | { readonly state: 'signed'; readonly text: string; readonly keys: readonly NoteKey[] }
  | { readonly state: 'false-signature'; readonly key: NoteKey }
  | { readonly state: 'duplicate-signature'; readonly key: NoteKey }
  | { readonly state: 'no-known-key' };

/** First four bytes of SHA-256 of the key with its name, big-endian. */
export async function noteKeyId({ name, publicKey }: NoteKey): Promise<number> {
  const digest = await webSha256(noteKeyIdInput(name, publicKey));
  return new DataView(digest.buffer).getUint32(0);
}

/**
 * A line belongs to a known key when name and key id are the key's; all other lines are ignored. Such a line must
 * verify, and there is one of it: C2SP leaves the second open, but a log that signs twice did not make this note.
 * @throws RangeError when two of the keys can't be told apart
 */
export async function openNote(note: Note, keys: readonly NoteKey[]): Promise<OpenedNote> {
  const known = new Map<string, NoteKey>();
  for (const key of keys) {
    const identity = identityOf(key.name, await noteKeyId(key));
    if (known.has(identity)) throw new RangeError('two keys with one name and one id');
    known.set(identity, key);
  }
  const message = utf8(note.text);
  const signers = new Set<NoteKey>();
  for (const line of note.signatures) {
    const key = known.get(identityOf(line.name, line.keyId));
    if (key === undefined) continue;
    if (signers.has(key)) return { state: 'duplicate-signature', key };
    if (!(await isSignedBy(key, line, message))) return { state: 'false-signature', key };
    signers.add(key);
  }
  if (signers.size === 0) return { state: 'no-known-key' };
  return { state: 'signed', text: note.text, keys: [...signers] };
}

async function isSignedBy(
  key: NoteKey,
  line: NoteSignature,
  message: Uint8Array,
): Promise<boolean> {
  return checkEd25519(key.publicKey, line.signature, message);
}

function identityOf(name: string, keyId: number): string {
  // Names hold no spaces.
  return `${name} ${String(keyId)}`;
}
