/** The last checkpoint that a caller saw: callers are witnesses of the log (PROTOCOLS §12, docs/spec/session.md). */
import { createPublicKey, hash, verify } from 'node:crypto';
import { equalBytes } from '../../wire/bytes.ts';
import { TlogError } from '../../wire/tlog.ts';
import { decodeText, noteKeyIdInput, parseCheckpoint, parseNote } from '../../wire/tlog-note.ts';
import type { Cluster } from '../cluster.ts';
import { Halt } from '../lifecycle.ts';

/** False for what is no checkpoint of this log. Throws Halt for a genuine one that the log does not continue. */
export function judgeCheckpoint(
  { log, logOrigin, logKey }: Pick<Cluster, 'log' | 'logOrigin' | 'logKey'>,
  lastCheckpoint: Uint8Array,
): boolean {
  if (lastCheckpoint.byteLength === 0) return true;
  const seen = genuine(lastCheckpoint, logOrigin, logKey);
  if (seen === undefined) return false;
  const { logSize, logRoot } = log.head();
  // A smaller one is the caller's to check: it gets a consistency proof.
  const continues =
    seen.size < logSize || (seen.size === logSize && equalBytes(seen.rootHash, logRoot));
  if (!continues) {
    throw new Halt('ROLLBACK_DETECTED', { log: String(logSize), caller: String(seen.size) });
  }
  return true;
}

function genuine(bytes: Uint8Array, origin: string, publicKey: Uint8Array) {
  try {
    const { text, signatures } = parseNote(decodeText(bytes));
    const checkpoint = parseCheckpoint(text);
    if (checkpoint.origin !== origin) return undefined;
    const keyId = hash('sha256', noteKeyIdInput(origin, publicKey), 'buffer').readUInt32BE(0);
    const key = createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') },
      format: 'jwk',
    });
    // The log signs once: further lines of its name are somebody's way to keep us busy.
    const [ours, ...further] = signatures.filter(
      (one) => one.name === origin && one.keyId === keyId,
    );
    if (ours === undefined || further.length > 0) return undefined;
    return verify(null, Buffer.from(text), key, ours.signature) ? checkpoint : undefined;
  } catch (error) {
    if (error instanceof TlogError) return undefined;
    throw error;
  }
}
