// SSH keys and signatures a second time, from RFC 4251, RFC 5656, RFC 8709, PROTOCOL.sshsig and PROTOCOL.u2f as they
// are written, with nothing of the code that reads them. Every key is drawn from its name.
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { fixedBytes, sha256 } from './vector-file.ts';

export const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
export const concat = (...parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(Buffer.concat(parts));
export const uint32 = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return Uint8Array.from(bytes);
};
/** RFC 4251 §5, `string`. */
export const string = (bytes: Uint8Array | string): Uint8Array => {
  const content = typeof bytes === 'string' ? ascii(bytes) : bytes;
  return concat(uint32(content.byteLength), content);
};
/** RFC 4251 §5, `mpint`, of a positive number. */
export const mpint = (bytes: Uint8Array): Uint8Array => {
  const start = bytes.findIndex((byte) => byte !== 0);
  const digits = bytes.subarray(start);
  return string((digits[0] ?? 0) >= 0x80 ? concat(Uint8Array.of(0), digits) : digits);
};

export interface SshKey {
  readonly type: string;
  /** The public key as SSH writes it. */
  readonly blob: Uint8Array;
  /** Type and base64. */
  readonly line: string;
  /** `string type ‖ …`: the signature as SSH writes it. */
  signature(message: Uint8Array): Uint8Array;
}

function sshKey(type: string, body: readonly Uint8Array[], signature: SshKey['signature']): SshKey {
  const blob = concat(string(type), ...body);
  return { type, blob, line: `${type} ${Buffer.from(blob).toString('base64')}`, signature };
}

/** RFC 8410 §7: a PKCS#8 structure around 32 bytes. */
function ed25519(name: string) {
  const pkcs8 = concat(
    Buffer.from('302e020100300506032b657004220420', 'hex'),
    fixedBytes(name, 32),
  );
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return {
    raw: Uint8Array.from(spki.subarray(-32)),
    sign: (message: Uint8Array) => Uint8Array.from(sign(null, message, key)),
  };
}

export function ed25519Key(name: string): SshKey {
  const { raw, sign: signed } = ed25519(name);
  const type = 'ssh-ed25519';
  return sshKey(type, [string(raw)], (message) => concat(string(type), string(signed(message))));
}

const CURVES = {
  nistp256: { curve: p256, bytes: 32 },
  nistp384: { curve: p384, bytes: 48 },
  nistp521: { curve: p521, bytes: 66 },
} as const;
type CurveName = keyof typeof CURVES;

/** RFC 6979 nonces, so that the file is the same each time. */
function ecdsa(name: string, curveName: CurveName) {
  const { curve, bytes } = CURVES[curveName];
  const { secretKey, publicKey } = curve.keygen(
    concat(fixedBytes(name, 64), fixedBytes(`${name}, more`, 64)).subarray(0, bytes + bytes / 2),
  );
  const point = curve.Point.fromBytes(publicKey).toBytes(false);
  return {
    point,
    sign: (message: Uint8Array) => {
      const both = curve.sign(message, secretKey, { lowS: false });
      return string(concat(mpint(both.subarray(0, bytes)), mpint(both.subarray(bytes))));
    },
  };
}

export function ecdsaKey(name: string, curve: CurveName): SshKey {
  const type = `ecdsa-sha2-${curve}`;
  const { point, sign: signed } = ecdsa(name, curve);
  const body = [string(curve), string(point)];
  return sshKey(type, body, (message) => concat(string(type), signed(message)));
}

/** A FIDO authenticator: flags bit 0 is the touch, bit 2 the PIN. */
export interface Authenticator {
  readonly application: string;
  readonly flags: number;
  readonly counter: number;
}

/** PROTOCOL.u2f, "SSH U2F Signatures". */
export function hardwareKey(
  name: string,
  kind: 'ed25519' | 'ecdsa',
  { application, flags, counter }: Authenticator,
): SshKey {
  const state = concat(Uint8Array.of(flags), uint32(counter));
  const asked = (message: Uint8Array) => concat(sha256(ascii(application)), state, sha256(message));
  if (kind === 'ed25519') {
    const { raw, sign: signed } = ed25519(name);
    const type = 'sk-ssh-ed25519@openssh.com';
    return sshKey(type, [string(raw), string(application)], (message) =>
      concat(string(type), string(signed(asked(message))), state),
    );
  }
  const type = 'sk-ecdsa-sha2-nistp256@openssh.com';
  const { point, sign: signed } = ecdsa(name, 'nistp256');
  const body = [string('nistp256'), string(point), string(application)];
  return sshKey(type, body, (message) => concat(string(type), signed(asked(message)), state));
}

/** What a refused signature has other than it should. */
export interface SshsigParts {
  readonly magic?: string;
  readonly version?: number;
  readonly publicKey?: Uint8Array;
  readonly reserved?: string;
  readonly hash?: 'sha256' | 'sha512' | 'SHA512';
  readonly signature?: Uint8Array;
  readonly after?: Uint8Array;
}

/** SSHSIG in its binary form. */
export function sshsig(
  key: SshKey,
  namespace: string,
  document: Uint8Array,
  parts: SshsigParts = {},
): Uint8Array {
  const { magic = 'SSHSIG', version = 1, reserved = '', hash = 'sha512' } = parts;
  const digest = Uint8Array.from(createHash(hash.toLowerCase()).update(document).digest());
  const fields = [string(namespace), string(reserved), string(hash)];
  const signed = concat(ascii('SSHSIG'), ...fields, string(digest));
  return concat(
    ascii(magic),
    uint32(version),
    string(parts.publicKey ?? key.blob),
    ...fields,
    string(parts.signature ?? key.signature(signed)),
    parts.after ?? new Uint8Array(0),
  );
}

/** As ssh-keygen writes it: lines of 70. */
export function armor(blob: Uint8Array, lineFeed = '\n', width = 70): string {
  const lines = Buffer.from(blob)
    .toString('base64')
    .match(new RegExp(`.{1,${String(width)}}`, 'g'));
  const marked = ['-----BEGIN SSH SIGNATURE-----', ...(lines ?? []), '-----END SSH SIGNATURE-----'];
  return `${marked.join(lineFeed)}${lineFeed}`;
}
