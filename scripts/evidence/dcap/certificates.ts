// A PKI of Intel's shape and names that Intel never made: root, PCK CAs, PCK certificate, TCB signing certificate, and
// the lists of root and CA ("Intel SGX PCK Certificate and CRL Profile Specification").
import { p256 } from '@noble/curves/nist.js';
import * as der from '../../../src/pkix/der.ts';
import { fixedBytes, fromHex } from '../../vector-file.ts';
import { NOW, YEAR_MS } from '../bytes.ts';
import { extension } from '../certificates.ts';

interface KeyPair {
  readonly secret: Uint8Array;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
}

const P256_SPKI_PREFIX = '3059301306072a8648ce3d020106082a8648ce3d030107034200';

const made = new Map<string, KeyPair>();

/** P-256, follows from its name: anybody can compute it, and nothing may ever trust a root that is made here. */
function keyPair(name: string): KeyPair {
  const known = made.get(name);
  if (known !== undefined) return known;
  const secret = fixedBytes(`P-256 ${name}`, 32);
  const spki = Buffer.concat([fromHex(P256_SPKI_PREFIX), p256.getPublicKey(secret, false)]);
  const pair = { secret, spki };
  made.set(name, pair);
  return pair;
}

/** x ‖ y */
export const pointOf = (name: string): Uint8Array => keyPair(name).spki.subarray(-64);

/** r ‖ s. Deterministic (RFC 6979), so that what is made twice is the same. */
export const signRaw = (name: string, message: Uint8Array): Uint8Array =>
  p256.sign(message, keyPair(name).secret, { lowS: false });

const keyId = (name: string): Uint8Array => keyPair(name).spki.subarray(-20);

/** Intel's names but for the first part: whose certificate it is is decided by the root. */
const nameOf = (commonName: string): der.Der =>
  der.sequence(
    ...[
      ['2.5.4.3', commonName],
      ['2.5.4.10', 'Intel Corporation'],
      ['2.5.4.7', 'Santa Clara'],
      ['2.5.4.8', 'CA'],
      ['2.5.4.6', 'US'],
    ].map(([oid = '', value = '']) =>
      der.setOfOne(der.sequence(der.objectIdentifier(oid), der.utf8String(value))),
    ),
  );

const ECDSA_SHA256 = der.sequence(der.objectIdentifier('1.2.840.10045.4.3.2'));

export const ROOT = 'Intel SGX Root CA';
export const PROCESSOR_CA = 'Intel SGX PCK Processor CA';
export const PLATFORM_CA = 'Intel SGX PCK Platform CA';
export const PCK = 'Intel SGX PCK Certificate';
export const TCB_SIGNING = 'Intel SGX TCB Signing';

const DIGITAL_SIGNATURE = 0;
const NON_REPUDIATION = 1;
const KEY_CERT_SIGN = 5;
const CRL_SIGN = 6;

/** What a certificate says; every member can be wrong on purpose. Keys go by name. */
export interface CertificateShape {
  readonly subject: string;
  readonly issuer: string;
  readonly key: string;
  readonly issuerKey: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly ca: boolean;
  readonly pathLength: number | undefined;
  readonly usage: readonly number[];
  readonly moreExtensions: readonly der.Der[];
}

export function authorityShape(subject: string, key: string): CertificateShape {
  const isRoot = key === 'root';
  return {
    subject,
    issuer: ROOT,
    key,
    issuerKey: 'root',
    notBefore: NOW - YEAR_MS,
    notAfter: NOW + 20 * YEAR_MS,
    ca: true,
    pathLength: isRoot ? 1 : 0,
    usage: [KEY_CERT_SIGN, CRL_SIGN],
    moreExtensions: [],
  };
}

export function leafShape(subject: string, key: string): CertificateShape {
  return {
    subject,
    issuer: ROOT,
    key,
    issuerKey: 'root',
    notBefore: NOW - YEAR_MS,
    notAfter: NOW + 6 * YEAR_MS,
    ca: false,
    pathLength: undefined,
    usage: [DIGITAL_SIGNATURE, NON_REPUDIATION],
    moreExtensions: [],
  };
}

export const serialOf = (subject: string, key: string): Uint8Array => {
  const serial = fixedBytes(`${subject} ${key}`, 20);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial;
};

/** DER, signed by `issuerKey` whatever it says. */
export function intelCertificate(shape: CertificateShape): Uint8Array {
  const { subject, issuer, key, issuerKey, ca, pathLength } = shape;
  const constraints = ca ? [der.boolean(true)] : [];
  if (pathLength !== undefined) constraints.push(der.integer(Uint8Array.of(pathLength)));
  const toBeSigned = der.sequence(
    der.explicit(0, der.integer(Uint8Array.of(2))),
    der.integer(serialOf(subject, key)),
    ECDSA_SHA256,
    nameOf(issuer),
    der.sequence(der.time(new Date(shape.notBefore)), der.time(new Date(shape.notAfter))),
    nameOf(subject),
    keyPair(key).spki,
    der.explicit(
      3,
      der.sequence(
        extension('2.5.29.35', false, der.sequence(der.implicit(0, keyId(issuerKey)))),
        extension('2.5.29.14', false, der.octetString(keyId(key))),
        extension('2.5.29.15', true, der.namedBits(shape.usage)),
        extension('2.5.29.19', true, der.sequence(...constraints)),
        ...shape.moreExtensions,
      ),
    ),
  );
  return signedDer(toBeSigned, issuerKey);
}

function signedDer(toBeSigned: der.Der, key: string): Uint8Array {
  const signature = p256.sign(toBeSigned, keyPair(key).secret, { format: 'der', lowS: false });
  return Uint8Array.from(der.sequence(toBeSigned, ECDSA_SHA256, der.bitString(signature)));
}

/** What a revocation list says (RFC 5280 §5). */
export interface ListShape {
  readonly issuer: string;
  readonly key: string;
  readonly thisUpdate: number;
  /** Undefined leaves it out. */
  readonly nextUpdate: number | undefined;
  readonly revoked: readonly Uint8Array[];
}

export function intelList(shape: ListShape): Uint8Array {
  const entries = shape.revoked.map((serial) =>
    der.sequence(der.integer(serial), der.time(new Date(shape.thisUpdate))),
  );
  const toBeSigned = der.sequence(
    der.integer(Uint8Array.of(1)),
    ECDSA_SHA256,
    nameOf(shape.issuer),
    der.time(new Date(shape.thisUpdate)),
    ...(shape.nextUpdate === undefined ? [] : [der.time(new Date(shape.nextUpdate))]),
    ...(entries.length === 0 ? [] : [der.sequence(...entries)]),
    der.explicit(
      0,
      der.sequence(
        extension('2.5.29.20', false, der.integer(Uint8Array.of(1))),
        extension('2.5.29.35', false, der.sequence(der.implicit(0, keyId(shape.key)))),
      ),
    ),
  );
  return signedDer(toBeSigned, shape.key);
}

/** What the SGX extensions say; every member can be wrong on purpose. */
export interface PlatformShape {
  readonly ppid: Uint8Array;
  readonly components: readonly number[];
  readonly pceSvn: number;
  readonly pceId: Uint8Array;
  readonly fmspc: Uint8Array;
  readonly sgxType: number;
  readonly platformInstanceId: Uint8Array | undefined;
}

const SGX = '1.2.840.113741.1.13.1';

export function sgxExtensions(platform: PlatformShape): der.Der {
  const item = (path: string, value: der.Der): der.Der =>
    der.sequence(der.objectIdentifier(`${SGX}.${path}`), value);
  const number = (value: number): der.Der => der.integer(Uint8Array.of(value >> 8, value & 0xff));
  const tcb = [
    ...platform.components.map((svn, i) => item(`2.${String(i + 1)}`, number(svn))),
    item('2.17', number(platform.pceSvn)),
    item(
      '2.18',
      der.octetString(Uint8Array.from({ length: 16 }, (_, i) => platform.components[i] ?? 0)),
    ),
  ];
  return extension(
    SGX,
    false,
    der.sequence(
      item('1', der.octetString(platform.ppid)),
      item('2', der.sequence(...tcb)),
      item('3', der.octetString(platform.pceId)),
      item('4', der.octetString(platform.fmspc)),
      item('5', Uint8Array.of(0x0a, 1, platform.sgxType)),
      ...(platform.platformInstanceId === undefined
        ? []
        : [
            item('6', der.octetString(platform.platformInstanceId)),
            item(
              '7',
              der.sequence(item('7.1', der.boolean(false)), item('7.3', der.boolean(true))),
            ),
          ]),
    ),
  );
}
