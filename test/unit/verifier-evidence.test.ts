import { describe, expect, test } from 'vitest';
import { signQuote } from '../../src/simulator/quote.ts';
import { drawPlatformPki } from '../../src/simulator/platform-pki.ts';
import {
  FORMATS,
  MAX_BUNDLE_BYTES,
  MalformedEvidence,
  appraise,
  decodeBundle,
  parseAppraisalPolicy,
  simulatedFormat,
  trustAnchor,
  verifyEvidence,
  verifyKeyList,
  verifyKeyStatement,
  type AppraisalInput,
  type VerifiedEvidence,
} from '../../src/verifier/index.ts';
import {
  KEYS,
  NONCE,
  NOW,
  REGISTERS,
  appraised,
  failedChecks,
  makeEvidence,
  makePolicy,
  makeStatement,
  seededNumbers,
  utf8,
  verified,
  type Json,
  type TestPlatform,
} from '../support/evidence-maker.ts';
import { runEvidenceVector } from '../support/run-evidence-vector.ts';

const policyDocument = makePolicy();
const policy = parseAppraisalPolicy(policyDocument);
const good = makeEvidence();
const goodBytes = utf8(good.text);
const asked = { now: NOW, nonce: NONCE };

/** The verdict over bytes, or `malformed`; anything else that is thrown is a bug. */
async function verdictOver(bytes: Uint8Array): Promise<string> {
  try {
    return appraise(await verifyEvidence(decodeBundle(bytes), policy), policy, asked).verdict;
  } catch (error) {
    if (error instanceof MalformedEvidence) return 'malformed';
    throw error;
  }
}

describe('claims', () => {
  const other: Readonly<Record<string, Json>> = {
    bootEpoch: 8,
    checkpoint: 'simulated/vectors\n1\nAAAA\n',
    hardening: ['no-network', 'own-uid', 'seccomp'],
    hostAssertedRings: ['kube'],
    issuedAt: NOW - 1000,
    logOrigin: 'simulated/other',
    notAfter: NOW + 1000,
    platform: 'tdx',
    policyVersion: 2,
    provisioning: 'adopt',
    simulated: false,
    soHolder: 'nobody',
    svn: 2,
    timeSource: 'tee',
    token: { manufacturer: 'x', model: 'y', serial: 'z', channel: 'scp03' },
    anchor: 'hsm',
  };
  const change = (name: string, value: Json): Json =>
    other[name] ?? (value as string).replace(/.$/, (digit) => (digit === '0' ? '1' : '0'));
  const alone = ['v', 'kind', 'suite'];
  const names = Object.keys(good.claims).filter((name) => !alone.includes(name));

  test.each(names)('%s, changed on the way, is found by the report data', async (name) => {
    const tampered = { [name]: change(name, good.claims[name] ?? '') };
    const result = await appraised({ tamperedClaims: tampered });

    expect(failedChecks(result)).toContain('report-data');
    expect(result.verdict).toBe('contraindicated');
  });

  test('another suite, with a key of its length, is found by the report data', async () => {
    const hpkeKey = '04'.repeat(65);
    const tampered = { suite: 'p256-hkdf-sha256-aes256gcm', hpkeKey };
    const result = await appraised({ tamperedClaims: tampered });

    expect(failedChecks(result)).toContain('report-data');
  });

  test('a nonce that was put into the claims is found by the report data', async () => {
    const nonce = Buffer.from(NONCE).toString('hex');
    const result = await appraised({ tamperedClaims: { nonce }, freshness: undefined });

    expect(failedChecks(result)).toEqual(['report-data']);
  });
});

describe('any bytes', () => {
  test('every truncation of a bundle is malformed', async () => {
    for (let length = 0; length < goodBytes.byteLength; length += 1) {
      expect(await verdictOver(goodBytes.subarray(0, length))).toBe('malformed');
    }
  });

  test('200 flipped bits are refused, none by an exception', async () => {
    const next = seededNumbers(20261122);
    const verdicts = new Map<string, number>();
    for (let i = 0; i < 200; i += 1) {
      const bytes = Uint8Array.from(goodBytes);
      const at = next() % bytes.byteLength;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (next() % 8));
      const verdict = await verdictOver(bytes);
      expect(['contraindicated', 'malformed'], `byte ${String(at)}`).toContain(verdict);
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    }
    expect(verdicts.get('contraindicated')).toBeGreaterThan(0);
  });

  test('200 flipped bits inside quote, certificates and signatures are refused', async () => {
    const next = seededNumbers(8785);
    const places = [...good.text.matchAll(/[0-9a-f]{128,}/g)];
    for (let i = 0; i < 200; i += 1) {
      const place = places[next() % places.length];
      const at = (place?.index ?? 0) + (next() % (place?.[0].length ?? 1));
      const digit = (parseInt(good.text.charAt(at), 16) ^ (1 << (next() % 4))).toString(16);
      const text = `${good.text.slice(0, at)}${digit}${good.text.slice(at + 1)}`;

      expect(['contraindicated', 'malformed']).toContain(await verdictOver(utf8(text)));
    }
  });

  const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
  test.each<[string, string]>([
    ['a million brackets', '['.repeat(1_000_000)],
    ['objects in objects', nested(100_000)],
    ['a bundle above the limit', `"${'a'.repeat(MAX_BUNDLE_BYTES)}"`],
    ['a text without an end', `"${'\\'.repeat(1_000_000)}`],
    ['half a million empty lists', `[${'[],'.repeat(300_000)}[]]`],
    [
      '10,000 endorsements',
      good.text.replace('"endorsements":[', `"endorsements":[${'"00",'.repeat(10_000)}`),
    ],
    [
      'a certificate of 400 KiB',
      good.text.replace('"endorsements":["', `"endorsements":["${'30'.repeat(400_000)}`),
    ],
  ])('%s: malformed, and quickly', async (_, text) => {
    const bytes = utf8(text);
    await verdictOver(goodBytes);
    const start = performance.now();

    expect(await verdictOver(bytes)).toBe('malformed');
    // Milliseconds on an idle machine; tests run beside others.
    expect(performance.now() - start).toBeLessThan(500);
  });

  test('decoding copies: the given bytes may change afterwards', async () => {
    const bytes = Uint8Array.from(goodBytes);
    const bundle = decodeBundle(bytes);
    bytes.fill(0);

    expect(appraise(await verifyEvidence(bundle, policy), policy, asked).verdict).toBe('warning');
  });
});

describe('the platform that dev runs on', () => {
  const drawn = drawPlatformPki(new Date(NOW));
  const [leaf, intermediate, root] = drawn.certificates;
  const platform: TestPlatform = {
    root,
    endorsements: [leaf, intermediate],
    attestationKey: { secret: new Uint8Array(48).fill(1), spki: new Uint8Array(0) },
  };
  const evidence = makeEvidence({ platform });

  /** The bundle with a quote by the platform's own writer. */
  async function quotedBy(root_: Uint8Array, debug = false): Promise<string> {
    const platformId = new Uint8Array(
      await crypto.subtle.digest('SHA-256', Uint8Array.from(root_)),
    );
    const quote = signQuote(
      {
        svn: 1,
        debug,
        platformId,
        registers: REGISTERS,
        reportData: Uint8Array.from(evidence.reportData),
      },
      drawn.attestationKey,
    );
    return evidence.text.replace(
      /"platformEvidence":"[0-9a-f]+"/,
      `"platformEvidence":"${Buffer.from(quote).toString('hex')}"`,
    );
  }

  const run = (
    bundle: string,
    ownPolicy = makePolicy({}, platform),
  ): ReturnType<typeof runEvidenceVector> =>
    runEvidenceVector({
      bundle,
      policy: ownPolicy,
      now: NOW,
      nonce: Buffer.from(NONCE).toString('hex'),
    });

  test('its quotes and certificates are accepted as simulated', async () => {
    expect(await run(await quotedBy(root))).toEqual({
      verdict: 'warning',
      failed: [],
      warned: ['simulated'],
      place: undefined,
    });
  });

  test('a debug quote is refused', async () => {
    expect((await run(await quotedBy(root, true))).failed).toEqual(['debug']);
  });

  test('nobody else’s root accepts it', async () => {
    expect((await run(await quotedBy(root), makePolicy())).failed).toContain('trust-anchor');
  });
});

describe('simulated', () => {
  test('no option and no claim makes a simulated root affirming', async () => {
    for (const claims of [{}, { simulated: false }, { platform: 'tdx' }, { logOrigin: 'real' }]) {
      const result = await appraised({ claims });
      expect(result.simulated).toBe(true);
      expect(['warning', 'contraindicated']).toContain(result.verdict);
    }
  });

  test('the reason for accepting it stands in the result', async () => {
    const { checks } = await appraised();

    expect(checks.find(({ id }) => id === 'simulated')?.reason).toContain('vectors');
  });
});

describe('every question is in the result', () => {
  test('ids stand once, and good and bad evidence are asked the same', async () => {
    const [whole, broken] = [await appraised(), await appraised({ endorsements: [] })];
    const ids = whole.checks.map(({ id }) => id);

    expect(new Set(ids).size).toBe(ids.length);
    expect(broken.checks.map(({ id }) => id)).toEqual(ids);
  });

  test('what was skipped is shown with its reason', async () => {
    const { checks } = await appraised(
      {},
      { cluster: { rule: 'skip', because: 'looking around' } },
    );

    expect(checks.find(({ id }) => id === 'cluster')).toMatchObject({
      verdict: 'none',
      reason: 'looking around',
    });
  });

  test('no text of an attester reaches a terminal unescaped', async () => {
    const { checks } = await appraised({ claims: { hostAssertedRings: ['kube'] } });

    for (const { expected, found, reason } of checks) {
      expect(`${expected}${found}${reason}`).not.toMatch(/[^\x20-\x7e’]/);
    }
  });
});

describe('calls that ask for nothing', () => {
  const none = undefined as unknown as string;
  test.each<[string, object]>([
    ['an empty nonce', { nonce: new Uint8Array(0) }],
    ['a nonce of 15 bytes', { nonce: new Uint8Array(15) }],
    ['a nonce of 65 bytes', { nonce: new Uint8Array(65) }],
    ['neither nonce nor reason', {}],
    ['an undefined nonce', { nonce: none }],
    ['both', { nonce: NONCE, noNonce: 'why' }],
    ['an empty reason', { noNonce: '' }],
    ['a blank reason', { noNonce: ' ' }],
    ['no time', { nonce: NONCE, now: Number.NaN }],
    ['a fraction of a millisecond', { nonce: NONCE, now: 0.5 }],
  ])('%s is an error', async (_, input) => {
    const evidence = await verified();

    expect(() => appraise(evidence, policy, { now: NOW, ...input } as AppraisalInput)).toThrow(
      RangeError,
    );
  });

  test('with nobody to trust, everything fails', async () => {
    const evidence = await verifyEvidence(decodeBundle(goodBytes), { trustAnchors: [] });

    expect(failedChecks(evidence)).toContain('trust-anchor');
    expect(evidence.simulated).toBe(true);
  });

  test.each([
    ['no name', '', simulatedFormat.name, good.platform.root],
    ['no format', 'root', '', good.platform.root],
    ['no certificate', 'root', simulatedFormat.name, new Uint8Array(0)],
    ['half a certificate', 'root', simulatedFormat.name, good.platform.root.subarray(0, 100)],
  ])('an anchor with %s is an error', (_, name, format, certificate) => {
    expect(() => trustAnchor(name, format, certificate)).toThrow(RangeError);
  });

  test('only verified evidence can be appraised', async () => {
    const forged = { ...(await verified()), checks: [] } as VerifiedEvidence;
    const { statement, signature } = makeStatement(good, KEYS[0] ?? expect.fail());
    const signed = { statement: utf8(statement), signature: Buffer.from(signature, 'hex') };

    expect(() => appraise(forged, policy, asked)).toThrow(TypeError);
    await expect(verifyKeyList([signed], forged, asked)).rejects.toThrow(TypeError);
    await expect(
      verifyKeyStatement(signed.statement, signed.signature, forged, { ring: 'builds', now: NOW }),
    ).rejects.toThrow(TypeError);
  });

  test('a format that was not asked for is not decoded', async () => {
    const input = { trustAnchors: policy.trustAnchors, formats: [] };

    await expect(verifyEvidence(decodeBundle(goodBytes), input)).rejects.toThrow(MalformedEvidence);
  });

  test('a root that the policy names for another format is refused', async () => {
    const document = JSON.stringify(policyDocument).replace(simulatedFormat.name, 'other/v1');
    const result = appraise(await verified(), parseAppraisalPolicy(JSON.parse(document)), asked);

    expect(failedChecks(result)).toEqual(['trust-anchor-accepted']);
  });

  test('evidence verified under a root that the policy does not name is refused', async () => {
    const elsewhere = parseAppraisalPolicy(makePolicy({ trustAnchors: { rule: 'vendor-roots' } }));
    const result = appraise(await verified(), elsewhere, asked);

    expect(failedChecks(result)).toEqual(['trust-anchor-accepted']);
  });
});

test('one verdict takes less than 20 ms', async () => {
  const batches: number[] = [];
  const runs = 8;
  for (let batch = 0; batch < 6; batch += 1) {
    const start = performance.now();
    for (let i = 0; i < runs; i += 1) expect(await verdictOver(goodBytes)).toBe('warning');
    batches.push((performance.now() - start) / runs);
  }
  // The quickest batch: what the others took longer is the work of other tests on the same cores.
  const each = Math.min(...batches);

  process.stdout.write(`one verdict: ${each.toFixed(1)} ms, ${String(FORMATS.length)} format(s)\n`);
  expect(each).toBeLessThan(20);
});
