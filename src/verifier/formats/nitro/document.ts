/**
 * Attestation documents of AWS Nitro Enclaves, decoded: COSE_Sign1 around one CBOR map. Clauses are those of
 * aws-nitro-enclaves-nsm-api, docs/attestation_process.md (NSM).
 */
import { CborError, decodeCbor, type CborMap, type CborValue } from '../../cbor.ts';
import { decodeCoseSign1, type CoseSign1 } from '../../cose-sign1.ts';
import { decodingAt, MalformedEvidence } from '../../malformed.ts';
import { parseCertificate, type Certificate } from '../../../../enclave/wire/x509/certificate.ts';

/** NSM §3.1: the payload has at most 16,384 bytes. */
const MAX_PAYLOAD_BYTES = 16_384;
export const MAX_DOCUMENT_BYTES = MAX_PAYLOAD_BYTES + 512;
/** NSM §2.2 */
const MAX_CERTIFICATE_BYTES = 1024;
const MAX_FIELD_BYTES = 1024;
const PCR_COUNT = 32;
const PCR_BYTES: readonly number[] = [32, 48, 64];
/** Genuine bundles have four; one longer than the path rules take is not worth parsing. */
const MAX_BUNDLE = 8;
/** Nine members, 32 PCRs, the bundle, and their keys. */
const LIMITS = { maxBytes: MAX_PAYLOAD_BYTES, maxDepth: 3, maxItems: 128 } as const;

/** Fields that carry what others chose: our names, and those of the document. */
export const FIELDS = {
  nonce: 'nonce',
  userData: 'user_data',
  publicKey: 'public_key',
} as const;

const MEMBERS: readonly string[] = [
  'module_id',
  'digest',
  'timestamp',
  'pcrs',
  'certificate',
  'cabundle',
  ...Object.values(FIELDS),
];

export interface NitroDocument {
  readonly cose: CoseSign1;
  readonly moduleId: string;
  readonly digest: string;
  readonly timestampMs: number;
  /** By number, in ascending order. */
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  readonly certificate: Certificate;
  /** As sent: the root first. */
  readonly bundle: readonly Certificate[];
  readonly fields: ReadonlyMap<string, Uint8Array>;
  /** Members that NSM does not know. */
  readonly unknown: readonly string[];
}

/** Throws MalformedEvidence. */
export function decodeDocument(bytes: Uint8Array): NitroDocument {
  const cose = cborAt('', () => decodeCoseSign1(bytes, MAX_DOCUMENT_BYTES));
  const payload = cborAt('/payload', () => decodeCbor(cose.payload, LIMITS));
  if (!(payload instanceof Map)) throw new MalformedEvidence('/payload', 'expected a map');
  const members = payload as CborMap;
  if (members.has('nitrotpm_pcrs')) {
    throw new MalformedEvidence(
      '/payload/nitrotpm_pcrs',
      'a NitroTPM document of an EC2 instance, not of an enclave',
    );
  }
  return {
    cose,
    moduleId: text(members, 'module_id'),
    digest: text(members, 'digest'),
    timestampMs: timestamp(members),
    pcrs: pcrs(members),
    certificate: certificate(
      bytesOf(members, 'certificate', 1, MAX_CERTIFICATE_BYTES),
      'certificate',
    ),
    bundle: bundle(members),
    fields: fields(members),
    unknown: [...members.keys()].map(String).filter((name) => !MEMBERS.includes(name)),
  };
}

function cborAt<T>(place: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof CborError)) throw error;
    throw new MalformedEvidence(place, `byte ${String(error.offset)}: ${error.problem}`);
  }
}

function fail(name: string, problem: string): never {
  throw new MalformedEvidence(`/payload/${name}`, problem);
}

/** NSM §3.2.2.2 */
function text(members: CborMap, name: string): string {
  const value = members.get(name);
  return typeof value === 'string' && value !== '' ? value : fail(name, 'expected a text');
}

function timestamp(members: CborMap): number {
  const value = members.get('timestamp');
  return typeof value === 'number' && value > 0 ? value : fail('timestamp', 'expected a time');
}

function checkedBytes(
  value: CborValue | undefined,
  name: string,
  min: number,
  max: number,
): Uint8Array {
  if (!(value instanceof Uint8Array)) return fail(name, 'expected bytes');
  if (value.byteLength < min || value.byteLength > max) {
    return fail(
      name,
      `expected ${String(min)} to ${String(max)} bytes, found ${String(value.byteLength)}`,
    );
  }
  return value;
}

function bytesOf(members: CborMap, name: string, min: number, max: number): Uint8Array {
  return checkedBytes(members.get(name), name, min, max);
}

function pcrs(members: CborMap): ReadonlyMap<number, Uint8Array> {
  const value = members.get('pcrs');
  if (!(value instanceof Map)) return fail('pcrs', 'expected a map');
  const registers = [...(value as CborMap)].map(([key, content]) => {
    if (typeof key !== 'number' || key < 0 || key >= PCR_COUNT) {
      return fail('pcrs', 'a register that is not numbered from 0 to 31');
    }
    const place = `pcrs/${String(key)}`;
    const bytes = checkedBytes(content, place, 0, 64);
    if (!PCR_BYTES.includes(bytes.byteLength)) fail(place, 'expected 32, 48 or 64 bytes');
    return [key, bytes] as const;
  });
  if (registers.length === 0) return fail('pcrs', 'must not be empty');
  return new Map(registers.sort(([a], [b]) => a - b));
}

function certificate(bytes: Uint8Array, name: string): Certificate {
  return decodingAt(`/payload/${name}`, () => parseCertificate(bytes));
}

/** An absent, null or empty bundle is left to the checks: it says "no chain", which is the better reason. */
function bundle(members: CborMap): readonly Certificate[] {
  const value = members.get('cabundle') ?? null;
  if (value === null) return [];
  if (!Array.isArray(value)) return fail('cabundle', 'expected an array');
  const items = value as readonly CborValue[];
  if (items.length > MAX_BUNDLE)
    return fail('cabundle', `more than ${String(MAX_BUNDLE)} certificates`);
  return items.map((item, i) => {
    const name = `cabundle/${String(i)}`;
    return certificate(checkedBytes(item, name, 1, MAX_CERTIFICATE_BYTES), name);
  });
}

/**
 * NSM §3.2.2.1 says that no field is null, and the NSM writes null for what the enclave did not give. NSM §2.2 gives
 * 1,024 bytes for user_data and nonce and §3.2.2.2 gives 512; genuine documents have 1,024.
 */
function fields(members: CborMap): ReadonlyMap<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (const [field, name] of Object.entries(FIELDS)) {
    const value = members.get(name) ?? null;
    const min = name === FIELDS.publicKey ? 1 : 0;
    if (value !== null) found.set(field, checkedBytes(value, name, min, MAX_FIELD_BYTES));
  }
  return found;
}
