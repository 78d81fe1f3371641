/** COSE_Sign1 (RFC 9052 §4.2), tagged or not, decoded and not judged. The received bytes are what is verified. */
import { concatBytes } from '../../enclave/wire/bytes.ts';
import { CborError, CborTag, decodeCbor, type CborMap, type CborValue } from './cbor.ts';

/** RFC 9053 §2.1 */
export const COSE_ES384 = -35;
/** RFC 9052 §3.1 */
export const COSE_ALG = 1;

const COSE_SIGN1_TAG = 18;
const LIMITS = { maxDepth: 4, maxItems: 64 } as const;

export interface CoseSign1 {
  readonly protectedHeaders: CborMap;
  /** Undefined when it is no map. */
  readonly unprotectedHeaders: CborMap | undefined;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  /** Sig_structure (RFC 9052 §4.4) without external data, over the bytes as received. */
  readonly toBeSigned: Uint8Array;
}

/** Throws CborError. */
export function decodeCoseSign1(bytes: Uint8Array, maxBytes: number): CoseSign1 {
  const document = decodeCbor(bytes, { ...LIMITS, maxBytes });
  const structure = document instanceof CborTag ? untag(document) : document;
  if (!isArray(structure) || structure.length !== 4) {
    throw new CborError(0, 'expected an array of four');
  }
  const [protectedBytes, unprotected, payload, signature] = structure;
  if (!(protectedBytes instanceof Uint8Array)) throw new CborError(0, 'protected: expected bytes');
  if (!(payload instanceof Uint8Array)) throw new CborError(0, 'payload: expected bytes');
  if (!(signature instanceof Uint8Array)) throw new CborError(0, 'signature: expected bytes');
  const headers =
    protectedBytes.byteLength === 0
      ? new Map<number | string, CborValue>()
      : decodeCbor(protectedBytes, { ...LIMITS, maxBytes: protectedBytes.byteLength });
  if (!(headers instanceof Map)) throw new CborError(0, 'protected: expected a map');
  return {
    protectedHeaders: headers,
    unprotectedHeaders: unprotected instanceof Map ? (unprotected as CborMap) : undefined,
    payload,
    signature,
    toBeSigned: concatBytes(
      // An array of four, and the text "Signature1".
      Uint8Array.of(0x84, 0x6a, ...new TextEncoder().encode('Signature1')),
      byteStringHead(protectedBytes.byteLength),
      protectedBytes,
      byteStringHead(0),
      byteStringHead(payload.byteLength),
      payload,
    ),
  };
}

function untag({ number, value }: CborTag): CborValue {
  if (number !== COSE_SIGN1_TAG) throw new CborError(0, `expected tag 18, found ${String(number)}`);
  return value;
}

function isArray(value: CborValue): value is readonly CborValue[] {
  return Array.isArray(value);
}

/** RFC 8949 §3, in the shortest form. */
function byteStringHead(length: number): Uint8Array {
  if (length < 24) return Uint8Array.of(0x40 | length);
  if (length < 0x100) return Uint8Array.of(0x58, length);
  if (length < 0x10000) return Uint8Array.of(0x59, length >> 8, length & 0xff);
  return Uint8Array.of(0x5a, 0, length >> 16, (length >> 8) & 0xff, length & 0xff);
}
