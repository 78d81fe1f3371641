import { afterAll, describe, expect, test } from 'vitest';
import { VENDOR_ROOTS, decodePemCertificate, trustAnchor } from '../../src/verifier/index.ts';
import { isAnchorCertificate } from '../../src/verifier/trust-anchor.ts';
import {
  caseOf,
  hasVectors,
  readVector,
  sayWhereVectorsAre,
  titleOf,
  vectorIndex,
} from '../support/platform-vectors.ts';
import { UNUSED, VECTOR_ROWS } from '../support/platform-vectors/index.ts';
import { judgePlatform } from '../support/run-platform-vector.ts';

sayWhereVectorsAre();

const FORMATS: readonly string[] = ['nitro', 'sev-snp', 'tdx', 'sgx'];

describe.skipIf(!hasVectors)('platform vectors', () => {
  const index = vectorIndex();
  const rows = index.length === 0 ? [] : VECTOR_ROWS;

  for (const row of rows) {
    test(titleOf(row), async () => {
      const { verdict, failed, warned, place } = await judgePlatform(caseOf(row, index));

      expect({ verdict, failed: [...failed].sort(), place }).toEqual({
        verdict: row.verdict,
        failed: [...row.failed].sort(),
        place: row.place,
      });
      if (row.warned !== undefined) expect([...warned].sort()).toEqual([...row.warned].sort());
    });
  }

  test('every file of these formats has a row, and every row its file', () => {
    const evidence = new Set(rows.map(({ file }) => file));
    const collateral = new Set(rows.flatMap((row) => Object.values(row.collateral ?? {})));
    const files = index.filter(({ fmt }) => FORMATS.includes(fmt));
    const named = new Set([...evidence, ...collateral, ...Object.keys(UNUSED)]);

    expect(files.filter(({ file }) => !named.has(file)).map(({ file }) => file)).toEqual([]);
    expect(files.filter(({ kind, file }) => kind === 'evidence' && !evidence.has(file))).toEqual(
      [],
    );
    expect([...named].filter((file) => !index.some((one) => one.file === file))).toEqual([]);
    // What is called unused must not be used.
    expect(
      Object.keys(UNUSED).filter((file) => evidence.has(file) || collateral.has(file)),
    ).toEqual([]);
  });

  test('the compiled-in roots are what the vendors’ root certificates say', async () => {
    const files = [
      'aws-nitro-enclaves-root-g1.pem',
      'amd-milan-ark.der',
      'amd-genoa-ark.der',
      'amd-turin-ark.der',
      'intel-sgx-root-ca.pem',
      'intel-sgx-root-ca.pem',
    ];
    expect(VENDOR_ROOTS).toHaveLength(files.length);
    for (const [i, file] of files.entries()) {
      const bytes = readVector(`roots/${file}`);
      const text = Buffer.from(bytes).toString('latin1');
      const certificate = file.endsWith('.pem') ? decodePemCertificate(text) : bytes;
      const { parsed, ...root } = VENDOR_ROOTS[i] ?? trustAnchor('none', 'none', certificate);
      const real = trustAnchor(root.name, root.format, certificate).parsed;

      expect(await isAnchorCertificate({ parsed, ...root }, certificate)).toBe(true);
      expect(parsed.subject.raw).toEqual(real.subject.raw);
      expect(parsed.publicKey.raw).toEqual(real.publicKey.raw);
      expect(parsed.subjectKeyId).toBe(real.subjectKeyId);
      expect(parsed.basicConstraints).toEqual(real.basicConstraints);
      expect(parsed.signatureAlgorithm).toBe(real.signatureAlgorithm);
      expect([parsed.notBeforeMs, parsed.notAfterMs]).toEqual([real.notBeforeMs, real.notAfterMs]);
      for (const usage of parsed.keyUsage ?? []) expect(real.keyUsage).toContain(usage);
    }
  });

  test('three refusals to an acceptance, at least', () => {
    const accepted = rows.filter(({ verdict }) => verdict === 'affirming' || verdict === 'warning');

    expect(rows.length - accepted.length).toBeGreaterThanOrEqual(3 * accepted.length);
  });

  afterAll(() => {
    const files = new Set(rows.map(({ file }) => file));
    process.stdout.write(
      `platform vectors: ${String(rows.length)} rows over ${String(files.size)} pieces of evidence\n`,
    );
  });
});
