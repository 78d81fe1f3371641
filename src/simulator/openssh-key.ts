/** Private keys as OpenSSH keeps them (PROTOCOL.key), as far as `dev` needs them: Ed25519, without passphrase. */
import { createPrivateKey, randomBytes, type KeyObject } from 'node:crypto';
import { concatBytes, equalBytes, lengthPrefixed, u32, utf8 } from '../../enclave/wire/bytes.ts';
import { SshReader } from '../../enclave/wire/ssh-reader.ts';
import { fromBase64, toBase64 } from '../../enclave/wire/tlog-note.ts';

const KEY_TYPE = 'ssh-ed25519';
const MAGIC = 'openssh-key-v1\0';
const BEGIN = '-----BEGIN OPENSSH PRIVATE KEY-----';
const END = '-----END OPENSSH PRIVATE KEY-----';
const SEED_BYTES = 32;
const BLOCK_BYTES = 8;
const LINE = 70;

function strings(...parts: readonly Uint8Array[]): Uint8Array {
  return concatBytes(...parts.map(lengthPrefixed));
}

/** Seed and raw public key, 32 bytes each (RFC 8032 §5.1.5). */
function rawParts(key: KeyObject): readonly [Uint8Array, Uint8Array] {
  const { d = '', x = '' } = key.export({ format: 'jwk' });
  return [Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')];
}

/** The text of a private key file. */
export function encodeOpensshKey(key: KeyObject, comment: string): string {
  const [seed, point] = rawParts(key);
  const check = randomBytes(4);
  const unpadded = concatBytes(
    check,
    check,
    strings(utf8(KEY_TYPE), point, concatBytes(seed, point), utf8(comment)),
  );
  const padding = (BLOCK_BYTES - (unpadded.byteLength % BLOCK_BYTES)) % BLOCK_BYTES;
  const secret = concatBytes(
    unpadded,
    Uint8Array.from({ length: padding }, (_, i) => i + 1),
  );
  const blob = strings(utf8(KEY_TYPE), point);
  const file = concatBytes(
    utf8(MAGIC),
    strings(utf8('none'), utf8('none'), new Uint8Array(0)),
    u32(1),
    strings(blob, secret),
  );
  const lines = toBase64(file).match(new RegExp(`.{1,${String(LINE)}}`, 'g')) ?? [];
  return [BEGIN, ...lines, END, ''].join('\n');
}

/** Throws SshError, and TypeError for a key of another kind or with a passphrase. */
export function parseOpensshKey(text: string): KeyObject {
  const lines = text.trimEnd().split('\n');
  const bytes = fromBase64(lines.slice(1, -1).join(''));
  if (lines[0] !== BEGIN || lines.at(-1) !== END || bytes === undefined) {
    throw new TypeError('not an OpenSSH private key');
  }
  const reader = new SshReader(bytes);
  reader.literal(MAGIC, 'magic');
  const [cipher, kdf] = [reader.text(), reader.text()];
  if (cipher !== 'none' || kdf !== 'none' || reader.string().byteLength > 0) {
    throw new TypeError('a key with a passphrase');
  }
  if (reader.u32() !== 1) throw new TypeError('not one key');
  reader.string();
  const secret = new SshReader(reader.string());
  reader.end();
  if (!equalBytes(secret.bytes(4), secret.bytes(4)) || secret.text() !== KEY_TYPE) {
    throw new TypeError('not an Ed25519 key');
  }
  const point = secret.string();
  const seed = secret.string().subarray(0, SEED_BYTES);
  const jwk = { kty: 'OKP', crv: 'Ed25519', d: base64url(seed), x: base64url(point) };
  return createPrivateKey({ key: jwk, format: 'jwk' });
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
