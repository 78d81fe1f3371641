// Documents of Nitro Enclaves that AWS never signed, under roots drawn for each run, with every way to be wrong.
import { randomBytes } from 'node:crypto';
import { p384 } from '@noble/curves/nist.js';
import { fixedBytes, sha256 } from '../../vector-file.ts';
import { HOUR_MS, NOW, YEAR_MS } from '../bytes.ts';
import { certificate, pem, type CertificateShape } from '../certificates.ts';
import { ecKey, type EcKey } from '../keys.ts';
import { cbor, head, openMap, Raw, type Writable } from './cbor.ts';

export * from './cbor.ts';

/** Nobody else can sign under this run's roots. */
const RUN = randomBytes(16).toString('hex');

export const NITRO_PCRS: ReadonlyMap<number, Uint8Array> = new Map(
  Array.from({ length: 16 }, (_, i) => [
    i,
    i < 5 ? fixedBytes(`PCR${String(i)}`, 48) : new Uint8Array(48),
  ]),
);
export const NITRO_NONCE = fixedBytes('nitro nonce', 32);
export const NITRO_USER_DATA = fixedBytes('nitro user data', 64);

export interface NitroChain {
  readonly root: Uint8Array;
  /** As documents have it: the root first. */
  readonly bundle: readonly Uint8Array[];
  readonly leaf: Uint8Array;
  readonly leafKey: EcKey;
  keyOf(role: NitroRole): EcKey;
}

export type NitroRole = 'root' | 'regional' | 'zonal' | 'instance' | 'leaf';
const ROLES: readonly NitroRole[] = ['root', 'regional', 'zonal', 'instance', 'leaf'];

/** The five certificates of a genuine chain. */
export function nitroChain(
  name = 'good',
  changes: Partial<Record<NitroRole, Partial<CertificateShape>>> = {},
): NitroChain {
  const keys = new Map(ROLES.map((role) => [role, ecKey(`${RUN} nitro ${name} ${role}`)]));
  const keyOf = (role: NitroRole): EcKey => keys.get(role) ?? ecKey(RUN);
  const subjectOf = (role: NitroRole): string => `SIMULATED nitro ${role}`;
  const certificates = ROLES.map((role, i) => {
    const issuer = ROLES[i - 1] ?? 'root';
    const isLeaf = role === 'leaf';
    return certificate({
      subject: subjectOf(role),
      key: keyOf(role),
      issuer: subjectOf(issuer),
      issuerKey: keyOf(issuer),
      notBefore: isLeaf ? NOW - HOUR_MS : NOW - YEAR_MS,
      notAfter: isLeaf ? NOW + 2 * HOUR_MS : NOW + YEAR_MS,
      authority: isLeaf
        ? { ca: false }
        : { ca: true, ...(role === 'root' ? {} : { pathLength: 3 - i }) },
      constraintsCritical: true,
      usage: [isLeaf ? 0 : 5],
      subjectKeyId: isLeaf ? undefined : sha256(keyOf(role).spki).subarray(0, 20),
      authorityKeyId:
        isLeaf || role === 'root' ? undefined : sha256(keyOf(issuer).spki).subarray(0, 20),
      moreExtensions: [],
      signatureAlgorithm: '1.2.840.10045.4.3.3',
      version: 3,
      serial: Uint8Array.of(0x40, ...fixedBytes(`serial nitro ${role}`, 15)),
      ...changes[role],
    });
  });
  const [root = new Uint8Array(), ...rest] = certificates;
  const leaf = rest.pop() ?? new Uint8Array();
  return { root, bundle: [root, ...rest], leaf, leafKey: keyOf('leaf'), keyOf };
}

const GOOD_CHAIN = nitroChain();

export interface NitroShape {
  readonly chain: NitroChain;
  /** Members of the payload; undefined leaves one out. */
  readonly members: Readonly<Record<string, Writable | undefined>>;
  readonly indefinite: boolean;
  readonly tagged: boolean;
  /** The protected header's bytes. */
  readonly headers: Uint8Array;
  readonly unprotected: Writable;
  /** Whatever comes between the signed payload and the bytes that are sent. */
  readonly payload: (payload: Uint8Array) => Uint8Array;
  readonly signature: (signature: Uint8Array) => Uint8Array;
  /** Of the whole document. */
  readonly document: (document: Uint8Array) => Uint8Array;
}

const same = (bytes: Uint8Array): Uint8Array => bytes;

/** A good document, but for `changes`. */
export function makeNitro(changes: Partial<NitroShape> = {}): Uint8Array {
  const chain = changes.chain ?? GOOD_CHAIN;
  const members: Readonly<Record<string, Writable | undefined>> = {
    module_id: 'i-0123456789abcdef0-enc0123456789abcdef',
    digest: 'SHA384',
    timestamp: NOW,
    pcrs: NITRO_PCRS,
    certificate: chain.leaf,
    cabundle: chain.bundle,
    public_key: null,
    user_data: NITRO_USER_DATA,
    nonce: NITRO_NONCE,
    ...changes.members,
  };
  const map = new Map<Writable, Writable>();
  for (const [name, value] of Object.entries(members)) {
    if (value !== undefined) map.set(name, value);
  }
  const payload = cbor(changes.indefinite === true ? openMap(map) : map);
  const headers = changes.headers ?? cbor(new Map([[1, -35]]));
  const toBeSigned = cbor(['Signature1', headers, new Uint8Array(), payload]);
  const signed = p384.sign(toBeSigned, chain.leafKey.secret, { format: 'compact', lowS: false });
  const structure = cbor([
    headers,
    changes.unprotected === undefined ? new Map() : changes.unprotected,
    (changes.payload ?? same)(payload),
    (changes.signature ?? same)(Uint8Array.from(signed)),
  ]);
  const document = changes.tagged === true ? Buffer.concat([head(6, 18), structure]) : structure;
  return Uint8Array.from((changes.document ?? same)(document));
}

/** A policy that good documents of this run meet as far as anything under a test root can. */
export function nitroPolicy(
  changes: Readonly<Record<string, unknown>> = {},
  root = GOOD_CHAIN.root,
): Record<string, unknown> {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  const values = ['PCR0', 'PCR1', 'PCR2'].map((name, i) => [
    name,
    hex(NITRO_PCRS.get(i) ?? new Uint8Array()),
  ]);
  return {
    v: 1,
    kind: 'platform-policy',
    format: 'nitro',
    source: { rule: 'release', name: 'this test' },
    trustAnchors: {
      rule: 'require',
      anyOf: [{ name: 'test root', format: 'nitro', certificate: pem(root) }],
    },
    simulated: { rule: 'accept-simulated', because: 'a test' },
    measurements: {
      rule: 'require',
      anyOf: [{ name: 'this test', values: Object.fromEntries(values) as unknown }],
    },
    debug: { rule: 'deny' },
    binding: {
      nonce: { rule: 'nonce' },
      userData: { rule: 'equals', value: hex(NITRO_USER_DATA) },
      publicKey: { rule: 'absent' },
    },
    platforms: { rule: 'skip', because: 'a test' },
    nitro: { age: { rule: 'require', maxSeconds: 300 } },
    ...changes,
  };
}

/** For members that are not what they say. */
export const raw = (hex: string): Raw => new Raw(Buffer.from(hex, 'hex'));
