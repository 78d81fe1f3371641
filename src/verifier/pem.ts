/**
 * One certificate in PEM (RFC 7468 §3, §5.1). Nothing may stand around it but white space: a file with two
 * certificates would leave open which one is trusted.
 * @throws RangeError
 */
export function decodePemCertificate(text: string): Uint8Array {
  const body =
    /^\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*$/.exec(
      text,
    )?.[1];
  if (body === undefined) throw new RangeError('must be one certificate in PEM');
  try {
    return Uint8Array.from(atob(body.replace(/\s/g, '')), (character) => character.charCodeAt(0));
  } catch {
    throw new RangeError('must be one certificate in PEM: not base64');
  }
}
