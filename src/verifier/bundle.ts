/** The evidence bundle (docs/spec/evidence.md): from bytes to a checked type. Nothing is believed yet. */
import { fromHex, utf8 } from '../../enclave/wire/bytes.ts';
import { ObjectReader } from '../../enclave/wire/closed-schema.ts';
import { MAX_CERTIFICATE_BYTES } from '../../enclave/wire/limits.ts';
import { SignedJsonError, parseSignedJson } from '../../enclave/wire/signed-json.ts';
import { parseClaims, type Claims } from './claims.ts';
import { readGenesis, type GenesisCertificate } from './genesis-certificate.ts';
import { decodingAt } from './malformed.ts';
import { takeStrings } from './string-array.ts';

/** Largest bundle, bytes. */
export const MAX_BUNDLE_BYTES = 1024 * 1024;

/** More than any format's longest chain, with what it may need beside; formats count themselves. */
const MAX_ENDORSEMENTS = 16;

/** Lists and objects, those in texts included. The most callers that a manifest can hold are 13,000. */
const MAX_BRACKETS = 16_384;

/** The identity key's answer to a nonce. Its time is the host's word. */
export interface Freshness {
  readonly nonce: Uint8Array;
  readonly timeMs: number;
  readonly signature: Uint8Array;
}

declare const decoded: unique symbol;

/** Only {@link decodeBundle} makes one, so that `claims` is what `claimsBytes` says. */
export interface EvidenceBundle {
  readonly [decoded]: true;
  readonly format: string;
  /** In the format's own layout; decoded when it is verified. */
  readonly platformEvidence: Uint8Array;
  /** DER, in the format's order. */
  readonly endorsements: readonly Uint8Array[];
  readonly claims: Claims;
  /** As received: these bytes are hashed. */
  readonly claimsBytes: Uint8Array;
  readonly freshness: Freshness | undefined;
  /** Absent in setup evidence. */
  readonly genesis: GenesisCertificate | undefined;
}

const FORMAT_NAME = /^[a-z0-9][a-z0-9./-]{0,63}$/;
const BYTES = /^(?:[0-9a-f]{2})+$/;
const NONCE = /^(?:[0-9a-f]{2}){16,64}$/;
const TEXT = /^[^]+$/;

/**
 * Decodes a bundle and the claims in it. Copies: the given bytes may change afterwards.
 *
 * It does NOT check any signature or hash, decodes neither the platform's evidence nor the endorsements, and
 * does not know whether the format is one that can be verified.
 * @throws MalformedEvidence with the place, for bytes that are not a bundle
 */
export function decodeBundle(bytes: Uint8Array): EvidenceBundle {
  const { reader, endorsements } = decodingAt('', () => openBundle(bytes));
  const claimsBytes = decodingAt('', () => utf8(reader.string('claims', TEXT)));
  const claims = decodingAt('/claims', () => parseClaims(claimsBytes));
  return decodingAt('', () => {
    const isSetup = claims.kind === 'setup';
    for (const name of ['freshness', 'genesis']) {
      if (isSetup && reader.has(name)) reader.fail(name, 'setup evidence has none');
    }
    const bundle = {
      format: reader.string('format', FORMAT_NAME),
      platformEvidence: fromHex(reader.string('platformEvidence', BYTES)),
      endorsements,
      claims,
      claimsBytes,
      freshness: reader.has('freshness') ? readFreshness(reader.object('freshness')) : undefined,
      genesis: isSetup ? undefined : readGenesis(reader.object('genesis')),
    };
    reader.end();
    return bundle as unknown as EvidenceBundle;
  });
}

function openBundle(bytes: Uint8Array): {
  readonly reader: ObjectReader;
  readonly endorsements: readonly Uint8Array[];
} {
  boundBrackets(bytes);
  const { rest, strings } = takeStrings(parseSignedJson(bytes, MAX_BUNDLE_BYTES), 'endorsements', {
    pattern: BYTES,
    max: MAX_ENDORSEMENTS,
  });
  const reader = new ObjectReader(rest);
  reader.integer('v', 1, 1);
  reader.oneOf('kind', ['evidence-bundle']);
  if (strings === undefined) return reader.fail('endorsements', 'expected an array');
  strings.forEach((text, i) => {
    if (text.length > 2 * MAX_CERTIFICATE_BYTES) {
      reader.fail(`endorsements/${String(i)}`, 'larger than a certificate may be');
    }
  });
  return { reader, endorsements: strings.map(fromHex) };
}

/** A megabyte of empty lists would take a hundred times longer than any bundle. */
function boundBrackets(bytes: Uint8Array): void {
  if (bytes.byteLength > MAX_BUNDLE_BYTES) throw new SignedJsonError('', 'larger than the limit');
  let brackets = 0;
  for (const byte of bytes) if (byte === 0x5b || byte === 0x7b) brackets += 1;
  if (brackets > MAX_BRACKETS) throw new SignedJsonError('', 'too many lists and objects');
}

function readFreshness(reader: ObjectReader): Freshness {
  const freshness = {
    nonce: fromHex(reader.string('nonce', NONCE)),
    timeMs: reader.integer('timeMs', 0),
    signature: reader.hex('signature', 64),
  };
  reader.end();
  return freshness;
}
