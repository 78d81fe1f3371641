/**
 * SSH public keys that an admin may have (docs/spec/admin-statements.md): Ed25519 and ECDSA, in software or on a
 * FIDO authenticator (`sk-`). Layouts: RFC 8709 §4, RFC 5656 §3.1, OpenSSH PROTOCOL.u2f.
 */
import { concatBytes, fromHex } from './bytes.ts';
import { SshError, SshReader } from './ssh-reader.ts';
import { fromBase64, toBase64 } from './tlog-note.ts';

/** The largest is an sk-ecdsa key with a long application name. */
const MAX_KEY_BYTES = 512;
const MAX_LINE_LENGTH = 1024;

const ED25519_BYTES = 32;

export type SshCurve = 'P-256' | 'P-384';

const CURVES = {
  nistp256: { curve: 'P-256', bytes: 32 },
  nistp384: { curve: 'P-384', bytes: 48 },
} as const;

/** SubjectPublicKeyInfo up to the key's own bytes (RFC 8410 §4, RFC 5480 §2). */
const SPKI_PREFIX = {
  ed25519: fromHex('302a300506032b6570032100'),
  'P-256': fromHex('3059301306072a8648ce3d020106082a8648ce3d030107034200'),
  'P-384': fromHex('3076301006072a8648ce3d020106052b81040022036200'),
} as const;

/** How a key of one type looks and signs. */
interface KeyType {
  readonly curve?: keyof typeof CURVES;
  readonly hardware: boolean;
}

const KEY_TYPES: Readonly<Record<string, KeyType>> = {
  'ssh-ed25519': { hardware: false },
  'ecdsa-sha2-nistp256': { curve: 'nistp256', hardware: false },
  'ecdsa-sha2-nistp384': { curve: 'nistp384', hardware: false },
  'sk-ssh-ed25519@openssh.com': { hardware: true },
  'sk-ecdsa-sha2-nistp256@openssh.com': { curve: 'nistp256', hardware: true },
};

export interface SshPublicKey {
  readonly type: string;
  /** The key as SSH writes it: two keys are one when these bytes are equal. */
  readonly blob: Uint8Array;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** Undefined for Ed25519. */
  readonly curve: SshCurve | undefined;
  /** FIDO application (relying party) of an `sk-` key; undefined for a key in software. */
  readonly application: Uint8Array | undefined;
}

/** From the binary form. Throws SshError. */
export function parseSshKey(blob: Uint8Array): SshPublicKey {
  if (blob.byteLength > MAX_KEY_BYTES) throw new SshError('length');
  const reader = new SshReader(blob);
  const type = reader.text();
  if (type.includes('-cert-v')) throw new SshError('certificate');
  const row = Object.hasOwn(KEY_TYPES, type) ? KEY_TYPES[type] : undefined;
  if (row === undefined) throw new SshError('key-type');
  const key = row.curve === undefined ? ed25519Key(reader) : ecdsaKey(reader, row.curve);
  const application = row.hardware ? reader.string() : undefined;
  reader.end();
  return { type, blob, ...key, application };
}

function ed25519Key(reader: SshReader): Pick<SshPublicKey, 'spki' | 'curve'> {
  const key = reader.string();
  if (key.byteLength !== ED25519_BYTES) throw new SshError('length');
  return { spki: concatBytes(SPKI_PREFIX.ed25519, key), curve: undefined };
}

/** Whether the point lies on the curve is what importing the SubjectPublicKeyInfo finds out. */
function ecdsaKey(
  reader: SshReader,
  name: keyof typeof CURVES,
): Pick<SshPublicKey, 'spki' | 'curve'> {
  if (reader.text() !== name) throw new SshError('curve');
  const { curve, bytes } = CURVES[name];
  const point = reader.string();
  // RFC 5656 §3.1: points may be compressed; one key has one form here.
  if (point.byteLength !== 1 + 2 * bytes || point[0] !== 0x04) throw new SshError('curve');
  return { spki: concatBytes(SPKI_PREFIX[curve], point), curve };
}

/** From a line of an authorized_keys or .pub file without its comment: type and base64. Throws SshError. */
export function parseSshKeyLine(line: string): SshPublicKey {
  if (line.length > MAX_LINE_LENGTH) throw new SshError('length');
  const space = line.indexOf(' ');
  const blob = space < 0 ? undefined : fromBase64(line.slice(space + 1));
  if (blob === undefined) throw new SshError('text');
  const key = parseSshKey(blob);
  if (key.type !== line.slice(0, space)) throw new SshError('key-type');
  return key;
}

/** The same the other way: one key has one line. */
export function sshKeyLine({ type, blob }: SshPublicKey): string {
  return `${type} ${toBase64(blob)}`;
}

/** Bytes of one integer of an ECDSA signature under this key. */
export function integerBytes(curve: SshCurve): number {
  return curve === 'P-256' ? CURVES.nistp256.bytes : CURVES.nistp384.bytes;
}
