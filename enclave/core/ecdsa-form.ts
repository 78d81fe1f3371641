/** The two byte forms of an ECDSA signature: DER (RFC 3279 §2.2.3) and P1363 (r ‖ s, RFC 7518 §3.4). */

/** P-521. */
const MAX_COORDINATE_BYTES = 66;

/**
 * Node's own `dsaEncoding` costs as much as the signature, so the conversion is done here. Takes DER only: one
 * signature has one form (X.690 §8.3, §10.1). Throws RangeError.
 */
export function derToP1363(der: Uint8Array, coordinateBytes: number): Uint8Array {
  const out = new Uint8Array(2 * coordinateBytes);
  // SEQUENCE with a short or one-byte long length: P-521 needs the latter.
  const long = der[1] === 0x81;
  let at = long ? 3 : 2;
  const rest = der[at - 1] ?? 0;
  if (der[0] !== 0x30 || rest !== der.byteLength - at || (long ? rest < 0x80 : rest >= 0x80)) {
    throw notDer();
  }
  for (const end of [coordinateBytes, 2 * coordinateBytes]) {
    const length = der[at + 1] ?? 0;
    let from = at + 2;
    const to = from + length;
    if (der[at] !== 0x02 || length === 0 || to > der.byteLength) throw notDer();
    const [first = 0, second = 0] = der.subarray(from, to);
    const padded = first === 0 && length > 1;
    if (first >= 0x80 || (padded && second < 0x80)) throw notDer();
    if (padded) from += 1;
    if (to - from > coordinateBytes) throw new RangeError('integer longer than the curve order');
    out.set(der.subarray(from, to), end - (to - from));
    at = to;
  }
  if (at !== der.byteLength) throw notDer();
  return out;
}

function notDer(): RangeError {
  return new RangeError('not an ECDSA signature in DER');
}

/** Throws RangeError for bytes that are not two halves of at most 66 bytes. */
export function p1363ToDer(signature: Uint8Array): Uint8Array {
  const half = signature.byteLength / 2;
  if (!Number.isInteger(half) || half === 0 || half > MAX_COORDINATE_BYTES) {
    throw new RangeError('not an ECDSA signature in P1363');
  }
  const r = derInteger(signature.subarray(0, half));
  const s = derInteger(signature.subarray(half));
  const length = r.byteLength + s.byteLength;
  const header = length < 0x80 ? [0x30, length] : [0x30, 0x81, length];
  const out = new Uint8Array(header.length + length);
  out.set(header);
  out.set(r, header.length);
  out.set(s, header.length + r.byteLength);
  return out;
}

function derInteger(magnitude: Uint8Array): Uint8Array {
  let from = 0;
  while (from < magnitude.byteLength - 1 && magnitude[from] === 0) from += 1;
  const digits = magnitude.subarray(from);
  // A set top bit would read as negative.
  const pad = (digits[0] ?? 0) >= 0x80 ? 1 : 0;
  const out = new Uint8Array(2 + pad + digits.byteLength);
  out[0] = 0x02;
  out[1] = pad + digits.byteLength;
  out.set(digits, 2 + pad);
  return out;
}
