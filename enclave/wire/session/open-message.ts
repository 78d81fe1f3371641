/** Open (docs/spec/session.md, "Open"): what travels in the clear, and what is sealed in it. */
import { ByteReader, ByteWriter, LayoutError } from '../byte-cursor.ts';
import { MAX_CERTIFICATE_BYTES, MAX_CHAIN_LENGTH, MAX_REQUEST_BYTES } from '../limits.ts';
import { HANDSHAKE_BUCKETS, paddedLength, readPadding } from './padding.ts';

export const HANDSHAKE_VERSION = 1;

/** The handshake's own limits, in bytes. */
export const MAX_SESSION_CHECKPOINT_BYTES = 16 * 1024;
const MAX_PUBLIC_KEY_BYTES = 2048;
const MAX_SIGNATURE_BYTES = 1024;

const DIGEST_BYTES = 32;

export interface OpenMessage {
  /** Any u16: the table says which are suites. */
  readonly suite: number;
  readonly evidenceDigest: Uint8Array;
  readonly enc1: Uint8Array;
  readonly ct1: Uint8Array;
}

export function encodeOpen(open: OpenMessage): Uint8Array {
  const length = 1 + 2 + DIGEST_BYTES + 4 + open.enc1.byteLength + 4 + open.ct1.byteLength;
  return new ByteWriter(length)
    .u8(HANDSHAKE_VERSION)
    .u16(open.suite)
    .bytes(open.evidenceDigest)
    .lengthPrefixed(open.enc1)
    .lengthPrefixed(open.ct1).out;
}

/** Throws LayoutError. The members are copies. */
export function parseOpen(message: Uint8Array): OpenMessage {
  if (message.byteLength > MAX_REQUEST_BYTES) throw new LayoutError('larger than the limit');
  const reader = new ByteReader(Uint8Array.from(message));
  if (reader.u8() !== HANDSHAKE_VERSION) throw new LayoutError('another version');
  const open = {
    suite: reader.u16(),
    evidenceDigest: reader.bytes(DIGEST_BYTES),
    enc1: reader.lengthPrefixed(1, MAX_PUBLIC_KEY_BYTES),
    ct1: reader.lengthPrefixed(1, MAX_REQUEST_BYTES),
  };
  reader.end();
  return open;
}

export interface Hello {
  /** Of a pair drawn for this opening. */
  readonly publicKey: Uint8Array;
  readonly clientTimeMs: number;
  /** A signed note; empty: none. */
  readonly lastCheckpoint: Uint8Array;
  /** DER, leaf first. */
  readonly certificates: readonly Uint8Array[];
}

/** As it is hashed and sealed. Throws RangeError for what no enclave would read. */
export function encodeHello(hello: Hello): Uint8Array {
  const { publicKey, clientTimeMs, lastCheckpoint, certificates } = hello;
  const { length: count } = certificates;
  if (count < 1 || count > MAX_CHAIN_LENGTH) {
    throw new RangeError(`1 to ${String(MAX_CHAIN_LENGTH)} certificates`);
  }
  const sizes = certificates.map(({ byteLength }) => byteLength);
  if (sizes.some((size) => size < 1 || size > MAX_CERTIFICATE_BYTES)) {
    throw new RangeError(`a certificate has at most ${String(MAX_CERTIFICATE_BYTES)} bytes`);
  }
  if (lastCheckpoint.byteLength > MAX_SESSION_CHECKPOINT_BYTES) {
    throw new RangeError(`a checkpoint has at most ${String(MAX_SESSION_CHECKPOINT_BYTES)} bytes`);
  }
  const chainBytes = sizes.reduce((sum, size) => sum + 4 + size, 0);
  const length = 4 + publicKey.byteLength + 8 + 4 + lastCheckpoint.byteLength + 1 + chainBytes;
  const writer = new ByteWriter(length)
    .lengthPrefixed(publicKey)
    .u64(clientTimeMs)
    .lengthPrefixed(lastCheckpoint)
    .u8(count);
  for (const certificate of certificates) writer.lengthPrefixed(certificate);
  return writer.out;
}

export interface ClientSignature {
  /** Number of `sealwright.v1.Algorithm`. */
  readonly algorithm: number;
  readonly signature: Uint8Array;
}

/** What Open seals. Throws RangeError when a chain is too large for it. */
export function encodeOpenContent(
  hello: Uint8Array,
  { algorithm, signature }: ClientSignature,
): Uint8Array {
  const length = hello.byteLength + 1 + 4 + signature.byteLength;
  return new ByteWriter(paddedLength(length, HANDSHAKE_BUCKETS))
    .bytes(hello)
    .u8(algorithm)
    .lengthPrefixed(signature).out;
}

export interface OpenContent extends Hello, ClientSignature {
  /** The bytes of `Hello` as they came: what is hashed. */
  readonly hello: Uint8Array;
}

/** Throws LayoutError. */
export function parseOpenContent(content: Uint8Array): OpenContent {
  const reader = new ByteReader(content);
  const publicKey = reader.lengthPrefixed(1, MAX_PUBLIC_KEY_BYTES);
  const clientTimeMs = reader.safeU64();
  const lastCheckpoint = reader.lengthPrefixed(0, MAX_SESSION_CHECKPOINT_BYTES);
  const count = reader.u8();
  if (count < 1 || count > MAX_CHAIN_LENGTH) throw new LayoutError('number of certificates');
  const certificates = Array.from({ length: count }, () =>
    reader.lengthPrefixed(1, MAX_CERTIFICATE_BYTES),
  );
  const hello = content.subarray(0, reader.at);
  const algorithm = reader.u8();
  const signature = reader.lengthPrefixed(1, MAX_SIGNATURE_BYTES);
  readPadding(reader, content, HANDSHAKE_BUCKETS);
  return { publicKey, clientTimeMs, lastCheckpoint, certificates, hello, algorithm, signature };
}
