import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NITRO_NONCE, makeNitro, nitroPolicy } from '../../scripts/evidence/nitro/index.ts';
import { NOW } from '../../scripts/evidence/index.ts';
import { DCAP_REFUSALS, dcapCase } from '../support/dcap/index.ts';
import { bundleForBrowser } from '../support/browser-bundle.ts';
import { CHROMIUM, Chromium } from '../support/chromium.ts';
import {
  caseOf,
  hasVectors,
  sayWhereVectorsAre,
  vectorIndex,
} from '../support/platform-vectors.ts';
import { VECTOR_ROWS } from '../support/platform-vectors/index.ts';
import {
  judgePlatform,
  type PlatformCase,
  type PlatformOutcome,
} from '../support/run-platform-vector.ts';
import { SNP_REFUSALS, snpCase } from '../support/sev-snp/index.ts';

const hasChromium = existsSync(CHROMIUM);
if (!hasChromium) {
  process.stderr.write(
    `SKIPPED: no ${CHROMIUM}, so no platform's evidence was verified in a browser (apt-get install chromium)\n`,
  );
}
sayWhereVectorsAre();

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe.skipIf(!hasChromium)('platform evidence in Chromium', () => {
  let browser: Chromium | undefined;
  let script = '';

  beforeAll(async () => {
    script = await bundleForBrowser('run-platform-vector.ts');
    browser = await Chromium.start();
  });
  afterAll(async () => {
    await browser?.stop();
  });

  /** All checks, with their texts, are the same here and there. */
  const expectSame = async (cases: readonly PlatformCase[]): Promise<void> => {
    const here: PlatformOutcome[] = [];
    for (const one of cases) here.push(await judgePlatform(one));
    const call = `(async () => {
      const outcomes = [];
      for (const one of ${JSON.stringify(cases)}) outcomes.push(await sealwright.judgePlatform(one));
      return JSON.stringify(outcomes);
    })()`;
    const there = JSON.parse(String(await browser?.run(script, call))) as unknown;

    // JSON leaves undefined places out.
    expect(there).toEqual(JSON.parse(JSON.stringify(here)));
  };

  test('evidence of test roots has the verdicts that it has in Node', () =>
    expectSame([
      {
        evidence: hex(makeNitro()),
        collateral: {},
        policy: nitroPolicy(),
        now: NOW,
        nonce: hex(NITRO_NONCE),
      },
      snpCase('Milan'),
      snpCase('Turin', { snp: { key: 'VLEK' } }),
    ]));

  test('every refusal of SEV-SNP is the one that it is in Node', () =>
    expectSame(
      Object.values(SNP_REFUSALS)
        .flat()
        .map(({ product = 'Milan', changes }) => snpCase(product, changes)),
    ));

  test('every refusal of TDX and SGX is the one that it is in Node', () =>
    expectSame([
      dcapCase('tdx'),
      dcapCase('tdx', { dcap: { quote: { version: 5, tdReport: '1.5' } } }),
      dcapCase('sgx'),
      ...Object.values(DCAP_REFUSALS)
        .flat()
        .map(({ tee = 'tdx', changes }) => dcapCase(tee, changes)),
    ]));

  for (const format of ['nitro', 'sev-snp', 'tdx', 'sgx']) {
    test.skipIf(!hasVectors)(
      `all vectors of ${format} have the verdicts that they have in Node`,
      async () => {
        const index = vectorIndex();
        const rows = VECTOR_ROWS.filter(({ file }) => file.startsWith(`${format}/`));

        await expectSame(rows.map((row) => caseOf(row, index)));
        process.stdout.write(`${format}: ${String(rows.length)} rows in Chromium\n`);
      },
    );
  }
});
