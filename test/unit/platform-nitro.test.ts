import { afterAll, describe, expect, test } from 'vitest';
import {
  NITRO_PCRS,
  NITRO_USER_DATA,
  cbor,
  makeNitro,
  nitroChain,
  raw,
  type NitroShape,
  type Writable,
} from '../../scripts/evidence/nitro/index.ts';
import { HOUR_MS, NOW, extension, testPlatform } from '../../scripts/evidence/index.ts';
import * as der from '../../src/pkix/der.ts';
import {
  MalformedEvidence,
  VENDOR_ROOTS,
  platformFormat,
  verifyPlatformEvidence,
} from '../../src/verifier/index.ts';
import { expectGood, expectRefused, member, tally } from '../support/nitro-cases.ts';

afterAll(() => {
  expect(tally.refused).toBeGreaterThanOrEqual(3 * tally.accepted);
});

describe('documents of this run’s roots', () => {
  test('untagged, of definite length', () => expectGood({}));
  test('tagged 18', () => expectGood({ tagged: true }));
  test('a payload of indefinite length', () => expectGood({ indefinite: true }));
  test('members that are absent where the NSM writes null', () =>
    expectGood(member('public_key', undefined)));
  test('32 registers', () =>
    expectGood(
      member(
        'pcrs',
        new Map(Array.from({ length: 32 }, (_, i) => [i, NITRO_PCRS.get(i) ?? new Uint8Array(48)])),
      ),
    ));
  test('a chain with one authority less', () => {
    const zonal = { issuer: 'SIMULATED nitro zonal', issuerKey: nitroChain().keyOf('zonal') };
    const chain = nitroChain('good', { leaf: zonal });
    return expectGood({ chain: { ...chain, bundle: chain.bundle.slice(0, -1) } });
  });
});

describe('documents that are refused', () => {
  test('the signature is another one', () =>
    expectRefused(['platform-signature'], {
      signature: (s) => s.map((byte, i) => (i === 9 ? byte ^ 1 : byte)),
    }));
  test('the signature is short', () =>
    expectRefused(['platform-signature'], { signature: (s) => s.subarray(1) }));
  test('the signature is DER', () =>
    expectRefused(['platform-signature'], {
      signature: (s) => der.sequence(der.integer(s.subarray(0, 48)), der.integer(s.subarray(48))),
    }));
  test('the signature is all zero', () =>
    expectRefused(['platform-signature'], { signature: () => new Uint8Array(96) }));
  test('no signature', () =>
    expectRefused(['platform-signature'], { signature: () => new Uint8Array(0) }));
  test('the payload was changed after signing', () =>
    expectRefused(['platform-signature', 'binding/userData'], {
      payload: (p) => {
        const changed = Buffer.from(p);
        const at = changed.indexOf(NITRO_USER_DATA) + 5;
        return Uint8Array.from(changed, (byte, i) => (i === at ? byte ^ 1 : byte));
      },
    }));

  for (const [name, shape] of [
    ['another algorithm', { headers: cbor(new Map([[1, -7]])) }],
    ['no algorithm', { headers: cbor(new Map()) }],
    ['an algorithm by name', { headers: cbor(new Map([[1, 'ES384']])) }],
    [
      'a header beside the algorithm',
      {
        headers: cbor(
          new Map([
            [1, -35],
            [4, 1],
          ]),
        ),
      },
    ],
    [
      'a critical header',
      {
        headers: cbor(
          new Map<Writable, Writable>([
            [1, -35],
            [2, [99]],
          ]),
        ),
      },
    ],
    ['an unprotected header', { unprotected: new Map([[4, 1]]) }],
    ['unprotected headers that are null', { unprotected: null }],
  ] as const) {
    test(`cose-headers: ${name}`, () => expectRefused(['cose-headers'], shape));
  }

  for (const [id, name, shape] of [
    [
      'module-id',
      'a document of an instance’s TPM',
      member('module_id', 'i-0123456789abcdef0-tpm0000000000000000'),
    ],
    ['module-id', 'something else', member('module_id', 'enclave')],
    ['digest', 'SHA256', member('digest', 'SHA256')],
    ['digest', 'lower case', member('digest', 'sha384')],
    [
      'timestamp-in-certificate',
      'signed before the certificate',
      member('timestamp', NOW - HOUR_MS - 1),
    ],
    ['payload-members', 'a member that nobody knows', member('override', 1)],
    [
      'register-lengths',
      'a register of 64 bytes',
      member('pcrs', new Map([...NITRO_PCRS, [7, new Uint8Array(64)]])),
    ],
  ] as const) {
    const also = name.startsWith('signed before') ? ['document-age'] : [];
    test(`${id}: ${name}`, () => expectRefused([id, ...also], shape));
  }

  test('timestamp: from the future', () =>
    expectRefused(['timestamp'], member('timestamp', NOW + 60_001)));
  test('document-age: older than the policy allows', () =>
    expectRefused(['document-age'], member('timestamp', NOW - 300_001)));
  test('chain-validity: before the certificate', () =>
    expectRefused(['chain-validity', 'timestamp'], {}, {}, { now: NOW - HOUR_MS - 1 }));
  test('chain-validity: after the certificate', () =>
    expectRefused(['chain-validity', 'document-age'], {}, {}, { now: NOW + 2 * HOUR_MS + 1 }));
});

const NO_ANCHOR = [
  'chain-algorithms',
  'chain-authority',
  'chain-extensions',
  'chain-key-ids',
  'chain-key-usage',
  'chain-names',
  'chain-path-length',
  'chain-signatures',
  'sent-root',
  'trust-anchor',
  'trust-anchor-accepted',
];
const POLICY_WITH_VENDOR_ROOTS = {
  trustAnchors: { rule: 'vendor-roots' },
  simulated: { rule: 'refuse' },
};

describe('chains', () => {
  test('a root of our own is not AWS’s', () =>
    expectRefused([...NO_ANCHOR, 'simulated'], {}, POLICY_WITH_VENDOR_ROOTS));

  test('another order than AWS’s: the root last', () => {
    const chain = nitroChain();
    return expectRefused(NO_ANCHOR, {
      chain: { ...chain, bundle: chain.bundle.toReversed() },
    });
  });

  test('another root in the first place', () => {
    const chain = nitroChain();
    const bundle = [nitroChain('other').root, ...chain.bundle.slice(1)];
    return expectRefused(['sent-root'], { chain: { ...chain, bundle } });
  });

  test('another leaf, of another platform', () => {
    const chain = nitroChain();
    const [leaf] = testPlatform('other').endorsements;
    return expectRefused(
      ['chain-names', 'chain-signatures', 'chain-key-ids', 'platform-signature'],
      { chain: { ...chain, leaf } },
    );
  });

  for (const [id, name, changes] of [
    [
      'chain-authority',
      'an issuer that is no authority',
      { instance: { authority: { ca: false } } },
    ],
    ['chain-authority', 'a leaf that is an authority', { leaf: { authority: { ca: true } } }],
    [
      'chain-path-length',
      'more authorities than one allows',
      { zonal: { authority: { ca: true, pathLength: 0 } } },
    ],
    ['chain-key-usage', 'a leaf that may only certify', { leaf: { usage: [5] } }],
    ['chain-key-usage', 'an issuer that may only sign', { regional: { usage: [0] } }],
    [
      'chain-extensions',
      'an unknown critical extension',
      {
        zonal: { moreExtensions: [extension('1.2.3.4', true, Uint8Array.of(5, 0))] },
      },
    ],
    ['chain-key-ids', 'another key identifier', { zonal: { authorityKeyId: new Uint8Array(20) } }],
  ] as const) {
    test(`${id}: ${name}`, () => {
      const chain = nitroChain('good', changes);
      return expectRefused([id], { chain });
    });
  }

  test('chain-validity: an authority that has expired', () =>
    expectRefused(['chain-validity'], {
      chain: nitroChain('good', { instance: { notAfter: NOW - 1000 } }),
    }));

  test('chain-names: an issuer of another name', () =>
    expectRefused(['chain-names'], {
      chain: nitroChain('good', { instance: { issuer: 'SIMULATED somebody' } }),
    }));

  test('no bundle at all', () => expectRefused(NO_ANCHOR, member('cabundle', null)));
  test('an empty bundle', () => expectRefused(NO_ANCHOR, member('cabundle', [])));
});

describe('documents that can’t be decoded', () => {
  const many = (count: number): Writable[] =>
    Array.from({ length: count }, () => Uint8Array.of(0x30, 0));
  const nested = (levels: number): Uint8Array =>
    Uint8Array.from([...new Array<number>(levels).fill(0x81), 0]);
  const pcrsWith = (key: Writable, value: Writable): Partial<NitroShape> =>
    member('pcrs', new Map<Writable, Writable>([...NITRO_PCRS, [key, value]]));

  for (const [name, place, shape] of [
    ['nothing', '', { document: () => new Uint8Array(0) }],
    ['noise', '', { document: () => new Uint8Array(4000).fill(0x5a) }],
    ['a trailing byte', '', { document: (d) => Uint8Array.from([...d, 0]) }],
    [
      'a payload that lies about its length',
      '',
      { document: (d) => d.map((byte, i) => (i === 8 ? 0xff : byte)) },
    ],
    ['64 KiB', '', { document: () => new Uint8Array(65_536) }],
    ['1 MiB', '', { document: () => new Uint8Array(2 ** 20) }],
    ['a million levels', '', { document: () => new Uint8Array(60_000).fill(0x81) }],
    ['a payload of many levels', '/payload', { payload: () => nested(9000) }],
    ['a payload that is a list', '/payload', { payload: () => Uint8Array.of(0x80) }],
    [
      'a payload of 2^32 members',
      '/payload',
      { payload: () => Uint8Array.of(0xba, 255, 255, 255, 255) },
    ],
    ['an empty payload', '/payload', { payload: () => new Uint8Array(0) }],
    ['a trailing byte in the payload', '/payload', { payload: (p) => Uint8Array.from([...p, 0]) }],
    [
      'a member twice',
      '/payload',
      {
        payload: (p) =>
          Uint8Array.from([(p[0] ?? 0) + 1, ...p.subarray(1), 0x65, ...Buffer.from('nonce'), 0xf6]),
      },
    ],
    ['no module id', '/payload/module_id', member('module_id', undefined)],
    ['an empty module id', '/payload/module_id', member('module_id', '')],
    ['no digest', '/payload/digest', member('digest', null)],
    ['no time', '/payload/timestamp', member('timestamp', undefined)],
    ['time zero', '/payload/timestamp', member('timestamp', 0)],
    ['a negative time', '/payload/timestamp', member('timestamp', -1)],
    ['a time that is a float', '/payload', member('timestamp', raw('fb3ff0000000000000'))],
    ['a time beyond 2^53', '/payload', member('timestamp', raw('1bffffffffffffffff'))],
    ['no registers', '/payload/pcrs', member('pcrs', undefined)],
    ['an empty map of registers', '/payload/pcrs', member('pcrs', new Map())],
    ['register 32', '/payload/pcrs', pcrsWith(32, new Uint8Array(48))],
    ['register -1', '/payload/pcrs', pcrsWith(-1, new Uint8Array(48))],
    ['a register with a name', '/payload/pcrs', pcrsWith('0', new Uint8Array(48))],
    ['a register of 47 bytes', '/payload/pcrs/3', pcrsWith(3, new Uint8Array(47))],
    ['a register of no bytes', '/payload/pcrs/3', pcrsWith(3, new Uint8Array(0))],
    ['a register that is null', '/payload/pcrs/3', pcrsWith(3, null)],
    ['a register that is a text', '/payload/pcrs/3', pcrsWith(3, '0'.repeat(48))],
    ['no certificate', '/payload/certificate', member('certificate', undefined)],
    ['an empty certificate', '/payload/certificate', member('certificate', new Uint8Array(0))],
    [
      'a certificate of 1,025 bytes',
      '/payload/certificate',
      member('certificate', new Uint8Array(1025)),
    ],
    [
      'a certificate that is noise',
      '/payload/certificate',
      member('certificate', new Uint8Array(500).fill(0x30)),
    ],
    ['a bundle that is a map', '/payload/cabundle', member('cabundle', new Map())],
    ['a bundle with a text', '/payload/cabundle/0', member('cabundle', ['x'])],
    ['a bundle with noise', '/payload/cabundle/0', member('cabundle', [Uint8Array.of(1, 2)])],
    ['a bundle of nine', '/payload/cabundle', member('cabundle', many(9))],
    ['a bundle of 3,000', '/payload', member('cabundle', many(3000))],
    ['a bundle of 10,000', '', member('cabundle', many(10_000))],
    ['user data of 1,025 bytes', '/payload/user_data', member('user_data', new Uint8Array(1025))],
    ['a nonce of 1,025 bytes', '/payload/nonce', member('nonce', new Uint8Array(1025))],
    ['an empty public key', '/payload/public_key', member('public_key', new Uint8Array(0))],
    ['a nonce that is a text', '/payload/nonce', member('nonce', 'nonce')],
  ] as readonly (readonly [string, string, Partial<NitroShape>])[]) {
    test(name, async () => {
      const document = makeNitro(shape);
      const input = { format: 'nitro', trustAnchors: VENDOR_ROOTS } as const;
      const start = performance.now();
      const refusal: unknown = await verifyPlatformEvidence(document, input).catch(
        (error: unknown) => error,
      );

      expect(performance.now() - start).toBeLessThan(50);
      expect(refusal).toMatchObject({ name: 'MalformedEvidence', place });
      tally.refused += 1;
    });
  }

  test('every truncation', () => {
    const document = makeNitro();
    const format = platformFormat('nitro');
    for (let length = 0; length < document.byteLength; length += 1) {
      expect(() => format.decode(document.subarray(0, length))).toThrow(MalformedEvidence);
    }
    tally.refused += document.byteLength;
  });
});
