/** What both kinds of evidence are made with: keys in memory, the platform's answer, bundles, nonces. */
import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { PlatformFailure, type Attester } from '../ports.ts';
import { toHex } from '../wire/bytes.ts';
import { Refusal } from '../wire/error-code.ts';
import {
  MAX_NONCE_BYTES,
  MIN_NONCE_BYTES,
  reportDataInput,
  type EvidenceKind,
} from '../wire/layouts.ts';

/** Fresh quotes ask the platform itself: a TEE makes a few a second at best. */
const FRESH_PER_SECOND = 2;

export interface InMemoryKey {
  readonly privateKey: KeyObject;
  readonly publicKey: Uint8Array;
}

export function memoryKey(kind: 'ed25519' | 'x25519'): InMemoryKey {
  // Two calls, because the overloads of node:crypto take one kind each.
  const pair = kind === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('x25519');
  const spki = Uint8Array.from(pair.publicKey.export({ format: 'der', type: 'spki' }));
  // RFC 8410 §4: the raw key is the last 32 bytes. HPKE (RFC 9180 §7.1.1) wants it raw.
  return { privateKey: pair.privateKey, publicKey: kind === 'x25519' ? spki.slice(-32) : spki };
}

export async function platformEvidence(attester: Attester, kind: EvidenceKind, claims: Uint8Array) {
  const reportData = createHash('sha512').update(reportDataInput(kind, claims)).digest();
  return attester.quote(reportData);
}

/** A caller asked the platform itself, which fails this call and nothing else. */
export async function orUnavailable<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof PlatformFailure) throw new Refusal('PLATFORM_UNAVAILABLE');
    throw error;
  }
}

/** The members that every bundle has. Claims travel as text: their UTF-8 bytes are what was hashed. */
export function bundleBase(attester: Attester, claims: Uint8Array, quote: Uint8Array) {
  return {
    v: 1,
    kind: 'evidence-bundle',
    format: attester.evidenceFormat,
    platformEvidence: toHex(quote),
    endorsements: attester.endorsements.map(toHex),
    claims: new TextDecoder().decode(claims),
  };
}

export function requireNonce(nonce: Uint8Array): void {
  if (nonce.byteLength >= MIN_NONCE_BYTES && nonce.byteLength <= MAX_NONCE_BYTES) return;
  throw new Refusal('NONCE_LENGTH_INVALID', {
    field: 'nonce',
    expectedBytes: `${String(MIN_NONCE_BYTES)} to ${String(MAX_NONCE_BYTES)}`,
    actualBytes: String(nonce.byteLength),
  });
}

/** Bounds how often the platform itself is asked. */
export class FreshQuota {
  #windowStartMs = -Infinity;
  #used = 0;

  take(nowMs: number): void {
    if (nowMs - this.#windowStartMs >= 1000) {
      this.#windowStartMs = nowMs;
      this.#used = 0;
    }
    if (this.#used >= FRESH_PER_SECOND) {
      throw new Refusal('RATE_LIMITED', { limitPerSecond: String(FRESH_PER_SECOND) });
    }
    this.#used += 1;
  }
}
