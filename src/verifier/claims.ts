/** The claims (docs/spec/evidence.md), as a closed schema. What they say is believed only after verification. */
import { ObjectReader } from '../../enclave/wire/closed-schema.ts';
import type { EvidenceKind } from '../../enclave/wire/layouts.ts';
import { MAX_RINGS, MAX_RING_NAME_LENGTH } from '../../enclave/wire/limits.ts';
import { SUITES, SUITE_WORDS, suiteOf, type SuiteWord } from '../../enclave/wire/session/suites.ts';
import { parseSignedJson } from '../../enclave/wire/signed-json.ts';
import { fromHex } from '../../enclave/wire/bytes.ts';
import { takeStrings } from './string-array.ts';

/** What both kinds of evidence say. */
interface CommonClaims {
  readonly kind: EvidenceKind;
  /** 16 bytes, drawn at each boot. */
  readonly instanceId: Uint8Array;
  readonly platform: string;
  readonly simulated: boolean;
  readonly svn: number;
  /** Public key of `suite`, as long as docs/spec/session.md says. */
  readonly hpkeKey: Uint8Array;
  readonly suite: SuiteWord;
  /** Words of docs/spec/evidence.md, "Hardening", ascending: what the process found of its own shields. */
  readonly hardening: readonly string[];
  readonly timeSource: string;
  readonly issuedAtMs: number;
  readonly notAfterMs: number;
  /** Only when the platform itself was asked afresh. */
  readonly nonce: Uint8Array | undefined;
}

/** Claims of an enclave before its cluster exists: no identity key, no cluster. */
export interface SetupClaims extends CommonClaims {
  readonly kind: 'setup';
  /** The genesis that awaits its approvals. */
  readonly proposal: Proposal | undefined;
}

/** What a cluster will be when its genesis is committed. */
export interface Proposal {
  readonly clusterId: Uint8Array;
  readonly clusterNonce: Uint8Array;
  readonly genesisDigest: Uint8Array;
  readonly logKey: Uint8Array;
  /** Of the token that will be initialised; empty when the module shows none before. */
  readonly tokenSerial: string;
}

export interface TokenClaims {
  readonly manufacturer: string;
  readonly model: string;
  readonly serial: string;
  /** How the HSM's own channel ends in the enclave, or `none`. */
  readonly channel: string;
}

/** Claims of an enclave that serves a cluster. */
export interface ServingClaims extends CommonClaims {
  readonly kind: 'evidence';
  readonly clusterId: Uint8Array;
  readonly clusterNonce: Uint8Array;
  readonly genesisDigest: Uint8Array;
  readonly bootEpoch: number;
  /** DER SubjectPublicKeyInfo, Ed25519. */
  readonly identityKey: Uint8Array;
  readonly logOrigin: string;
  readonly logKey: Uint8Array;
  /** Signed note of the log head at issue, or `none`. Its signature is not checked here. */
  readonly checkpoint: string;
  readonly policyVersion: number;
  readonly policyDigest: Uint8Array;
  readonly keysDigest: Uint8Array;
  readonly hostAssertedRings: readonly string[];
  readonly provisioning: string;
  readonly soHolder: string;
  readonly token: TokenClaims;
  readonly anchor: string;
}

export type Claims = ServingClaims | SetupClaims;

/** A word of a list that grows: which words are good is for the appraisal policy to say. */
const WORD = /^[a-z0-9][a-z0-9-]{0,63}$/;
/** Words of `hardening`: far more than there are. */
const MAX_HARDENING = 64;
const RING_NAME = new RegExp(`^[a-z0-9][a-z0-9-]{0,${String(MAX_RING_NAME_LENGTH - 1)}}$`);
/** Fields of CK_TOKEN_INFO are at most 32 characters (PKCS#11 v3.1 §3.2). No control characters: terminals. */
const TOKEN_TEXT = /^[^\p{C}\p{Zl}\p{Zp}]{0,64}$/u;
/** C2SP signed-note: a non-empty text without spaces and line breaks. */
const ORIGIN = /^[\x21-\x7e]{1,255}$/;
const CHECKPOINT = /^[^\0]{1,8192}$/;
const NONCE = /^(?:[0-9a-f]{2}){16,64}$/;
const SVN_MAX = 0xffff_ffff;
const ED25519_SPKI_BYTES = 44;

/** Throws SignedJsonError. */
export function parseClaims(bytes: Uint8Array): Claims {
  const rings = takeStrings(parseSignedJson(bytes), 'hostAssertedRings', {
    pattern: RING_NAME,
    max: MAX_RINGS,
  });
  const { rest, strings: hardening } = takeStrings(rings.rest, 'hardening', {
    pattern: WORD,
    max: MAX_HARDENING,
  });
  const reader = new ObjectReader(rest);
  reader.integer('v', 1, 1);
  const kind = reader.oneOf('kind', ['evidence', 'setup']);
  const suite = reader.oneOf('suite', SUITE_WORDS);
  const common = {
    instanceId: reader.hex('instanceId', 16),
    platform: reader.string('platform', WORD),
    simulated: reader.boolean('simulated'),
    svn: reader.integer('svn', 0, SVN_MAX),
    hpkeKey: reader.hex('hpkeKey', SUITES[suiteOf(suite)].publicKeyBytes),
    suite,
    hardening: ascending(reader, 'hardening', hardening),
    timeSource: reader.string('timeSource', WORD),
    issuedAtMs: reader.integer('issuedAt', 0),
    notAfterMs: reader.integer('notAfter', 0),
    nonce: reader.has('nonce') ? fromHex(reader.string('nonce', NONCE)) : undefined,
  };
  const claims: Claims =
    kind === 'setup'
      ? {
          ...common,
          kind,
          proposal: reader.has('proposal') ? readProposal(reader.object('proposal')) : undefined,
        }
      : {
          ...common,
          kind,
          ...servingClaims(reader),
          hostAssertedRings: rings.strings ?? missing(reader, 'hostAssertedRings'),
        };
  if (kind === 'setup' && rings.strings !== undefined) {
    reader.fail('hostAssertedRings', 'unknown member');
  }
  reader.end();
  return claims;
}

function readProposal(reader: ObjectReader): Proposal {
  const proposal = {
    clusterId: reader.hex('clusterId', 32),
    clusterNonce: reader.hex('clusterNonce', 32),
    genesisDigest: reader.hex('genesisDigest', 32),
    logKey: reader.hex('logKey', 32),
    tokenSerial: reader.string('tokenSerial', TOKEN_TEXT),
  };
  reader.end();
  return proposal;
}

function missing(reader: ObjectReader, name: string): never {
  return reader.fail(name, 'expected an array');
}

/** One order, so that one list has one form. */
function ascending(
  reader: ObjectReader,
  name: string,
  words: readonly string[] = missing(reader, name),
): readonly string[] {
  if (words.every((word, i) => i === 0 || (words[i - 1] ?? '') < word)) return words;
  return reader.fail(name, 'expected words in ascending order, each once');
}

function servingClaims(
  reader: ObjectReader,
): Omit<ServingClaims, keyof CommonClaims | 'hostAssertedRings'> {
  const token = reader.object('token');
  const claims = {
    clusterId: reader.hex('clusterId', 32),
    clusterNonce: reader.hex('clusterNonce', 32),
    genesisDigest: reader.hex('genesisDigest', 32),
    bootEpoch: reader.integer('bootEpoch', 0),
    identityKey: reader.hex('identityKey', ED25519_SPKI_BYTES),
    logOrigin: reader.string('logOrigin', ORIGIN),
    logKey: reader.hex('logKey', 32),
    checkpoint: reader.string('checkpoint', CHECKPOINT),
    policyVersion: reader.integer('policyVersion', 1),
    policyDigest: reader.hex('policyDigest', 32),
    keysDigest: reader.hex('keysDigest', 32),
    provisioning: reader.string('provisioning', WORD),
    soHolder: reader.string('soHolder', WORD),
    token: {
      manufacturer: token.string('manufacturer', TOKEN_TEXT),
      model: token.string('model', TOKEN_TEXT),
      serial: token.string('serial', TOKEN_TEXT),
      channel: token.string('channel', WORD),
    },
    anchor: reader.string('anchor', WORD),
  };
  token.end();
  return claims;
}
