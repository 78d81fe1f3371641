/**
 * A second reading of docs/spec/simulated-quote.md, with Web Crypto only, so that the platform's writer is
 * not checked against itself.
 */

export interface ReadQuote {
  readonly svn: number;
  readonly debug: boolean;
  readonly platformId: string;
  readonly measurements: readonly string[];
  readonly reportData: string;
  readonly signatureHolds: boolean;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Throws an Error whose message is the reason for bytes that are not a quote. */
export async function readQuote(quote: Uint8Array, spki: Uint8Array): Promise<ReadQuote> {
  if (quote.byteLength !== 376) throw new Error('QUOTE_LENGTH');
  const bytes = Uint8Array.from(quote);
  const view = new DataView(bytes.buffer);
  const label = new TextEncoder().encode('sealwright/simulated-quote/v1\0');
  if (!label.every((byte, i) => bytes[i] === byte)) throw new Error('QUOTE_LABEL');
  if (view.getUint16(30) !== 1) throw new Error('QUOTE_VERSION');
  const flags = view.getUint32(36);
  if (flags > 1) throw new Error('QUOTE_FLAGS');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-384' };
  const key = await crypto.subtle.importKey('spki', Uint8Array.from(spki), algorithm, false, [
    'verify',
  ]);
  const signatureHolds = await crypto.subtle.verify(
    { name: 'ECDSA', hash: 'SHA-384' },
    key,
    bytes.slice(280),
    bytes.slice(0, 280),
  );
  return {
    svn: view.getUint32(32),
    debug: flags === 1,
    platformId: hex(bytes.slice(40, 72)),
    measurements: [72, 120, 168].map((offset) => hex(bytes.slice(offset, offset + 48))),
    reportData: hex(bytes.slice(216, 280)),
    signatureHolds,
  };
}
