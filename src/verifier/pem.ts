/** PEM (RFC 7468 §3, §5.1), as files and vendors' services have it. */

const BLOCK = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/y;

/**
 * One certificate. Nothing may stand around it but white space: a file with two certificates would leave open
 * which one is trusted.
 * @throws RangeError
 */
export function decodePemCertificate(text: string): Uint8Array {
  const [certificate, ...others] = decodePemChain(text, 1);
  if (certificate === undefined || others.length > 0) {
    throw new RangeError('must be one certificate in PEM');
  }
  return certificate;
}

/**
 * One to `max` certificates, in their order. Between them only white space, and zero bytes at the end (Intel's
 * libraries count the terminator of the C string).
 * @throws RangeError
 */
export function decodePemChain(text: string, max: number): readonly Uint8Array[] {
  const wanted = max === 1 ? 'must be one certificate in PEM' : 'must be certificates in PEM';
  const certificates: Uint8Array[] = [];
  const end = text.replace(/[\s\0]+$/, '').length;
  let at = /^\s*/.exec(text)?.[0].length ?? 0;
  while (at < end) {
    if (certificates.length === max) throw new RangeError(`${wanted}, at most ${String(max)}`);
    BLOCK.lastIndex = at;
    const body = BLOCK.exec(text)?.[1];
    if (body === undefined) throw new RangeError(wanted);
    certificates.push(decodeBase64(body, wanted));
    at = BLOCK.lastIndex;
    while (at < end && /\s/.test(text.charAt(at))) at += 1;
  }
  if (certificates.length === 0) throw new RangeError(wanted);
  return certificates;
}

function decodeBase64(body: string, wanted: string): Uint8Array {
  try {
    return Uint8Array.from(atob(body.replace(/\s/g, '')), (character) => character.charCodeAt(0));
  } catch {
    throw new RangeError(`${wanted}: not base64`);
  }
}
