/** Policies for tests: a valid one, and the parts to change it with. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { concatBytes, lengthPrefixed, utf8 } from '../../enclave/wire/bytes.ts';
import { ObjectReader } from '../../enclave/wire/closed-schema.ts';
import { MAX_POLICY_BYTES } from '../../enclave/wire/limits.ts';
import { parsePolicy, type Policy } from '../../enclave/wire/policy/document.ts';
import {
  canonicalize,
  parseSignedJson,
  type SignedJson,
  type SignedJsonObject,
} from '../../enclave/wire/signed-json.ts';
import { toBase64 } from '../../enclave/wire/tlog-note.ts';

export interface TestAdmin {
  readonly name: string;
  readonly line: string;
  readonly blob: Uint8Array;
  readonly privateKey: KeyObject;
}

/** An Ed25519 admin key as SSH writes it. */
export function testAdmin(name: string): TestAdmin {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const blob = concatBytes(...[utf8('ssh-ed25519'), raw].map(lengthPrefixed));
  return { name, line: `ssh-ed25519 ${toBase64(blob)}`, blob, privateKey };
}

export function ringSource(name: string, change: SignedJsonObject = {}): SignedJsonObject {
  return {
    name,
    algorithm: 'ES256',
    residency: 'enclave',
    payload: { kind: 'message' },
    lowestRank: 'peer',
    acceptHostAsserted: 'a test',
    callers: ['ci'],
    ...change,
  };
}

/** A ring that no host can speak for: it names no rank, so a session is needed. */
export function sessionRing(name: string, callers: readonly string[]): SignedJsonObject {
  return {
    name,
    algorithm: 'ES256',
    residency: 'enclave',
    payload: { kind: 'message' },
    callers: [...callers],
  };
}

/** A valid first policy; `change` replaces members. */
export function policySource(
  admins: readonly TestAdmin[],
  change: SignedJsonObject = {},
): SignedJsonObject {
  return {
    v: 1,
    kind: 'policy',
    version: 1,
    notBefore: 0,
    notAfter: 86_400_000,
    admins: admins.map(({ name, line }) => ({ name, key: line })),
    threshold: 1,
    ...(admins.length === 1 ? { noSpareAdmin: true } : {}),
    roots: [],
    deniedKeys: [],
    callers: [{ name: 'ci', kind: 'peer', socket: 'ci' }],
    rings: [ringSource('release')],
    ...change,
  };
}

/** A document without some of its members. */
export function without(source: SignedJsonObject, ...names: readonly string[]): SignedJsonObject {
  return Object.fromEntries(Object.entries(source).filter(([name]) => !names.includes(name)));
}

/** Through the bytes, as the enclave reads it. Throws SignedJsonError. */
export function parsedPolicy(source: SignedJson): Policy {
  return parsePolicy(new ObjectReader(parseSignedJson(canonicalize(source), MAX_POLICY_BYTES)));
}
