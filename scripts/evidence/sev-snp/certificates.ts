// A PKI of AMD's shape that AMD never made: ARK, ASK, ASVK, VCEK, VLEK (57230, 58369) and the ARK's list.
import { constants, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import * as der from '../../../src/pkix/der.ts';
import { NOW, YEAR_MS } from '../bytes.ts';
import { extension } from '../certificates.ts';
import type { Product, Tcb } from './report.ts';

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const made = new Map<string, KeyPair>();

/** RSA-2048 where AMD has 4096: the rules are the same, and the keys of a run are made in a moment. */
export function rsaKey(name: string): KeyPair {
  const known = made.get(name) ?? generateKeyPairSync('rsa', { modulusLength: 2048 });
  made.set(name, known);
  return known;
}

export function ecKeyPair(name: string): KeyPair {
  const known = made.get(name) ?? generateKeyPairSync('ec', { namedCurve: 'P-384' });
  made.set(name, known);
  return known;
}

const SHA384 = der.sequence(der.objectIdentifier('2.16.840.1.101.3.4.2.2'), Uint8Array.of(5, 0));

/** RSASSA-PSS with SHA-384; AMD's authorities write the trailer although it is the default. */
export function pssAlgorithm(trailer: boolean, salt = 48): der.Der {
  const mgf1 = der.sequence(der.objectIdentifier('1.2.840.113549.1.1.8'), SHA384);
  const fields = [
    der.explicit(0, SHA384),
    der.explicit(1, mgf1),
    der.explicit(2, der.integer(Uint8Array.of(salt))),
    ...(trailer ? [der.explicit(3, der.integer(Uint8Array.of(1)))] : []),
  ];
  return der.sequence(der.objectIdentifier('1.2.840.113549.1.1.10'), der.sequence(...fields));
}

export function pssSign(message: Uint8Array, key: KeyObject): Uint8Array {
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return Uint8Array.from(sign('sha384', message, { key, padding, saltLength: 48 }));
}

const nameOf = (commonName: string): der.Der =>
  der.sequence(
    ...[
      ['2.5.4.11', 'Engineering'],
      ['2.5.4.10', 'Sealwright test, not AMD'],
      ['2.5.4.3', commonName],
    ].map(([oid = '', value = '']) =>
      der.setOfOne(der.sequence(der.objectIdentifier(oid), der.utf8String(value))),
    ),
  );

const keyId = (key: KeyPair): Uint8Array =>
  key.publicKey.export({ type: 'spki', format: 'der' }).subarray(-20);

export interface CertificateShape {
  readonly subject: string;
  readonly issuer: string;
  readonly key: KeyPair;
  readonly issuerKey: KeyPair;
  readonly serial: number;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly extensions: readonly der.Der[];
  readonly trailer: boolean;
}

export function amdCertificate(shape: CertificateShape): Uint8Array {
  const algorithm = pssAlgorithm(shape.trailer);
  const serial = Buffer.alloc(4);
  serial.writeUInt32BE(shape.serial);
  const toBeSigned = der.sequence(
    der.explicit(0, der.integer(Uint8Array.of(2))),
    der.integer(serial),
    algorithm,
    nameOf(shape.issuer),
    der.sequence(der.time(new Date(shape.notBefore)), der.time(new Date(shape.notAfter))),
    nameOf(shape.subject),
    shape.key.publicKey.export({ type: 'spki', format: 'der' }),
    der.explicit(3, der.sequence(...shape.extensions)),
  );
  const signature = pssSign(toBeSigned, shape.issuerKey.privateKey);
  return Uint8Array.from(der.sequence(toBeSigned, algorithm, der.bitString(signature)));
}

const KEY_CERT_SIGN = 5;
const CRL_SIGN = 6;

export interface AuthorityShape {
  readonly subject: string;
  readonly issuer: string;
  readonly key: KeyPair;
  readonly issuerKey: KeyPair;
  readonly serial: number;
  readonly usage?: readonly number[];
  readonly notBefore?: number;
  readonly notAfter?: number;
}

export const authority = (shape: AuthorityShape): Uint8Array => {
  const isRoot = shape.key === shape.issuerKey;
  const constraints = isRoot ? [] : [der.integer(Uint8Array.of(0))];
  return amdCertificate({
    notBefore: NOW - YEAR_MS,
    notAfter: NOW + 20 * YEAR_MS,
    trailer: true,
    ...shape,
    extensions: [
      extension(
        '2.5.29.15',
        true,
        der.namedBits(shape.usage ?? (isRoot ? [KEY_CERT_SIGN, CRL_SIGN] : [KEY_CERT_SIGN])),
      ),
      extension('2.5.29.14', false, der.octetString(keyId(shape.key))),
      ...(isRoot
        ? []
        : [extension('2.5.29.35', false, der.sequence(der.implicit(0, keyId(shape.issuerKey))))]),
      extension('2.5.29.19', true, der.sequence(der.boolean(true), ...constraints)),
    ],
  });
};

const ARC = '1.3.6.1.4.1.3704.1';

/** What a VCEK or VLEK says beyond X.509; every member can be wrong on purpose, or left out. */
export interface LeafData {
  readonly structVersion: number;
  readonly productName: string;
  readonly tcb: Tcb;
  readonly hwId: Uint8Array | undefined;
  readonly cspId: string | undefined;
  /** Number under the arc of levels, value: instead of or beside the usual ones. */
  readonly levels: Readonly<Record<number, number | undefined>>;
}

export function leafExtensions(data: LeafData, product: Product): der.Der[] {
  const { tcb } = data;
  const integer = (value: number): der.Der => der.integer(Uint8Array.of(value));
  const levels: Record<number, number | undefined> = {
    ...(product === 'Turin' ? { 9: tcb.fmc ?? 0 } : {}),
    ...{ 1: tcb.bl, 2: tcb.tee, 3: tcb.snp, 4: 0, 5: 0, 6: 0, 7: 0, 8: tcb.ucode },
    ...data.levels,
  };
  return [
    extension(`${ARC}.1`, false, integer(data.structVersion)),
    extension(`${ARC}.2`, false, ia5String(data.productName)),
    ...Object.entries(levels).flatMap(([number, level]) =>
      level === undefined ? [] : [extension(`${ARC}.3.${number}`, false, integer(level))],
    ),
    ...(data.hwId === undefined ? [] : [extension(`${ARC}.4`, false, data.hwId)]),
    ...(data.cspId === undefined ? [] : [extension(`${ARC}.5`, false, ia5String(data.cspId))]),
  ];
}

const ia5String = (text: string): der.Der =>
  Buffer.concat([Uint8Array.of(0x16, text.length), Buffer.from(text, 'latin1')]);

/** What a revocation list says (RFC 5280 §5). */
export interface ListShape {
  readonly issuer: string;
  readonly key: KeyPair;
  readonly thisUpdate: number;
  /** Undefined leaves it out. */
  readonly nextUpdate: number | undefined;
  readonly revoked: readonly number[];
}

export function revocationList(shape: ListShape): Uint8Array {
  const algorithm = pssAlgorithm(true);
  const entries = shape.revoked.map((serial) => {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(serial);
    return der.sequence(der.integer(number), der.time(new Date(shape.thisUpdate)));
  });
  const toBeSigned = der.sequence(
    der.integer(Uint8Array.of(1)),
    algorithm,
    nameOf(shape.issuer),
    der.time(new Date(shape.thisUpdate)),
    ...(shape.nextUpdate === undefined ? [] : [der.time(new Date(shape.nextUpdate))]),
    ...(entries.length === 0 ? [] : [der.sequence(...entries)]),
    der.explicit(
      0,
      der.sequence(extension('2.5.29.35', false, der.sequence(der.implicit(0, keyId(shape.key))))),
    ),
  );
  const signature = pssSign(toBeSigned, shape.key.privateKey);
  return Uint8Array.from(der.sequence(toBeSigned, algorithm, der.bitString(signature)));
}
