/**
 * Verification of one platform's evidence by itself: did a vendor's hardware say this? What it says, and whether
 * it is good, is for {@link appraisePlatform}.
 */
import { MalformedEvidence } from './malformed.ts';
import { PLATFORM_FORMATS } from './platform-formats.ts';
import {
  MAX_COLLATERAL_FILES,
  MAX_COLLATERAL_FILE_BYTES,
  MAX_PLATFORM_EVIDENCE_BYTES,
  type Collateral,
  type PlatformEvidenceFindings,
  type PlatformFormat,
  type PlatformFormatName,
} from './platform-format.ts';
import type { TrustAnchor } from './trust-anchor.ts';
import { isVendorRoot } from './vendor-roots.ts';
import { sha256 } from './web-crypto.ts';

declare const verified: unique symbol;

/** Platform evidence after {@link verifyPlatformEvidence}, the failed checks among it. */
export interface VerifiedPlatformEvidence {
  readonly [verified]: true;
  readonly format: PlatformFormat;
  /** Follows from the trust anchor alone. */
  readonly simulated: boolean;
  /** SHA-256 over the evidence as received. */
  readonly digest: Uint8Array;
  readonly findings: PlatformEvidenceFindings;
}

const made = new WeakSet<VerifiedPlatformEvidence>();

/** @throws TypeError for an object that {@link verifyPlatformEvidence} did not make */
export function assertVerifiedPlatform(evidence: VerifiedPlatformEvidence): void {
  if (!made.has(evidence)) throw new TypeError('not made by verifyPlatformEvidence');
}

/** The one format that the bytes look like, or undefined. */
export function detectPlatformFormat(bytes: Uint8Array): PlatformFormat | undefined {
  return PLATFORM_FORMATS.find((format) => format.detect(bytes));
}

/** @throws MalformedEvidence for a name that is not a format's */
export function platformFormat(name: string): PlatformFormat {
  const format = PLATFORM_FORMATS.find((one) => one.name === name);
  if (format !== undefined) return format;
  const known = PLATFORM_FORMATS.map((one) => one.name).join(', ');
  throw new MalformedEvidence('/format', `expected one of ${known}`);
}

export interface PlatformInput {
  readonly format: PlatformFormatName;
  readonly trustAnchors: readonly TrustAnchor[];
  /** Certificates, lists and vendor documents by file name; none when left out. */
  readonly collateral?: Collateral;
}

/**
 * Checks signatures, chains and collateral up to one of the trust anchors. All results are checks, also the failed
 * ones. Copies the evidence.
 *
 * It does NOT look at time, nonce, binding, measurements, debug, TCB or allow-lists: {@link appraisePlatform} does.
 * @throws MalformedEvidence when the evidence can't be decoded
 * @throws RangeError for more or larger collateral than any format has
 */
export async function verifyPlatformEvidence(
  bytes: Uint8Array,
  input: PlatformInput,
): Promise<VerifiedPlatformEvidence> {
  const format = platformFormat(input.format);
  const collateral = input.collateral ?? new Map<string, Uint8Array>();
  boundCollateral(collateral);
  const copy = Uint8Array.from(boundEvidence(bytes));
  const findings = await format.verify(format.decode(copy), {
    collateral,
    anchors: input.trustAnchors.filter((anchor) => anchor.format === format.name),
  });
  const evidence = {
    format,
    simulated: findings.anchor === undefined || !isVendorRoot(findings.anchor),
    digest: await sha256(copy),
    findings,
  } as unknown as VerifiedPlatformEvidence;
  made.add(evidence);
  return Object.freeze(evidence);
}

/** @throws MalformedEvidence */
export function boundEvidence(bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength > MAX_PLATFORM_EVIDENCE_BYTES) {
    throw new MalformedEvidence('', 'larger than the limit');
  }
  return bytes;
}

function boundCollateral(collateral: Collateral): void {
  if (collateral.size > MAX_COLLATERAL_FILES) {
    throw new RangeError(`collateral: more than ${String(MAX_COLLATERAL_FILES)} files`);
  }
  for (const [name, bytes] of collateral) {
    if (bytes.byteLength > MAX_COLLATERAL_FILE_BYTES) {
      throw new RangeError(`collateral: ${name} has more than 256 KiB`);
    }
  }
}
