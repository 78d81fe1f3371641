import { afterAll, describe, expect, test } from 'vitest';
import {
  caseOf,
  hasVectors,
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
