import { describe, expect, test } from 'vitest';
import {
  MalformedEvidence,
  detectPlatformFormat,
  platformFormat,
} from '../../src/verifier/index.ts';
import {
  NOW,
  PLATFORM,
  dcapCase,
  hex,
  identifier,
  makeDcap,
  type Tee,
} from '../support/dcap/index.ts';
import { judgePlatform } from '../support/run-platform-vector.ts';

const bytesOf = (text: string): Uint8Array => Buffer.from(text);

describe('quotes that cannot be decoded', () => {
  const patched = (tee: Tee, at: number, ...bytes: number[]): Uint8Array => {
    const { quote } = makeDcap(tee);
    quote.set(bytes, at);
    return quote;
  };
  const v5 = (at: number, ...bytes: number[]): Uint8Array => {
    const { quote } = makeDcap('tdx', { quote: { version: 5, tdReport: '1.5' } });
    quote.set(bytes, at);
    return quote;
  };
  /** Of a quote of version 4 of a TD. */
  const SIGNATURE_DATA = 48 + 584;
  const OUTER = SIGNATURE_DATA + 4 + 128;
  const QE_REPORT = OUTER + 6;
  const AUTH = QE_REPORT + 384 + 64;
  const INNER = AUTH + 2 + 32;

  test.each([
    ['nothing', 'tdx', new Uint8Array(0), 'quote header: 48 bytes, and only 0 are left'],
    ['version 2', 'tdx', patched('tdx', 0, 2), 'quote version 2 is not known'],
    ['version 6', 'tdx', patched('tdx', 0, 6), 'quote version 6 is not known'],
    ['ECDSA with P-384', 'tdx', patched('tdx', 2, 3), 'attestation key type 3 is not 2'],
    ['another TEE', 'tdx', patched('tdx', 4, 0x82), 'TEE type 0x82 is neither SGX nor TDX'],
    ['a TD in a quote of version 3', 'tdx', patched('tdx', 0, 3), 'quotes of version 3 are of SGX'],
    ['another vendor', 'tdx', patched('tdx', 12, 0), 'is not Intel'],
    ['an enclave as a TD', 'tdx', makeDcap('sgx').quote, 'a quote of SGX, not of TDX'],
    ['a TD as an enclave', 'sgx', makeDcap('tdx').quote, 'a quote of TDX, not of SGX'],
    ['an unknown body', 'tdx', v5(48, 4), 'body type 4 is not known'],
    ['body type 0', 'tdx', v5(48, 0), 'body type 0 is not known'],
    ['an enclave’s body in a TD quote', 'tdx', v5(48, 1), 'body type and TEE type disagree'],
    ['a body of another size', 'tdx', v5(50, 0x47), 'body size 583, and its type has 648 bytes'],
    [
      'a body of 4 GiB',
      'tdx',
      v5(50, 0xff, 0xff, 0xff, 0xff),
      'body size 4294967295, and its type has 648 bytes',
    ],
    [
      'signature data of 4 GiB',
      'tdx',
      patched('tdx', SIGNATURE_DATA, 0xff, 0xff, 0xff, 0xff),
      'signature data: 4294967295 bytes, and only',
    ],
    [
      'signature data of 100 bytes',
      'tdx',
      patched('tdx', SIGNATURE_DATA, 100, 0, 0, 0),
      'attestation key: 64 bytes, and only 36 are left',
    ],
    ['no signature data', 'tdx', patched('tdx', SIGNATURE_DATA, 0, 0, 0, 0), 'quote signature: 64'],
    [
      'certification data of type 5 where type 6 belongs',
      'tdx',
      patched('tdx', OUTER, 5),
      'certification data type 5 is not 6',
    ],
    [
      'a QE report that reaches beyond its frame',
      'tdx',
      patched('tdx', OUTER + 2, 0xff, 0xff, 0, 0),
      'QE report certification data: 65535 bytes',
    ],
    [
      'a QE report that ends early',
      'tdx',
      patched('tdx', OUTER + 2, 0x80, 1, 0, 0),
      'QE report signature: 64 bytes, and only 0',
    ],
    [
      'authentication data of 64 KiB',
      'tdx',
      patched('tdx', AUTH, 0xff, 0xff),
      'QE authentication data: 65535 bytes',
    ],
    [
      'a PCK chain of 4 GiB',
      'tdx',
      patched('tdx', INNER + 2, 0xff, 0xff, 0xff, 0xff),
      'certification data: 4294967295 bytes',
    ],
    [
      'a PCK chain that ends before its frame',
      'tdx',
      patched('tdx', INNER + 2, 0x10, 0, 0, 0),
      'bytes follow the certification data',
    ],
    ['more than the limit', 'tdx', new Uint8Array(64 * 1024 + 1), 'larger than the limit'],
  ] as const)('%s', (_, name, bytes, problem) => {
    expect(() => platformFormat(name).decode(bytes)).toThrow(MalformedEvidence);
    expect(() => platformFormat(name).decode(bytes)).toThrow(problem);
  });

  const chain = (type: number, data: Uint8Array): Uint8Array =>
    makeDcap('tdx', { quote: { certification: { type, data } } }).quote;
  const pem = '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n';

  test.each([
    ['no certificate', new Uint8Array(0), '/certificationData: must be certificates in PEM'],
    ['text', bytesOf('PCK'), '/certificationData: must be certificates in PEM'],
    ['a certificate that is none', bytesOf(pem), '/certificationData/0: byte 2: ends too early'],
    ['six certificates', bytesOf(pem.repeat(6)), 'at most 5'],
    ['as many certificates as fit', bytesOf(pem.repeat(900)), 'at most 5'],
    ['DER that ends early', Uint8Array.of(0x30, 0x82, 0xff, 0xff, 1), 'neither PEM nor a certif'],
    ['six elements in DER', new Uint8Array(24).fill(0x30), 'neither PEM nor a certificate in DER'],
  ])('a PCK chain: %s', (_, data, problem) => {
    expect(() => platformFormat('tdx').decode(chain(5, data))).toThrow(problem);
  });

  test('every truncation is malformed, of each layout', () => {
    for (const [tee, version] of [
      ['sgx', 3],
      ['tdx', 4],
      ['tdx', 5],
    ] as const) {
      const { quote } = makeDcap(tee, { quote: { version, tdReport: '1.0' } });
      for (let length = 0; length < quote.byteLength; length += 1) {
        expect(
          () => platformFormat(tee).decode(quote.subarray(0, length)),
          `${String(version)}: ${String(length)}`,
        ).toThrow(MalformedEvidence);
      }
    }
  });
});

describe('what is said about a quote', () => {
  test('formats are told apart by the header', () => {
    expect(detectPlatformFormat(makeDcap('tdx').quote)?.name).toBe('tdx');
    expect(detectPlatformFormat(makeDcap('sgx').quote)?.name).toBe('sgx');
    const v5 = makeDcap('tdx', { quote: { version: 5, tdReport: '1.5' } }).quote;
    expect(detectPlatformFormat(v5)?.name).toBe('tdx');
    expect(detectPlatformFormat(v5.subarray(0, 40))).toBeUndefined();
    expect(detectPlatformFormat(new Uint8Array(5000))).toBeUndefined();
  });

  test('inspect shows measurements, flags by name, and the platform', () => {
    const format = platformFormat('tdx');
    const { quote } = makeDcap('tdx', { quote: { version: 5, tdReport: '1.5' } });
    const rows = new Map(format.describe(format.decode(quote)));

    expect(rows.get('TD report')).toBe('1.5');
    expect(rows.get('TDATTRIBUTES')).toBe('0000001000000000 (SEPT_VE_DISABLE)');
    expect(rows.get('PPID')).toBe(hex(PLATFORM.ppid));
    expect(rows.get('FMSPC')).toBe('90c06f000000');
    expect(rows.get('certification data')).toBe('type 5 (PCK certificate chain)');
    expect(rows.get('certificate 0')).toContain('CN=Intel SGX PCK Certificate');
    expect(rows.has('MRSERVICETD')).toBe(true);
    const sgx = platformFormat('sgx');
    const enclave = new Map(sgx.describe(sgx.decode(makeDcap('sgx').quote)));
    expect(enclave.get('attributes')).toBe('0500000000000000 (INIT, MODE64BIT)');
    expect(enclave.get('ISVPRODID')).toBe('7');
  });

  test('collateral: what is wanted, where it is, and what is missing', () => {
    const format = platformFormat('tdx');
    const { quote, collateral } = makeDcap('tdx');
    const evidence = format.decode(quote);
    const all = new Map(Object.entries(collateral));

    const none = format.collateralFor(evidence, new Map());
    expect(none.filter(({ required }) => required).map(({ name }) => name)).toEqual([
      'intel-tdx-tcb-90c06f000000.json',
      'intel-tcb-signing.pem',
      'intel-tdx-qe.json',
      'intel-pck-platform.crl',
      'intel-root.crl',
    ]);
    expect(none[0]?.publishedAt).toBe(
      'https://api.trustedservices.intel.com/tdx/certification/v4/tcb?fmspc=90c06f000000',
    );
    expect(none.every(({ present }) => !present)).toBe(true);
    const given = format.collateralFor(evidence, all);
    expect(given.filter(({ required, present }) => required && !present)).toEqual([]);
  });

  test('collateral for a quote that only names its platform', () => {
    const format = platformFormat('sgx');
    const data = identifier(PLATFORM.ppid);
    const { quote } = makeDcap('sgx', { quote: { certification: { type: 1, data } } });
    const wanted = format.collateralFor(format.decode(quote), new Map());

    expect(wanted.map(({ name }) => name)).toContain('intel-pck.pem');
    expect(wanted[0]?.name).toBe('intel-sgx-tcb-FMSPC.json');
  });
});

describe('clocks', () => {
  const DAY = 86_400_000;
  const platform = { collateralAge: { rule: 'skip', because: 'only the windows' } };

  test.each([
    ['the last second of everything', 28 * DAY, []],
    ['one second later', 28 * DAY + 1000, ['qe-identity-current', 'tcb-info-current']],
    ['the last second of the list', 29 * DAY, ['qe-identity-current', 'tcb-info-current']],
    [
      'one second later',
      29 * DAY + 1000,
      ['crl-current', 'qe-identity-current', 'tcb-info-current'],
    ],
    ['the first second of the list', -DAY, []],
    ['one second before', -DAY - 1000, ['crl-current']],
    [
      'before the documents',
      -2 * DAY - 1000,
      ['crl-current', 'qe-identity-current', 'tcb-info-current'],
    ],
    [
      'before the certificates',
      -365 * DAY - 1000,
      ['chain-validity', 'crl-current', 'qe-identity-current', 'tcb-info-current'],
    ],
    [
      'after the PCK certificate',
      6 * 365 * DAY + 1000,
      ['chain-validity', 'crl-current', 'qe-identity-current', 'tcb-info-current'],
    ],
  ])('%s (%d ms)', async (_, shift, failed) => {
    const outcome = await judgePlatform(dcapCase('tdx', { now: NOW + shift, platform }));

    expect([...outcome.failed].sort()).toEqual(failed);
  });
});
