/** The little of Web Crypto that a log's reader needs. */

/** Web Crypto's types want bytes that are surely not shared between threads. */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

export async function webSha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', own(bytes)));
}

/** RFC 8032 §5.1.7, with the key as 32 bytes. A key that can't be imported verifies nothing. */
export async function checkEd25519(
  publicKey: Uint8Array,
  signature: Uint8Array,
  message: Uint8Array,
): Promise<boolean> {
  try {
    const key = await crypto.subtle.importKey('raw', own(publicKey), 'Ed25519', false, ['verify']);
    return await crypto.subtle.verify('Ed25519', key, own(signature), own(message));
  } catch (error) {
    // DataError: no such key; OperationError: a signature the implementation won't look at. Anything else,
    // above all a platform without Ed25519, must not read as "false signature".
    const name = error instanceof DOMException ? error.name : '';
    if (name === 'DataError' || name === 'OperationError') return false;
    throw error;
  }
}
