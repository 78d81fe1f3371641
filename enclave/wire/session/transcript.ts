/** What both sides of an opening hash, sign and bind (docs/spec/session.md, "Open", "Accept"). */
import { concatBytes, label, lengthPrefixed, u16 } from '../bytes.ts';
import type { Hpke, HpkePair, Psk, RecipientContext, SenderContext } from './hpke.ts';
import type { SuiteNumber } from './suites.ts';

/** Web Crypto, as HPKE uses it: the client may be a browser. */
export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', Uint8Array.from(bytes)));
}

/** To which enclave, under which evidence, an opening goes. */
export interface Target {
  readonly suite: SuiteNumber;
  readonly clusterId: Uint8Array;
  readonly evidenceDigest: Uint8Array;
}

export function openInfo({ suite, clusterId, evidenceDigest }: Target): Uint8Array {
  return concatBytes(label('sealwright/session/v1/open'), u16(suite), clusterId, evidenceDigest);
}

/** @param hello the first members of what Open seals, as they travel */
export function h1(info1: Uint8Array, enc1: Uint8Array, hello: Uint8Array): Promise<Uint8Array> {
  return sha256(
    concatBytes(
      label('sealwright/session/v1/h1'),
      lengthPrefixed(info1),
      lengthPrefixed(enc1),
      hello,
    ),
  );
}

/** What the key of the leaf signs. */
export function clientSignatureInput(hash1: Uint8Array): Uint8Array {
  return concatBytes(label('sealwright/session/v1/client'), hash1);
}

/** The two inputs of SetupPSK, which both sides compute from their side of the first context. */
export interface AcceptBinding {
  readonly info: Uint8Array;
  readonly psk: Psk;
}

export async function acceptBinding(
  suite: SuiteNumber,
  first: SenderContext | RecipientContext,
  hash1: Uint8Array,
  ct1: Uint8Array,
): Promise<AcceptBinding> {
  const hash2 = await sha256(
    concatBytes(label('sealwright/session/v1/h2'), hash1, await sha256(ct1)),
  );
  return {
    info: concatBytes(label('sealwright/session/v1/accept'), u16(suite), hash2),
    psk: { key: await first.exportSecret(label('sealwright/session/v1/psk')), id: hash2 },
  };
}

/** kC and kE: 32 bytes each. Whoever makes ciphers of them overwrites them. */
export interface SessionKeys {
  readonly toEnclave: Uint8Array;
  readonly toClient: Uint8Array;
}

async function sessionKeys(second: SenderContext | RecipientContext): Promise<SessionKeys> {
  return {
    toEnclave: await second.exportSecret(label('sealwright/session/v1/c2e')),
    toClient: await second.exportSecret(label('sealwright/session/v1/e2c')),
  };
}

/** Enclave's side. Throws HpkeError for a client's key that is none. */
export async function sealAccept(
  hpke: Hpke,
  clientKey: Uint8Array,
  { info, psk }: AcceptBinding,
  plaintext: Uint8Array,
): Promise<{ readonly enc2: Uint8Array; readonly ct2: Uint8Array; readonly keys: SessionKeys }> {
  const second = await hpke.sender(clientKey, info, psk);
  psk.key.fill(0);
  return {
    enc2: second.enc,
    ct2: await second.seal(plaintext),
    keys: await sessionKeys(second),
  };
}

/** Client's side. Throws HpkeError for what does not open. */
export async function openAccept(
  hpke: Hpke,
  pair: HpkePair,
  { info, psk }: AcceptBinding,
  enc2: Uint8Array,
  ct2: Uint8Array,
): Promise<{ readonly plaintext: Uint8Array; readonly keys: SessionKeys }> {
  const second = await hpke.recipient(pair, enc2, info, psk);
  psk.key.fill(0);
  return { plaintext: await second.open(ct2), keys: await sessionKeys(second) };
}
