/**
 * ATTESTATION_REPORT (56860 §7.3), decoded and not judged. All numbers are little-endian, those of the signature
 * too. Offsets below are the table's.
 */
import { MalformedEvidence } from '../../malformed.ts';
import { readGuestPolicy, type GuestPolicy } from './guest-policy.ts';
import type { CpuId } from './product.ts';

export const REPORT_BYTES = 1184;
/** The signature is over everything before itself. */
const SIGNED_BYTES = 0x2a0;

/** r and s have 72 bytes each (56860 ch. 10), of which P-384 needs 48; zeros fill the rest of 512. */
const SCALAR_FIELD_BYTES = 72;
const SCALAR_BYTES = 48;

const OLDEST_VERSION = 2;
const NEWEST_VERSION = 5;
/** The version that brought CPUID, and the one that brought the mitigation vectors. */
const CPUID_VERSION = 3;
const MITIGATION_VERSION = 5;

/** SIGNING_KEY, three bits; 2 to 6 are reserved. */
const SIGNING_KEYS: Readonly<Record<number, SigningKey>> = { 0: 'VCEK', 1: 'VLEK', 7: 'none' };
export type SigningKey = 'VCEK' | 'VLEK' | 'none';

/** Firmware version: CURRENT_* and COMMITTED_*. */
export interface FirmwareVersion {
  readonly major: number;
  readonly minor: number;
  readonly build: number;
}

/** The four TCB_VERSION fields, eight raw bytes each: their order of components depends on the product. */
export interface ReportTcbs {
  /** What the certificate of the signing key was asked for. */
  readonly reported: Uint8Array;
  /** What the platform cannot fall below any more. */
  readonly committed: Uint8Array;
  readonly current: Uint8Array;
  /** Committed when the guest was launched or imported. */
  readonly launch: Uint8Array;
}

export interface SnpReport {
  readonly signed: Uint8Array;
  /** r ‖ s, big-endian, 48 bytes each; undefined when a number does not fit or the filling is not zero. */
  readonly signature: Uint8Array | undefined;
  readonly version: number;
  readonly guestSvn: number;
  readonly policy: GuestPolicy;
  readonly familyId: Uint8Array;
  readonly imageId: Uint8Array;
  /** 0 to 3 for a guest; 0xffffffff when the hypervisor asked. */
  readonly vmpl: number;
  readonly signatureAlgorithm: number;
  readonly platformInfo: { readonly low: number; readonly high: number };
  readonly authorKeyEnabled: boolean;
  readonly maskChipKey: boolean;
  /** Undefined for a reserved number. */
  readonly signingKey: SigningKey | undefined;
  readonly reportData: Uint8Array;
  readonly measurement: Uint8Array;
  readonly hostData: Uint8Array;
  readonly idKeyDigest: Uint8Array;
  readonly authorKeyDigest: Uint8Array;
  readonly reportId: Uint8Array;
  /** All ff when no migration agent is bound to the guest. */
  readonly reportIdMa: Uint8Array;
  readonly tcb: ReportTcbs;
  /** Undefined before version 3. */
  readonly cpu: CpuId | undefined;
  readonly chipId: Uint8Array;
  readonly current: FirmwareVersion;
  readonly committed: FirmwareVersion;
  /** Eight bytes each; undefined before version 5. */
  readonly mitigations: { readonly launch: Uint8Array; readonly current: Uint8Array } | undefined;
  /** Offsets of reserved bytes that are not zero although this version of the report has nothing there. */
  readonly reservedInUse: readonly number[];
}

/**
 * Views on `bytes`, not copies.
 * @throws MalformedEvidence for another length or version: nothing in it could then be told from its neighbour
 */
export function decodeReport(bytes: Uint8Array): SnpReport {
  if (bytes.byteLength !== REPORT_BYTES) {
    const found = String(bytes.byteLength);
    throw new MalformedEvidence('/', `expected ${String(REPORT_BYTES)} bytes, found ${found}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u32 = (at: number): number => view.getUint32(at, true);
  const version = u32(0);
  if (version < OLDEST_VERSION || version > NEWEST_VERSION) {
    const known = `${String(OLDEST_VERSION)} to ${String(NEWEST_VERSION)}`;
    throw new MalformedEvidence('/', `expected report version ${known}, found ${String(version)}`);
  }
  const field = (at: number, length: number): Uint8Array => bytes.subarray(at, at + length);
  const firmware = (at: number): FirmwareVersion => {
    const [build = 0, minor = 0, major = 0] = field(at, 3);
    return { major, minor, build };
  };
  const keyFlags = u32(0x048);
  const hasCpu = version >= CPUID_VERSION;
  return {
    signed: bytes.subarray(0, SIGNED_BYTES),
    signature: readSignature(bytes.subarray(SIGNED_BYTES)),
    version,
    guestSvn: u32(0x004),
    policy: readGuestPolicy(u32(0x008), u32(0x00c)),
    familyId: field(0x010, 16),
    imageId: field(0x020, 16),
    vmpl: u32(0x030),
    signatureAlgorithm: u32(0x034),
    platformInfo: { low: u32(0x040), high: u32(0x044) },
    authorKeyEnabled: (keyFlags & 1) === 1,
    maskChipKey: (keyFlags & 2) === 2,
    signingKey: SIGNING_KEYS[(keyFlags >>> 2) & 7],
    reportData: field(0x050, 64),
    measurement: field(0x090, 48),
    hostData: field(0x0c0, 32),
    idKeyDigest: field(0x0e0, 48),
    authorKeyDigest: field(0x110, 48),
    reportId: field(0x140, 32),
    reportIdMa: field(0x160, 32),
    tcb: {
      current: field(0x038, 8),
      reported: field(0x180, 8),
      committed: field(0x1e0, 8),
      launch: field(0x1f0, 8),
    },
    cpu: hasCpu
      ? {
          family: view.getUint8(0x188),
          model: view.getUint8(0x189),
          stepping: view.getUint8(0x18a),
        }
      : undefined,
    chipId: field(0x1a0, 64),
    current: firmware(0x1e8),
    committed: firmware(0x1ec),
    mitigations:
      version >= MITIGATION_VERSION
        ? { launch: field(0x1f8, 8), current: field(0x200, 8) }
        : undefined,
    reservedInUse: reservedInUse(bytes, version, keyFlags),
  };
}

/** Where nothing may stand, by version: from, to (not inside). */
function reservedRanges(version: number): readonly (readonly [number, number])[] {
  return [
    [0x04c, 0x050],
    [version >= CPUID_VERSION ? 0x18b : 0x188, 0x1a0],
    [0x1eb, 0x1ec],
    [0x1ef, 0x1f0],
    [version >= MITIGATION_VERSION ? 0x208 : 0x1f8, SIGNED_BYTES],
  ];
}

function reservedInUse(bytes: Uint8Array, version: number, keyFlags: number): readonly number[] {
  const used = keyFlags >>> 5 === 0 ? [] : [0x048];
  for (const [from, to] of reservedRanges(version)) {
    for (let at = from; at < to; at += 1) if (bytes[at] !== 0) used.push(at);
  }
  return used;
}

function readSignature(field: Uint8Array): Uint8Array | undefined {
  const out = new Uint8Array(2 * SCALAR_BYTES);
  for (const [i, at] of [0, SCALAR_FIELD_BYTES].entries()) {
    const scalar = field.subarray(at, at + SCALAR_FIELD_BYTES);
    if (scalar.subarray(SCALAR_BYTES).some((byte) => byte !== 0)) return undefined;
    out.set(scalar.slice(0, SCALAR_BYTES).reverse(), i * SCALAR_BYTES);
  }
  return field.subarray(2 * SCALAR_FIELD_BYTES).some((byte) => byte !== 0) ? undefined : out;
}
