/**
 * SSH signatures over documents (OpenSSH PROTOCOL.sshsig), cut down to what an admin's approval may be
 * (docs/spec/admin-statements.md). Cryptography comes in as a port: the enclave has Node's, a verifier Web Crypto's.
 */
import { concatBytes, lengthPrefixed, utf8 } from './bytes.ts';
import { integerBytes, parseSshKey, type SshCurve, type SshPublicKey } from './ssh-key.ts';
import { SshError, SshReader } from './ssh-reader.ts';
import { fromBase64, toBase64 } from './tlog-note.ts';

/** One namespace per kind of document: an approval of one is never good for another. */
export const SSHSIG_NAMESPACES = {
  genesis: 'sealwright-genesis',
  policy: 'sealwright-policy',
  emergency: 'sealwright-emergency',
} as const;
export type SshsigNamespace = (typeof SSHSIG_NAMESPACES)[keyof typeof SSHSIG_NAMESPACES];

/** The largest that can be accepted is below 1 KiB; armor adds a third. */
export const MAX_SSHSIG_BYTES = 4096;

const MAGIC = 'SSHSIG';
const VERSION = 1;
const HASH = 'sha512';
const ED25519_SIGNATURE_BYTES = 64;
/** OpenSSH PROTOCOL.u2f: somebody touched the authenticator. */
const USER_PRESENCE = 0x01;

const ARMOR_BEGIN = '-----BEGIN SSH SIGNATURE-----';
const ARMOR_END = '-----END SSH SIGNATURE-----';
const ARMOR_LINE = 76;

export interface Sshsig {
  readonly key: SshPublicKey;
  readonly namespace: string;
  /** Ed25519: 64 bytes; ECDSA: r ‖ s. */
  readonly signature: Uint8Array;
  /** What a FIDO authenticator added to what it signed: flags u8 ‖ counter u32; empty for a key in software. */
  readonly authenticator: Uint8Array;
}

/** Hashes and signature checks. A key that can't be imported verifies nothing: false. */
export interface SignatureCrypto {
  sha256(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
  sha512(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
  checkEd25519(
    spki: Uint8Array,
    signature: Uint8Array,
    message: Uint8Array,
  ): boolean | Promise<boolean>;
  /** With the hash of the curve's own size; the signature is r ‖ s. */
  checkEcdsa(
    spki: Uint8Array,
    curve: SshCurve,
    signature: Uint8Array,
    message: Uint8Array,
  ): boolean | Promise<boolean>;
}

/** Armored text or the binary form, whichever it is. Throws SshError. */
export function parseSshsig(bytes: Uint8Array): Sshsig {
  return parseBinary(binarySshsig(bytes));
}

/** The binary form of either form: what is kept. It may still be no signature. Throws SshError. */
export function binarySshsig(bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength > MAX_SSHSIG_BYTES) throw new SshError('length');
  // The binary form begins "SSHSIG", the armor with a dash.
  return bytes[0] === 0x2d ? unarmored(bytes) : bytes;
}

function unarmored(bytes: Uint8Array): Uint8Array {
  if (bytes.some((byte) => byte > 0x7e)) throw new SshError('armor');
  const lines = String.fromCharCode(...bytes).split('\n');
  // ssh-keygen ends the file with a line feed.
  if (lines.at(-1) === '') lines.pop();
  const body = lines.slice(1, -1);
  const whole = body.slice(0, -1);
  if (
    lines[0] !== ARMOR_BEGIN ||
    lines.at(-1) !== ARMOR_END ||
    body.some((line) => line === '' || line.length > ARMOR_LINE) ||
    whole.some((line) => line.length !== whole[0]?.length)
  ) {
    throw new SshError('armor');
  }
  const blob = fromBase64(body.join(''));
  if (blob === undefined) throw new SshError('armor');
  return blob;
}

function parseBinary(bytes: Uint8Array): Sshsig {
  const reader = new SshReader(bytes);
  reader.literal(MAGIC, 'magic');
  if (reader.u32() !== VERSION) throw new SshError('version');
  const key = parseSshKey(reader.string());
  const namespace = reader.text();
  if (reader.string().byteLength !== 0) throw new SshError('reserved');
  if (reader.text() !== HASH) throw new SshError('hash');
  const signature = reader.string();
  reader.end();
  return { key, namespace, ...parseSignature(signature, key) };
}

function parseSignature(
  bytes: Uint8Array,
  { type, curve, application }: SshPublicKey,
): Pick<Sshsig, 'signature' | 'authenticator'> {
  const reader = new SshReader(bytes);
  if (reader.text() !== type) throw new SshError('signature-type');
  const value = new SshReader(reader.string());
  const signature =
    curve === undefined
      ? value.bytes(ED25519_SIGNATURE_BYTES)
      : concatBytes(value.unsigned(integerBytes(curve)), value.unsigned(integerBytes(curve)));
  value.end();
  const authenticator = application === undefined ? new Uint8Array(0) : reader.bytes(5);
  reader.end();
  if (application !== undefined && ((authenticator[0] ?? 0) & USER_PRESENCE) === 0) {
    throw new SshError('user-presence');
  }
  return { signature, authenticator };
}

/** Whether `signature` holds over `document`, under the key that it names. Throws SshError for another namespace. */
export async function checkSshsig(
  signature: Sshsig,
  namespace: SshsigNamespace,
  document: Uint8Array,
  crypto: SignatureCrypto,
): Promise<boolean> {
  if (signature.namespace !== namespace) throw new SshError('namespace');
  const { spki, curve, application } = signature.key;
  const signed = signedBytes(namespace, await crypto.sha512(document));
  const message =
    application === undefined
      ? signed
      : concatBytes(
          await crypto.sha256(application),
          signature.authenticator,
          await crypto.sha256(signed),
        );
  return curve === undefined
    ? crypto.checkEd25519(spki, signature.signature, message)
    : crypto.checkEcdsa(spki, curve, signature.signature, message);
}

/** What the key signs, or what its authenticator hashes: `digest` is SHA-512 of the document. */
export function signedBytes(namespace: string, digest: Uint8Array): Uint8Array {
  const fields = [utf8(namespace), new Uint8Array(0), utf8(HASH), digest];
  return concatBytes(utf8(MAGIC), ...fields.map(lengthPrefixed));
}

/** The text form, as ssh-keygen writes it. */
export function armored(blob: Uint8Array): string {
  const lines = toBase64(blob).match(/.{1,70}/g) ?? [];
  return `${[ARMOR_BEGIN, ...lines, ARMOR_END].join('\n')}\n`;
}
