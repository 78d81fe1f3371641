import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeVectors } from '../../scripts/vectors/evidence.ts';
import { bundleForBrowser } from '../support/browser-bundle.ts';
import { CHROMIUM, Chromium } from '../support/chromium.ts';
import {
  resolveCases,
  runEvidenceVector,
  type EvidenceInput,
  type Outcome,
} from '../support/run-evidence-vector.ts';

const hasChromium = existsSync(CHROMIUM);
if (!hasChromium) {
  process.stderr.write(
    `SKIPPED: no ${CHROMIUM}, so the verifier was not run in a browser (apt-get install chromium)\n`,
  );
}

test('the verifier is one script without any import, smaller than 256 KiB', async () => {
  const script = await bundleForBrowser('run-evidence-vector.ts');

  expect(script).not.toMatch(/\b(?:require|import)\s*\(|\bnode:|\bfetch\(|\beval\(/);
  process.stdout.write(
    `the verifier with its runner: ${String(Math.ceil(script.length / 1024))} KiB\n`,
  );
  expect(script.length).toBeLessThan(256 * 1024);
});

describe.skipIf(!hasChromium)('in Chromium', () => {
  let browser: Chromium | undefined;
  let script = '';

  beforeAll(async () => {
    script = await bundleForBrowser('run-evidence-vector.ts');
    browser = await Chromium.start();
  });
  afterAll(async () => {
    await browser?.stop();
  });

  const runThere = async (inputs: readonly EvidenceInput[]): Promise<readonly Outcome[]> => {
    const call = `(async () => {
      const outcomes = [];
      for (const input of ${JSON.stringify(inputs)}) outcomes.push(await sealwright.runEvidenceVector(input));
      return JSON.stringify(outcomes);
    })()`;
    return JSON.parse(String(await browser?.run(script, call))) as readonly Outcome[];
  };

  for (const { file, content } of makeVectors()) {
    test(`all vectors of ${file} have the verdicts that they have in Node`, async () => {
      const inputs = resolveCases(content.cases).map(({ input }) => input);
      const here: Outcome[] = [];
      for (const input of inputs) here.push(await runEvidenceVector(input));

      const there = await runThere(inputs);

      // JSON leaves undefined places out.
      expect(there).toEqual(JSON.parse(JSON.stringify(here)));
      process.stdout.write(`${file}: ${String(there.length)} cases in Chromium\n`);
    });
  }
});
