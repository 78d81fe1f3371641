/**
 * ECDSA over a digest that the caller computed, for keys of enclave residency. OpenSSL offers this, but
 * node:crypto does not reach it: it always hashes. So this one file takes @noble/curves. The price: the
 * scalar is in JavaScript's memory for the time of one signature, without constant-time or zeroization
 * guarantee (docs/THREAT-MODEL.md); a digest ring of residency `hsm` does not pay it.
 */
import { p256, p384, p521 } from '@noble/curves/nist.js';
import type { KeyObject } from 'node:crypto';
import type { EcdsaRow } from '../wire/algorithm.ts';

const CURVES = { 'P-256': p256, 'P-384': p384, 'P-521': p521 } as const;

/** Signature in P1363 form. Nonces are RFC 6979 with 32 bytes of added entropy. */
export function signPrehashed(
  row: EcdsaRow,
  key: KeyObject,
  digest: Uint8Array,
  addedEntropy: Uint8Array,
): Uint8Array {
  // RFC 5915: ECPrivateKey begins SEQUENCE, INTEGER 1, OCTET STRING of the curve's length.
  const sec1 = key.export({ format: 'der', type: 'sec1' });
  const at = sec1.indexOf(Uint8Array.of(0x02, 0x01, 0x01, 0x04, row.coordinateBytes));
  const scalar = sec1.subarray(at + 5, at + 5 + row.coordinateBytes);
  try {
    // Without the marker whatever stands at its place would be taken for the scalar.
    if (at < 0) throw new TypeError('not an ECPrivateKey of this curve');
    return CURVES[row.curve].sign(digest, scalar, {
      prehash: false,
      lowS: false,
      extraEntropy: addedEntropy,
    });
  } finally {
    sec1.fill(0);
  }
}
