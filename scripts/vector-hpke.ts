// HPKE (RFC 9180) a second time, over node:crypto, for vectors: sender and recipient of the three suites with ephemeral
// keys that are given. The enclave and the client use a package; this shares no code with it.
import {
  createCipheriv,
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  decapsulate,
  diffieHellman,
  type KeyObject,
} from 'node:crypto';

const concat = (...parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(Buffer.concat(parts));
const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value));
const fromHex = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value, 'hex'));
export const i2osp = (value: number | bigint, length: number): Uint8Array =>
  fromHex(value.toString(16).padStart(2 * length, '0'));

const EMPTY = new Uint8Array(0);
const HASH_BYTES = 32;

function labeledExtract(
  suiteId: Uint8Array,
  salt: Uint8Array,
  label: string,
  ikm: Uint8Array,
): Uint8Array {
  const labeled = concat(text('HPKE-v1'), suiteId, text(label), ikm);
  return Uint8Array.from(createHmac('sha256', salt).update(labeled).digest());
}

/** HKDF-Expand, RFC 5869 §2.3. */
function labeledExpand(
  suiteId: Uint8Array,
  prk: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
): Uint8Array {
  const labeled = concat(i2osp(length, 2), text('HPKE-v1'), suiteId, text(label), info);
  let out: Uint8Array = EMPTY;
  let block: Uint8Array = EMPTY;
  for (let i = 1; out.byteLength < length; i += 1) {
    const input = concat(block, labeled, i2osp(i, 1));
    block = Uint8Array.from(createHmac('sha256', prk).update(input).digest());
    out = concat(out, block);
  }
  return out.slice(0, length);
}

const shake256 = (input: Uint8Array, length: number): Uint8Array =>
  Uint8Array.from(createHash('shake256', { outputLength: length }).update(input).digest());

/** What one ephemeral key or one fixed encapsulation gives. */
interface Encapsulated {
  readonly enc: Uint8Array;
  readonly sharedSecret: Uint8Array;
}

export interface KemPair {
  readonly publicKey: Uint8Array;
  /** What RFC 9180 §7.1.3 derived it from. */
  readonly ikm: Uint8Array;
}

interface Kem {
  derive(ikm: Uint8Array): KemPair;
  /** `ephemeral`: ikm of the ephemeral key; `fixedCiphertext`: of ML-KEM, which can't be made from one. */
  encapsulate(
    recipient: KemPair,
    ephemeral: Uint8Array,
    fixedCiphertext: Uint8Array | undefined,
  ): Encapsulated;
}

const KEM_ID = (id: number): Uint8Array => concat(text('KEM'), i2osp(id, 2));

function dhShared(kemId: Uint8Array, dh: Uint8Array, context: Uint8Array): Uint8Array {
  const prk = labeledExtract(kemId, EMPTY, 'eae_prk', dh);
  return labeledExpand(kemId, prk, 'shared_secret', context, HASH_BYTES);
}

const rawX25519 = (key: KeyObject): Uint8Array =>
  Uint8Array.from(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32));

function x25519Private(secret: Uint8Array): KeyObject {
  const der = concat(fromHex('302e020100300506032b656e04220420'), secret);
  return createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' });
}

function x25519Derive(ikm: Uint8Array): KeyObject {
  const kemId = KEM_ID(0x0020);
  const prk = labeledExtract(kemId, EMPTY, 'dkp_prk', ikm);
  return x25519Private(labeledExpand(kemId, prk, 'sk', EMPTY, 32));
}

const dh = (privateKey: KeyObject, publicKey: KeyObject): Uint8Array =>
  Uint8Array.from(diffieHellman({ privateKey, publicKey: createPublicKey(publicKey) }));

const x25519: Kem = {
  derive: (ikm) => ({ ikm, publicKey: rawX25519(x25519Derive(ikm)) }),
  encapsulate(recipient, ephemeral) {
    const own = x25519Derive(ephemeral);
    const enc = rawX25519(own);
    const secret = dh(own, x25519Derive(recipient.ikm));
    const context = concat(enc, recipient.publicKey);
    return { enc, sharedSecret: dhShared(KEM_ID(0x0020), secret, context) };
  },
};

/** RFC 9180 §7.1.3: the first candidate below the order; with 2^-32 it is not the first. */
function p256Derive(ikm: Uint8Array): ReturnType<typeof createECDH> {
  const kemId = KEM_ID(0x0010);
  const prk = labeledExtract(kemId, EMPTY, 'dkp_prk', ikm);
  const pair = createECDH('prime256v1');
  pair.setPrivateKey(labeledExpand(kemId, prk, 'candidate', i2osp(0, 1), 32));
  return pair;
}

const p256: Kem = {
  derive: (ikm) => ({ ikm, publicKey: Uint8Array.from(p256Derive(ikm).getPublicKey()) }),
  encapsulate(recipient, ephemeral) {
    const own = p256Derive(ephemeral);
    const enc = Uint8Array.from(own.getPublicKey());
    const secret = Uint8Array.from(own.computeSecret(recipient.publicKey));
    const context = concat(enc, recipient.publicKey);
    return { enc, sharedSecret: dhShared(KEM_ID(0x0010), secret, context) };
  },
};

/** draft-ietf-hpke-pq, MLKEM768-X25519: key pairs from a seed by SHAKE-256. */
function hybridDerive(ikm: Uint8Array): { readonly pq: KeyObject; readonly t: KeyObject } {
  const label = concat(i2osp('DeriveKeyPair'.length, 2), text('DeriveKeyPair'));
  const seed = shake256(concat(ikm, text('HPKE-v1'), KEM_ID(0x647a), label, i2osp(32, 2)), 32);
  const full = shake256(seed, 96);
  const pkcs8 = concat(fromHex('3054020100300b060960864801650304040204428040'), full.slice(0, 64));
  return {
    pq: createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' }),
    t: x25519Private(full.slice(64)),
  };
}

const ML_KEM_768_PUBLIC_BYTES = 1184;

const hybrid: Kem = {
  derive(ikm) {
    const { pq, t } = hybridDerive(ikm);
    const spki = createPublicKey(pq).export({ format: 'der', type: 'spki' });
    const pqPublic = Uint8Array.from(spki.subarray(-ML_KEM_768_PUBLIC_BYTES));
    return { ikm, publicKey: concat(pqPublic, rawX25519(t)) };
  },
  encapsulate(recipient, ephemeral, fixedCiphertext) {
    if (fixedCiphertext === undefined) throw new RangeError('ML-KEM needs a fixed ciphertext');
    const { pq, t } = hybridDerive(recipient.ikm);
    const own = x25519Private(ephemeral);
    const ownPublic = rawX25519(own);
    const pqSecret = Uint8Array.from(decapsulate(pq, fixedCiphertext));
    const combined = concat(pqSecret, dh(own, t), ownPublic, rawX25519(t), text('\\.//^\\'));
    const sharedSecret = Uint8Array.from(createHash('sha3-256').update(combined).digest());
    return { enc: concat(fixedCiphertext, ownPublic), sharedSecret };
  },
};

interface HpkeSuite {
  readonly kem: Kem;
  /** RFC 9180 §5.1: "HPKE" ‖ KEM ‖ KDF ‖ AEAD. */
  readonly id: Uint8Array;
  readonly cipher: 'chacha20-poly1305' | 'aes-256-gcm';
}

const suiteId = (kem: number, aead: number): Uint8Array =>
  concat(text('HPKE'), i2osp(kem, 2), i2osp(1, 2), i2osp(aead, 2));

export const HPKE_SUITES: Readonly<Record<1 | 2 | 3, HpkeSuite>> = {
  1: { kem: x25519, id: suiteId(0x0020, 3), cipher: 'chacha20-poly1305' },
  2: { kem: p256, id: suiteId(0x0010, 2), cipher: 'aes-256-gcm' },
  3: { kem: hybrid, id: suiteId(0x647a, 3), cipher: 'chacha20-poly1305' },
};

/** Ciphertext ‖ tag, 32 bytes of key. */
export function aeadSeal(
  cipher: HpkeSuite['cipher'],
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  // Both take the same arguments; the types know each by its own overload.
  const sealing = createCipheriv(cipher as 'chacha20-poly1305', key, nonce, { authTagLength: 16 });
  sealing.setAAD(aad, { plaintextLength: plaintext.byteLength });
  return concat(sealing.update(plaintext), sealing.final(), sealing.getAuthTag());
}

export interface Context {
  readonly enc: Uint8Array;
  /** The first message, with empty AAD. */
  seal(plaintext: Uint8Array): Uint8Array;
  exportSecret(context: Uint8Array): Uint8Array;
}

export interface SetupInput {
  readonly suite: 1 | 2 | 3;
  readonly recipient: KemPair;
  readonly ephemeral: Uint8Array;
  readonly fixedCiphertext?: Uint8Array | undefined;
  readonly info: Uint8Array;
  readonly psk?: { readonly key: Uint8Array; readonly id: Uint8Array };
}

/** SetupBaseS, or SetupPSKS (RFC 9180 §5.1). */
export function setupSender(input: SetupInput): Context {
  const { id, kem, cipher } = HPKE_SUITES[input.suite];
  const { enc, sharedSecret } = kem.encapsulate(
    input.recipient,
    input.ephemeral,
    input.fixedCiphertext,
  );
  const psk = input.psk ?? { key: EMPTY, id: EMPTY };
  const context = concat(
    i2osp(input.psk === undefined ? 0 : 1, 1),
    labeledExtract(id, EMPTY, 'psk_id_hash', psk.id),
    labeledExtract(id, EMPTY, 'info_hash', input.info),
  );
  const secret = labeledExtract(id, sharedSecret, 'secret', psk.key);
  const key = labeledExpand(id, secret, 'key', context, 32);
  const nonce = labeledExpand(id, secret, 'base_nonce', context, 12);
  const exporter = labeledExpand(id, secret, 'exp', context, HASH_BYTES);
  return {
    enc,
    seal: (plaintext) => aeadSeal(cipher, key, nonce, EMPTY, plaintext),
    exportSecret: (exported) => labeledExpand(id, exporter, 'sec', exported, 32),
  };
}
