import { DerError, DerReader } from '../../enclave/wire/x509/der.ts';

/** Three tags and lengths of up to three bytes each, two sign bytes. */
const MAX_OVERHEAD_BYTES = 11;

/**
 * Ecdsa-Sig-Value (RFC 5480, RFC 3279 §2.2.3) as r ‖ s, which is what Web Crypto reads. Undefined when it is
 * not DER or when a number doesn't fit: such a signature is false, and the certificate around it can be read.
 */
export function ecdsaDerToP1363(der: Uint8Array, coordinateBytes: number): Uint8Array | undefined {
  try {
    const document = DerReader.open(der, 2 * coordinateBytes + MAX_OVERHEAD_BYTES);
    const pair = document.sequence();
    document.end();
    const numbers = [pair.unsigned(), pair.unsigned()];
    pair.end();
    const out = new Uint8Array(2 * coordinateBytes);
    for (const [i, number] of numbers.entries()) {
      if (number.byteLength > coordinateBytes) return undefined;
      out.set(number, (i + 1) * coordinateBytes - number.byteLength);
    }
    return out;
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}
