import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import * as der from '../../src/pkix/der.ts';
import { extension } from '../../scripts/evidence/index.ts';
import {
  checkRevocation,
  parseRevocationList,
  type RevocationIssuer,
} from '../../src/verifier/crl.ts';
import { DerReader } from '../../enclave/wire/x509/der.ts';
import { readSubjectPublicKeyInfo } from '../../enclave/wire/x509/public-key.ts';
import { ECDSA_P256_SHA256 } from '../../src/verifier/signature-profile.ts';
import { readName, type CertificateName } from '../../enclave/wire/x509/certificate.ts';

const DAY = 24 * 3_600_000;
const THIS = Date.UTC(2026, 10, 1);
const nameDer = (commonName: string): der.Der =>
  der.sequence(
    der.setOfOne(der.sequence(der.objectIdentifier('2.5.4.3'), der.utf8String(commonName))),
  );
const nameOf = (commonName: string): CertificateName =>
  readName(DerReader.open(nameDer(commonName), 1024));

const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const spkiOf = (key: KeyObject): Uint8Array =>
  Uint8Array.from(key.export({ type: 'spki', format: 'der' }));
const KEY_ID = createHash('sha1').update(spkiOf(authority.publicKey)).digest();

const ISSUER: RevocationIssuer = {
  subject: nameOf('SIMULATED authority'),
  publicKey: readSubjectPublicKeyInfo(spkiOf(authority.publicKey)),
  subjectKeyId: KEY_ID.toString('hex'),
  keyUsage: new Set([5, 6]),
};

const ECDSA_SHA256 = der.sequence(der.objectIdentifier('1.2.840.10045.4.3.2'));

interface ListShape {
  readonly version: der.Der | undefined;
  readonly inner: der.Der;
  readonly outer: der.Der;
  readonly issuer: string;
  readonly next: der.Der | undefined;
  readonly entries: readonly der.Der[];
  readonly extensions: readonly der.Der[];
  readonly key: KeyObject;
}

const entry = (serial: Uint8Array, ...more: readonly der.Der[]): der.Der =>
  der.sequence(der.integer(serial), der.time(new Date(THIS)), ...more);

function list(changes: Partial<ListShape> = {}): Uint8Array {
  const shape: ListShape = {
    version: der.integer(Uint8Array.of(1)),
    inner: ECDSA_SHA256,
    outer: ECDSA_SHA256,
    issuer: 'SIMULATED authority',
    next: der.time(new Date(THIS + 30 * DAY)),
    entries: [entry(Uint8Array.of(7))],
    extensions: [extension('2.5.29.35', false, der.sequence(der.implicit(0, KEY_ID)))],
    key: authority.privateKey,
    ...changes,
  };
  const signed = der.sequence(
    ...(shape.version === undefined ? [] : [shape.version]),
    shape.inner,
    nameDer(shape.issuer),
    der.time(new Date(THIS)),
    ...(shape.next === undefined ? [] : [shape.next]),
    ...(shape.entries.length === 0 ? [] : [der.sequence(...shape.entries)]),
    ...(shape.extensions.length === 0 ? [] : [der.explicit(0, der.sequence(...shape.extensions))]),
  );
  const signature = sign('sha256', signed, shape.key);
  return Uint8Array.from(der.sequence(signed, shape.outer, der.bitString(signature)));
}

/** `id: found` of all checks that failed. */
async function failed(
  bytes: Uint8Array | undefined,
  changes: { readonly issuer?: RevocationIssuer | undefined; readonly serial?: string } = {},
): Promise<readonly string[]> {
  const { checks } = await checkRevocation({
    id: 'crl',
    list: bytes,
    issuer: 'issuer' in changes ? changes.issuer : ISSUER,
    profile: ECDSA_P256_SHA256,
    certificates: [{ serial: changes.serial ?? '08', subject: nameOf('leaf') }],
  });
  return checks
    .filter(({ verdict }) => verdict !== 'affirming')
    .map(({ id, found }) => `${id}: ${found}`);
}

describe('revocation lists that say nothing against a certificate', () => {
  for (const [name, changes] of [
    ['one entry', {}],
    ['no entry', { entries: [] }],
    ['no extensions', { extensions: [] }],
    [
      'an entry with its reason',
      {
        entries: [
          entry(
            Uint8Array.of(7),
            der.sequence(extension('2.5.29.21', false, Uint8Array.of(10, 1, 1))),
          ),
        ],
      },
    ],
    ['a list until after 2050', { next: der.time(new Date(Date.UTC(2051, 0, 1))) }],
  ] as readonly (readonly [string, Partial<ListShape>])[]) {
    test(name, async () => {
      expect(await failed(list(changes))).toEqual([]);
    });
  }

  test('it holds from thisUpdate to nextUpdate', async () => {
    const { validity } = await checkRevocation({
      id: 'crl',
      list: list(),
      issuer: ISSUER,
      profile: ECDSA_P256_SHA256,
      certificates: [],
    });

    expect(validity).toEqual([
      {
        id: 'crl-current',
        what: 'list of CN=SIMULATED authority',
        notBeforeMs: THIS,
        notAfterMs: THIS + 30 * DAY,
      },
    ]);
  });
});

describe('revocation lists that are refused', () => {
  const pem = Buffer.from(
    `-----BEGIN X509 CRL-----\n${Buffer.from(list()).toString('base64')}\n-----END X509 CRL-----\n`,
  );
  for (const [name, bytes, expected] of [
    ['none', undefined, ['crl: missing']],
    ['an empty one', new Uint8Array(0), ['crl: empty']],
    [
      'noise',
      new Uint8Array(300).fill(0x5a),
      ['crl: unreadable: byte 0: expected tag 30, found 5a'],
    ],
    ['PEM where DER belongs', pem, ['crl: unreadable: byte 0: expected tag 30, found 2d']],
    [
      'a cut one',
      list().subarray(0, 100),
      ['crl: unreadable: byte 0: length reaches beyond the end'],
    ],
    ['one with more behind it', Uint8Array.from([...list(), 0]), [/trailing bytes/]],
    [
      'more than 128 KiB',
      new Uint8Array(128 * 1024 + 1),
      ['crl: unreadable: byte 0: larger than the limit'],
    ],
    ['version 1', list({ version: undefined }), [/expected tag 2/]],
    ['version 3', list({ version: der.integer(Uint8Array.of(2)) }), [/integer too large/]],
    [
      'two algorithms',
      list({ inner: der.sequence(der.objectIdentifier('1.2.840.10045.4.3.3')) }),
      [/two signature algorithms/],
    ],
    [
      'a negative serial',
      list({ entries: [der.sequence(Uint8Array.of(2, 1, 0x87), der.time(new Date(THIS)))] }),
      [/negative integer/],
    ],
    [
      'an entry that is no sequence',
      list({ entries: [der.integer(Uint8Array.of(7))] }),
      [/expected tag 30/],
    ],
    [
      'an entry without a date',
      list({ entries: [der.sequence(der.integer(Uint8Array.of(7)))] }),
      [/ends too early/],
    ],
    [
      'an empty sequence of entries',
      list({ entries: [], next: Uint8Array.from(der.sequence()) }),
      ['crl-next-update: no nextUpdate'],
    ],
    ['no nextUpdate', list({ next: undefined }), ['crl-next-update: no nextUpdate']],
    [
      'a nextUpdate before thisUpdate',
      list({ next: der.time(new Date(THIS - DAY)) }),
      ['crl-next-update: until 2026-10-31T00:00:00.000Z'],
    ],
    [
      'another issuer',
      list({ issuer: 'SIMULATED stranger' }),
      ['crl-issuer: CN=SIMULATED stranger'],
    ],
    ['another key', list({ key: stranger.privateKey }), ['crl-signature: not signed by it']],
    [
      'another key identifier',
      list({
        extensions: [
          extension('2.5.29.35', false, der.sequence(der.implicit(0, new Uint8Array(20)))),
        ],
      }),
      ['crl-issuer: another key of this name'],
    ],
    [
      'a critical extension: another scope, or a delta',
      list({ extensions: [extension('2.5.29.28', true, der.sequence())] }),
      ['crl-extensions: 2.5.29.28'],
    ],
    [
      'a critical extension of an entry: another issuer',
      list({
        entries: [
          entry(Uint8Array.of(7), der.sequence(extension('2.5.29.29', true, der.sequence()))),
        ],
      }),
      ['crl-extensions: 2.5.29.29'],
    ],
  ] as readonly (readonly [string, Uint8Array | undefined, readonly (string | RegExp)[]])[]) {
    test(name, async () => {
      const found = await failed(bytes);

      expect(found).toHaveLength(expected.length);
      for (const [i, one] of expected.entries()) expect(found[i]).toMatch(one);
    });
  }

  test('the certificate is in it', async () => {
    expect(await failed(list(), { serial: '07' })).toEqual(['crl-revoked: CN=leaf (07)']);
  });

  test('the issuer may not sign lists', async () => {
    const issuer = { ...ISSUER, keyUsage: new Set([5]) };
    expect(await failed(list(), { issuer })).toEqual(['crl-issuer: may not sign lists']);
  });

  test('the chain has no such issuer', async () => {
    expect(await failed(list(), { issuer: undefined })).toEqual([
      'crl-issuer: the chain has none',
      'crl-signature: not signed by it',
    ]);
  });

  test('every flipped bit of a small list is refused, none by an exception', async () => {
    const bytes = list();
    for (let bit = 0; bit < bytes.byteLength * 8; bit += 5) {
      const changed = Uint8Array.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(await failed(changed)).not.toEqual([]);
    }
  });

  test('the longest list that is read takes less than 50 ms', () => {
    const entries = Array.from({ length: 3500 }, (_, i) =>
      entry(Uint8Array.from([0x40, ...Buffer.from(String(i).padStart(15, '0'))])),
    );
    const long = list({ entries });
    expect(long.byteLength).toBeGreaterThan(110 * 1024);
    parseRevocationList(long);
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now();
      parseRevocationList(long);
      return performance.now() - start;
    });
    expect(Math.min(...times)).toBeLessThan(50);
  });
});
