import { describe, expect, test } from 'vitest';
import {
  NITRO_NONCE,
  NITRO_USER_DATA,
  makeNitro,
  nitroChain,
  nitroPolicy,
} from '../../scripts/evidence/nitro/index.ts';
import { NOW } from '../../scripts/evidence/index.ts';
import {
  PLATFORM_FORMATS,
  VENDOR_ROOTS,
  appraisePlatform,
  detectPlatformFormat,
  parsePlatformPolicy,
  platformFormat,
  trustAnchor,
  verifyPlatformEvidence,
  type PlatformAppraisalInput,
  type PlatformResult,
  type VerifiedPlatformEvidence,
} from '../../src/verifier/index.ts';
import { dcapCase } from '../support/dcap/index.ts';
import { unhex } from '../support/run-platform-vector.ts';
import { snpCase } from '../support/sev-snp/index.ts';

type Json = Record<string, unknown>;

const GOOD = nitroPolicy();
const binding = (parts: Json): Json => ({ binding: { ...(GOOD['binding'] as Json), ...parts } });

describe('the calls', () => {
  const policy = parsePlatformPolicy(GOOD);
  const verified = (): Promise<VerifiedPlatformEvidence> =>
    verifyPlatformEvidence(makeNitro(), policy);
  const judged = async (input: object, changes: Json = {}): Promise<PlatformResult> =>
    appraisePlatform(await verified(), parsePlatformPolicy({ ...GOOD, ...changes }), {
      now: NOW,
      ...input,
    } as PlatformAppraisalInput);

  for (const [name, input, changes, message] of [
    ['neither nonce nor a reason', {}, {}, /either a nonce/],
    ['both', { nonce: NITRO_NONCE, noNonce: 'x' }, {}, /either a nonce/],
    ['an empty reason', { noNonce: ' ' }, {}, /reason is empty/],
    ['an empty nonce', { nonce: new Uint8Array(0) }, {}, /8 to 1024 bytes/],
    ['a nonce of seven bytes', { nonce: new Uint8Array(7) }, {}, /8 to 1024 bytes/],
    ['a nonce of 1,025 bytes', { nonce: new Uint8Array(1025) }, {}, /8 to 1024 bytes/],
    [
      'bytes that the policy does not ask for',
      { noNonce: 'x', given: new Map([['userData', NITRO_NONCE]]) },
      {},
      /does not ask for userData/,
    ],
    [
      'no bytes where the policy asks for them',
      { noNonce: 'x' },
      binding({ userData: { rule: 'given' } }),
      /nothing for userData/,
    ],
    [
      'empty bytes',
      { noNonce: 'x', given: new Map([['userData', new Uint8Array(0)]]) },
      binding({ userData: { rule: 'given' } }),
      /userData is empty/,
    ],
    ['a time that is none', { noNonce: 'x', now: Number.NaN }, {}, /not a time/],
    ['a time before 1970', { noNonce: 'x', now: -1 }, {}, /not a time/],
  ] as const) {
    test(`refuse ${name}`, async () => {
      await expect(judged(input, changes)).rejects.toThrow(message);
    });
  }

  test('refuse a policy for another platform, and an object that nobody verified', async () => {
    const other = parsePlatformPolicy(snpCase('Milan').policy);
    const evidence = await verified();

    expect(() => appraisePlatform(evidence, other, { now: NOW, noNonce: 'x' })).toThrow(RangeError);
    expect(() => appraisePlatform({ ...evidence }, policy, { now: NOW, noNonce: 'x' })).toThrow(
      TypeError,
    );
  });

  test('given bytes are compared, whole', async () => {
    const rules = binding({ userData: { rule: 'given' } });
    const userData = NITRO_USER_DATA;
    const good = await judged({ noNonce: 'x', given: new Map([['userData', userData]]) }, rules);
    const bad = await judged(
      { noNonce: 'x', given: new Map([['userData', userData.subarray(1)]]) },
      rules,
    );

    expect(good.verdict).toBe('warning');
    expect(
      bad.checks.filter(({ verdict }) => verdict === 'contraindicated').map(({ id }) => id),
    ).toEqual(['binding/userData']);
  });

  test('no file of collateral is larger than 256 KiB, and there are at most 64', async () => {
    const large = new Map([['x', new Uint8Array(256 * 1024 + 1)]]);
    const many = new Map(Array.from({ length: 65 }, (_, i) => [String(i), new Uint8Array(1)]));
    for (const collateral of [large, many]) {
      await expect(verifyPlatformEvidence(makeNitro(), { ...policy, collateral })).rejects.toThrow(
        RangeError,
      );
    }
  });

  test('an unknown format is malformed, not a crash', () => {
    expect(() => platformFormat('sev')).toThrow(/expected one of nitro/);
    expect(() => platformFormat('__proto__')).toThrow(/expected one of nitro/);
  });
});

describe('formats and roots', () => {
  test('evidence of each format looks like that format and like no other', () => {
    const samples = [
      ['nitro', makeNitro()],
      ['nitro', makeNitro({ tagged: true, indefinite: true })],
      ['sev-snp', unhex(snpCase('Milan').evidence)],
      ['sev-snp', unhex(snpCase('Turin').evidence)],
      ['tdx', unhex(dcapCase('tdx').evidence)],
      ['sgx', unhex(dcapCase('sgx').evidence)],
    ] as const;
    for (const [name, bytes] of samples) {
      expect(
        PLATFORM_FORMATS.filter((format) => format.detect(bytes)).map((format) => format.name),
      ).toEqual([name]);
    }
    for (const bytes of [
      new Uint8Array(0),
      new Uint8Array(5000),
      Buffer.from('{}'),
      new Uint8Array(70_000),
    ]) {
      expect(detectPlatformFormat(bytes)).toBeUndefined();
    }
  });

  test('evidence of one format is malformed as another', () => {
    const samples = [
      makeNitro(),
      unhex(snpCase('Milan').evidence),
      unhex(dcapCase('tdx').evidence),
      unhex(dcapCase('sgx').evidence),
    ];
    for (const [i, format] of PLATFORM_FORMATS.entries()) {
      for (const [j, bytes] of samples.entries()) {
        if (i === j) expect(() => format.decode(bytes)).not.toThrow();
        else expect(() => format.decode(bytes)).toThrow(/./);
      }
    }
  });

  test('the compiled-in roots are those five, with the fingerprints that the vendors publish', () => {
    expect(
      VENDOR_ROOTS.map(({ format, fingerprint }) => `${format} ${fingerprint?.slice(0, 16) ?? ''}`),
    ).toEqual([
      'nitro 641a0321a3e244ef',
      'sev-snp 69d063b45344d26a',
      'sev-snp 4c6598d19c18719c',
      'sev-snp 1f084161a44bb6d9',
      'tdx 44a0196b2b99f889',
      'sgx 44a0196b2b99f889',
    ]);
    expect(Object.isFrozen(VENDOR_ROOTS)).toBe(true);
  });

  test('a test root with a vendor’s name is no vendor’s root', async () => {
    const [aws] = VENDOR_ROOTS;
    const { root } = nitroChain();
    const anchor = { ...trustAnchor('x', 'nitro', root), name: aws?.name ?? '' };
    const evidence = await verifyPlatformEvidence(makeNitro(), {
      format: 'nitro',
      trustAnchors: [anchor],
    });

    expect(evidence.simulated).toBe(true);
  });

  test('an anchor of one format vouches for no other', async () => {
    const anchor = trustAnchor('x', 'sev-snp', nitroChain().root);
    const evidence = await verifyPlatformEvidence(makeNitro(), {
      format: 'nitro',
      trustAnchors: [anchor],
    });

    expect(evidence.findings.anchor).toBeUndefined();
  });
});
