import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  AppraisalPolicyError,
  MalformedEvidence,
  detectPlatformFormat,
  parsePlatformPolicy,
  platformFormat,
} from '../../src/verifier/index.ts';
import { StrictJsonError, parseStrictJson } from '../../src/verifier/formats/dcap/strict-json.ts';
import {
  TCB_STATUSES,
  convergeTcb,
  type TcbStatus,
} from '../../src/verifier/formats/dcap/tcb-status.ts';
import {
  NOW,
  PLATFORM,
  dcapCase,
  dcapPolicy,
  hex,
  identifier,
  makeDcap,
  PLATFORM_MEMBERS,
  type Members,
  type Tee,
} from '../support/dcap/index.ts';
import { matchesSchema } from '../support/json-schema.ts';
import { judgePlatform } from '../support/run-platform-vector.ts';

const bytesOf = (text: string): Uint8Array => Buffer.from(text);

describe('strict JSON', () => {
  test('an object remembers its bytes, and members come out', () => {
    const inner = '{ "a" : [1, 22,{}] ,"b":"x\\n" }';
    const outer = parseStrictJson(bytesOf(` {"inner":${inner},"s":true,"n":null}\n`));
    const object = outer.object('inner');

    expect(Buffer.from(object.raw).toString()).toBe(inner);
    expect(object.list('a', 3).slice(0, 2)).toEqual([1, 22]);
    expect(object.string('b', /^x\n$/)).toBe('x\n');
    expect(() => outer.object('n')).toThrow(StrictJsonError);
    expect(() => object.list('a', 2)).toThrow('/inner/a: more than 2 items');
    expect(() => object.hex('b', 1)).toThrow(StrictJsonError);
    expect(() => object.integer('b', 1)).toThrow('/inner/b: expected an integer of at most 1');
  });

  test.each([
    ['nothing', ''],
    ['a list', '[]'],
    ['a text', '"a"'],
    ['a member twice', '{"a":1,"a":1}'],
    ['a member twice, in an object within', '{"o":{"a":1,"b":2,"a":1}}'],
    ['a trailing comma', '{"a":1,}'],
    ['a comma too many in a list', '{"a":[1,]}'],
    ['no comma', '{"a":1 "b":2}'],
    ['no colon', '{"a" 1}'],
    ['a name without quotes', '{a:1}'],
    ['single quotes', "{'a':1}"],
    ['a comment', '{"a":1/**/}'],
    ['two documents', '{}{}'],
    ['a negative number', '{"a":-1}'],
    ['a fraction', '{"a":1.0}'],
    ['an exponent', '{"a":1e2}'],
    ['a leading zero', '{"a":01}'],
    ['a number beyond 2^53', '{"a":9007199254740993}'],
    ['hexadecimal', '{"a":0x10}'],
    ['NaN', '{"a":NaN}'],
    ['an escaped name', '{"\\u0061":1}'],
    ['an escape that hides a letter', '{"a":"\\u0062"}'],
    ['a line break in a text', '{"a":"\n"}'],
    ['a letter outside ASCII', '{"a":"é"}'],
    ['a text without an end', '{"a":"b'],
    ['an object without an end', '{"a":{'],
    ['a byte order mark', '\ufeff{}'],
    ['a form feed between tokens', '{\f"a":1}'],
    ['nesting', `{"a":${'['.repeat(9)}${']'.repeat(9)}}`],
  ])('%s is refused', (_, text) => {
    expect(() => parseStrictJson(bytesOf(text))).toThrow(StrictJsonError);
  });

  test('bytes that are not UTF-8, and more than the limit', () => {
    expect(() => parseStrictJson(Uint8Array.of(0x7b, 0xff, 0x7d))).toThrow('/: not UTF-8');
    expect(() => parseStrictJson(new Uint8Array(256 * 1024 + 1))).toThrow('larger than the limit');
  });

  test('__proto__ is a member like any other', () => {
    const object = parseStrictJson(bytesOf('{"__proto__":{"tee":1}}'));

    expect(object.has('__proto__')).toBe(true);
    expect(object.has('tee')).toBe(false);
    expect(object.has('constructor')).toBe(false);
  });
});

/** Intel's quote verification library, convergeTcbStatus…: rows platform, columns what is out of date beside it. */
const WITH_OUT_OF_DATE: Readonly<Record<TcbStatus, TcbStatus>> = {
  UpToDate: 'OutOfDate',
  SWHardeningNeeded: 'OutOfDate',
  ConfigurationNeeded: 'OutOfDateConfigurationNeeded',
  ConfigurationAndSWHardeningNeeded: 'OutOfDateConfigurationNeeded',
  OutOfDate: 'OutOfDate',
  OutOfDateConfigurationNeeded: 'OutOfDateConfigurationNeeded',
  Revoked: 'Revoked',
};

describe('statuses converge', () => {
  const converge = (...statuses: TcbStatus[]): TcbStatus | undefined =>
    convergeTcb(statuses.map((status) => ({ status, advisories: [] })))?.status;

  test.each(TCB_STATUSES)('%s with good, old and revoked parts', (status) => {
    expect(converge(status)).toBe(status);
    expect(converge(status, 'UpToDate', 'UpToDate')).toBe(status);
    expect(converge(status, 'OutOfDate')).toBe(WITH_OUT_OF_DATE[status]);
    expect(converge('OutOfDate', status)).toBe(WITH_OUT_OF_DATE[status]);
    expect(converge(status, 'UpToDate', 'Revoked')).toBe('Revoked');
    expect(converge('Revoked', status)).toBe('Revoked');
  });

  test('the order never matters, and advisories are of all of them, once', () => {
    for (const a of TCB_STATUSES) {
      for (const b of TCB_STATUSES) expect(converge(a, b)).toBe(converge(b, a));
    }
    expect(
      convergeTcb([
        { status: 'UpToDate', advisories: ['INTEL-SA-00002', 'INTEL-SA-00001'] },
        { status: 'UpToDate', advisories: ['INTEL-SA-00001'] },
      ])?.advisories,
    ).toEqual(['INTEL-SA-00001', 'INTEL-SA-00002']);
    expect(convergeTcb([])).toBeUndefined();
  });
});

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

describe('policies', () => {
  const exception = { id: 'INTEL-SA-00615', notAfter: '2027-01-01T00:00:00Z', because: 'weighed' };
  const problemsOf = (policy: unknown): readonly string[] => {
    try {
      parsePlatformPolicy(policy);
    } catch (error) {
      if (!(error instanceof AppraisalPolicyError)) throw error;
      return error.problems.map(({ pointer, problem }) => `${pointer}: ${problem}`);
    }
    return [];
  };
  const { root } = makeDcap('tdx');
  const tdx = (platform: Members): Record<string, unknown> => dcapPolicy('tdx', root, {}, platform);
  const sgx = (around: Members, platform: Members = {}): Record<string, unknown> =>
    dcapPolicy('sgx', makeDcap('sgx').root, around, platform);
  const values = (of: Members): Members => ({
    measurements: { rule: 'require', anyOf: [{ name: 'ours', values: of }] },
  });

  const schema = JSON.parse(
    readFileSync(new URL('../../docs/schema/platform-policy.schema.json', import.meta.url), 'utf8'),
  ) as Members;
  /** As a file would have it: what is undefined is not there. */
  const fits = (policy: unknown): boolean =>
    matchesSchema(JSON.parse(JSON.stringify(policy)), schema);

  const skip = { rule: 'skip', because: 'not ours to ask' };
  test.each<readonly [string, Record<string, unknown>]>([
    ['a TD', tdx({})],
    ['an enclave', sgx({})],
    ['exceptions', tdx({ advisories: { rule: 'except', anyOf: [exception] } })],
    ['zeros', tdx({ trailingBytes: { rule: 'accept-zeros', because: 'the driver' } })],
    ['skips of a TD', tdx({ advisories: skip, evaluationNumber: skip, xfam: skip })],
    ['skips of an enclave', sgx({}, { collateralAge: skip, attributes: skip, isvSvn: skip })],
  ])('good: %s, by the schema too', (_, policy) => {
    expect(problemsOf(policy)).toEqual([]);
    expect(fits(policy)).toBe(true);
  });

  test.each(Object.keys(PLATFORM_MEMBERS.tdx))('tdx/%s cannot be left out', (name) => {
    expect(problemsOf(tdx({ [name]: undefined }))).toEqual([`/tdx/${name}: missing`]);
  });

  test.each(Object.keys(PLATFORM_MEMBERS.sgx))('sgx/%s cannot be left out', (name) => {
    expect(problemsOf(sgx({}, { [name]: undefined }))).toEqual([`/sgx/${name}: missing`]);
  });

  test.each([
    ['an unknown member', { tcb: {} }, '/tdx/tcb: unknown member'],
    [
      'no status',
      { tcbStatus: { rule: 'require', anyOf: [] } },
      '/tdx/tcbStatus/anyOf: must not be empty',
    ],
    [
      'a revoked platform',
      { tcbStatus: { rule: 'require', anyOf: ['UpToDate', 'Revoked'] } },
      '/tdx/tcbStatus/anyOf/1: must be UpToDate or',
    ],
    [
      'statuses skipped',
      { tcbStatus: { rule: 'skip', because: 'any' } },
      '/tdx/tcbStatus/rule: must be require',
    ],
    [
      'an exception without an end',
      { advisories: { rule: 'except', anyOf: [{ ...exception, notAfter: undefined }] } },
      '/tdx/advisories/anyOf/0/notAfter',
    ],
    [
      'an exception that nobody gives a reason for',
      { advisories: { rule: 'except', anyOf: [{ ...exception, because: ' ' }] } },
      '/tdx/advisories/anyOf/0/because: must be a text',
    ],
    [
      'an exception for everything',
      { advisories: { rule: 'except', anyOf: [{ ...exception, id: '*' }] } },
      '/tdx/advisories/anyOf/0/id: must be an advisory',
    ],
    [
      'an exception twice',
      { advisories: { rule: 'except', anyOf: [exception, exception] } },
      '/tdx/advisories/anyOf: says something twice',
    ],
    [
      'no exception',
      { advisories: { rule: 'except', anyOf: [] } },
      '/tdx/advisories/anyOf: must not be empty',
    ],
    [
      'a mask of zeros',
      { xfam: { rule: 'require', mask: '00'.repeat(8), value: '00'.repeat(8) } },
      '/tdx/xfam/mask: asks for nothing',
    ],
    [
      'a value outside the mask',
      { xfam: { rule: 'require', mask: `01${'00'.repeat(7)}`, value: `03${'00'.repeat(7)}` } },
      '/tdx/xfam/value: has a bit that the mask leaves out',
    ],
    [
      'a mask that is too short',
      { tdAttributes: { rule: 'require', mask: '01', value: '00'.repeat(8) } },
      '/tdx/tdAttributes/mask: must be 8 bytes',
    ],
    [
      'an age of nothing',
      { collateralAge: { rule: 'require', maxDays: 0 } },
      '/tdx/collateralAge/maxDays: must be an integer from 1',
    ],
    [
      'zeros accepted without a reason',
      { trailingBytes: { rule: 'accept-zeros' } },
      '/tdx/trailingBytes/because: missing',
    ],
    [
      'an evaluation skipped without a reason',
      { evaluationNumber: { rule: 'skip' } },
      '/tdx/evaluationNumber/because: missing',
    ],
  ])('%s', (_, platform, problem) => {
    expect(problemsOf(tdx(platform))[0]).toContain(problem);
    // What needs two values at once is beyond a schema.
    const beyond = /twice|asks for nothing|leaves out/.test(problem);
    expect(fits(tdx(platform))).toBe(beyond);
  });

  test('an enclave is named by itself, or by signer and product; the signer alone says too little', () => {
    const mrEnclave = '11'.repeat(32);
    const mrSigner = '22'.repeat(32);
    expect(problemsOf(sgx(values({ mrEnclave })))).toEqual([]);
    expect(problemsOf(sgx(values({ mrSigner, isvProdId: '0007' })))).toEqual([]);
    const missing = '/measurements/anyOf/0/values/mrEnclave: missing';
    expect(problemsOf(sgx(values({ mrSigner })))).toEqual([missing]);
    expect(problemsOf(sgx(values({ isvProdId: '0007' })))).toEqual([missing]);
    expect(problemsOf(sgx(values({})))).toContain(missing);
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
